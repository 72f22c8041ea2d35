"""The store: who owns its files, what a fault in it does to deliveries, health and other vhosts."""
import grp
import os
import pwd
import shutil
import signal
import stat
import sqlite3
import time

import pytest

from client import Load, attack, get, post, request
from httpd import IMPATIENT, IS_ROOT, SECRET, SLOWER, alive, grp_of, wait_for
from locks import commit_lock, foreign_writer

STORE_LINES = r"CFMT0[1-6]\d\d"


def health(server):
    answer = get(server, "/mt-health", limit=5)
    return answer, answer.json()


def reasons(doc):
    return str(doc.get("reasons"))


def wait_health(server, word, limit=15):
    return wait_for(lambda: (lambda a, d: d if d["status"] == word else None)(*health(server)),
                    limit, f"health {word}; now {health(server)[1]}")


# ---- files -----------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.asan
def test_modes_and_owners(httpd_new):
    s = httpd_new().start()
    post(s, attack()).stored()
    s.wait_projected()
    info = os.stat(os.path.dirname(s.db))
    assert stat.S_IMODE(info.st_mode) == 0o2770
    for name in os.listdir(os.path.dirname(s.db)):
        info = os.stat(os.path.join(os.path.dirname(s.db), name))
        assert stat.S_IMODE(info.st_mode) == 0o660, name
        if IS_ROOT:
            assert pwd.getpwuid(info.st_uid).pw_name == s.user, name
            assert grp.getgrgid(info.st_gid).gr_name == grp_of(s.user), name


@pytest.mark.asan
def test_the_store_is_as_designed(httpd_new):
    s = httpd_new().start()
    post(s, attack()).stored()
    assert s.query("PRAGMA application_id") == [(0x43464d54,)]
    assert s.query("PRAGMA journal_mode") == [("wal",)]
    assert s.query("PRAGMA user_version")[0][0] >= 1
    assert s.query("PRAGMA integrity_check") == [("ok",)]


def test_the_parent_holds_no_database(httpd_new):
    s = httpd_new().start()
    post(s, attack()).stored()
    held = []
    for fd in os.listdir(f"/proc/{s.proc.pid}/fd"):
        try:
            held.append(os.readlink(f"/proc/{s.proc.pid}/fd/{fd}"))
        except OSError:
            pass
    assert not [x for x in held if "/state/" in x], held


def test_settings_are_published_without_secrets(httpd_new):
    s = httpd_new()
    s.cfmt += ["CfmtPrefix 203.0.113.0/24 name=web withdraw=manual", "CfmtRetention rejected=7d",
               "CfmtAccountId 9035f53656c247e895c5a6939ae8a0e0"]
    s.start()
    names = dict(s.query("SELECT name, value FROM setting"))
    assert names["AccountId"] == "9035f53656c247e895c5a6939ae8a0e0"
    assert "name=web" in names["Prefix 203.0.113.0/24"]
    assert s.query("SELECT count(*) FROM journal WHERE kind = 'config'") == [(1,)]
    s.graceful()
    post(s, attack()).stored()
    assert s.query("SELECT count(*) FROM journal WHERE kind = 'config'") == [(1,)]
    assert SECRET not in str(s.query("SELECT * FROM setting")) + str(s.query("SELECT * FROM journal"))


# ---- commit deadline --------------------------------------------------------------------------------


@pytest.mark.asan
@pytest.mark.mpm("event", "prefork")
@pytest.mark.parametrize("holder", [commit_lock, foreign_writer])
def test_a_store_that_is_held_is_503_within_the_deadline(httpd_new, mpm, holder):
    s = httpd_new(mpm=mpm)
    s.cfmt.append("CfmtCommitTimeout 1s")
    s.log.allow(STORE_LINES)
    s.start()
    post(s, attack()).stored()
    rows = s.query("SELECT count(*) FROM journal WHERE kind = 'delivery'")
    with holder(s):
        for _ in range(2):
            begin = time.monotonic()
            answer = post(s, attack())
            took = time.monotonic() - begin
            answer.problem(503, "store")
            assert int(answer.headers["retry-after"]) > 0
            assert took < 1.5 * SLOWER, took
            begin = time.monotonic()
            health(s)
            assert time.monotonic() - begin < 0.25 * SLOWER
    assert s.query("SELECT count(*) FROM journal WHERE kind = 'delivery'") == rows
    wait_for(lambda: post(s, attack()).status == 200, 10, "deliveries to be stored again")
    wait_health(s, "ok")
    assert s.query("SELECT count(*) FROM journal WHERE kind = 'delivery'")[0][0] == rows[0][0] + 1


