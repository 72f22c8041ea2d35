"""Processes killed, stopped and replaced under load: what was answered stays, what leads is one."""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from client import Load, attack, get, post
from httpd import IS_ROOT, SLOWER, alive, children_of, wait_for

KILLED = r"exit signal Killed|AH00052"
STORE_LINES = r"CFMT0[2-5]\d\d"


def enough(load, more, limit=20):
    start = load.count()
    wait_for(lambda: load.count() >= start + more, limit, f"{more} more deliveries to be stored")


class Watch:
    """Looks at the leader's file all the time, from the first leader on."""

    def __init__(self, server):
        self.server = server
        self.wrong = []
        self.samples = 0
        self.gap = 0            # seconds, longest time that nobody led
        self.terms = []         # (pid, begin) of each heartbeat, in the order in which they came
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        path = self.server.db + ".leader"
        inode = os.stat(path).st_ino
        led = time.monotonic()
        while not self.ended.wait(0.005):
            holders = self.server.leader_locked()
            now = time.monotonic()
            self.samples += 1
            if holders > 1:
                self.wrong.append(f"{holders} hold the leader lock")
            if holders:
                led = now
            self.gap = max(self.gap, now - led)
            if os.stat(path).st_ino != inode:
                self.wrong.append("another leader file: its lock is another lock")
                inode = os.stat(path).st_ino
            self._term(path)

    def _term(self, path):
        with open(path) as f:
            words = f.read().split()
        term = tuple(words[:2])
        if len(words) == 4 and (not self.terms or self.terms[-1] != term):
            if term in self.terms:
                self.wrong.append(f"process {term[0]} beats again after another had led")
            self.terms.append(term)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join(10)

    def judge(self, gap):
        assert self.samples > 20 and not self.wrong, (self.samples, self.wrong[:5])
        assert self.gap < gap * SLOWER, f"nobody led for {self.gap:.1f} s"


def descriptors(pid):
    """Open files by name, connections aside: those come and go with the senders."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    return sorted(x for x in found if not x.startswith("socket:"))


def resident(pid):
    """KiB."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def settled(server, limit=20):
    """The children when no old one is left: the same set twice in a row, each one ready."""
    def same():
        first = server.generation()
        time.sleep(0.3)
        now = server.generation()
        return first if first and first == now and all(map(alive, now)) else None
    return wait_for(same, limit, "the children to be the same for a while")


# ---- the whole server ------------------------------------------------------------------------------


class Ledger:
    """Everything that was answered 200 over many lives of one server."""

    def __init__(self):
        self.answered = {}      # token -> id
        self.lives = 0

    def add(self, load):
        for ident, tok in load.answered:
            self.answered[tok] = ident
        self.lives += 1

    def audit(self, server):
        rows = {}
        for ident, body in server.query("SELECT id, body FROM journal WHERE kind = 'delivery'"):
            tok = json.loads(body)["data"]["attack_id"]
            assert tok not in rows, f"{tok} is stored twice: {rows[tok]} and {ident}"
            rows[tok] = ident
        lost = [(t, i, rows.get(t)) for t, i in self.answered.items() if rows.get(t) != i]
        assert not lost, f"{len(lost)} of {len(self.answered)} answered are lost: {lost[:3]}"
        return rows


def kill_and_start(server, rounds):
    """One journal through all of them; no hand touches anything between a kill and the next start."""
    ledger, chance = Ledger(), random.Random(20261122)
    for _ in range(rounds):
        server.start()
        with Load(server, threads=4) as load:
            enough(load, chance.randint(5, 120))
            time.sleep(chance.random() / 20)  # any moment of a commit, a checkpoint, a round
            server.kill()
            load.stop()
        assert not load.refused, load.refused[:3]
        ledger.add(load)
        assert server.query("PRAGMA quick_check") == [("ok",)]
        load.audit(whole=False)
    server.start()
    post(server, attack()).stored()
    rows = ledger.audit(server)
    server.wait_projected(30)
    assert server.query("SELECT count(*) FROM event")[0][0] == len(rows)
    assert server.query("PRAGMA integrity_check") == [("ok",)]
    assert len(ledger.answered) > 20 * rounds


def test_the_whole_server_killed_twenty_times_under_load(httpd_new):
    kill_and_start(httpd_new(), 20)


@pytest.mark.long
@pytest.mark.mpm("event", "worker", "prefork")
def test_the_whole_server_killed_five_hundred_times_under_load(httpd_new, mpm):
    kill_and_start(httpd_new(mpm=mpm), 500 if mpm == "event" else 50)


# ---- the leader --------------------------------------------------------------------------------------


def test_each_killed_leader_is_followed_by_one_other(httpd_new):
    s = httpd_new()
    s.log.allow(KILLED)
    s.start()
    with Watch(s) as watch, Load(s, threads=2) as load:
        for _ in range(3):
            settled(s)
            (old,) = wait_for(s.leaders, 5, "a leader")
            os.kill(old, signal.SIGKILL)
            wait_for(lambda: [p for p in s.leaders() if p != old], 10, "another leader")
        enough(load, 20)
    watch.judge(gap=2)
    assert not load.refused, load.refused[:3]
    load.audit()
    s.wait_projected()


# ---- the commit lock -----------------------------------------------------------------------------------


HOLDER = """
import fcntl, os, signal, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, 38, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # F_OFD_SETLKW
os.kill(os.getpid(), signal.SIGSTOP)
"""


