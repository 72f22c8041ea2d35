"""The leader is killed, or its generation ends, at each step of an action: nothing is lost, nothing is sent twice."""
import os
import signal

import pytest

from acts import (AUTO, ENFORCE, FAILING, KILLED, PAGE, SHORT, UNSURE, WEB, alert, attacks, cause, check_always,
                  check_ours, decided, flood, intents, is_advertised, minutes, ours, patches, scenario, settle, start,
                  struck, the_intent, wait, wait_minute, wait_ours)
from httpd import wait_for
from pair import MICRO, Scene, scenes

READS = "/bgp/prefixes"
FAILED = r"CFMT085[0-9]: job "
ENDED = r"cfmt:error\].*CFMT097[12]: (advertise|withdraw) \S+ (was refused|has failed) "
CALL = 30   # real seconds that a call takes at most
LEASE = 60  # real seconds for which nobody but a call's owner may say what became of it
OURS = (ENFORCE, "CfmtPrefix * withdraw=auto", SHORT)


def kill(pair):
    """The leader's child, with all it had under way."""
    s = pair.server
    s.log.allow(r"exit signal Killed")
    old = wait(s.leaders, "a leader")[0]
    mark = s.log.size()
    os.kill(old, signal.SIGKILL)
    s.log.wait(r"CFMT0405", 15, mark)
    wait_for(lambda: s.leaders() and s.leaders()[0] != old, 15, "another leader")


def graceful(pair):
    pair.reload()


def down_and_up(pair):
    pair.server.kill()
    pair.server.start()


def before_it_is_due(pair, end):
    """A wish that waits for its second is carried out in it, by whoever leads then."""
    pair.server.log.allow(PAGE.format(WEB))
    start(pair)
    pair.sim.prefix(WEB, advertised=True, by="dashboard", delay=0)
    pair.sim.prefix(WEB, advertised=False, by="dashboard", delay=0)
    taken = minutes(pair)
    wait(lambda: pair.server.query("SELECT 1 FROM prefix WHERE cidr = ? AND modified_at > 0 AND advertised_at > ?",
                                   WEB, int(pair.begin) * MICRO), "the state")
    alert(pair, "START")
    row = the_intent(pair, state="requested", want=1)
    end(pair)
    wait_ours(pair, 1)
    check_ours(pair, (WEB, True, taken + 14.9, taken + 15.5))
    assert the_intent(pair, state=("propagating", "done"))["id"] == row["id"] and len(patches(pair)) == 1
    check_always(pair, calm=0)


def while_it_is_sent(pair, end, executed):
    """The call is under way, and it comes to pass or does not: whoever leads then waits until it cannot any more,
    reads, and only then goes on."""
    for line in (FAILING, UNSURE, FAILED, ENDED):
        pair.server.log.allow(line)
    start(pair)
    struck(pair)
    pair.sim.fault("rest", "hang", method="PATCH", count=1, executed=executed)
    wait(lambda: patches(pair), "the call")  # its row was there before
    assert the_intent(pair)["state"] == "sent"
    end(pair)
    wait(lambda: not is_advertised(pair), "the withdrawal", LEASE + 30)
    wait(lambda: intents(pair)[-1]["state"] == "done", "the end", LEASE + 40)
    assert len(ours(pair)) == 1 and len(patches(pair)) == (1 if executed else 2)
    assert intents(pair)[0]["state"] == ("done" if executed else "failed"), intents(pair)
    check_always(pair, refused=(None,), calm=9)


def before_it_is_read_back(pair, end):
    """Accepted, and nobody has read it yet."""
    pair.server.log.allow(FAILED)
    start(pair)
    struck(pair)
    pair.sim.fault("rest", "slow", method="PATCH", ms=700, count=1)
    the_intent(pair, state="sent")
    pair.sim.fault("rest", "5xx", path=READS, method="GET")
    the_intent(pair, state="accepted")
    end(pair)
    assert the_intent(pair)["state"] == "accepted"
    pair.sim.clear()
    row = the_intent(pair, state="done")
    assert len(patches(pair)) == 1 and row["attempts"] == 1
    check_always(pair, calm=9)


