"""Each reason of docs/health.md at each of its levels: a fault turns exactly it on, and off."""
import contextlib
import os
import re
import signal
import sqlite3
import threading
import time

import pytest

from client import attack, post
from faults import Newer, Shim, on_tmpfs, private_mounts, resize, unmount
from httpd import SECRET, SLOWER, SRCDIR, wait_for
from locks import commit_lock
from test_store import STORE_LINES, age_heartbeat, health_any

MIB = 1 << 20
SECOND_SECRET = "s3cret-of-the-second-0123456789abcdef"


@contextlib.contextmanager
def store(s):
    fault = Newer(s, "serving")
    fault.make()
    try:
        post(s, attack()).problem(503, "store")
        yield
    finally:
        fault.mend()


@contextlib.contextmanager
def stopped_leader(s):
    s.wait_projected()  # stopped with rows before it, it would be late with those as well
    (pid,) = s.leaders()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def leader_failing(s):
    """An hour later it has not moved."""
    with stopped_leader(s):
        s.shim.set(3600)
        yield
    s.shim.set()


@contextlib.contextmanager
def leader_degraded(s):
    """So soon after a start that it may be only late."""
    s.graceful()
    wait_for(lambda: health_any(s)["reasons"] == [], 10, "the new generation to be well")
    with stopped_leader(s):
        age_heartbeat(s, 90)
        yield


@contextlib.contextmanager
def unprojected(s, seconds):
    """The leader lives, but cannot write what it makes of a row that came so long ago."""
    with commit_lock(s):
        with contextlib.closing(sqlite3.connect(s.db, timeout=5)) as db:
            db.execute("INSERT INTO journal(at, kind, origin, body) VALUES(?, 'delivery', ?, ?)",
                       (int((time.time() - seconds) * 1e6), "127.0.0.1", attack().decode()))
            db.commit()
        yield


@contextlib.contextmanager
def little_disk(s, mib):
    if not s.mounted:
        pytest.skip("mounting needs root and a mount namespace of its own")
    resize(s, mib * MIB)
    try:
        yield
    finally:
        resize(s, None)


@contextlib.contextmanager
def secrets_lost(s, names):
    s.log.allow(r"CFMT01\d\d")
    for name in names:
        os.rename(s.path(name), s.path(name) + ".lost")
    s.graceful()
    try:
        yield
    finally:
        for name in names:
            os.rename(s.path(name) + ".lost", s.path(name))
        s.graceful()


@contextlib.contextmanager
def queue(s):
    """Ten of sixteen request threads wait, none for longer than CfmtCommitTimeout."""
    answers = []

    def send():
        answers.append(post(s, attack(), limit=15).status)

    threads = [threading.Thread(target=send, daemon=True) for _ in range(10)]
    with commit_lock(s):
        for t in threads:
            t.start()
        yield
    for t in threads:
        t.join(20)
    assert answers == [200] * 10, answers


MATRIX = {
    ("store", "failing"): store,
    ("leader", "failing"): leader_failing,
    ("leader", "degraded"): leader_degraded,
    ("projection", "degraded"): lambda s: unprojected(s, 60),
    ("projection", "failing"): lambda s: unprojected(s, 400),
    ("disk", "degraded"): lambda s: little_disk(s, 200),
    ("disk", "failing"): lambda s: little_disk(s, 20),
    ("secret", "degraded"): lambda s: secrets_lost(s, ["secret/1"]),
    ("secret", "failing"): lambda s: secrets_lost(s, ["secret/0", "secret/1"]),
    ("queue", "degraded"): queue,
}


def test_the_matrix_is_whole():
    """What the manual lists is what is tested here."""
    with open(os.path.join(SRCDIR, "docs", "health.md")) as f:
        table = f.read().split("## Reasons")[1]
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \|", table, re.M)
    listed = {(name, level) for name, levels in rows for level in levels.split(", ")}
    listed |= {("leader", "degraded")}  # told in the text of its row: within 10 s of a start
    assert listed == set(MATRIX)


@pytest.fixture(scope="module")
def patient(farm):
    """One server for the whole matrix."""
    s = farm.new(secrets=(SECRET, SECOND_SECRET))
    s.cfmt += [f"CfmtSecret file:{s.root}/secret/1 label=second", "CfmtCommitTimeout 10s"]
    s.shim = Shim(s)
    s.mounted = private_mounts()
    if s.mounted:
        on_tmpfs(s)
    try:
        s.start()
        post(s, attack()).stored()
        yield s
        farm.end(s)
    finally:
        if s in farm.servers:
            farm.end(s, check=False)
        if s.mounted:
            unmount(s)
            s.cleanup()


def reasons(server):
    doc = health_any(server)
    return {(r["id"], r["level"]) for r in doc["reasons"]}, doc


def wait_reasons(server, want, limit):
    try:
        return wait_for(lambda: (lambda got, doc: doc if got == want else None)(*reasons(server)),
                        limit, f"{want}")
    except AssertionError as e:
        raise AssertionError(f"{e}, but: {reasons(server)[1]}") from None


@pytest.mark.parametrize("ident,level", list(MATRIX))
def test_reason(patient, ident, level):
    s = patient
    s.log.allow(STORE_LINES)
    wait_reasons(s, set(), 15)
    with MATRIX[ident, level](s):
        doc = wait_reasons(s, {(ident, level)}, 8)
        assert doc["status"] == level
        assert doc["reasons"][0]["text"]
    assert wait_reasons(s, set(), 15)["status"] == "ok"


def test_a_full_disk_is_told_by_both(patient):
    """Disk and store at once: both are told, the worse one is the verdict."""
    s = patient
    if not s.mounted:
        pytest.skip("mounting needs root and a mount namespace of its own")
    s.log.allow(STORE_LINES)
    resize(s, 0)
    try:
        wait_for(lambda: post(s, attack()).status == 503, 10 * SLOWER, "the disk to be full")
        wait_reasons(s, {("store", "failing"), ("disk", "failing")}, 8)
    finally:
        resize(s, None)
    wait_reasons(s, set(), 15)
