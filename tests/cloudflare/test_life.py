"""Graceful, stop and kill while calls to Cloudflare hang or crawl: no crash, no wait, one leader."""
import os
import time

import pytest

from httpd import SLOWER, wait_for
from pair import ALL, Scene, scenes

TIMES = 25  # of graceful, and of stop
MPMS = ("event", "worker", "prefork")
UNDER_WAY = 3  # calls that hang before the next signal comes
LEADS = r"CFMT0405: process \d+ leads now"


def hang(pair):
    """Some calls never end, others take their time."""
    pair.sim.fault("rest", "hang", path="/addressing")
    pair.sim.fault("rest", "hang", path="/magic/", sent=30)
    pair.sim.fault("rest", "slow", path="/alerting", ms=400)
    pair.sim.fault("graphql", "hang")
    pair.server.log.allow(r"CFMT0850: job limits failed \(net\)")  # it asks at the start


def take_over(pair):
    """All jobs are due, also those that whoever led before had claimed: that would last two minutes."""
    leads = ",".join(f"'pid {pid}'" for pid in pair.server.leaders())
    pair.write("UPDATE job SET due_at = 1, owner = NULL, expires_at = NULL WHERE name = ?"
               f" AND (owner IS NULL OR owner NOT IN ({leads}))", [(n,) for n in ALL])


def in_flight(pair, since):
    """Waits until calls are under way that will not end by themselves and began since then."""
    def under_way():
        take_over(pair)
        calls = pair.calls(since=since)
        return len([c for c in calls if c["done"] is None and "hang" in c["faults"]]) >= UNDER_WAY

    wait_for(under_way, 20, "calls that hang")


def works(pair):
    """Once more with whoever leads after another graceful: this one's calls are cut when the faults end."""
    server = pair.server
    server.log.allow(r"CFMT0850: job (prefixes|tunnels) failed \(net\): .*(Empty reply|cut short)")
    pair.sim.clear()
    mark = server.log.size()
    server.graceful()
    server.log.wait(LEADS, 5 * SLOWER, mark)
    take_over(pair)
    pair.succeed(limit=30)
    wait_for(lambda: server.leader_locked() == 1, 5, "one leader")


def sound(pair):
    assert pair.server.query("PRAGMA integrity_check") == [("ok",)]
    assert "exit signal" not in pair.server.log.text()


def graceful(pair):
    server = pair.server
    hang(pair)
    since = pair.now()
    pair.start(ready=False)
    for _ in range(TIMES):
        in_flight(pair, since)
        since, mark, old = pair.now(), server.log.size(), server.generation()
        server.graceful()
        server.log.wait(LEADS, 5 * SLOWER, mark)
        assert server.leader_locked() <= 1
        wait_for(lambda o=old: not server.generation() & o, 20, "the old generation to go")
    assert server.log.count(LEADS) == TIMES + 1
    works(pair)
    sound(pair)


def stop(pair):
    server, slowest = pair.server, 0
    hang(pair)
    for _ in range(TIMES):
        since = pair.now()
        pair.start(ready=False)
        in_flight(pair, since)
        slowest = max(slowest, server.stop(5, busy=True))
        assert not os.path.exists(server.path("run/httpd.pid"))
    assert slowest < 3 * SLOWER, slowest
    pair.start(ready=False)
    works(pair)
    sound(pair)


def killed(pair):
    """The leader alone, in the midst of its calls: another leads at once, and its claims run out."""
    server = pair.server
    hang(pair)
    server.log.allow(r"exit signal Killed|AH00052")
    since = pair.now()
    pair.start(ready=False)
    for _ in range(3):
        in_flight(pair, since)
        since, mark, (leader,) = pair.now(), server.log.size(), server.leaders()
        os.kill(leader, 9)
        begin = time.monotonic()
        server.log.wait(LEADS, 5 * SLOWER, mark)
        assert time.monotonic() - begin < 4 * SLOWER
    works(pair)
    assert server.query("PRAGMA integrity_check") == [("ok",)]


@scenes(*(Scene(call, name=f"{call.__name__}-{mpm}", takes=15, mpm=mpm) for call in (graceful, stop) for mpm in MPMS),
        Scene(killed))
def test_calls_in_flight(scene):
    scene()


def claim_runs_out(pair):
    """Whoever is killed in the midst of a job leaves its claim: the next leader sees that nobody holds it any more."""
    pair.server.log.allow(r"exit signal Killed|AH00052")
    hang(pair)
    pair.start(ready=False)
    in_flight(pair, 0)
    pair.sim.clear()
    os.kill(pair.server.leaders()[0], 9)
    begin = time.monotonic()
    wait_for(lambda: all(j["ok_at"] for j in pair.jobs()), 30, "all jobs to be done by the next leader")
    assert time.monotonic() - begin < 20 * SLOWER  # a failed one is tried again after 15 s; the claim lasts 120 s


@scenes(Scene(claim_runs_out, takes=18))
def test_a_claim_that_is_left_behind(scene):
    scene()
