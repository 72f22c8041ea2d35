"""Faults of the store at start, graceful and while serving; a stopped leader; clock jumps."""
import concurrent.futures
import os
import re
import signal
import time

import pytest

from client import Load, attack, get, post
from faults import FAULTS, Shim, private_mounts
from httpd import IS_ROOT, SLOWER, wait_for
from locks import commit_lock_is_free
from test_store import STORE_LINES, health, wait_health

RECOVERY = 15  # seconds, without anybody's help
LINE = re.compile(r"\[cfmt:error\] \[pid (\d+)[^]]*\].*?(CFMT\d{4}): (.*)")


def refused(server):
    """The delivery was refused in form; the word for why."""
    answer = post(server, attack())
    answer.problem(503, "store")
    assert int(answer.headers["retry-after"]) > 0
    return answer.json()["detail"]


def ids_of(server):
    return {r[0] for r in server.query("SELECT id FROM journal WHERE kind = 'delivery'")}


def check_lines(server, mark):
    """At least one clear line, and none twice from one process in the same words."""
    found = LINE.findall(server.log.text(mark))
    assert found, "no ERR line:\n" + server.log.text(mark)[-3000:]
    twice = sorted({f for f in found if found.count(f) > 1})
    assert not twice, f"said more than once: {twice}"
    assert len(found) <= 16, found


def check_trouble(server, fault):
    """Refused in form, told with the right reason, and the other vhost answers."""
    wait_for(lambda: post(server, attack()).status == 503, 8, "deliveries to be refused")
    for _ in range(12):
        refused(server)
        assert get(server, "/alive.txt").status == 200
        health(server)  # each child has its reading handle in the midst of it
    answer, doc = health(server)
    assert answer.status == 503 and doc["status"] == "failing", doc
    text = {r["id"]: r["text"] for r in doc["reasons"]}
    assert "store" in text, doc
    assert any(text["store"].endswith(f"({w})") for w in fault.words), doc
    assert doc["store"]["status"] in fault.words, doc
    assert server.root not in answer.body.decode(), "health names a path"


def check_recovery(server, kept):
    """By itself: stored again, healthy, projected. The ids that must be there."""
    limit = time.monotonic() + RECOVERY * SLOWER

    def left():
        return max(1, limit - time.monotonic())

    told = []

    def settled():
        """Every child has found it out: each looks again at most ten times a second."""
        answer = post(server, attack())
        if answer.status == 200:
            told.append(answer.stored())
            return len(told) - settled.since >= 8
        settled.since = len(told)
        settled.why = answer.body
        return False

    settled.since, settled.why = 0, b""
    try:
        wait_for(settled, left(), "deliveries to be stored again")
    except AssertionError as e:
        raise AssertionError(f"{e}; the last refusal: {settled.why}") from None
    wait_health(server, "ok", left())
    server.wait_projected(left())
    return set(told) | kept


def check_crash(server, told):
    """It stands in the files, not only in what the living processes share."""
    server.kill()
    if os.path.exists(server.db + "-shm"):
        os.unlink(server.db + "-shm")
    lost = told - ids_of(server)
    assert not lost, f"answered 200 and lost: {sorted(lost)}"
    assert server.query("PRAGMA integrity_check") == [("ok",)]


def begin(server, fault, phase):
    """Brings the server into the fault; what was answered before, and where the log stood."""
    server.start()
    kept = {post(server, attack()).stored() for _ in range(5)}
    server.wait_projected()
    if phase == "start":
        server.stop(8)
    mark = server.log.size()
    server.log.allow(STORE_LINES)
    fault.make()
    if phase == "start":
        server.start(ready=False)
    elif phase == "graceful":
        server.graceful()
    return kept, mark


def run(server, name, phase):
    fault = FAULTS[name](server, phase)
    fault.before()
    server.cfmt += fault.cfmt
    try:
        kept, mark = begin(server, fault, phase)
        if not fault.heals:
            check_trouble(server, fault)
            check_lines(server, mark)
            fault.mend()
        told = check_recovery(server, kept if fault.keeps else set())
        check_crash(server, told)
    finally:
        fault.after()


