"""Each reason of docs/health.md at each of its levels: a fault turns exactly it on, and off."""
import contextlib
import json
import os
import re
import signal
import sqlite3
import threading
import time

import pytest

from client import attack, post
from faults import Newer, Shim, on_tmpfs, private_mounts, resize, unmount
from httpd import SECRET, SLOWER, SRCDIR, free_port, wait_for
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


@contextlib.contextmanager
def mute(s, *states):
    """Channels that are configured, as far as health can know: nobody sends through them here."""
    with contextlib.closing(sqlite3.connect(s.db, timeout=5)) as db:
        for i, state in enumerate(states):
            since = int((time.time() - 301) * 1e6)
            db.execute("INSERT INTO setting VALUES(?, 'syslog')", (f"Notify c{i}",))
            db.execute("INSERT INTO channel(name, state, since, next_at, fails) VALUES(?, ?, ?, 0, 1)",
                       (f"c{i}", state, since))
            db.execute("INSERT INTO outbox(channel, kind, dedupe, at, fields, priority, state, made_at, next_at)"
                       " VALUES(?, 'blind', 'b', ?, '{}', 0, 'queued', ?, 0)", (f"c{i}", since, since))
        db.commit()
    try:
        yield
    finally:
        with contextlib.closing(sqlite3.connect(s.db, timeout=5)) as db:
            db.executescript("DELETE FROM setting WHERE name LIKE 'Notify %'; DELETE FROM channel; DELETE FROM outbox;")


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
    ("outbox", "degraded"): lambda s: mute(s, "failing", "ok"),
    ("outbox", "failing"): lambda s: mute(s, "broken", "broken"),
}


# ---- what the leader learns from Cloudflare ------------------------------------------------------
# Its jobs have just run and are due tomorrow; what they would have found stands in the store.

JOBS = ("detail", "history", "limits", "prefixes", "ranges", "rules", "token", "traffic", "tunnels")
API_TOKEN = "t0ken-of-the-api-0123456789abcdef"
PUBLIC_URL = "http://127.0.0.1/webhook/cloudflare"
DAY = 86400
AHEAD = 120  # of ours is that server's clock: a start forgives for its first minute


def micro(seconds=0):
    return int((time.time() + AHEAD + seconds) * 1e6)


def upstream(**changed):
    facts = {"breaker": "closed", "since": 0, "last_ok": micro(), "probe_at": 0, "problem": "",
             "detail": "", "left": 600, "quota": 1200, "blocked_until": 0, "skew": 1}
    facts.update(changed)
    return {name: str(value) for name, value in facts.items()}


def learn(s, rest=None, token=None, policies=None, prefixes_read=0, tunnels=("up", "down"), fails=0, traffic=None,
          blind=False):
    """All is well, but for what the arguments say."""
    facts = {"upstream rest": upstream(**(rest or {})), "upstream graphql": upstream(),
             "token": dict({"status": "active", "form": "user", "expires_at": "0"}, **(token or {})),
             "prefixes": {"unmatched": ""}, "tunnels": {"t0": "1.0000 1"},
             "policies": dict({"policies": "1", "destinations": "1", "unsent": "fbm_dosd_attack",
                               "failing": "", "last_failure": ""}, **(policies or {})),
             "traffic": dict({"targets": "1", "watermark": str(micro(-200)), "idle": "0", "cut": "0",
                              "cut_prefixes": "", "behind": "0"}, **(traffic or {})),
             "blind": {"203.0.113.0/24": str(micro()), "told": str(micro())} if blind else {}}
    with contextlib.closing(sqlite3.connect(s.db, timeout=5)) as db:
        db.execute("INSERT OR REPLACE INTO prefix(id, parent, cidr, advertised, locked, gone, since, row,"
                   " origin, first_at) VALUES('p1', 'a', '203.0.113.0/24', 1, 0, 0, 1, 1, 'first', 1)")
        db.execute("INSERT OR REPLACE INTO reading VALUES('parent', 'a', ?)", (micro(-prefixes_read),))
        # the leader looks itself: what it finds is what stands there
        db.execute("DELETE FROM evidence")
        if not blind:
            day = micro(-600) // (DAY * 10**6)
            db.execute("INSERT INTO evidence(day, prefix, at, until, verdict, reason, pps, bps, system, peak_at)"
                       " VALUES(?, '203.0.113.0/24', ?, ?, 'calm', 'below', 0, 0, 'other', ?)",
                       (day, micro(-600), micro(DAY), micro(-600)))
        for i, state in enumerate(tunnels):
            db.execute("INSERT OR REPLACE INTO tunnel(id, kind, state, gone, since, row)"
                       " VALUES(?, 'gre', ?, 0, 1, 1)", (f"t{i}", state))
        for name, value in facts.items():
            db.execute("INSERT OR REPLACE INTO sensed VALUES(?, ?, 1, ?)", (name, micro(), json.dumps(value)))
        for name in JOBS:
            db.execute("INSERT OR REPLACE INTO job(name, due_at, last_at, fails, ok_at) VALUES(?, ?, ?, ?, ?)",
                       (name, micro(DAY), micro(-DAY), fails, micro()))
        db.commit()


@contextlib.contextmanager
def learned(s, **what):
    learn(s, **what)
    yield
    learn(s)


def after_start(s, mark):
    """Whoever begins to lead verifies the token, and nobody answers here: that is over, and all is well again."""
    s.log.allow(r"CFMT0850: job token failed \(net\)")
    s.log.allow(r"CFMT0976: the clock was set forward")  # AHEAD
    s.log.wait(r"CFMT0850: job token failed \(net\)", 15, mark)
    wait_for(lambda: s.query("SELECT fails, owner FROM job WHERE name = 'token'") == [(1, None)], 5, "its end")
    learn(s)