def while_it_propagates(pair, end):
    start(pair)
    struck(pair)
    wait_ours(pair, 1)
    the_intent(pair, state="propagating")
    end(pair)
    row = the_intent(pair, state="done")
    assert row["settled_at"] >= row["sent_at"] + 900 * MICRO and len(patches(pair)) == 1
    check_always(pair, calm=9)


def while_calm_is_counted(pair):
    """The system before this one kept its timers in memory. Neither forgotten nor begun anew: killed thrice, a graceful
    and a restart, and it is withdrawn at the same minute."""
    start(pair)
    struck(pair)
    for minute, end in ((6, kill), (8, graceful), (10, kill), (11, down_and_up), (13, kill)):
        wait_minute(pair, minute)
        end(pair)
    wait_ours(pair, 1)
    check_ours(pair, (WEB, False, 15, 18))
    settle(pair)
    check_always(pair, calm=9)


def after_downtime(pair):
    """What happened meanwhile is read first: withdrawn by others it needs nothing, and calm that nobody saw is none."""
    start(pair)
    struck(pair)
    wait_minute(pair, 8)
    pair.server.kill()
    pair.sim.prefix(WEB, advertised=False, by="dashboard", delay=0)
    wait_minute(pair, 20)
    pair.server.start()
    wait(lambda: cause(pair) in ("external", "unknown", "attack"), "the cause")
    wait_minute(pair, minutes(pair) + 15)
    assert not patches(pair) and not intents(pair), (intents(pair), decided(pair))
    check_always(pair)


def the_whole_of_it(pair):
    """An attack from beginning to end, the leader killed every other minute."""
    pair.server.log.allow(FAILED)
    pair.server.log.allow(FAILING)
    pair.server.log.allow(UNSURE)
    pair.server.log.allow(ENDED)
    pair.server.log.allow(PAGE.format(WEB))
    pair.server.log.allow(r"CFMT0868")  # a webhook met a child that was just killed
    start(pair)
    scenario(pair, "single-attack")
    for minute in (1.5, 3, 5.5, 10, 16, 20, 30):
        wait_minute(pair, minute)
        kill(pair)
    wait(lambda: not is_advertised(pair), "the withdrawal")
    check_always(pair, refused=(None,), moment=KILLED)
    assert [c[2] for c in ours(pair)] in ([True, False], [False]) and {a["state"] for a in attacks(pair)} == {"ended"}


def on_this_mpm(pair):
    """An attack, with the leader killed in calm and a graceful while the withdrawal propagates."""
    start(pair)
    struck(pair)
    wait_minute(pair, 7)
    kill(pair)
    wait_ours(pair, 1)
    the_intent(pair, state="propagating")
    graceful(pair)
    the_intent(pair, state="done")
    flood(pair, 0)
    check_ours(pair, (WEB, False, 15, 19))
    check_always(pair, calm=9)


def at(call, *args, lines=OURS, takes=28, speed=80, **more):
    more.setdefault("name", " ".join([call.__name__] + [getattr(a, "__name__", str(a)) for a in args]))
    return Scene(call, *args, takes=takes, speed=speed, lines=lines, **more)


@scenes(at(before_it_is_due, kill, lines=AUTO, takes=16), at(while_it_is_sent, kill, True),
        at(while_it_is_sent, kill, False, takes=CALL + 30), at(while_it_is_sent, graceful, True, takes=LEASE + 30),
        at(before_it_is_read_back, kill), at(while_it_propagates, kill), at(while_calm_is_counted), at(after_downtime),
        at(the_whole_of_it, lines=AUTO, speed=100), at(on_this_mpm, mpm="worker", name="worker"),
        at(on_this_mpm, mpm="prefork", name="prefork"))
def test_crash(scene):
    scene()


@pytest.mark.long
@scenes(at(before_it_is_due, down_and_up, lines=AUTO), at(before_it_is_read_back, graceful),
        at(while_it_propagates, graceful), at(while_it_is_sent, graceful, False, takes=LEASE + 30))
def test_crash_more(scene):
    scene()
