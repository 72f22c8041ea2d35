"""What changes at Cloudflare, and by whom: journal rows, log lines; what vanishes, and what only seems to."""
import json
import time

from client import post
from httpd import wait_for
from pair import MICRO, Scene, scenes

WEB, MAIL, V6 = "198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def line(cidr, state, who):
    since = "" if state == "of unknown state" else f" since {TIME}"
    return rf"cfmt:notice\].*CFMT0860: prefix {cidr} is {state}{since} \(changed by: {who}\)"


def shown(pair, cidr):
    return next(p for p in pair.ctl("prefixes", "--all")["prefixes"] if p["prefix"] == cidr)


def missing(pair, cidr):
    """For how many seconds no reading has listed it."""
    since = pair.server.query("SELECT r.read_at FROM reading r JOIN prefix p ON p.id = r.id"
                              " WHERE r.kind = 'missing' AND p.cidr = ?", cidr)
    return pair.now() - since[0][0] / MICRO if since and since[0][0] else 0


def quiet(pair):
    """From now on it reads only what it is told to."""
    pair.start()
    pair.succeed()
    pair.park()


def read(pair):
    """The journal's prefix rows that a reading adds; a second reading adds none."""
    before = len(pair.states())
    pair.succeed("prefixes")
    found = pair.states()[before:]
    pair.succeed("prefixes")
    pair.park()
    assert len(pair.states()) == before + len(found), pair.states()
    return found


