"""cfmtctl against the store of a real server: tables, JSON, exit codes, who may."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from client import TEST_MESSAGE, attack, post, token
from httpd import IS_ROOT, SECRET, cfmtctl_path, wait_for

BEGAN = int(time.time()) - 3600  # an attack without a word for a day would be taken for over

COMMANDS = ["events", "attacks", "journal", "prefixes", "tunnels", "jobs", "ranges", "db check", "version", "help"]


@pytest.fixture(scope="module")
def filled(farm):
    """A server with an attack that began and ended, one that is open, and a test message."""
    s = farm.new()
    s.cfmt.append("CfmtPrefix 203.0.113.0/24 name=web")
    s.start()
    s.ended, s.open = token(), token()
    post(s, attack("START", s.ended, "corr-1", ts=BEGAN)).stored()
    post(s, attack("END", s.ended, "corr-1", ts=BEGAN + 600)).stored()
    post(s, attack("START", s.open, "corr-2", target="203.0.113.99")).stored()
    post(s, TEST_MESSAGE).stored("test")
    post(s, b"{bad").problem(400)
    s.wait_projected()
    yield s
    farm.end(s)


def table(server, *args, **kw):
    done = server.ctl(*args, **kw)
    assert done.returncode == 0, done
    assert "\x1b" not in done.stdout
    return [line.split() for line in done.stdout.splitlines()]


def data(server, *args, **kw):
    done = server.ctl(*args, "--json", **kw)
    assert done.returncode == 0, done
    doc = json.loads(done.stdout)
    assert doc["version"] == 1
    return doc


@pytest.mark.smoke
def test_events(filled):
    lines = table(filled, "events")
    assert lines[0][0] == "ID" and "ALERT_TYPE" in lines[0] and "ATTACK" in lines[0]
    assert all(w == w.upper() for w in lines[0])
    rows = data(filled, "events")["events"]
    assert [r["id"] for r in rows] == sorted(r["id"] for r in rows) and len(rows) == 4
    assert [r["alert_type"] for r in rows] == ["advanced_ddos_attack_l4_alert"] * 3 + [None]
    assert [r["state"] for r in rows][:3] == ["start", "end", "start"]
    assert rows[0]["attack_id"] == filled.ended
    stored = filled.query("SELECT id, attack, pps FROM event ORDER BY id")
    assert [(r["id"], r["attack"], r["pps"]) for r in rows] == stored
    assert stored[0][2] == 1234567


def test_json_of_absurd_rates_is_json(httpd_new):
    s = httpd_new().start()
    body = {"alert_type": "dos_attack_l4", "data": {
        "attack_id": "absurd", "packets_per_second": 1e18, "megabits_per_second": 1e18,
        "requests_per_second": "800.5"}}
    post(s, json.dumps(body).encode()).stored()
    s.wait_projected()
    row, = data(s, "events")["events"]
    assert (row["pps"], row["bps"], row["rps"]) == (1e18, None, 800.5)
    row, = data(s, "attacks")["attacks"]
    assert (row["peak_pps"], row["peak_bps"], row["peak_rps"]) == (1e18, None, 800.5)


@pytest.mark.smoke
def test_attacks(filled):
    rows = {r["state"]: r for r in data(filled, "attacks")["attacks"]}
    assert set(rows) == {"open", "ended"}
    assert rows["ended"]["attack_ids"] == [filled.ended] and rows["open"]["attack_ids"] == [filled.open]
    assert rows["open"]["prefixes"] == ["203.0.113.0/24"]
    assert rows["open"]["targets"] == ["203.0.113.99"]
    assert rows["ended"]["started_at"].startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BEGAN)))
    lines = table(filled, "attacks")
    assert lines[0][0] == "ID" and len(lines) == 3


def test_journal(filled):
    rows = data(filled, "journal")["journal"]
    kinds = [r["kind"] for r in rows]
    assert kinds.count("delivery") == 4 and kinds.count("rejected") == 1 and "config" in kinds
    body = [r["body"] for r in rows if r["kind"] == "delivery"][0]
    assert body["data"]["attack_id"] == filled.ended
    lines = table(filled, "journal")
    assert {"ID", "KIND"} <= set(lines[0]) and len(lines) == len(rows) + 1


def test_limit_and_since(filled):
    rows = data(filled, "events")["events"]
    assert data(filled, "events", "--limit", "2")["events"] == rows[-2:]
    assert data(filled, "events", "-n", "1")["events"] == rows[-1:]
    assert data(filled, "events", "--since", "1h")["events"] == rows
    assert data(filled, "events", "--since", "2099-01-01T00:00:00Z")["events"] == []
    # open attacks are shown whatever their age
    assert [r["state"] for r in data(filled, "attacks", "--since", "2099-01-01T00:00:00Z")["attacks"]] \
        == ["open"]


def test_global_options_before_or_after(filled):
    want = data(filled, "events")
    for args in (["--json", "--db", filled.db, "events"], ["events", "--json", "--db", filled.db],
                 ["--json", "events", f"--db={filled.db}"]):
        done = filled.ctl(*args, db=False)
        assert done.returncode == 0 and json.loads(done.stdout) == want
    done = filled.ctl("events", "--json", db=False, env={"CFMT_DB": filled.db})
    assert json.loads(done.stdout) == want


@pytest.mark.asan
def test_attack_close_and_its_names(httpd_new):
    s = httpd_new().start()
    names = []
    for n in range(3):
        attack_id, correlation = token(), token()
        post(s, attack("START", attack_id, correlation, target=f"203.0.113.{n}")).stored()
        names.append((attack_id, correlation))
    s.wait_projected()
    ours = {r["attack_ids"][0]: r["id"] for r in data(s, "attacks")["attacks"]}
    for name in (ours[names[0][0]], names[1][0], names[2][1]):
        done = s.ctl("attack", "close", name, "--reason", "seen by hand")
        assert done.returncode == 0, done
    rows = data(s, "attacks")["attacks"]
    assert [(r["state"], r["ended_by"]) for r in rows] == [("ended", "operator")] * 3
    commands = [json.loads(r[3]) for r in s.journal() if r[1] == "command"]
    assert len(commands) == 3 and "seen by hand" in str(commands[0])
    assert s.ctl("attack", "close", "no-such-attack").returncode == 1
    # a later START opens it again
    post(s, attack("START", names[0][0], names[0][1], ts=4000000000)).stored()
    s.wait_projected()
    state = s.query("SELECT state, episodes FROM attack WHERE id = ?", ours[names[0][0]])
    assert state == [("open", 2)]


def test_attack_close_without_a_leader(httpd_new):
    s = httpd_new().start()
    attack_id = token()
    post(s, attack("START", attack_id)).stored()
    s.wait_projected()
    s.stop()
    done = s.ctl("attack", "close", attack_id)
    assert done.returncode == 0, done
    assert s.query("SELECT state FROM attack") == [("ended",)]
    s.start()
    post(s, attack()).stored()


def test_db_check(filled):
    lines = table(filled, "db", "check")
    assert lines
    assert filled.ctl("db", "check", "--full").returncode == 0
    assert data(filled, "db", "check")


def test_version_and_help(filled):
    done = filled.ctl("version", db=False)
    assert done.returncode == 0 and done.stdout.startswith("cfmtctl ") and not done.stderr
    done = filled.ctl("help", db=False)
    assert done.returncode == 0
    for command in COMMANDS + ["attack close"]:
        assert command in done.stdout
        assert filled.ctl("help", *command.split(), db=False).returncode == 0
    assert filled.ctl("--help", db=False).stdout == done.stdout


@pytest.mark.parametrize("args", [
    [], ["evnts"], ["events", "--since", "yesterday"], ["events", "--limit", "-1"],
    ["events", "--limit", "x"], ["events", "--nope"], ["attack"], ["attack", "close"],
    ["events", "surplus"], ["db"], ["events", "--limit"], ["version", "--follow"]])
def test_wrong_usage_is_2_and_one_sentence(filled, args):
    done = filled.ctl(*args)
    assert done.returncode == 2, done
    assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("cfmtctl: ") and "CFMT07" in done.stderr


@pytest.mark.parametrize("fault,code", [("missing", 8), ("foreign", 8), ("garbage", 8),
                                        ("newer", None), ("directory", None), ("unreadable", 4)])
def test_a_file_that_is_no_store_is_one_sentence(httpd_new, fault, code):
    s = httpd_new(load_cfmt=False)
    os.mkdir(s.path("state"))
    s.chown_user(s.path("state"))
    user = None
    if fault == "foreign":
        db = sqlite3.connect(s.db)
        db.execute("CREATE TABLE x(y)")
        db.commit()
        db.close()
    elif fault == "newer":
        db = sqlite3.connect(s.db)
        db.executescript("CREATE TABLE meta(name TEXT PRIMARY KEY, value);"
                         "INSERT INTO meta VALUES('min_code', 999);"
                         "PRAGMA application_id = 0x43464d54; PRAGMA user_version = 999;")
        db.close()
    elif fault == "garbage":
        s.write("state/cfmt.db", "no database at all\n" * 300)
    elif fault == "directory":
        os.mkdir(s.db)
    elif fault == "unreadable":
        if not IS_ROOT:
            pytest.skip("needs root")
        sqlite3.connect(s.db).executescript("CREATE TABLE x(y);")
        user = "nobody"
    if os.path.isfile(s.db):
        os.chmod(s.db, 0o600)
        s.chown_user(s.db)
    exe = shutil.copy(cfmtctl_path(), s.path("cfmtctl"))
    os.chmod(exe, 0o755)
    for args in (["events"], ["attack", "close", "x"]):
        done = s.ctl(*args, user=user, exe=exe)
        assert done.returncode in ((code,) if code else (1, 4, 8)), done
        assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1, done
        assert done.stderr.startswith("cfmtctl: ") and s.db in done.stderr


@pytest.fixture(scope="module")
def binary(filled):
    """A copy that everyone can reach: the build directory may lie in a home directory."""
    exe = shutil.copy(cfmtctl_path(), filled.path("cfmtctl"))
    os.chmod(exe, 0o755)
    return exe


def test_people(filled, binary):
    """root and httpd's user may; a stranger gets one sentence and exit status 4."""
    if not IS_ROOT:
        pytest.skip("needs root")
    before = {n: os.stat(os.path.join(os.path.dirname(filled.db), n)).st_uid
              for n in os.listdir(os.path.dirname(filled.db))}
    for command in map(str.split, COMMANDS):
        for user in (None, filled.user):
            assert filled.ctl(*command, user=user, exe=binary).returncode == 0, (command, user)
        done = filled.ctl(*command, user="nobody", exe=binary)
        if command[0] in ("version", "help"):
            assert done.returncode == 0
        else:
            assert done.returncode == 4, done
            assert len(done.stderr.strip().splitlines()) == 1 and not done.stdout
    for name in os.listdir(os.path.dirname(filled.db)):
        path = os.path.join(os.path.dirname(filled.db), name)
        assert os.stat(path).st_uid == before.get(name, os.stat(filled.db).st_uid), name
    post(filled, attack("END", filled.open, "corr-2")).stored()


