"""cfmtctl db backup, restore, info and cfmtctl secret: the file as it is kept, and the rotation of the webhook's secret."""
import json
import os
import re
import sqlite3
import stat
import threading
import time

import pytest

from client import post
from httpd import IS_ROOT, wait_for

DAY = 86400 * 1000000


def ctl(server, *words, code=0):
    done = server.ctl(*words)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def doc(server, *words):
    return json.loads(ctl(server, *words, "--json"))


def deliver(server, n, secret=None):
    """Its journal row. Nothing follows from it but an event."""
    body = json.dumps({"alert_type": "radar_notification", "ts": 1790000000 + n, "data": {"event_title": f"event {n}"}})
    return post(server, body.encode(), **({"secret": secret} if secret else {})).stored()


def state(server, name):
    return os.path.join(os.path.dirname(server.db), name)


def left_beside(server):
    return [n for n in os.listdir(os.path.dirname(server.db)) if "backup-" in n or "restore-" in n]


# ---- backup ----------------------------------------------------------------------------------------------

def rows_of(path):
    db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [r[0] for r in db.execute("SELECT id FROM journal WHERE kind = 'delivery' ORDER BY id")]
    finally:
        db.close()


@pytest.mark.smoke
def test_backup_under_load(httpd_new):
    """One sound moment of a store that is written all the time; no delivery fails or waits for it."""
    server = httpd_new().start()
    stop, waits, wrong = threading.Event(), [], []

    def load(first):
        n = first
        while not stop.is_set():
            began = time.monotonic()
            try:
                deliver(server, n)
            except AssertionError as e:
                wrong.append(e)
            waits.append(time.monotonic() - began)
            n += 2

    threads = [threading.Thread(target=load, args=(i,)) for i in (0, 1)]
    for t in threads:
        t.start()
    try:
        wait_for(lambda: len(waits) > 50, 20, "some deliveries")
        for i in range(3):
            before = len(server.query("SELECT id FROM journal WHERE kind = 'delivery'"))
            found = doc(server, "db", "backup", server.path(f"copy{i}.db"))
            after = len(server.query("SELECT id FROM journal WHERE kind = 'delivery'"))
            rows = rows_of(server.path(f"copy{i}.db"))
            assert before <= len(rows) <= after and rows[-1] <= found["journal_id"], (before, len(rows), after)
            assert rows == [r[0] for r in server.query("SELECT id FROM journal WHERE kind = 'delivery'")][:len(rows)]
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not wrong and max(waits) < 2 and not left_beside(server)


def test_where_a_backup_goes(stopped, tmp_path):
    """A new file for its owner alone, a directory gives it a name, nothing is overwritten."""
    where = str(tmp_path)
    assert re.search(r"cfmt-\d{8}T\d{6}Z\.db: .* MiB, sound, to journal row ", ctl(stopped, "db", "backup", where))
    name, = os.listdir(where)
    path = os.path.join(where, name)
    found = os.stat(path)
    assert stat.S_IMODE(found.st_mode) == 0o600 and found.st_uid == os.geteuid()
    before = open(path, "rb").read()
    assert "CFMT1204" in ctl(stopped, "db", "backup", path, code=1)
    assert open(path, "rb").read() == before
    assert "CFMT1204" in ctl(stopped, "db", "backup", os.path.join(where, "no", "such"), code=1)
    os.symlink("/nowhere", os.path.join(where, "link"))
    assert "CFMT1204" in ctl(stopped, "db", "backup", os.path.join(where, "link"), code=1)
    rows_of(path)
    assert not left_beside(stopped)
    os.unlink(path)
    assert "usage" in ctl(stopped, "db", "backup", code=2)
    missing = stopped.ctl("db", "backup", path, "--db", stopped.path("none/cfmt.db"))
    assert missing.returncode == 8 and not os.path.exists(path), missing


# ---- restore ---------------------------------------------------------------------------------------------