def together(httpd_new, names, phase):
    """One server a fault, several at a time: the time goes into waiting."""
    servers = {name: httpd_new() for name in names}
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        jobs = {pool.submit(run, s, name, phase): name for name, s in servers.items()}
        for job in concurrent.futures.as_completed(jobs):
            if job.exception():
                wrong.append(f"{jobs[job]}: {job.exception()!r}\n"
                             + servers[jobs[job]].log.text()[-1500:])
    assert not wrong, "\n\n".join(wrong)


MOUNTED = ("full", "read-only")


@pytest.mark.parametrize("phase", ["start", "graceful", "serving"])
def test_files(httpd_new, phase):
    together(httpd_new, [n for n, f in FAULTS.items()
                         if phase in f.phases and (n not in MOUNTED or (n, phase)
                                                   == ("read-only", "serving"))], phase)


@pytest.mark.parametrize("phase", ["start", "graceful", "serving"])
def test_mounts(httpd_new, phase):
    if not private_mounts():
        pytest.skip("mounting needs root and a mount namespace of its own")
    together(httpd_new, [n for n in MOUNTED if (n, phase) != ("read-only", "serving")], phase)


# ---- a leader that is stopped --------------------------------------------------------------------


def padded(size):
    return lambda tok: attack(attack_id=tok, padding="x" * size)


def wal_of(server):
    try:
        return os.path.getsize(server.db + "-wal")
    except FileNotFoundError:
        return 0


def watch_wal(server, until):
    """The WAL's greatest size until then."""
    largest = 0
    while not until():
        largest = max(largest, wal_of(server))
        time.sleep(0.005)
    return largest


def quiet(server):
    """Stops the leader between two rounds: it holds neither the commit lock nor a snapshot."""
    server.wait_projected()
    (pid,) = server.leaders()
    for _ in range(10):
        time.sleep(0.3)  # its round, and the deaf time behind it
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)  # another's commit ends meanwhile
        if commit_lock_is_free(server):
            return pid
        os.kill(pid, signal.SIGCONT)
    raise AssertionError("the leader had the commit lock each time it was stopped")


def check_wal(server, load, largest, refused_with):
    assert largest <= 96 << 20, largest
    wrong = [r for r in load.refused if r[0] not in refused_with]
    assert not wrong, wrong[:3]
    load.audit(whole=False)
    server.log.allow(STORE_LINES)
    wait_for(lambda: server.leaders(), 15, "a leader")
    wait_health(server, "ok", 180)


def test_the_wal_is_bounded_without_a_leader(httpd_new):
    s = httpd_new().start()
    post(s, attack()).stored()
    pid = quiet(s)
    try:
        end = time.monotonic() + 40
        with Load(s, threads=4, make=padded(200_000)) as load:
            largest = watch_wal(s, lambda: load.count() * 200_000 > 130 << 20
                                or time.monotonic() > end)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert load.count() * 200_000 > 130 << 20, f"only {load.count()} were stored"
    assert largest > 60 << 20, f"{largest}: the bound was not reached"
    check_wal(s, load, largest, ())


@pytest.mark.long
def test_a_leader_that_is_stopped_under_load_for_a_minute(httpd_new):
    """At whatever it was: with the commit lock in its hands everybody gets 503, as designed."""
    s = httpd_new()
    s.cfmt.append("CfmtCommitTimeout 1s")
    s.log.allow(STORE_LINES)
    s.start()
    with Load(s, threads=6, make=padded(5_000)) as load:
        wait_for(lambda: load.count() > 500, 10, "load")
        (pid,) = s.leaders()
        os.kill(pid, signal.SIGSTOP)
        try:
            end = time.monotonic() + 60
            largest = watch_wal(s, lambda: time.monotonic() > end)
        finally:
            os.kill(pid, signal.SIGCONT)
    check_wal(s, load, largest, (503,))