def test_a_member_of_the_group(httpd_new):
    """CfmtGroup's members may read and command, and lock nobody out, even when killed."""
    if not IS_ROOT:
        pytest.skip("needs root")
    s = httpd_new()
    s.cfmt.append("CfmtGroup adm")
    s.log.allow("CFMT0102: CfmtGroup adm")  # httpd's own user is no member
    s.start()
    attack_id = token()
    post(s, attack("START", attack_id)).stored()
    s.wait_projected()
    exe = shutil.copy(cfmtctl_path(), s.path("cfmtctl"))
    os.chmod(exe, 0o755)
    member = ["/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=adm", exe, "--db", s.db]
    for args in (["events"], ["attack", "close", attack_id]):
        done = subprocess.run(member + args, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
    assert s.query("SELECT state FROM attack") == [("ended",)]
    s.stop()
    # alone with the files, and killed: what it leaves must not lock httpd's user out
    follow = subprocess.Popen(member + ["journal", "--follow"], stdout=subprocess.PIPE)
    try:
        follow.stdout.readline()
    finally:
        follow.kill()
        follow.wait()
        follow.stdout.close()
    s.start()
    post(s, attack()).stored()
    s.wait_projected()


def test_follow_prints_new_rows_one_object_a_line(filled, tmp_path):
    out = open(tmp_path / "out", "w+")
    cmd = [cfmtctl_path(), "--db", filled.db, "events", "--follow", "--json", "--limit", "1"]
    proc = subprocess.Popen(cmd, stdout=out, stderr=subprocess.PIPE,
                            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})

    def lines():
        with open(tmp_path / "out") as f:
            return [json.loads(x) for x in f.read().splitlines()]

    try:
        wait_for(lambda: len(lines()) >= 1, 10, "the first line")
        seen = len(lines())
        ident = post(filled, attack("START", token(), token())).stored()
        wait_for(lambda: any(x.get("id") == ident for x in lines()[seen:]), 10, "the new event")
        proc.send_signal(signal.SIGINT)
        assert proc.wait(10) in (0, -signal.SIGINT, 130)
    finally:
        proc.kill()
        proc.wait()
        proc.stderr.close()
        out.close()


def test_a_reader_that_leaves_ends_it_quietly(filled):
    done = subprocess.run(["/bin/sh", "-c", f"'{cfmtctl_path()}' --db '{filled.db}' journal | head -1"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout.splitlines()) == 1


def test_no_secret_in_any_output(filled):
    for command in map(str.split, COMMANDS):
        for args in (command, command + ["--json"]):
            done = filled.ctl(*args)
            assert SECRET not in done.stdout + done.stderr
