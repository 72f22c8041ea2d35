"""Cloudflare misbehaves at each step of an action: before the call, at it, behind it. What came of a call is read
before anything is sent again, and nothing that came to pass is sent twice."""
import re

import pytest

from acts import (AUTO, ENFORCE, FAILING, PAGE, REVERSED, SHORT, UNSURE, WEB, alert, audit, check_always, check_ours,
                  command, decided, flood, intents, is_advertised, minutes, ours, patches, settle, start, struck,
                  the_intent, wait, wait_minute, wait_ours)
from pair import MICRO, Scene, scenes

READS = "/bgp/prefixes"
FAILED = r"CFMT085[0-9]: job (prefixes|traffic|limits|tunnels|rules|history|token|detail)"
ENDED = r"cfmt:error\].*CFMT097[12]: (advertise|withdraw) \S+ (was refused|has failed) "
BREAKER = r"CFMT08\d\d: "
OURS = (ENFORCE, "CfmtPrefix * withdraw=auto", SHORT)
HANG = 31  # real seconds of a transfer at most


def reads_between(pair, first, second):
    """The state was read, by somebody who was answered, between these two calls, and just before the second."""
    over = min(first["done"], second["at"] - 5 * pair.speed)  # the simulator learns late that nobody waits any more
    return [r for r in pair.calls("rest", READS) if r["method"] == "GET" and r["status"] == 200
            and over <= r["at"] <= second["at"]]


def under_attack(pair, **fault):
    """advertise=auto, and the call that an alert brings about is spoiled."""
    for line in (FAILING, UNSURE, FAILED, ENDED, PAGE.format(WEB)):
        pair.server.log.allow(line)
    start(pair)
    if fault:
        pair.sim.fault("rest", fault.pop("kind"), method="PATCH", count=1, **fault)
    flood(pair, 600000)
    alert(pair, "START")
    wait(lambda: patches(pair), "the call")


def at_the_call(pair, executed, **fault):
    """An advertisement is tried until it is there, and read in between; what was executed is not sent again."""
    under_attack(pair, executed=executed, **fault)
    wait(lambda: is_advertised(pair), "the announcement", 90)
    row = the_intent(pair, state=("propagating", "done"))
    sent = patches(pair)
    assert len(sent) == (1 if executed else 2), sent
    if not executed:
        assert reads_between(pair, *sent), (sent, pair.calls("rest", READS))
    assert row["attempts"] == len(sent) and len(intents(pair)) == 1, intents(pair)
    check_always(pair, refused=(None, 200, 429, 401, 403, 500, 502, 503), calm=0)


def withdrawal(pair, executed, **fault):
    """Of the policy: decided anew, with another last look, when it did not come to pass."""
    log = pair.server.log
    for line in (FAILING, UNSURE, FAILED, ENDED):
        log.allow(line)
    start(pair)
    pair.sim.fault("rest", fault.pop("kind"), method="PATCH", count=1, executed=executed, **fault)
    struck(pair)
    wait(lambda: not is_advertised(pair), "the withdrawal", 90)
    settle(pair)
    sent = patches(pair)
    assert len(sent) == (1 if executed else 2), sent
    if not executed:
        assert reads_between(pair, *sent)
        assert [r["state"] for r in intents(pair)] == ["failed", "done"], intents(pair)
    assert len(ours(pair)) == 1
    check_always(pair, refused=(None, 200, 500, 502, 503), calm=9)


def wait_as_told(pair):
    """429 with retry-after: not one second earlier, and polling waits, too."""
    under_attack(pair, kind="429", retry_after=300)
    wait_ours(pair, 1)
    first, second = patches(pair)
    assert (first["status"], second["status"]) == (429, 200)
    # "done" is noted behind the last byte, when the answer may have been read already
    assert 300 <= second["at"] - first["at"] and second["at"] - first["done"] <= 300 + 3 * pair.speed, (first, second)
    check_always(pair, refused=(429,), calm=0)


def refused_token(pair, kind):
    """One critical message and a pause; then it goes on by itself."""
    log = pair.server.log
    log.expect(r"cfmt:(crit|error)\].*CFMT0")
    under_attack_lines = (FAILING, UNSURE, FAILED, ENDED, BREAKER, PAGE.format(WEB))
    for line in under_attack_lines:
        log.allow(line)
    start(pair)
    pair.sim.fault("rest", kind)
    flood(pair, 600000)
    alert(pair, "START")
    wait(lambda: log.count("CFMT0966") or log.count("CFMT0963"), "words")
    wait_minute(pair, minutes(pair) + 8)
    tried = len(patches(pair))
    assert tried <= 3, patches(pair)
    pair.sim.clear()
    wait(lambda: is_advertised(pair), "the announcement", 90)
    the_intent(pair, state=("propagating", "done"))
    assert len(ours(pair)) == 1
    check_always(pair, refused=(401, 403), calm=0)


