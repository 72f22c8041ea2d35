"""What the system before this one did wrong when it acted, each as a test of its name."""
import json
import os
import signal
import threading

import pytest

from acts import (AUTO, BY_TRAFFIC, ENFORCE, HALF, PAGE, PROPOSED, SHORT, V6, WEB, alert, attacks, cause,
                  check_always, check_ours, command, decided, flood, intents, is_advertised, minutes, ours, patches,
                  settle, start, struck, the_intent, wait, wait_minute, wait_ours)
from client import post
from pair import MICRO, Scene, scenes
from truth import stamp

PART = "203.0.113.128/25"
OURS = (ENFORCE, "CfmtPrefix * withdraw=auto", SHORT)


def an_api_error_read_as_calm(pair):
    """It withdrew during outages. Here an hour of errors after the END is no minute of calm."""
    for line in (r"CFMT085[0-9]: job ", r"CFMT0880: ", r"CFMT0881: "):
        pair.server.log.allow(line)
    start(pair)
    struck(pair)
    for at, kind in ((4, "errors"), (16, "empty"), (28, "partial"), (40, "5xx"), (52, "403")):
        wait_minute(pair, at)
        fault = pair.sim.fault("graphql", kind)
        pair.sim.control("DELETE", f"/faults/{fault['id'] - 1}") if at > 4 else None
    wait_minute(pair, 64)
    assert not patches(pair) and "calm" in decided(pair)[1], decided(pair)
    assert is_advertised(pair)
    pair.sim.clear()
    wait_ours(pair, 1)
    check_always(pair, calm=9)


def the_parents_advertised_believed(pair):
    """It is always false: what counts is the BGP prefix, of which the attacked one is advertised already."""
    pair.sim.prefix(WEB, advertised=True, by="dashboard", delay=0)
    start(pair)
    flood(pair, 600000)
    alert(pair, "START")
    wait_minute(pair, 25)
    assert not patches(pair) and not intents(pair)
    row, = pair.ctl("status", WEB)["prefixes"]
    assert row["state"] == "advertised" and not row["exposed"], row
    check_always(pair)


def timers_in_process_memory(pair):
    """See test_acting_crash; here the whole server is killed when nothing but the last minute is missing."""
    start(pair)
    struck(pair)
    wait_minute(pair, 13.5)
    pair.server.kill()
    pair.server.start()
    wait_ours(pair, 1)
    check_ours(pair, (WEB, False, 15, 18))
    check_always(pair, calm=9)


def volumetric(pair, event):
    """A flow monitoring alert, whose END names no target, only its rule."""
    post(pair.server, json.dumps({
        "alert_type": "fbm_volumetric_attack", "alert_event": "ALERT_STATE_EVENT_" + event,
        "account_id": pair.sim.account, "ts": int(pair.now()),
        "data": {"rule_name": pair.sim.state()["rules"][0]["name"], "attack_id": "c" * 32, "target_ip": "198.51.100.9",
                 "start_time": stamp(pair.now())}}).encode()).stored()


def the_end_of_a_volumetric_attack(pair):
    """It was stored as a second START, so the attack was open for ever."""
    pair.server.log.allow(PROPOSED.format("advertise", ".*"))
    pair.server.log.allow(PAGE.format(".*"))
    start(pair)
    volumetric(pair, "START")
    pair.sim.prefix(WEB, advertised=True, by="auto-advertise", delay=0)
    wait_minute(pair, 3)
    volumetric(pair, "END")
    wait(lambda: {a["state"] for a in attacks(pair)} == {"ended"}, "the end")
    wait_ours(pair, 1)
    check_always(pair, calm=9)


def the_first_three_octets(pair):
    """Two prefixes that share them: an attack on the one is none on the other."""
    pair.sim.prefix(PART, enabled=True)
    start(pair)
    alert(pair, "START", target="203.0.113.5")
    flood(pair, 600000, target="203.0.113.5")
    wait_ours(pair, 1)
    wait_minute(pair, 10)
    assert [c[1:] for c in ours(pair)] == [(HALF, True)], ours(pair)
    row, = pair.ctl("status", PART)["prefixes"]
    assert not row["exposed"] and not row["attacks_open"], row
    check_always(pair)
    flood(pair, 0)


def a_withdrawal_that_fails_in_silence(pair):
    """It was retried for ever, and nobody knew: the first and the third time are told, and status says so."""
    log = pair.server.log
    log.expect(r"cfmt:error\].*CFMT097[1-3]: withdraw 198.51.100.0/24 ")
    start(pair)
    pair.sim.fault("rest", "429", method="PATCH", retry_after=None)
    struck(pair)
    wait(lambda: len(patches(pair)) >= 3, "three calls")
    told = log.count(r"cfmt:error\].*CFMT097[1-3]: withdraw")
    assert 1 <= told <= 4, told
    assert is_advertised(pair) and not ours(pair)
    pair.sim.clear()
    wait_ours(pair, 1)
    check_always(pair, refused=(429,), calm=9)


