"""Cloudflare's address ranges: who may deliver follows what was read, in every child."""
from client import attack, post
from httpd import SLOWER, wait_for
from pair import DAY, MICRO, Scene, scenes

REMOTEIP = "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1"
NEW, OLD = ("45.90.28.0/22", "45.90.29.1"), ("131.0.72.0/22", "131.0.73.1")
OLDER = ("197.234.240.0/22", "197.234.241.1")  # as OLD in the simulator's list
GRACE = 7 * DAY
SOON = 8  # real seconds after the reading; a child looks at most every 5 s
CHILDREN = 6


def sent_by(pair, address):
    return post(pair.server, attack(), headers={"X-Forwarded-For": address}).status


def everywhere(pair, address, status):
    """Every child answers so. Each connection goes to the next idle one: a long row of them meets all."""
    def agreed():
        return all(sent_by(pair, address) == status for _ in range(6 * CHILDREN))

    wait_for(agreed, SOON * SLOWER, f"{status} for {address} in every child")


def set_ranges(pair, **changes):
    pair.sim.control("POST", "/ranges", changes)


def listed(pair):
    now = pair.sim.control("GET", "/ranges")
    return now["ipv4_cidrs"], now["ipv6_cidrs"]


def start(pair):
    pair.server.cfmt[2] = pair.own[2] = "CfmtSenders cloudflare"
    pair.start()
    pair.park()


def come_and_go(pair):
    start(pair)
    v4, _ = listed(pair)
    assert [sent_by(pair, r[1]) for r in (NEW, OLD, OLDER)] == [403, 200, 200]
    set_ranges(pair, ipv4=[c for c in v4 if c not in (OLD[0], OLDER[0])] + [NEW[0]])
    pair.succeed("ranges")
    everywhere(pair, NEW[1], 200)
    for cidr, address in (OLD, OLDER):
        assert pair.server.query("SELECT gone_at FROM range WHERE cidr = ?", cidr)[0][0], cidr
        everywhere(pair, address, 200)  # it delivers for a week more
    shown = pair.server.ctl("ranges").stdout
    assert all(r[0] in shown for r in (NEW, OLD, OLDER))

    for age, cidr in ((GRACE - 3600, OLD[0]), (GRACE + 3600, OLDER[0])):
        pair.write("UPDATE range SET gone_at = ? WHERE cidr = ?", [(int((pair.now() - age) * MICRO), cidr)])
    pair.succeed("ranges")
    everywhere(pair, OLDER[1], 403)
    everywhere(pair, OLD[1], 200)
    everywhere(pair, NEW[1], 200)


def absurd(pair):
    """Refused as a whole, and the old ones stay."""
    start(pair)
    log, before = pair.server.log, pair.known()
    v4, v6 = listed(pair)
    log.allow(r"cfmt:warn\].*CFMT0850: job ranges failed \(answer\): .*; the ranges stay as they are; tried again in")
    for words, changes in {
            "10.0.0.0/8 is not of the public network": {"ipv4": v4 + ["10.0.0.0/8"]},
            "fe80::/20 is not of the public network": {"ipv6": v6 + ["fe80::/20"]},
            "0.0.0.0/0 is shorter than /8": {"ipv4": v4 + ["0.0.0.0/0"]},
            "2400::/12 is shorter than /20": {"ipv6": v6 + ["2400::/12"]},
            "only 4 IPv4 ranges": {"ipv4": v4[:4]},
            "only 1 IPv6 ranges": {"ipv6": v6[:1]},
            "ranges are gone": {"ipv4": [f"45.{n}.0.0/16" for n in range(20)], "ipv6": v6[:4]},
            "no IPv4 network": {"ipv4": v4 + ["104.16.0.1/13"]}}.items():
        set_ranges(pair, ipv4=v4, ipv6=v6)
        set_ranges(pair, **changes)
        job = pair.run("ranges")[0]
        assert job["fails"] and job["result"].startswith("answer: ") and words in job["result"], job
        assert pair.known() == before, words
    assert log.count("CFMT0850") == 1  # one kind of trouble, told once
    set_ranges(pair, ipv4=v4, ipv6=v6)
    pair.succeed("ranges")
    log.wait("CFMT0851: job ranges works again after", 5)
    assert pair.known() == before and sent_by(pair, OLD[1]) == 200


OPTIONS = {"mpm": "prefork", "modules": ["remoteip"], "extra": REMOTEIP}


@scenes(Scene(come_and_go, takes=12, **OPTIONS), Scene(absurd, **OPTIONS))
def test_ranges(scene):
    scene()
