"""The life of the server under load: graceful, stop, kill, recycled children, a late module."""
import os
import signal
import time

import pytest

from client import Load, attack, get, post
from httpd import alive, children_of, wait_for

EVERY = pytest.mark.mpm("event", "worker", "prefork")
KILLED = r"exit signal Killed|AH00052"


def enough(load, more, limit=20):
    start = load.count()
    wait_for(lambda: load.count() >= start + more, limit, f"{more} more deliveries to be stored")


def sound(server):
    assert server.query("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.asan
@EVERY
def test_graceful_five_times_under_load(httpd_new, mpm):
    s = httpd_new(mpm=mpm).start()
    with Load(s) as load:
        enough(load, 50)
        for _ in range(5):
            old = s.generation()
            s.graceful()
            enough(load, 50)
            assert s.leader_locked() <= 1
            wait_for(lambda: not s.generation() & old, 20, "the old generation to go")
        enough(load, 20)
    assert not load.refused, load.refused[:5]
    rows = load.audit()
    # every request that was read was answered: what was stored is what got its 200
    assert len(rows) == load.count(), (len(rows), load.count(), load.broken)
    wait_for(lambda: s.leader_locked() == 1, 5, "one leader")
    s.wait_projected(30)
    assert s.query("SELECT count(*) FROM event")[0][0] == load.count()


@pytest.mark.asan
@EVERY
def test_stop_under_load(httpd_new, mpm):
    s = httpd_new(mpm=mpm).start()
    with Load(s) as load:
        enough(load, 100)
        took = s.stop(5, busy=True)
        load.stop()
    assert took < 5 * (4 if "CFMT_ASAN" in os.environ else 1)
    load.audit()
    assert not load.refused or {r[0] for r in load.refused} == {503}, load.refused[:3]
    sound(s)
    assert not os.path.exists(s.path("run/httpd.pid"))


@EVERY
def test_kill_of_the_whole_server_under_load(httpd_new, mpm):
    """kill -9 at any moment loses no answered delivery, and the next start needs no hand."""
    s = httpd_new(mpm=mpm)
    rounds = 5 if mpm == "event" else 2
    answered = []
    for n in range(rounds):
        s.start()
        with Load(s, threads=6) as load:
            enough(load, 60 + 40 * n)
            s.kill()
            load.stop()
        answered += load.answered
        sound(s)
        load.audit(whole=False)
    s.start()
    ids = {r[0] for r in s.query("SELECT id FROM journal WHERE kind = 'delivery'")}
    assert {i for i, _ in answered} <= ids
    assert len({i for i, _ in answered}) == len(answered)
    post(s, attack()).stored()
    s.wait_projected(30)
    assert s.query("SELECT count(*) FROM event")[0][0] == len(ids) + 1
    sound(s)


@EVERY
def test_kill_of_single_children_under_load(httpd_new, mpm):
    s = httpd_new(mpm=mpm)
    s.log.allow(KILLED)
    s.start()
    with Load(s) as load:
        for _ in range(3):
            enough(load, 40)
            victims = children_of(s.proc.pid)
            os.kill(victims[0], signal.SIGKILL)
            wait_for(lambda: not alive(victims[0]), 5, "the child to die")
        enough(load, 40)
    assert not load.refused, load.refused[:3]
    load.audit()
    wait_for(lambda: s.leaders() and s.leader_locked() == 1, 10, "one leader")


@EVERY
def test_recycled_children(httpd_new, mpm):
    """MaxConnectionsPerChild ends children all the time; they leave the leader's place in order."""
    s = httpd_new(mpm=mpm, extra="MaxConnectionsPerChild 20\nMaxKeepAliveRequests 3").start()
    first = s.generation()
    with Load(s) as load:
        wait_for(lambda: not s.generation() & first and load.count() > 200, 40,
                 "all first children to be replaced")
    assert not load.refused, load.refused[:3]
    rows = load.audit()
    assert len(rows) == load.count()
    wait_for(lambda: s.leaders() and s.leader_locked() == 1, 10, "one leader")
    s.wait_projected(30)


@EVERY
def test_a_module_that_comes_with_a_reload(httpd_new, mpm):
    """a2enmod cfmt and reload: the one pass that sees the module must not be taken for the dry one."""
    s = httpd_new(mpm=mpm, load_cfmt=False).start()
    assert get(s, "/webhook/cloudflare").status == 404
    s.load_cfmt = True
    s.write_config()
    s.graceful()
    s.wait_ready()
    ident = wait_for(lambda: (lambda a: a.stored() if a.status == 200 else None)(post(s, attack())),
                     10, "a delivery to be stored")
    wait_for(lambda: s.query("SELECT 1 FROM event WHERE id = ?", ident), 10, "the projection")


def test_a_module_that_goes_with_a_reload(httpd_new):
    s = httpd_new().start()
    post(s, attack()).stored()
    s.load_cfmt = False
    s.write_config()
    s.graceful()
    wait_for(lambda: get(s, "/webhook/cloudflare").status == 404, 10, "the handler to go")
    wait_for(lambda: s.leader_locked() == 0, 10, "the leader to go")


def test_hard_restart(httpd_new):
    s = httpd_new().start()
    post(s, attack()).stored()
    mark = s.log.size()
    s.signal(signal.SIGHUP)
    s.log.wait("resuming normal operations", 15, mark)
    s.wait_ready()
    wait_for(lambda: post(s, attack()).status == 200, 10, "a delivery after the restart")


def test_graceful_stop_finishes_what_it_began(httpd_new):
    s = httpd_new().start()
    with Load(s) as load:
        enough(load, 50)
        s.signal(signal.SIGWINCH)
        wait_for(lambda: s.proc.poll() is not None, 15, "the graceful stop")
        load.stop()
    load.audit()
    assert not load.refused


def test_the_leader_is_noticed_within_a_second(httpd_new):
    """A delivery wakes the leader: its event is there at once, not at the next round."""
    s = httpd_new().start()
    slowest = 0
    for _ in range(5):
        begin = time.monotonic()
        ident = post(s, attack()).stored()
        wait_for(lambda: s.query("SELECT 1 FROM event WHERE id = ?", ident), 5, "the projection")
        slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 1, slowest


@pytest.mark.long
@EVERY
def test_graceful_a_hundred_times_under_load(httpd_new, mpm):
    s = httpd_new(mpm=mpm).start()
    with Load(s) as load:
        for _ in range(100):
            s.graceful()
            enough(load, 5)
            assert s.leader_locked() <= 1
    assert not load.refused
    assert len(load.audit()) == load.count()


@pytest.mark.long
def test_kill_of_the_whole_server_fifty_times(httpd_new):
    s = httpd_new()
    for n in range(50):
        s.start()
        with Load(s, threads=6) as load:
            enough(load, 20 + 7 * n % 100)
            s.kill()
            load.stop()
        load.audit(whole=False)
    sound(s)