def no_last_look(pair, upstream, kind):
    """What cannot be read just before the call forbids it; as soon as it can be read it comes."""
    for line in (FAILED, BREAKER):
        pair.server.log.allow(line)
    start(pair)
    struck(pair)
    wait_minute(pair, 12)
    pair.sim.fault(upstream, kind, path=READS if upstream == "rest" else "")
    wait_minute(pair, 28)
    assert not patches(pair) and not intents(pair), patches(pair)
    pair.sim.clear()
    wait_ours(pair, 1)
    check_ours(pair, (WEB, False, 28, 36))
    settle(pair)
    check_always(pair, calm=9)


def cannot_be_read_back(pair, kind):
    """Accepted, and then nobody can say what became of it: it stays so, and is not sent again."""
    for line in (FAILED, BREAKER, FAILING):
        pair.server.log.allow(line)
    start(pair)
    struck(pair)
    wait_ours(pair, 1)
    pair.sim.fault("rest", kind, path=READS, method="GET")
    wait_minute(pair, minutes(pair) + 10)
    assert len(patches(pair)) == 1
    pair.sim.clear()
    settle(pair)
    row = the_intent(pair, state="done")
    assert row["attempts"] == 1 and row["settled_at"] >= row["sent_at"] + 900 * MICRO
    check_always(pair, calm=9)


def locked_meanwhile(pair):
    """Locked between the decision and the call, or while calm is counted: not attempted, told why, and done when the
    lock is gone."""
    pair.server.log.allow(ENDED)
    start(pair)
    struck(pair)
    pair.sim.prefix(WEB, locked=True)
    wait_minute(pair, 26)
    assert not patches(pair) and "unlocked" in decided(pair)[1], decided(pair)
    command(pair, "withdraw", WEB, "--yes", code=6)
    pair.sim.prefix(WEB, locked=False)
    wait_ours(pair, 1)
    check_always(pair, calm=9)


def loud(pair):
    """Still exposed: endless, capped, and loud at the first and third failure and then each hour."""
    log = pair.server.log
    log.expect(FAILING)
    log.expect(UNSURE)
    log.allow(PAGE.format(WEB))
    log.allow(FAILED)
    start(pair)
    pair.sim.fault("rest", "5xx", method="PATCH")
    flood(pair, 600000)
    alert(pair, "START")
    wait(lambda: len(patches(pair)) >= 9, "nine calls", 90)
    sent = patches(pair)
    gaps = [b["at"] - a["at"] for a, b in zip(sent, sent[1:])]
    assert max(gaps) <= 300 * 1.2 + 4 * pair.speed, gaps
    assert gaps[-1] > 100, gaps
    assert all(reads_between(pair, a, b) for a, b in zip(sent, sent[1:]))
    told = [int(n) for _, n in re.findall(FAILING, log.text())]
    assert told[:2] == [1, 3] and len(told) <= 2 + (sent[-1]["at"] - sent[2]["at"]) // 3600 + 1, told
    row, = [p for p in pair.ctl("status", WEB)["prefixes"]]
    assert row["exposed"] and log.count("CFMT0966"), row
    pair.sim.clear()
    wait_ours(pair, 1)
    check_always(pair, refused=(503,), calm=0)


# ---- an attack, or a person, in the midst of it ----------------------------------------------------------

def start_before_it_is_sent(pair):
    """A wish that waits for a reading is taken back in the round that learns of the attack."""
    log = pair.server.log
    log.expect(r"cfmt:warn\].*CFMT0965: intent \d+ \(withdraw 198.51.100.0/24\) is cancelled before it was sent: ")
    log.allow(FAILED)
    start(pair)
    pair.sim.prefix(WEB, advertised=True, by="dashboard", delay=0)
    wait_minute(pair, 18)
    pair.sim.fault("rest", "5xx", path=READS, method="GET")
    pair.park(("prefixes",))
    wait_minute(pair, minutes(pair) + 20)  # what is known is too old to be acted upon
    command(pair, "withdraw", WEB, "--yes")
    the_intent(pair, state="requested")
    alert(pair, "START")
    the_intent(pair, state="cancelled")
    pair.sim.clear()
    wait_minute(pair, minutes(pair) + 10)
    assert not patches(pair) and is_advertised(pair)
    assert audit(pair, "cancel")
    check_always(pair)
    alert(pair, "END")


def start_while_it_is_under_way(pair):
    """Too late to take it back: the opposite is queued for the earliest second, and paged."""
    log = pair.server.log
    log.expect(REVERSED.format(WEB))
    log.allow(PAGE.format(WEB))
    log.allow(FAILING)
    log.allow(UNSURE)
    start(pair)
    struck(pair)
    pair.sim.fault("rest", "slow", method="PATCH", ms=2500, count=1)
    the_intent(pair, state="sent")
    alert(pair, "START", "b" * 32)
    row = the_intent(pair, want=1, state=("requested", "sent", "accepted", "propagating"))
    assert (row["cause"], row["who"]) == ("attack", "policy"), row
    assert [r["state"] for r in intents(pair)][0] == "superseded", intents(pair)
    wait_ours(pair, 2)
    (down, _, first), (up, _, second) = ours(pair)
    assert (first, second) == (False, True) and 15 <= up - down <= 15.2 + 3 * pair.speed / 60, (down, up)
    the_intent(pair, want=1, state=("propagating", "done"))
    assert len(patches(pair)) == 2, patches(pair)  # not one refused for its time
    check_always(pair, calm=9)
    alert(pair, "END", "b" * 32)


