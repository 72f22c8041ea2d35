"""Hours of random faults, restarts and changes of the leader: in the end the evidence is the truth, minute by minute,
and on the way nothing read as calm that was none. Quiet time opens nothing."""
import os
import random
import signal
import time

import pytest

from pair import Scene, scenes
from test_day import SEED, allow
from truth import (HOUR, MINUTE, V6, MAIL, WEB, advertise, attack, asked, compare, known_until, LIKE, NOTHING, shown,
                   stamp, verdict, wait_known)

PREFIXES = (WEB, MAIL, V6)
TARGETS = {WEB: "198.51.100.7", MAIL: "192.0.2.7", V6: "2001:db8::7"}
ORPHAN = r"CFMT0968: \S+ is advertised for a cause that is not the policy's"  # for hours, by the dashboard
FAULTS = ({"kind": "slow", "ms": 200}, {"kind": "reset"}, {"kind": "truncated"}, {"kind": "html"}, {"kind": "garbage"},
          {"kind": "5xx"}, {"kind": "429", "retry_after": 120}, {"kind": "403"}, {"kind": "errors"}, {"kind": "empty"},
          {"kind": "hang"}, {"kind": "partial"}, {"kind": "no-accounts"}, {"kind": "length", "by": -5})


def disturb(pair, chance):
    """One thing happens to the upstream or to us."""
    what = chance.random()
    if what < 0.35:
        pair.sim.fault("graphql", **chance.choice(FAULTS))
    elif what < 0.45:
        pair.sim.fault("rest", chance.choice(("5xx", "reset", "hang")), count=3)
    elif what < 0.85:
        pair.sim.clear()
    elif what < 0.93:
        leaders = pair.server.leaders()
        if leaders:
            os.kill(leaders[0], signal.SIGKILL)
    else:
        pair.reload()


def strike(pair, chance):
    """Attacks begin, change and end; some are too small to be any."""
    prefix = chance.choice(PREFIXES)
    rate = chance.choice((0, 0, 800, 1500, 5e3, 300e3))
    attack(pair, "on " + TARGETS[prefix], rate, TARGETS[prefix], floor=0)


def random_hours(pair, hours):
    """snapshots: what cfmtctl said meanwhile of minutes that it called calm."""
    chance, snapshots = random.Random(SEED), []
    allow(pair.server.log)
    pair.server.log.allow(r"CFMT085[02]: job |CFMT0881|CFMT0920|exit signal Killed")
    pair.server.log.allow(ORPHAN)
    pair.start()
    since = advertise(pair, *PREFIXES)
    end = since + hours * HOUR
    while pair.now() < end:
        strike(pair, chance)
        disturb(pair, chance)
        snapshots.append({cidr: {m for m, v in shown(pair, cidr, "2h").items() if v == "calm"} for cidr in PREFIXES})
        time.sleep(chance.uniform(0.05, 0.5))
    for cidr in PREFIXES:
        attack(pair, "on " + TARGETS[cidr], 0, TARGETS[cidr])
    pair.sim.clear()
    pair.wait_ok(limit=20)
    end = int(end) // MINUTE * MINUTE
    try:
        judge(pair, since, end, snapshots)
    except AssertionError as e:
        raise AssertionError(f"seed {SEED}: {e}") from None


def judge(pair, since, end, snapshots):
    wait_known(pair, end, *PREFIXES)
    total = {}
    for cidr in PREFIXES:
        pair.sim.wait_for(lambda _, c=cidr: caught_up(pair, c, since, end), 40)
        for word, count in compare(pair, cidr, since, end).items():
            total[word] = total.get(word, 0) + count
        truth = asked(pair, LIKE[cidr], since, end)
        wrong = {stamp(m) for s in snapshots for m in s[cidr]
                 if since <= m < end and verdict(truth.get(m, NOTHING)) != "calm"}
        assert not wrong, (cidr, "was called calm", wrong)
    assert total.get("attack") and total.get("calm"), total
    assert pair.server.query("SELECT count(*) FROM evidence a JOIN evidence b ON a.prefix = b.prefix"
                             " AND a.at < b.at AND a.until > b.at") == [(0,)], "minutes counted twice"


def caught_up(pair, cidr, since, end):
    minutes = shown(pair, cidr, "26h")
    return all(minutes.get(m, "unknown") != "unknown" for m in range(int(since), end, MINUTE))


def quiet(pair, days):
    """Background only: single samples of the Internet's noise are no attack, and open none."""
    pair.server.log.allow(ORPHAN)
    pair.server.log.allow(r"CFMT0920: blind: ")  # at such a speed a breath of the machine is a quarter of an hour
    pair.start()
    since = advertise(pair, *PREFIXES)
    while pair.now() < since + days * 24 * HOUR:
        time.sleep(0.5)
        assert pair.server.query("SELECT * FROM evidence WHERE verdict = 'attack'") == []
    assert min(known_until(pair, c) for c in PREFIXES) > pair.now() - 3 * HOUR
    assert pair.server.query("SELECT count(*) FROM attack") == [(0,)]
    calm = pair.server.query("SELECT sum(until - at) FROM evidence WHERE verdict = 'calm'")[0][0] / 1e6
    print(f"calm: {calm / 3600:.0f} h of {3 * days * 24} h")
    assert calm > 0.9 * len(PREFIXES) * days * 24 * HOUR


@scenes(Scene(random_hours, 4, takes=45, speed=480), Scene(quiet, 1, takes=26, speed=3600))
def test_hours(scene):
    scene()


@pytest.mark.long
@scenes(Scene(random_hours, 24, name="random day", takes=260, speed=360),
        Scene(quiet, 30, name="quiet month", takes=730, speed=3600))
def test_days(scene):
    scene()