def a_precaution_withdrawn(pair):
    """Announced by hand before anything happened, it was withdrawn after fifteen quiet minutes."""
    start(pair)
    command(pair, "advertise", WEB, "--yes", "--reason", "a match tonight")
    pair.sim.prefix(V6, advertised=True, by="dashboard", delay=0)
    wait_minute(pair, 75)
    assert [c[1:] for c in ours(pair)] == [(WEB, True)] and is_advertised(pair, V6)
    command(pair, "release", WEB)  # nor is it the policy's then: nobody handed it over
    wait_minute(pair, 100)
    assert len(patches(pair)) == 1 and is_advertised(pair) and cause(pair) == "operator"
    check_always(pair)


def small_packets_hidden_by_and(pair):
    """Over one threshold of two: 4,500 packets a second, 1.4 Mbit/s, and no alert."""
    for line in (BY_TRAFFIC, PROPOSED.format("advertise", WEB), PAGE.format(WEB)):
        pair.server.log.allow(line)
    pair.server.log.expect(r"CFMT0938")
    start(pair)
    pair.sim.prefix(WEB, advertised=True, by="auto-advertise", delay=0)
    alert(pair, "START")
    alert(pair, "END")
    flood_small(pair, 90000)
    wait_minute(pair, 22)
    assert not patches(pair) and {"no_attack", "calm"} & set(decided(pair)[1].split(",")), decided(pair)
    flood(pair, 0)
    wait_ours(pair, 1)
    check_ours(pair, (WEB, False, 31, 36))
    check_always(pair, calm=9)


def flood_small(pair, rate):
    pair.sim.control("POST", "/attacks/flood", {"rate": rate, "target": "198.51.100.7", "vector": "SYN Flood",
                                                "length": 40, "dropped": 0.5})
    pair.floods = [("flood", "198.51.100.7")]


def ipv6_missing(pair):
    """An attack on IPv6 opens, protects and ends like any other."""
    start(pair)
    flood(pair, 600000, target="2001:db8:12::53")
    alert(pair, "START", target="2001:db8:12::53")
    wait_ours(pair, 1)
    wait_minute(pair, 6)
    flood(pair, 0)
    alert(pair, "END", target="2001:db8:12::53")
    wait_ours(pair, 2)
    assert [c[1:] for c in ours(pair)] == [(V6, True), (V6, False)]
    check_always(pair, calm=9)


def two_withdrawers_at_once(pair):
    """The policy, released that moment, and three operators: one call."""
    start(pair)
    struck(pair)
    command(pair, "hold", WEB, "--reason", "wait")
    wait_minute(pair, 20)
    orders = [("release", WEB)] + [("withdraw", WEB, "--yes")] * 3
    threads = [threading.Thread(target=pair.server.ctl, args=words) for words in orders]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wait_ours(pair, 1)
    settle(pair)
    assert len(patches(pair)) == 1, patches(pair)
    check_always(pair, calm=9)


def two_leaders_at_once(pair):
    """A leader that is stopped for longer than its lease of a call wakes beside another: still one call."""
    pair.server.log.allow(r"CFMT0")
    pair.server.log.allow(r"exit signal")
    start(pair)
    struck(pair)
    wait_minute(pair, 12)
    old = pair.server.leaders()[0]
    os.kill(old, signal.SIGSTOP)
    wait_minute(pair, 20)
    assert not patches(pair)  # it still has the lock: nobody else acts for it
    os.kill(old, signal.SIGCONT)
    wait_ours(pair, 1)
    settle(pair)
    assert len(patches(pair)) == 1 and len(intents(pair)) == 1
    check_always(pair, calm=9)


def local_time_stamped_as_utc(pair):
    """In a zone eight hours off, with an hour of summer time, it acts at the same minute."""
    struck_at = pair.server.env

    def env():
        return dict(struck_at(), TZ="Asia/Shanghai")

    pair.server.env = env
    start(pair)
    struck(pair)
    wait_ours(pair, 1)
    check_ours(pair, (WEB, False, 15, 17))
    row = the_intent(pair)
    assert abs(row["sent_at"] / MICRO - patches(pair)[0]["at"]) < 60
    assert minutes(pair) < 60
    check_always(pair, calm=9)


def at(call, takes=16, lines=OURS, speed=100, **more):
    return Scene(call, takes=takes, speed=speed, lines=lines, **more)


@scenes(at(an_api_error_read_as_calm, speed=180, takes=26), at(the_parents_advertised_believed, lines=AUTO),
        at(the_end_of_a_volumetric_attack), at(the_first_three_octets, lines=AUTO),
        at(a_withdrawal_that_fails_in_silence), at(a_precaution_withdrawn, speed=240, takes=27),
        at(two_withdrawers_at_once), at(local_time_stamped_as_utc))
def test_mistakes(scene):
    scene()


# the scenarios of test_acting.py and test_acting_crash.py show these, too
@pytest.mark.long
@scenes(at(timers_in_process_memory), at(small_packets_hidden_by_and, speed=120, takes=20),
        at(ipv6_missing, lines=AUTO + (SHORT,)), at(two_leaders_at_once))
def test_mistakes_more(scene):
    scene()