class StoppedHolder:
    """Another process that was stopped while it held the commit lock; going on, it ends."""

    def __init__(self, server):
        self.proc = subprocess.Popen([sys.executable, "-c", HOLDER, server.db + ".lock"])

    def __enter__(self):
        def stopped():
            with open(f"/proc/{self.proc.pid}/stat") as f:
                return f.read().rpartition(")")[2].split()[0] == "T"
        wait_for(stopped, 10, "the holder to be stopped")
        return self

    def __exit__(self, *exc):
        self.proc.send_signal(signal.SIGCONT)
        assert self.proc.wait(10) == 0


class Sender(threading.Thread):
    """Posts one delivery after the other; (status, seconds) of each."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.seen = []
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            begin = time.monotonic()
            status = post(self.server, attack(), limit=30).status
            self.seen.append((status, time.monotonic() - begin))


def stopped_holder(server, seconds, number):
    slowest = 0
    with StoppedHolder(server):
        senders = [Sender(server) for _ in range(number)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.monotonic()
            doc = get(server, "/mt-health", limit=5).json()
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.02)
        for sender in senders:
            sender.ended.set()
    for sender in senders:
        sender.join(10)
    assert slowest < 0.25 * SLOWER, f"health took {slowest:.3f} s"
    assert doc["status"] == "failing" and "store" in [r["id"] for r in doc["reasons"]], doc
    return [x for sender in senders for x in sender.seen]


@pytest.mark.parametrize("seconds", [4, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.mpm("event", "prefork")
def test_a_stopped_holder_of_the_commit_lock(httpd_new, mpm, seconds):
    """The default deadline of 3 s: 503 in time, health at once, and all is well when it goes on."""
    if mpm == "prefork" and seconds == 4:
        pytest.skip("prefork: the long tier, with 10 s")
    s = httpd_new(mpm=mpm)
    s.log.expect(r"CFMT0223: .*busy")
    s.log.allow(STORE_LINES)
    s.start()
    post(s, attack()).stored()
    before = s.query("SELECT count(*) FROM journal WHERE kind = 'delivery'")[0][0]
    number = 2 if mpm == "prefork" else 4  # health needs a process that waits for nothing
    seen = stopped_holder(s, seconds, number)
    refused = [took for status, took in seen if status == 503]
    assert len(refused) >= number and max(refused) < 3.5 * SLOWER, (len(refused), max(refused))
    assert {status for status, _ in seen} <= {200, 503}, seen
    wait_for(lambda: post(s, attack()).status == 200, 5, "deliveries to be stored again")
    rows = s.query("SELECT count(*) FROM journal WHERE kind = 'delivery'")[0][0]
    assert rows - before == 1 + len(seen) - len(refused), "503 was answered and the row is there"
    wait_for(lambda: get(s, "/mt-health").json()["status"] == "ok", 10, "health to be ok")


# ---- children that come and go -------------------------------------------------------------------------


def test_children_of_few_connections_under_load(httpd_new):
    """MaxConnectionsPerChild: a dozen children end in order, and one after the other leads."""
    s = httpd_new(extra="MaxConnectionsPerChild 8\nMaxKeepAliveRequests 2").start()
    seen = set()

    def enough_children():
        seen.update(children_of(s.proc.pid))
        return len(seen) >= 14

    with Watch(s) as watch, Load(s) as load:
        wait_for(enough_children, 30, "a dozen children to be replaced")
    watch.judge(gap=4)
    assert not load.refused, load.refused[:3]
    assert len(load.audit()) == load.count()
    wait_for(lambda: s.leaders() and s.leader_locked() == 1, 10, "one leader")
    s.wait_projected(30)


def gracefully(server, times):
    server.start()
    with Watch(server) as watch, Load(server, threads=3) as load:
        for n in range(times):
            if n == 10:  # pools have their size by now
                parent = len(descriptors(server.proc.pid)), resident(server.proc.pid)
            server.graceful()
            enough(load, 3)
    watch.judge(gap=4)
    assert not load.refused, load.refused[:5]
    rows = load.audit()
    assert len(rows) == load.count(), (len(rows), load.count(), load.broken)
    children = settled(server)
    assert len(descriptors(server.proc.pid)) <= parent[0]
    for fds in map(descriptors, children):  # three handles on each file of the store at most
        assert max(fds.count(x) for x in fds) <= 3 and len(fds) <= parent[0] + 16, fds
    assert resident(server.proc.pid) <= parent[1] + 3 * 1024, (resident(server.proc.pid), parent[1])
    assert server.log.count("exit signal") == 0
    server.wait_projected(30)
    assert server.query("SELECT count(*) FROM event")[0][0] == len(rows)
    print(f"{times} gracefuls, {len(rows)} deliveries, {len(watch.terms)} leaders, "
          f"longest gap {watch.gap:.2f} s in {watch.samples} samples, parent "
          f"{parent[1]} -> {resident(server.proc.pid)} KiB")


def test_graceful_a_hundred_times_under_load(httpd_new):
    gracefully(httpd_new(), 100)


@pytest.mark.long
@pytest.mark.mpm("event", "worker", "prefork")
def test_graceful_a_thousand_times_under_load(httpd_new, mpm):
    gracefully(httpd_new(mpm=mpm), 1000 if mpm == "event" else 200)