@contextlib.contextmanager
def token_unreadable(s):
    s.log.allow("CFMT011[34]")
    os.rename(s.path("token"), s.path("token.lost"))
    s.graceful()
    try:
        yield
    finally:
        os.rename(s.path("token.lost"), s.path("token"))
        mark = s.log.size()
        s.graceful()
        after_start(s, mark)


LEARNED = {
    ("api", "degraded"): [lambda s: learned(s, rest={"breaker": "open", "problem": "net"}),
                          lambda s: learned(s, rest={"last_ok": micro(-301)}),
                          lambda s: learned(s, fails=3)],
    ("prefixes", "degraded"): [lambda s: learned(s, prefixes_read=301)],
    ("token", "degraded"): [lambda s: learned(s, token={"expires_at": str(micro(6.9 * DAY))}),
                            lambda s: learned(s, rest={"breaker": "open", "problem": "auth"})],
    ("token", "failing"): [token_unreadable,
                           lambda s: learned(s, token={"status": "disabled"}),
                           lambda s: learned(s, rest={"breaker": "open", "problem": "auth", "last_ok": 0})],
    ("clock", "degraded"): [lambda s: learned(s, rest={"skew": -31 * 10**6})],
    ("alerts", "degraded"): [lambda s: learned(s, policies={"failing": "<our> \"receiver\"",
                                                            "last_failure": "2026-01-02T03:04:05Z"})],
    ("tunnels", "degraded"): [lambda s: learned(s, tunnels=("down", "down"))],
    # the rest of these, with a Cloudflare that does it, is in tests/cloudflare/test_evidence_reasons.py
    ("blind", "degraded"): [lambda s: learned(s, blind=True)],
    ("lagging", "degraded"): [lambda s: learned(s, traffic={"behind": str(721 * 10**6)})],
    ("truncated", "degraded"): [lambda s: learned(s, traffic={"cut": "1", "cut_prefixes": "203.0.113.0/24"})],
}


def test_the_matrix_is_whole():
    """What the manual lists is what is tested here."""
    with open(os.path.join(SRCDIR, "docs", "health.md")) as f:
        table = f.read().split("## Reasons")[1]
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \|", table, re.M)
    listed = {(name, level) for name, levels in rows for level in levels.split(", ")}
    listed |= {("leader", "degraded")}  # told in the text of its row: within 10 s of a start
    assert listed == set(MATRIX) | set(LEARNED)


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


# ---- the same with an API ---------------------------------------------------------------------------


def with_api(s):
    s.write("token", API_TOKEN + "\n", 0o600)
    s.cfmt += ["CfmtAccountId 9035f53656c247e895c5a6939ae8a0e0", f"CfmtApiToken file:{s.root}/token",
               f"CfmtApiUrl http://127.0.0.1:{free_port()}/client/v4", f"CfmtPublicUrl {PUBLIC_URL}"]
    return s


@pytest.fixture(scope="module")
def taught(farm):
    """A server whose leader has nothing to ask today."""
    s = farm.new()
    s.shim = Shim(s)
    s.start()
    s.stop()
    learn(s)
    mark = s.log.size()
    with_api(s).start()
    s.shim.set(AHEAD)
    after_start(s, mark)
    yield s
    farm.end(s)


@pytest.mark.parametrize("ident,level,fault", [(*k, i) for k, v in LEARNED.items() for i in range(len(v))])
def test_what_is_learned(taught, ident, level, fault):
    s = taught
    s.log.allow(r"CFMT092[01]: ")  # where the leader looks in the middle of such a change
    learn(s)
    wait_reasons(s, set(), 15)
    with LEARNED[ident, level][fault](s):
        doc = wait_reasons(s, {(ident, level)}, 8)
        assert doc["status"] == level
        assert doc["reasons"][0]["text"]
    assert wait_reasons(s, set(), 15)["status"] == "ok"


def test_it_says_what_was_learned(taught):
    s = taught
    learn(s, policies={"failing": "<our> \"receiver\"", "last_failure": "2026-01-02T03:04:05Z"})
    doc = health_any(s)
    rest = doc["api"]["upstreams"]["rest"]
    assert (rest["breaker"], rest["left"], rest["quota"], rest["retry_at"]) == ("closed", 600, 1200, None)
    assert 0 <= rest["last_ok_age_s"] < 10
    assert doc["api"]["token"]["status"] == "active"
    assert doc["api"]["alerts"]["failing"] == "<our> \"receiver\""
    assert doc["api"]["alerts"]["unsent"] == {"count": 1, "names": ["fbm_dosd_attack"]}
    assert set(doc["api"]["jobs"]) == set(JOBS)
    assert (doc["prefixes"]["known"], doc["prefixes"]["advertised"]) == (1, 1)
    assert (doc["tunnels"]["up"], doc["tunnels"]["down"]) == (1, 1)
    assert 190 < doc["traffic"]["newest_age_s"] < 210 and doc["traffic"]["blind"] == {"count": 0, "names": []}
    assert API_TOKEN not in json.dumps(doc)


def test_without_an_api_nothing_is_said(patient):
    doc = health_any(patient)
    assert (doc["api"], doc["prefixes"], doc["tunnels"], doc["traffic"]) == ({"configured": False}, None, None, None)


def test_nobody_answers(httpd_new):
    """For once nothing is written by the test: the leader asks, and the port is closed."""
    s = with_api(httpd_new())
    s.log.allow("CFMT085[0-9]")
    s.start()
    doc = wait_reasons(s, {("api", "degraded")}, 20)
    rest = doc["api"]["upstreams"]["rest"]
    assert (rest["breaker"], rest["problem"], rest["last_ok_at"]) == ("open", "net", None)
    assert rest["retry_at"]
    post(s, attack()).stored()