def alert(pair, cidr, status="Advertised"):
    """Cloudflare's word that it advertised a prefix, as it is delivered."""
    now = int(pair.now())
    body = {"name": "auto", "text": "auto", "ts": now, "account_id": pair.sim.account, "policy_id": "f" * 32,
            "policy_name": "auto", "alert_type": "fbm_auto_advertisement",
            "data": {"rule_name": "volumetric-v4", "attack_type": "UDP Flood",
                     "advertise_status": [{"prefix": cidr, "status": status}],
                     "start_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))}}
    post(pair.server, json.dumps(body).encode()).stored()
    pair.server.wait_projected()


def the_dashboard(pair):
    """One row and one line for each change, and none when nothing changes."""
    quiet(pair)
    for wish, state in ((True, "advertised"), (False, "withdrawn")):
        mark = pair.server.log.size()
        real = pair.sim.prefix(WEB, advertised=wish)
        rows = read(pair)
        assert [(o, b["cidr"], b["advertised"]) for o, b in rows] == [("external", WEB, wish)]
        assert pair.server.log.count(line(WEB, state, "external"), mark) == 1
        assert pair.server.log.count("CFMT0860", mark) == 1
        now = shown(pair, WEB)
        assert (now["state"], now["changed_by"]) == (state, "external")
        assert now["advertised_at"] == real["on_demand"]["advertised_modified_at"]
    assert [p["changed_by"] for p in pair.ctl("prefixes")["prefixes"] if p["prefix"] != WEB] == [None] * 4


def whatever_else_changes(pair):
    """Lock, BGP control, approval, automatic withdrawal: a row, and no line, for nothing is announced otherwise."""
    quiet(pair)
    mark = pair.server.log.size()
    for change, name, values in (("locked", "locked", (True, False)), ("bgp_control", "bgp_control", (True, False)),
                                 ("approved", "approved", (False, True)),
                                 ("auto_advertise_withdraw", "auto_withdraw", (True, False))):
        for value in values:
            pair.sim.prefix(V6, **{change: value})
            assert [(o, b["cidr"]) for o, b in read(pair)] == [("external", V6)]
            assert shown(pair, V6)[name] is value
    assert pair.server.log.count("CFMT0860", mark) == 0
    pair.sim.prefix(V6, enabled=False)
    assert [(o, b["cidr"]) for o, b in read(pair)] == [("external", V6)]
    assert shown(pair, V6)["state"] == "unknown" and shown(pair, V6)["on_demand"] is False
    assert pair.server.log.count(line(V6, "of unknown state", "external"), mark) == 1


def cloudflare_itself(pair):
    """An alert that says so explains the change, before or after it is read; another prefix's alert does not."""
    quiet(pair)
    log = pair.server.log
    alert(pair, WEB)
    pair.sim.prefix(WEB, advertised=True, by="auto-advertise")
    assert [(o, b["cidr"]) for o, b in read(pair)] == [("auto-advertise", WEB)]
    assert log.count(line(WEB, "advertised", "auto-advertise")) == 1

    pair.sim.prefix(MAIL, advertised=True, by="auto-advertise")
    assert [(o, b["cidr"]) for o, b in read(pair)] == [("external", MAIL)]
    assert log.count(line(MAIL, "advertised", "external")) == 1
    alert(pair, MAIL, status="Could not advertise")
    assert not read(pair)
    alert(pair, MAIL)
    assert [(o, b["cidr"], b["advertised"]) for o, b in read(pair)] == [("auto-advertise", MAIL, True)]
    assert shown(pair, MAIL)["changed_by"] == "auto-advertise"

    pair.sim.prefix(V6, advertised=True)
    assert [(o, b["cidr"]) for o, b in read(pair)] == [("external", V6)]
    assert log.count("changed by:") == 3


def a_prefix_that_vanishes(pair):
    """Is gone after a quarter of an hour without it, and not before."""
    quiet(pair)  # or it may vanish between two calls of one reading, which is a failure of that one
    log = pair.server.log
    log.expect(rf"cfmt:warn\].*CFMT0861: prefix {MAIL} is no longer in the account: not listed for 1\d+m(\d+s)?$")
    pair.sim.control("DELETE", "/prefixes/" + MAIL)
    removed = pair.now()
    pair.succeed("prefixes")
    assert not shown(pair, MAIL)["gone"] and shown(pair, MAIL)["missing_at"] and missing(pair, MAIL) > 0
    last = "SELECT at FROM journal WHERE kind = 'prefix_state' AND origin = 'external'"
    at = wait_for(lambda: pair.server.query(last), 20, "the prefix to be gone")[0][0] / MICRO
    assert at - removed >= 900
    pair.server.wait_projected()
    assert shown(pair, MAIL)["gone"]
    pair.succeed("prefixes")
    assert len(pair.states(MAIL)) == 2 and log.count("CFMT0861") == 1


def an_empty_answer_may_be_a_lie(pair):
    """For ten minutes, twice, with one true answer between: nothing is gone."""
    pair.start()
    pair.succeed()
    before, mark = pair.known(), pair.server.log.size()
    for _ in range(2):
        for path in ("/addressing/prefixes", "/magic/"):
            pair.sim.fault("rest", "empty", path=path)
        pair.sleep(600)
        assert missing(pair, WEB) > 400 and shown(pair, WEB)["missing_age_seconds"] > 400
        pair.park()
        pair.sim.clear()
        pair.succeed("prefixes", "tunnels")
        assert missing(pair, WEB) == 0
    assert pair.known() == before
    assert pair.server.log.count(r"CFMT08\d\d", mark) == 0


def a_tunnel_fails_and_works_again(pair):
    pair.start()
    pair.succeed()
    pair.park()
    log = pair.server.log
    for health, state, level, was in ((0.5, "degraded", "warn", "up"), (0, "down", "warn", "degraded"),
                                      (1, "up", "notice", "down")):
        if level == "warn":
            log.expect(rf"cfmt:warn\].*CFMT0864: ipsec tunnel cf-ipsec-fra is {state}, was {was}$")
        pair.sim.control("POST", "/tunnels/cf-ipsec-fra", {"health": health})
        pair.sleep(11 * 60)  # health is that of the last ten minutes
        pair.succeed("tunnels")
        pair.park()
        found = next(t for t in pair.ctl("tunnels")["tunnels"] if t["name"] == "cf-ipsec-fra")
        assert found["state"] == state and found["health"] == health, found
        log.wait(rf"cfmt:{level}\].*CFMT0864: ipsec tunnel cf-ipsec-fra is {state}, was {was}", 5)
    assert log.count("CFMT0864") == 3


@scenes(Scene(the_dashboard, speed=60), Scene(whatever_else_changes, speed=60), Scene(cloudflare_itself, speed=60),
        Scene(a_prefix_that_vanishes, speed=600), Scene(an_empty_answer_may_be_a_lie, speed=600),
        Scene(a_tunnel_fails_and_works_again, speed=600))
def test_changes(scene):
    scene()
