"""Traffic as evidence: what the store says of each minute is what analytics say of it in the end, whatever happened
on the way; unknown where nobody could look, and never calm where there was an attack."""
import json
import os
import signal
import time
import urllib.request
from calendar import timegm

from httpd import wait_for
from pair import MICRO, Scene, scenes

WEB, HALF, V6 = "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"
MINUTE = 60
LAG = 300
PPS, BPS = 2000, 20e6
QUERY = """query($a: string!, $from: Time!, $to: Time!) { viewer { accounts(filter: {accountTag: $a}) {
  rows: magicTransitNetworkAnalyticsAdaptiveGroups(limit: 10000, filter: {datetime_geq: $from, datetime_lt: $to,
    ipDestinationSubnet_like: $like}, orderBy: [datetimeMinute_ASC]) {
    sum { packets bits } dimensions { datetimeMinute outcome mitigationSystem } } } } }"""


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def asked(pair, like, begin, end):
    """What analytics say now of these minutes: {minute: [packets, bits]} of what dosd and flowtrackd dropped."""
    body = {"query": QUERY.replace("$like", json.dumps(like)),
            "variables": {"a": pair.sim.account, "from": stamp(begin), "to": stamp(end)}}
    request = urllib.request.Request(pair.sim.graphql, json.dumps(body).encode(), {
        "Authorization": "Bearer " + pair.sim.tokens["valid"], "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        doc = json.load(answer)
    assert not doc.get("errors"), doc
    rows = doc["data"]["viewer"]["accounts"][0]["rows"]
    assert len(rows) < 10000
    found = {}
    for row in rows:
        d = row["dimensions"]
        if d["outcome"] == "drop" and d["mitigationSystem"] in ("dosd", "flowtrackd"):
            total = found.setdefault(d["datetimeMinute"], [0, 0])
            total[0] += row["sum"]["packets"]
            total[1] += row["sum"]["bits"]
    return found


def verdict(packets, bits):
    pps, bps = packets / MINUTE, bits / MINUTE
    if pps >= PPS or bps >= BPS:
        return "attack"
    return "calm" if pps < PPS / 2 and bps < BPS / 2 else "between"


def shown(pair, cidr):
    """{minute: verdict} as cfmtctl tells, unknown ones too."""
    minutes = {}
    for span in pair.ctl("evidence", cidr, "--since", "12h")["minutes"]:
        begin, end = (timegm(time.strptime(span[k][:19], "%Y-%m-%dT%H:%M:%S")) for k in ("from", "to"))
        for at in range(begin, end, MINUTE):
            minutes[at] = span["verdict"]
    return minutes


def known_until(pair, cidr):
    got = [m for m, v in shown(pair, cidr).items() if v != "unknown"]
    return max(got) if got else 0


def compare(pair, cidr, like, begin, end, gaps=False):
    """Every minute between; what is unknown only where gaps are expected. Returns the counts of verdicts."""
    truth, minutes, counts = asked(pair, like, begin, end), shown(pair, cidr), {}
    for at in range(begin, end, MINUTE):
        want, got = verdict(*truth.get(stamp(at), (0, 0))), minutes.get(at, "unknown")
        counts[got] = counts.get(got, 0) + 1
        assert got == want or (gaps and got == "unknown"), (stamp(at), got, want, truth.get(stamp(at)))
    return counts


def advertised_at(pair, cidr):
    at = pair.server.query("SELECT advertised_at FROM prefix WHERE cidr = ? AND advertised = 1", cidr)
    return at[0][0] // MICRO // MINUTE * MINUTE if at else None


def play(pair, until, do=None):
    """The scenario single-attack, and after each of its minutes in do what stands there."""
    pair.server.log.allow(r"CFMT0868")  # its webhooks go nowhere: they are taken from the history
    pair.start()
    begin = pair.now()
    pair.sim.control("POST", "scenario", {"name": "single-attack"})
    for minute, act in sorted((do or {}).items()):
        wait_for(lambda: pair.now() >= begin + minute * MINUTE, 60, "the time")
        act(pair)
    wait_for(lambda: advertised_at(pair, WEB), 30, "the prefix to be advertised")
    since = advertised_at(pair, WEB)
    wait_for(lambda: known_until(pair, WEB) >= begin + until * MINUTE, 60,
             f"evidence: {pair.job('traffic')}")
    return since, int(begin + until * MINUTE) // MINUTE * MINUTE


def single_attack(pair):
    """Each minute since the announcement, the attack's and the calm ones behind it."""
    since, end = play(pair, 24)
    counts = compare(pair, WEB, "198.51.100.%", since, end)
    assert counts["attack"] >= 8 and counts["calm"] >= 5, counts
    # nothing is said of the time before, although nothing was dropped then
    before = [v for m, v in shown(pair, WEB).items() if m < since]
    assert set(before) <= {"unknown"}
    peak = max(s["pps"] for s in pair.ctl("evidence", WEB, "--since", "12h")["minutes"] if s["verdict"] == "attack")
    assert 500000 < peak < 1500000, peak
    strip = pair.server.ctl("evidence", WEB, "--since", "1h").stdout
    assert "#" in strip and "." in strip and "? unknown" in strip


def blind_for_a_while(pair):
    """Analytics fail in the middle of it, each in another way: what was missed is read later, nothing reads as calm
    meanwhile, and nothing is counted twice by another leader or after a restart."""
    pair.server.log.allow(r"CFMT0850: job (traffic|tunnels|limits)")

    def fail(kind, **how):
        return lambda p: (p.sim.clear(), p.sim.fault("graphql", kind, **how))

    def kill(p):
        os.kill(p.server.leaders()[0], signal.SIGKILL)
        p.server.log.allow(r"exit signal Killed")

    since, end = play(pair, 26, {
        6: fail("errors", message="unable to execute query, please try again later"), 8: fail("empty"),
        10: fail("partial"), 12: lambda p: p.sim.clear(), 13: kill, 15: fail("truncated"), 17: lambda p: p.sim.clear(),
        18: lambda p: p.reload()})
    wait_for(lambda: "unknown" not in [shown(pair, WEB).get(m, "unknown") for m in range(since, end, MINUTE)], 40,
             "the missed minutes to be caught up")
    counts = compare(pair, WEB, "198.51.100.%", since, end)
    assert counts["attack"] >= 8 and counts["calm"] >= 5, counts


def nothing_is_advertised(pair):
    """Then nothing is asked, and nothing is known."""
    pair.start()
    pair.run("traffic")
    assert pair.job("traffic")["result"] == "nothing is advertised"
    assert pair.server.query("SELECT count(*) FROM evidence") == [(0,)]
    assert pair.server.query("SELECT count(*) FROM journal WHERE kind = 'evidence'") == [(0,)]
    assert set(shown(pair, WEB).values()) == {"unknown"}


def wide_and_nested(pair):
    """A v6 /32 is a sum without its subnets; noise of single samples is calm."""
    pair.start()
    for cidr in (V6, HALF):
        pair.sim.prefix(cidr, advertised=True)
    wait_for(lambda: advertised_at(pair, V6) and advertised_at(pair, HALF), 30, "the announcements")
    since = max(advertised_at(pair, V6), advertised_at(pair, HALF)) + MINUTE
    wait_for(lambda: min(known_until(pair, c) for c in (V6, HALF)) >= since + 10 * MINUTE, 60, "evidence")
    for cidr, like in ((V6, "2001:db8:%"), (HALF, "203.0.113.%")):
        counts = compare(pair, cidr, like, since, since + 10 * MINUTE)
        assert counts == {"calm": 10}, (cidr, counts)


@scenes(Scene(single_attack, takes=18, speed=120), Scene(blind_for_a_while, takes=20, speed=120),
        Scene(nothing_is_advertised, takes=4), Scene(wide_and_nested, takes=14, speed=120))
def test_evidence(scene):
    scene()
