"""A simulated day of random faults and changes: nothing is asked too often, and the truth is known soon after."""
import os
import random
import time

import pytest

from httpd import SLOWER, wait_for
from pair import ALL, MICRO, Scene, scenes

SEED = int(os.environ.get("CFMT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
KINDS = {
    "slow": {"ms": 200}, "reset": {}, "truncated": {}, "length": {"by": -5}, "html": {}, "garbage": {}, "5xx": {},
    "429": {"retry_after": 120}, "401": {}, "403": {}, "errors": {}, "empty": {}, "hang": {}, "date": {"seconds": -600},
    "partial": {}, "no-accounts": {}}
PLACES = ("", "/addressing", "/bgp/prefixes", "/magic", "/alerting", "/mnm", "/tokens", "/ips")
ON_DEMAND = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")


def disturb(pair, chance):
    """One thing happens: a fault begins or all end, or somebody changes something."""
    what = chance.random()
    if what < 0.5:
        kind = chance.choice(sorted(KINDS))
        upstream = "graphql" if kind in ("partial", "no-accounts") else chance.choice(("rest", "rest", "graphql"))
        pair.sim.fault(upstream, kind, path=chance.choice(PLACES) if upstream == "rest" else "",
                       count=chance.choice((None, 1, 3)), **KINDS[kind])
    elif what < 0.75:
        pair.sim.clear()
    else:
        change(pair, chance)


def change(pair, chance):
    prefix = chance.choice(ON_DEMAND)
    change_to = chance.choice(("advertised", "locked", "bgp_control", "health", "rule"))
    if change_to == "health":
        pair.sim.control("POST", "/tunnels/" + chance.choice(("cf-gre-zrh", "cf-ipsec-fra", "cf-cni-zrh")),
                         {"health": chance.choice((0, 0.5, 1))})
    elif change_to == "rule":
        rules = pair.sim.control("GET", "/rules")
        rules[0]["prefixes"] = sorted(chance.sample(ON_DEMAND[:3], chance.randrange(1, 4)))
        pair.sim.control("POST", "/rules", rules)
    else:
        pair.sim.prefix(prefix, **{change_to: chance.random() < 0.5})


def truth(pair):
    """What the simulator knows of prefixes, rules and lists of tunnels, in the form of our tables."""
    state = pair.sim.state()
    prefixes = [(c, demand["advertised"], demand["on_demand_locked"], p["bgp_signal_opts"]["enabled"],
                 demand["advertised_modified_at"] is not None)
                for c, p in state["prefixes"].items() for demand in [p["on_demand"]]]
    states = {1: "up", 0.5: "degraded", 0: "down"}
    return {"prefixes": sorted(prefixes, key=str),
            "rules": sorted((r["name"], " ".join(sorted(r["prefixes"]))) for r in state["rules"]),
            "tunnels": sorted((n, states[t["health"]]) for n, t in state["tunnels"].items())}


def stored(pair):
    """The same of our tables."""
    def flag(value):
        return None if value is None or value < 0 else bool(value)

    prefixes = [(c, flag(a), flag(k), flag(b), at is not None) for c, a, k, b, at in pair.server.query(
        "SELECT cidr, advertised, locked, bgp_control, advertised_at FROM prefix WHERE NOT gone")]
    rules = pair.server.query("SELECT name, prefixes FROM rule WHERE NOT gone")
    return {"prefixes": sorted(prefixes, key=str),
            "rules": sorted((n, " ".join(sorted(p.replace(",", " ").replace("\"", "").strip("[]").split())))
                            for n, p in rules),
            "tunnels": sorted(pair.server.query("SELECT name, state FROM tunnel WHERE NOT gone"))}


def allow(log):
    """What such a day may leave in the log."""
    jobs = "|".join(ALL)
    log.allow(rf"CFMT0850: job ({jobs}) failed \((net|answer|server|limit|refused|busy)\): .+; tried again in \S+")
    log.allow(rf"CFMT0852: job ({jobs}): ")
    log.allow(r"CFMT0861: prefix \S+ is no longer in the account: not listed for \S+$")
    log.allow(r"CFMT0864: (gre|ipsec|interconnect) tunnel \S+ is (down|degraded)")
    log.allow(r"CFMT0865: (gre|ipsec|interconnect) tunnel \S+ is no longer in the account")
    log.allow(r"CFMT0880: the account shows no traffic at all")  # empty answers
    log.allow(r"CFMT0920: blind: ")  # a quarter of an hour is a fraction of a second
    log.allow(r"CFMT0968: \S+ is advertised for a cause")  # an orphan of many hours
    log.allow(r"CFMT0866: no enabled notification policy sends these alerts to us: ")


def never_over_the_limit(pair):
    """No call met the simulator's own limit: every 429 was ordered."""
    over = [c for c in pair.calls() if c["status"] == 429 and "429" not in c["faults"]]
    assert not over, over[:3]


def day(pair, seconds):
    """That many real ones of disturbances, then everything is well within three polls."""
    print(f"CFMT_SEED={SEED}")
    chance = random.Random(SEED)
    allow(pair.server.log)
    pair.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        disturb(pair, chance)
        time.sleep(chance.uniform(0.05, 0.4))
    pair.sim.clear()
    pair.sleep(11 * 60)  # of the health of tunnels the last ten minutes count
    pair.wait_ok(limit=20)  # the breaker's longest pause is 15 min
    runs = int(pair.job("prefixes")["last_at"])
    try:
        wait_for(lambda: stored(pair) == truth(pair), 5 * SLOWER, "the truth")
    except AssertionError:
        raise AssertionError(f"seed {SEED}: {stored(pair)} is not {truth(pair)}") from None
    polls = len([c for c in pair.calls("rest", "/addressing/prefixes", since=runs / MICRO) if "/bgp/" not in c["path"]])
    assert polls <= 3, f"seed {SEED}: {polls} polls until the truth was known"
    never_over_the_limit(pair)
    assert pair.server.query("PRAGMA integrity_check") == [("ok",)]
    assert len(pair.server.log.text()) < 2000 * max(1, len(pair.calls())), "the log is flooded"


def scarce(pair, seconds):
    """A quota that polling could exceed by far, as if other programs used the same account."""
    quota = 100
    pair.sim.control("POST", "/limits", {"rest": quota})
    pair.server.log.allow(r"CFMT0850: job \S+ failed \(limit\): our share of Cloudflare's limit of calls is used up; "
                          r"tried again in \S+")
    pair.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pair.plan(1, ("prefixes", "tunnels", "rules"))
        time.sleep(0.1)
    never_over_the_limit(pair)
    limited = [c for c in pair.calls("rest") if c["authorization"]]
    assert len(limited) > quota, f"only {len(limited)} calls: nothing was scarce"
    assert any(j["fails"] for j in pair.jobs()) and "CFMT0850" in pair.server.log.text()
    upstream = pair.health()["api"]["upstreams"]["rest"]
    assert upstream["quota"] == quota and upstream["left"] < quota / 2, upstream


@scenes(Scene(day, 24, takes=30, speed=3600), Scene(scarce, 10, takes=12, speed=60))
def test_random_faults(scene):
    scene()


@pytest.mark.long
@scenes(Scene(day, 180, name="slow day", takes=190, speed=480),
        Scene(day, 120, name="fast days", takes=130, speed=3600),
        Scene(scarce, 60, name="scarce for long", takes=60, speed=60))
def test_days_of_random_faults(scene):
    scene()