@pytest.mark.long
def test_a_foreign_program_holds_the_database_for_ten_seconds(httpd_new):
    s = httpd_new()  # CfmtCommitTimeout 3s
    s.log.allow(STORE_LINES)
    s.start()
    fault = FAULTS["locked"](s, "serving")
    with Load(s, threads=4) as load:
        wait_for(lambda: load.count() > 100, 10, "load")
        fault.make()
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                begin = time.monotonic()
                post(s, attack()).problem(503, "store")
                assert time.monotonic() - begin < 3.5 * SLOWER
                begin = time.monotonic()
                assert health(s)[1]["store"]["status"] == "busy"
                assert time.monotonic() - begin < 0.25 * SLOWER
        finally:
            fault.mend()
        count = load.count()
        wait_for(lambda: load.count() > count + 100, 10, "the load to go on")
    load.audit(whole=False)
    wait_health(s, "ok", RECOVERY)


# ---- a clock that jumps --------------------------------------------------------------------------

HOUR = 3600


def test_a_clock_that_jumps(httpd_new):
    """Forward and back by an hour: deliveries, leader, health, duplicates, recovery go on."""
    s = httpd_new()
    shim = Shim(s)
    s.log.allow(STORE_LINES)
    s.log.allow(r"CFMT0976: the clock was set ")
    s.start()
    said = set()
    for offset in (0, HOUR, 0, -HOUR, 0):
        shim.set(offset)
        with Load(s, threads=2) as load:
            wait_for(lambda: load.count() >= 30, 10, "deliveries after a jump")
        assert not load.refused, load.refused[:3]
        load.audit()
        body = attack()
        ident = post(s, body).stored()
        assert post(s, body).stored("duplicate") == ident
        s.wait_projected(5)
        doc = wait_health(s, "ok", 3)
        assert abs(doc["leader"]["heartbeat_age_s"]) < 5 and doc["last_commit_age_s"] < 5, doc
        assert abs(at_of(s, ident) - time.time() - offset) < 10
        said.add((doc["leader"]["pid"], doc["leader"]["started_at"]))
    assert len(said) == 1, f"the leader changed: {said}"
    body = attack()
    ident = post(s, body).stored()
    shim.set(HOUR)
    assert post(s, body).stored("duplicate") == ident
    shim.set(-HOUR)
    assert post(s, body).stored("duplicate") == ident


def at_of(server, ident):
    return server.query("SELECT at FROM journal WHERE id = ?", ident)[0][0] / 1e6


def test_trouble_ends_although_the_clock_was_set_back(httpd_new):
    """Errors and times planned before the jump lie an hour ahead then: nobody waits for them."""
    s = httpd_new()
    shim = Shim(s)
    s.log.allow(STORE_LINES)
    s.log.allow(r"CFMT0976: the clock was set ")
    s.start()
    post(s, attack()).stored()
    s.wait_projected()
    shim.set(HOUR)
    wait_health(s, "ok", 3)
    shim.set(HOUR, error=5)
    for _ in range(12):
        refused(s)
    shim.set(0)
    wait_for(lambda: post(s, attack()).status == 200, 5, "deliveries to be stored")
    wait_health(s, "ok", 8)
    s.wait_projected(8)


def test_only_the_leader_finds_out_although_the_clock_was_set_back(httpd_new):
    """No delivery comes to prove that the store works again."""
    s = httpd_new()
    shim = Shim(s)
    s.log.allow(STORE_LINES)
    s.log.allow(r"CFMT0976: the clock was set ")
    s.start()
    post(s, attack()).stored()
    shim.set(0, error=5)
    for _ in range(6):
        refused(s)
    assert health(s)[1]["status"] == "failing"
    shim.set(-HOUR)
    wait_health(s, "ok", RECOVERY)