def test_a_wait_shorter_than_the_deadline_is_stored(httpd_new):
    s = httpd_new().start()  # CfmtCommitTimeout 3s
    post(s, attack()).stored()
    s.log.allow(STORE_LINES)
    with Load(s, threads=3) as load:
        with commit_lock(s):
            time.sleep(0)  # the senders pile up behind the lock
            before = load.count()
            wait_for(lambda: load.count() == before, 2, "senders to wait")
        wait_for(lambda: load.count() > before + 10, 10, "the load to go on")
    assert not load.refused, load.refused[:3]
    load.audit()


# ---- faults ------------------------------------------------------------------------------------------


def spoil_garbage(s):
    with open(s.db, "wb") as f:
        f.write(b"this is no database\n" * 400)
    s.chown_user(s.db)


def spoil_foreign(s):
    db = sqlite3.connect(s.db)
    db.execute("CREATE TABLE somebody_elses(x)")
    db.execute("PRAGMA application_id = 77")
    db.commit()
    db.close()
    s.chown_user(s.db)


def spoil_newer(s):
    db = sqlite3.connect(s.db)
    db.execute("CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value)")
    db.execute("INSERT OR REPLACE INTO meta VALUES('min_code', 999)")
    db.execute("PRAGMA application_id = 0x43464d54")
    db.execute("PRAGMA user_version = 999")
    db.commit()
    db.close()
    s.chown_user(s.db)


def spoil_directory(s):
    os.mkdir(s.db)


SPOILS = {"garbage": spoil_garbage, "foreign": spoil_foreign, "newer": spoil_newer,
          "a directory": spoil_directory}