def test_backup_and_restore(httpd_new):
    """Back to the moment of the backup, with what was there kept; then everything goes on."""
    server = httpd_new().start()
    first = deliver(server, 1)
    server.wait_projected()
    copy = server.path("copy.db")
    ctl(server, "db", "backup", copy)
    deliver(server, 2)
    server.wait_projected()
    in_use = ctl(server, "db", "restore", copy, "--yes", code=8)
    assert re.search(r"is in use by process \d+: stop httpd first .*CFMT1207", in_use), in_use
    server.stop()
    assert "Nobody can be asked here" in ctl(server, "db", "restore", copy, code=2)
    assert [r[0] for r in server.query("SELECT count(*) FROM event")] == [2]
    done = doc(server, "db", "restore", copy, "--yes", "--reason", "a trial")
    assert done["kept"] and rows_of(done["kept"]) and not left_beside(server), done
    assert server.query("SELECT max(id) FROM event") == [(first,)]
    what, who, why = server.query("SELECT what, who, why FROM audit ORDER BY id DESC LIMIT 1")[0]
    assert (what, why) == ("restore", "a trial") and who.startswith("user "), (what, who, why)
    assert "sound" in ctl(server, "audit", "verify") or server.ctl("audit", "verify").returncode == 0
    server.start()
    deliver(server, 3)
    server.wait_projected()
    assert [r[0] for r in server.query("SELECT count(*) FROM event")] == [2]
    found = os.stat(server.db)
    assert stat.S_IMODE(found.st_mode) == 0o660 and found.st_uid == os.stat(os.path.dirname(server.db)).st_uid


