"""The simulator's traffic as its analytics say it in the end, and what cfmtctl evidence says: minute by minute."""
import json
import time
import urllib.request
from calendar import timegm
from collections import namedtuple

from httpd import wait_for
from pair import MICRO

WEB, MAIL, HALF, V6 = "198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24", "2001:db8::/32"
LIKE = {WEB: "198.51.100.%", MAIL: "192.0.2.%", HALF: "203.0.113.%", V6: "2001:db8:%"}
MINUTE = 60
HOUR = 3600
LAG = 300
PPS, BPS = 2000, 20e6
BY_TRAFFIC = r"CFMT093[67]: (an attack that no alert told of|attack \S+ is back, by traffic)"
QUERY = """query($a: string!, $from: Time!, $to: Time!) { viewer { accounts(filter: {accountTag: $a}) {
  rows: magicTransitNetworkAnalyticsAdaptiveGroups(limit: 10000, filter: {datetime_geq: $from, datetime_lt: $to,
    ipDestinationSubnet_like: $like}, orderBy: [datetimeMinute_ASC]) {
    sum { packets bits } dimensions { datetimeMinute outcome mitigationSystem } } } } }"""

# Of one minute: packets and bits that dosd and flowtrackd dropped, packets that passed, rows that are no pass.
Minute = namedtuple("Minute", "packets bits passed rows")
NOTHING = Minute(0, 0, 0, 0)


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds_of(text):
    return timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def rows_of(pair, like, begin, end):
    body = {"query": QUERY.replace("$like", json.dumps(like)),
            "variables": {"a": pair.sim.account, "from": stamp(begin), "to": stamp(end)}}
    request = urllib.request.Request(pair.sim.graphql, json.dumps(body).encode(), {
        "Authorization": "Bearer " + pair.sim.tokens["account"], "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        doc = json.load(answer)
    assert not doc.get("errors"), doc
    rows = doc["data"]["viewer"]["accounts"][0]["rows"]
    assert len(rows) < 10000
    return rows


def add(minute, row):
    packets, bits, dims = row["sum"]["packets"], row["sum"]["bits"], row["dimensions"]
    if dims["outcome"] == "pass":
        return minute._replace(passed=minute.passed + packets)
    minute = minute._replace(rows=minute.rows + 1)
    if dims["mitigationSystem"] not in ("dosd", "flowtrackd"):
        return minute
    return minute._replace(packets=minute.packets + packets, bits=minute.bits + bits)


def asked(pair, like, begin, end):
    """What analytics say now: {minute: Minute}."""
    found = {}
    for start in range(int(begin), int(end), HOUR):
        for row in rows_of(pair, like, start, min(start + HOUR, end)):
            at = seconds_of(row["dimensions"]["datetimeMinute"])
            found[at] = add(found.get(at, NOTHING), row)
    return found


def verdict(minute, passed_pps=None):
    """DOMAIN: attack at one of the thresholds, calm below the half of all, else between."""
    shares = [minute.packets / MINUTE / PPS, minute.bits / MINUTE / BPS]
    if passed_pps:
        shares.append(minute.passed / MINUTE / passed_pps)
    return "attack" if max(shares) >= 1 else "calm" if max(shares) < 0.5 else "between"


def shown(pair, cidr, since="12h"):
    """{minute: verdict} as cfmtctl tells, unknown ones too."""
    minutes = {}
    for span in pair.ctl("evidence", cidr, "--since", since)["minutes"]:
        for at in range(seconds_of(span["from"]), seconds_of(span["to"]), MINUTE):
            minutes[at] = span["verdict"]
    return minutes


def known_until(pair, cidr):
    """End of the newest known minute."""
    end = pair.server.query("SELECT max(until) FROM evidence WHERE prefix = ?", cidr)[0][0]
    return (end or 0) // MICRO


def compare(pair, cidr, begin, end, gaps=False, like=None, passed_pps=None):
    """Every minute between; what is unknown only where gaps are expected. Returns the counts of verdicts."""
    minutes, counts = shown(pair, cidr, "26h"), {}  # before the truth, which may only grow
    truth = asked(pair, like or LIKE[cidr], begin, end)
    for at in range(int(begin), int(end), MINUTE):
        want, got = verdict(truth.get(at, NOTHING), passed_pps), minutes.get(at, "unknown")
        counts[got] = counts.get(got, 0) + 1
        assert got == want or (gaps and got == "unknown"), (cidr, stamp(at), got, want, truth.get(at))
    return counts


def advertised_at(pair, cidr):
    """The minute of the announcement; None before it is known."""
    at = pair.server.query("SELECT advertised_at FROM prefix WHERE cidr = ? AND advertised = 1", cidr)
    return at[0][0] // MICRO // MINUTE * MINUTE if at else None


def advertise(pair, *cidrs):
    """Announces these; the first whole minute in which all of them are, and when that is known here."""
    for cidr in cidrs:
        pair.sim.prefix(cidr, advertised=True, delay=0)
    wait_for(lambda: all(advertised_at(pair, c) for c in cidrs), 30, "the announcements")
    return max(advertised_at(pair, c) for c in cidrs) + MINUTE


def wait_known(pair, until, *cidrs, limit=60):
    wait_for(lambda: min(known_until(pair, c) for c in cidrs) >= until, limit,
             f"evidence until {stamp(until)}: {pair.job('traffic')}")


def wait_time(pair, at, limit=60):
    wait_for(lambda: pair.now() >= at, limit, "the time")


def attack(pair, name, rate, target=None, **how):
    """Packets from now on; rate 0 stops them. No alert tells of them: the log may say so."""
    pair.server.log.allow(BY_TRAFFIC)
    pair.sim.control("POST", "/attacks/" + name, dict(how, rate=rate, **({"target": target} if target else {})))


def reasons(pair):
    """{id: text} of what /mt-health says."""
    return {r["id"]: r["text"] for r in pair.health()["reasons"]}


def wait_reasons(pair, want, limit=40):
    try:
        wait_for(lambda: set(reasons(pair)) == set(want), limit, f"the reasons {want}")
    except AssertionError as e:
        raise AssertionError(f"{e}: {reasons(pair)}; {pair.job('traffic')}") from None
    return reasons(pair)