def remove_store(s):
    for name in os.listdir(os.path.dirname(s.db)):
        path = os.path.join(os.path.dirname(s.db), name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def make_state(s):
    os.mkdir(os.path.dirname(s.db))
    os.chmod(os.path.dirname(s.db), 0o2770)
    s.chown_user(os.path.dirname(s.db))
    if IS_ROOT:
        shutil.chown(os.path.dirname(s.db), s.user, grp_of(s.user))
        os.chmod(os.path.dirname(s.db), 0o2770)


@pytest.mark.asan
@pytest.mark.parametrize("fault", list(SPOILS))
def test_a_broken_store_at_start_never_stops_apache(httpd_new, fault):
    s = httpd_new()
    make_state(s)
    SPOILS[fault](s)
    s.log.expect(r"CFMT03\d\d|CFMT0[124]\d\d")
    s.log.allow(STORE_LINES)
    s.start(ready=False)
    assert get(s, "/alive.txt").status == 200
    answer = post(s, attack())
    answer.problem(503, "store")
    assert answer.headers["retry-after"]
    answer, doc = health(s)
    assert answer.status == 503 and doc["status"] == "failing" and doc["reasons"], doc
    assert s.root not in answer.body.decode(), "health names a path"
    # one clear line on change, not one a request
    for _ in range(20):
        post(s, attack()).problem(503, "store")
    assert s.log.count(r"\[cfmt:error\]") <= 8
    # the cause goes away, and it mends itself
    remove_store(s)
    s.log.allow(STORE_LINES)
    wait_for(lambda: post(s, attack()).status == 200, 20, "deliveries to be stored")
    wait_health(s, "ok", 20)
    s.wait_projected()


def test_a_store_that_breaks_before_a_graceful_leaves_the_other_vhost(httpd_new):
    s = httpd_new().start()
    post(s, attack()).stored()
    s.log.allow(STORE_LINES)
    remove_store(s)
    spoil_garbage(s)
    s.graceful()
    assert s.proc.poll() is None
    for _ in range(5):
        assert get(s, "/alive.txt").status == 200
        post(s, attack()).problem(503, "store")
    remove_store(s)
    wait_for(lambda: post(s, attack()).status == 200, 20, "deliveries to be stored")


def test_a_state_directory_that_cannot_be_made(httpd_new):
    s = httpd_new()
    s.write("state", "a file, where the directory should be\n")
    s.log.expect(r"CFMT0\d\d\d")
    s.log.allow(STORE_LINES)
    s.start(ready=False)
    assert get(s, "/alive.txt").status == 200
    post(s, attack()).problem(503, "store")
    assert health(s)[1]["status"] == "failing"


def test_the_directory_is_not_made_below_one_that_others_can_write(httpd_new):
    if not IS_ROOT:
        pytest.skip("only root's part")
    s = httpd_new()
    open_dir = s.path("open")
    os.mkdir(open_dir)
    os.chmod(open_dir, 0o777)
    s.db = os.path.join(open_dir, "state", "cfmt.db")
    s.cfmt[0] = f"CfmtDb {s.db}"
    s.log.expect(r"CFMT0\d\d\d")
    s.log.allow(STORE_LINES)
    s.start(ready=False)
    assert not os.path.exists(os.path.dirname(s.db))
    post(s, attack()).problem(503, "store")


def test_a_link_in_place_of_the_store_is_not_followed(httpd_new):
    s = httpd_new()
    make_state(s)
    victim = s.write("victim", "precious\n", 0o666)
    for name in ("cfmt.db", "cfmt.db.lock", "cfmt.db.leader"):
        os.symlink(victim, os.path.join(os.path.dirname(s.db), name))
    s.log.expect(r"CFMT0\d\d\d")
    s.log.allow(STORE_LINES)
    s.start(ready=False)
    post(s, attack()).problem(503, "store")
    with open(victim) as f:
        assert f.read() == "precious\n"


def test_a_store_removed_while_serving_comes_back(httpd_new):
    """And what is answered 200 after the removal stands in the new one."""
    s = httpd_new().start()
    post(s, attack()).stored()
    s.wait_projected()
    s.log.allow(STORE_LINES)
    remove_store(s)
    told = []

    def settled():
        body = attack()
        answer = post(s, body)
        if answer.status != 200:
            return False
        told.append(body)
        return len(told) >= 5

    wait_for(settled, 20, "deliveries to be stored again")
    kept = {r[3].encode() for r in s.journal() if r[1] == "delivery"}
    assert not [b for b in told if b not in kept], "answered 200, but not in the store of that name"
    s.wait_projected()
    wait_health(s, "ok", 20)


# ---- health -------------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.asan
@pytest.mark.mpm("event", "worker", "prefork")
def test_health_in_good_order(httpd_new, mpm):
    s = httpd_new(mpm=mpm).start()
    ident = post(s, attack()).stored()
    s.wait_projected()
    answer, doc = health(s)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["cache-control"]
    assert doc["status"] == "ok" and doc["reasons"] == []
    assert doc["mode"] == "observe" and doc["version"]
    text = answer.body.decode()
    assert s.root not in text and "/" + os.path.basename(s.db) not in text and SECRET not in text
    flat = str(doc)
    for word in ("leader", "heartbeat", "delivery", "head", "lag", "queue", "commit", "disk"):
        assert word in flat, f"health says nothing about {word}: {flat}"
    assert str(ident) in flat


@pytest.mark.asan
def test_health_methods(server):
    head = get(server, "/mt-health", limit=5)
    answer = request(server, method="HEAD", path="/mt-health")
    assert answer.status == head.status == 200 and answer.body == b""
    assert "no-store" in answer.headers["cache-control"]
    for method in ("POST", "PUT", "DELETE"):
        answer = request(server, method=method, path="/mt-health", body=b"x")
        answer.problem(405)
        assert "GET" in answer.headers["allow"]


@pytest.mark.asan
def test_health_while_intake_is_stuck(httpd_new):
    s = httpd_new()
    s.cfmt.append("CfmtCommitTimeout 2s")
    s.log.allow(STORE_LINES)
    s.start()
    post(s, attack()).stored()
    with Load(s, threads=6) as load, commit_lock(s):
        slowest = 0
        wait_for(lambda: len(load.refused) >= 1, 10, "a refusal")
        for _ in range(20):
            begin = time.monotonic()
            answer, doc = health(s)
            slowest = max(slowest, time.monotonic() - begin)
        assert slowest < 0.25 * SLOWER, slowest
        assert doc["status"] in ("degraded", "failing") and doc["reasons"], doc
    wait_health(s, "ok")
    load.audit(whole=False)


def test_health_without_a_secret(httpd_new):
    s = httpd_new(secrets=())
    s.cfmt = [f"CfmtDb {s.db}", "CfmtSenders 127.0.0.0/8"]
    s.log.allow(r"CFMT\d{4}")
    s.start()
    answer, doc = health(s)
    assert answer.status == 503 and doc["status"] == "failing" and "secret" in reasons(doc)


def test_health_with_one_secret_unreadable(httpd_new):
    s = httpd_new()
    s.cfmt.append(f"CfmtSecret file:{s.root}/secret/none label=lost")
    s.log.expect(r"CFMT\d{4}.*secret/none|CFMT\d{4}.*lost")
    s.log.allow(r"CFMT0[12]\d\d")
    s.start()
    post(s, attack()).stored()
    answer, doc = health(s)
    assert answer.status == 200 and doc["status"] == "degraded" and "secret" in reasons(doc)


# ---- the leader ----------------------------------------------------------------------------------------


@pytest.mark.mpm("event", "prefork")
def test_a_killed_leader_is_followed_by_another(httpd_new, mpm):
    s = httpd_new(mpm=mpm).start()
    (old,) = s.leaders()
    s.log.allow(r"exit signal Killed|AH00052")
    os.kill(old, signal.SIGKILL)
    new = wait_for(lambda: [p for p in s.leaders() if p != old], 10, "another leader")
    assert new != [old] and s.leader_locked() == 1
    ident = post(s, attack()).stored()
    wait_for(lambda: s.query("SELECT 1 FROM event WHERE id = ?", ident), 10, "the projection")
    wait_health(s, "ok")


def age_heartbeat(server, seconds):
    """Sets the heartbeat back in place, as if the leader had been stuck for so long."""
    path = server.db + ".leader"
    with open(path, "r+") as f:
        text = f.read()
        words = text.split()
        # pid, start, round, time of the beat in microseconds: the newest time is the beat
        beat = max(int(w) for w in words if w.isdigit())
        old = str(beat - seconds * 1000000)
        assert len(old) == len(str(beat))
        index = text.rindex(str(beat))
        f.seek(index)
        f.write(old)


def test_a_hung_leader_is_ended_and_replaced(httpd_new):
    """Stopped: the monitor, which looks each ten seconds, tells it and then ends it."""
    if not os.path.exists(IMPATIENT):
        pytest.skip("mod_cfmt_test.so (limits of seconds) is not built: make check builds it")
    s = httpd_new()
    s.module = IMPATIENT
    s.start()
    (old,) = s.leaders()
    s.log.expect(r"CFMT0503: the leader, process %d, hangs" % old)
    s.log.allow(r"exit signal Killed|AH00052|CFMT0[45]\d\d")
    try:
        os.kill(old, signal.SIGSTOP)
        age_heartbeat(s, 90)
        # "degraded" in the first minute of a server, "failing" later
        wait_for(lambda: "leader" in reasons(health_any(s)), 5, "health to see the old heartbeat")
        wait_for(lambda: not alive(old), 32, "the monitor to end the hung leader")
    finally:
        if alive(old):
            os.kill(old, signal.SIGCONT)
    wait_for(lambda: [p for p in s.leaders() if p != old], 15, "another leader")
    ident = post(s, attack()).stored()
    wait_for(lambda: s.query("SELECT 1 FROM event WHERE id = ?", ident), 10, "the projection")
    wait_health(s, "ok", 15)


def health_any(server):
    """Health by whichever child answers: a connection may hang with the one that is stopped."""
    for _ in range(5):
        try:
            return get(server, "/mt-health", limit=1).json()
        except OSError:
            continue
    raise AssertionError("no child answers")