def damaged(path, copy):
    data = bytearray(open(copy, "rb").read())
    data[len(data) // 2:len(data) // 2 + 20000] = b"\x5a" * 20000
    with open(path, "wb") as f:
        f.write(data)


def other(path, sql):
    db = sqlite3.connect(path)
    with db:
        db.executescript(sql)
    db.close()


@pytest.fixture(scope="module")
def saved(stopped):
    path = stopped.path("saved.db")
    if not os.path.exists(path):
        ctl(stopped, "db", "backup", path)
    return path


def bad_copies(path, saved):
    """What must not be put in the place of a database, each by its own word."""
    damaged(path, saved)
    yield "damaged"
    os.unlink(path)
    other(path, "CREATE TABLE t(x); INSERT INTO t VALUES(1)")
    yield "not one of mod_cfmt"
    with open(path, "wb") as f:
        f.write(open(saved, "rb").read())
    other(path, "UPDATE meta SET value = 999 WHERE name = 'min_code'")
    yield "999"
    os.truncate(path, 0)
    yield "an empty file"
    with open(path, "w") as f:
        f.write("this is text\n" * 1000)
    yield "CFMT1209"


def test_bad_copies_are_refused(stopped, saved, tmp_path):
    """Before anything is touched."""
    path, before = str(tmp_path / "bad.db"), open(stopped.db, "rb").read()
    for word in bad_copies(path, saved):
        said = ctl(stopped, "db", "restore", path, "--yes", code=1)
        assert "CFMT1209" in said and "nothing was changed" in said and (word in said or word == "damaged"), (word, said)
        assert open(stopped.db, "rb").read() == before and not left_beside(stopped), word
    assert "CFMT1204" in ctl(stopped, "db", "restore", str(tmp_path / "none"), "--yes", code=1)


def test_a_raw_copy_with_its_log_is_whole(stopped, saved, tmp_path):
    """Whoever copied file and log gets what is in the log, too."""
    path = str(tmp_path / "raw.db")
    with open(path, "wb") as f:
        f.write(open(saved, "rb").read())
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute("INSERT INTO meta(name, value) VALUES('in the log', 7)")
    db.commit()
    copy = str(tmp_path / "copied.db")
    for suffix in ("", "-wal"):
        with open(copy + suffix, "wb") as f:
            f.write(open(path + suffix, "rb").read())
    db.close()
    assert os.path.getsize(copy + "-wal") > 0
    kept = doc(stopped, "db", "restore", copy, "--yes")["kept"]
    assert kept not in {doc(stopped, "db", "restore", copy, "--yes")["kept"] for _ in range(2)}
    assert stopped.query("SELECT value FROM meta WHERE name = 'in the log'") == [(7,)]
    ctl(stopped, "db", "restore", kept, "--yes")
    assert not stopped.query("SELECT value FROM meta WHERE name = 'in the log'")
    assert "ok" in ctl(stopped, "db", "check")


@pytest.mark.skipif(not IS_ROOT, reason="needs another user")
def test_who_may(stopped, saved, tmp_path):
    """Only the owner of the state directory, which root becomes, may put another file there."""
    os.chmod(saved, 0o644)
    os.chmod(stopped.root, 0o755)
    done = stopped.ctl("db", "restore", saved, "--yes", user="nobody")
    assert done.returncode == 4 and "CFMT1208" in done.stderr, done
    done = stopped.ctl("db", "backup", str(tmp_path / "x.db"), user="nobody")
    assert done.returncode == 4 and "CFMT1204" in done.stderr, done
    assert not left_beside(stopped)


# ---- secret ----------------------------------------------------------------------------------------------

def secrets(server):
    return {s["label"]: s for s in doc(server, "secret", "list")["secrets"]}


def test_rotation_step_by_step(httpd_new):
    """Exactly what it prints, followed to its end."""
    server = httpd_new()
    server.start()
    deliver(server, 1)
    assert secrets(server)["first"]["state"] == "only" and not secrets(server)["first"]["safe_to_retire"]
    assert "CFMT1203" in ctl(server, "secret", "retire", "first", code=3)
    path = server.path("secret/new")
    said = ctl(server, "secret", "new", path, "2027")
    value = open(path).read().strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", value) and value not in said and stat.S_IMODE(os.stat(path).st_mode) == 0o600
    line = re.search(r"^ +(CfmtSecret file:\S+ label=2027)$", said, re.M).group(1)
    server.secrets.append(value)
    server.cfmt.append(line)
    old = server.generation()
    server.write_config()
    server.graceful()
    wait_for(lambda: not server.generation() & old and "2027" in secrets(server), 20, "the new generation")
    assert secrets(server)["2027"]["state"] == "unused" and secrets(server)["first"]["state"] == "in use"
    deliver(server, 2, value)
    found = secrets(server)
    assert found["first"]["state"] == "fading" and found["2027"]["state"] == "in use", found
    assert "wait until" in ctl(server, "secret", "retire", "first", code=3)
    assert [d["secret"] for d in doc(server, "deliveries")["deliveries"]] == ["first", "2027"]
    db = sqlite3.connect(server.db)
    with db:
        db.execute("UPDATE journal SET at = at - ? WHERE label = 'first'", (2 * DAY,))
    db.close()
    assert secrets(server)["first"]["safe_to_retire"] and secrets(server)["first"]["state"] == "retired"
    steps = ctl(server, "secret", "retire", "first")
    assert f"CfmtSecret file:{server.root}/secret/0 label=first" in steps and "rm " in steps, steps
    assert ctl(server, "secret", "retire", "first") == steps
    assert "CFMT1203" in ctl(server, "secret", "retire", "2027", code=3)
    assert "1. remove the line" in ctl(server, "secret", "retire", "2027", "--override")
    assert "there are: 2027, first" in ctl(server, "secret", "retire", "nosuch", code=1)


def test_secret_new_overwrites_nothing(stopped, tmp_path):
    path = str(tmp_path / "s")
    given = json.loads(ctl(stopped, "secret", "new", path, "--json"))
    assert given["file"] == path and re.fullmatch(r"\d{4}-\d\d-\d\d", given["label"]), given
    before = open(path).read()
    assert "name a file that is not there" in ctl(stopped, "secret", "new", path, code=1) and open(path).read() == before
    assert open(str(tmp_path / "s")).read() != json.loads(ctl(stopped, "secret", "new", path + "2", "--json"))["file"]
    assert open(path + "2").read() != before
    for bad in (["relative"], [path + " x"], [path + "3", "a b"], [path + "3", ""], [path + '"']):
        assert "CFMT1199" in ctl(stopped, "secret", "new", *bad, code=2), bad
    assert sorted(os.listdir(tmp_path)) == ["s", "s2"]