def back_within_the_hour(pair):
    """What the policy withdrew it announces again, whatever advertise= says, and is slower to withdraw next time."""
    pair.server.log.allow(PAGE.format(WEB))
    pair.server.log.expect(REVERSED.format(WEB))  # it still propagates
    start(pair)
    struck(pair)
    wait_ours(pair, 1)
    wait_minute(pair, ours(pair)[0][0] + 4)
    alert(pair, "START", "b" * 32)
    row = the_intent(pair, want=1)
    assert abs(row["not_before"] / MICRO - pair.begin - (ours(pair)[0][0] + 15) * 60) < 2, row
    wait_ours(pair, 2)
    alert(pair, "END", "b" * 32)
    wait_ours(pair, 3)
    down, up, again = ours(pair)
    assert [c[2] for c in ours(pair)] == [False, True, False] and up[0] - down[0] >= 15 and again[0] - up[0] >= 15
    check_always(pair, calm=9)


def so_already(pair):
    """Queued for its second, and somebody else did it before: success without a call."""
    pair.server.log.allow(PAGE.format(WEB))
    start(pair)
    for wish in (True, False):
        pair.sim.prefix(WEB, advertised=wish, by="dashboard", delay=0)
    wait_minute(pair, 2)  # the state is known
    alert(pair, "START")
    the_intent(pair, state="requested", want=1)
    wait_minute(pair, 8)
    pair.sim.prefix(WEB, advertised=True, by="dashboard", delay=0)
    row = the_intent(pair, state="done", want=1)
    wait_minute(pair, 20)
    assert not patches(pair) and row["attempts"] == 0 and len(intents(pair)) == 1, intents(pair)
    check_always(pair)


def changed_back(pair):
    """Somebody announces it again while the withdrawal propagates: seen, left alone, and not fought over."""
    pair.server.log.allow(ENDED)
    start(pair)
    struck(pair)
    wait_ours(pair, 1)
    the_intent(pair, state="propagating")
    wait_minute(pair, 21)  # the attack is over for so long that it did not bring this about
    pair.sim.prefix(WEB, advertised=True, by="dashboard", delay=0)
    the_intent(pair, state="failed")
    wait_minute(pair, minutes(pair) + 30)
    assert len(patches(pair)) == 1 and is_advertised(pair)
    check_always(pair, calm=9)


def at(call, *args, lines=AUTO + (SHORT,), takes=12, speed=60, **more):
    return Scene(call, *args, takes=takes, speed=speed, lines=lines, **more)


def spoiled(executed, kind, **fault):
    def play(pair):
        at_the_call(pair, executed, kind=kind, **fault)

    return at(play, name=f"{kind} {'executed' if executed else 'lost'}", takes=HANG + 5 if kind == "hang" else 8)


def unsure(executed, kind, **fault):
    def play(pair):
        withdrawal(pair, executed, kind=kind, **fault)

    return at(play, name=f"withdrawal {kind} {'executed' if executed else 'lost'}", lines=OURS, speed=100,
              takes=25 if executed else 60)


@scenes(spoiled(True, "5xx"), spoiled(False, "5xx"), spoiled(True, "reset"), spoiled(True, "garbage"),
        spoiled(True, "hang"), unsure(True, "5xx"), unsure(False, "reset"), at(wait_as_told),
        at(refused_token, "401", name="token 401", takes=20),
        at(no_last_look, "rest", "garbage", name="no state", lines=OURS, speed=120, takes=24),
        at(cannot_be_read_back, "5xx", name="unreadable 5xx", lines=OURS, speed=100, takes=20),
        at(locked_meanwhile, lines=OURS, speed=100, takes=18), at(loud, speed=100, takes=24),
        at(start_before_it_is_sent, lines=OURS, speed=100, takes=28),
        at(start_while_it_is_under_way, lines=OURS, speed=100, takes=24),
        at(back_within_the_hour, lines=OURS, speed=120, takes=28), at(changed_back, lines=OURS, speed=120, takes=28),
        at(so_already, speed=100))
def test_upstream(scene):
    scene()


@pytest.mark.long
@scenes(spoiled(False, "reset"), spoiled(True, "html", status=502), spoiled(False, "garbage"), spoiled(False, "hang"),
        unsure(True, "truncated"), unsure(True, "hang"), at(refused_token, "403", name="token 403", takes=20),
        at(no_last_look, "graphql", "empty", name="no traffic", lines=OURS, speed=120, takes=24),
        at(cannot_be_read_back, "empty", name="unreadable empty", lines=OURS, speed=100, takes=20))
def test_upstream_more(scene):
    scene()
