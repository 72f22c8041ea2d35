"""cfmtctl status, explain, timers, proposals, audit, and the commands that change something.

Rows stand in the store as the engine writes them. Commands are answered by the test in the leader's place (it
holds the leader lock, so nobody else leads): what is tested is the way there, the way back and the exit status.
"""
import contextlib
import hashlib
import json
import os
import pty
import re
import sqlite3
import subprocess
import threading
import time

import pytest

import locks
from httpd import IS_ROOT, SLOWER, cfmtctl_path
from test_world_cli import DAY, ESCAPE, HOUR, IDS, MINUTE, SECOND, Store, at, near

A, B, ORPHAN, V6, PART = "203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32", "203.0.113.128/25"
GATES = ("mode scope known enabled unlocked api_controlled advertised fresh cause no_attack calm min_advertised "
         "no_hold no_window origin api_health projected clock last_look").split()
TABLES = ("prefix", "sensed", "reading", "job", "setting", "decision", "intent", "hold", "window", "proposal", "audit",
          "attack", "attack_target", "evidence", "journal")


class Acts(Store):
    """Adds what is decided, wanted and done."""

    def __init__(self, server):
        super().__init__(server)
        for table in TABLES:
            with contextlib.suppress(sqlite3.OperationalError):
                self.run(f"DELETE FROM {table}")
        self.run("UPDATE meta SET value = 0 WHERE name = 'cursor'")

    def one(self, sql, *values):
        db = sqlite3.connect(self.server.db, timeout=10)
        try:
            return db.execute(sql, values).fetchone()
        finally:
            db.close()

    def decision(self, prefix, text="-", **more):
        gates = [{"gate": g, "light": "green", "reason": "ok", "figure": "none", "value": 0, "threshold": 0,
                  "text": None, "source": "config", "at": 0, "next": 0} for g in GATES]
        for name, change in more.pop("gates", {}).items():
            gates[GATES.index(name)].update(change)
        cause = {"kind": "attack", "by_attack": True, "at": self.now - HOUR, "who": None, "attack": "a1b2", "intent": 0,
                 **more.pop("cause", {})}
        advertise = {"action": "none", "reason": "calm", "attack": None, "at": 0, "exposed": False, "page_at": 0,
                     "text": "-", **more.pop("advertise", {})}
        doc = {"version": 1, "action": "stay", "why": "calm", "text": text, "earliest": 0, "orphan": False,
               "orphan_at": 0, "cause": cause, "advertise": advertise, "gates": gates, **more}
        self.add("decision", prefix=prefix, at=self.now - 2 * SECOND, verdict=doc["action"],
                 red=",".join(g["gate"] for g in gates if g["light"] == "red"), next_at=None,
                 gates=json.dumps(doc, separators=(",", ":")), changed_at=self.now - HOUR)

    def intent(self, id_, prefix, want, state="requested", **more):
        row = {"cause": "operator", "who": "user alice", "reason": "", "proposal": 0, "override": 0,
               "created_at": self.now - MINUTE, "not_before": 0, "next_at": 0, "attempts": 0, "attack": None}
        self.add("intent", **{"id": id_, "prefix": prefix, "want": want, "state": state, **row, **more})

    def commands(self):
        db = sqlite3.connect(self.server.db, timeout=10)
        try:
            rows = db.execute("SELECT id, origin, body FROM journal WHERE kind = 'command' ORDER BY id").fetchall()
        finally:
            db.close()
        return [(i, origin, json.loads(body)) for i, origin, body in rows]


@pytest.fixture(scope="module")
def stopped(farm):
    s = farm.new().start()
    s.stop()
    yield s
    farm.end(s)


@pytest.fixture
def store(stopped, oracle):
    return Acts(stopped)


@contextlib.contextmanager
def leader(store):
    """Somebody leads: nobody else does. As a leader it has the store open: nobody makes its files anew."""
    fd = os.open(store.server.db + ".leader", os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o660)
    db = sqlite3.connect(store.server.db, timeout=10)
    try:
        db.execute("SELECT count(*) FROM meta").fetchone()
        assert locks.taken(fd)
        yield
    finally:
        db.close()
        os.close(fd)


@contextlib.contextmanager
def answering(store, answer):
    """The leader's place: each command is answered by what answer(command) says."""
    stop, failed = threading.Event(), []

    def work():
        done = set()
        try:
            while not stop.wait(0.02):
                for id_, _, body in [c for c in store.commands() if c[0] not in done]:
                    done.add(id_)
                    said = answer(body)
                    if said is not None:
                        store.add("journal", at=store.now, kind="result", origin="engine", tag=f"command {id_}",
                                  body=json.dumps({"command": id_, "outcome": "done", "code": 0, "text": "ok",
                                                   "intent": 0, "proposal": 0, "at": 0, **said}))
        except Exception as e:  # pylint: disable=broad-except
            failed.append(e)

    thread = threading.Thread(target=work)
    with leader(store):
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
    assert not failed, failed


def five(store):
    """The picture of the manual: one prefix in each state."""
    now = store.now
    store.settings(Mode="enforce", AnalyticsLag="5m")
    store.policy(A, "name=web withdraw=auto")
    store.policy(B, "name=mail withdraw=auto")
    store.prefix(1, A, advertised=1, advertised_at=now - 2530 * SECOND)
    store.prefix(2, B, advertised=1, advertised_at=now - 1862 * SECOND)
    store.prefix(3, ORPHAN, advertised=1, advertised_at=now - 9 * DAY)
    store.prefix(4, V6, advertised=0, advertised_at=now - 3 * DAY)
    store.prefix(5, PART, enabled=0)
    store.add("reading", kind="parent", id=IDS[10], read_at=now - 20 * SECOND)
    store.job("prefixes", 12 * SECOND, ok_at=now - 20 * SECOND)
    store.sensed("upstream rest", 5 * SECOND, breaker="closed", left="1180", quota="1200")
    store.sensed("traffic", 5 * SECOND, watermark=str(now - 341 * SECOND), targets="3")
    minute = (now - 6 * MINUTE) // MINUTE * MINUTE
    for prefix, verdict, pps in ((A, "attack", 1200000.0), (B, "calm", 0.0)):
        store.add("evidence", day=minute // DAY, prefix=prefix, at=minute, until=minute + MINUTE, verdict=verdict,
                  reason="pps", pps=pps, bps=0.0, system="dosd", peak_at=minute)
    store.decision(A, "stays: attack a1b2 open since 03:01:10Z", why="no_attack", gates={
        "no_attack": {"light": "red", "reason": "attack", "figure": "count", "value": 1, "text": "a1b2",
                      "source": "alert", "at": now - HOUR},
        "calm": {"light": "red", "reason": "attack", "figure": "count", "value": 0, "threshold": 15,
                 "source": "analytics", "at": now - 6 * MINUTE, "next": now + 15 * MINUTE}})
    store.decision(B, "withdraw 03:22:05Z if calm (13 of 15 minutes)", earliest=now + 3 * MINUTE,
                   gates={"calm": {"light": "red", "reason": "short", "figure": "count", "value": 13, "threshold": 15,
                                   "source": "analytics", "at": now - 6 * MINUTE, "next": now + 3 * MINUTE}})
    store.decision(ORPHAN, "orphan: cfmtctl adopt | hold | withdraw", why="cause", orphan=True,
                   orphan_at=now + DAY, cause={"kind": "unknown", "by_attack": False, "attack": None},
                   gates={"cause": {"light": "red", "reason": "first-seen", "source": "api"}})
    store.decision(V6, "-", why="advertised", cause={"kind": "policy", "attack": None})


def attack(store, target=A, **more):
    row = {"id": "a1b2", "number": 1, "state": "open", "scope": "network", "ours": 1, "episodes": 1, "events": 1,
           "started_at": store.now - HOUR, "episode_at": store.now - HOUR, "last_at": store.now - HOUR,
           "targets": json.dumps([target]), "prefixes": json.dumps([A]), "targets_cut": 0, "target_missing": 0,
           "vectors": "[]", "protocols": "[]", "rules": "[]", "alert_types": "[]"}
    store.add("attack", **{**row, **more})


def lines_of(done):
    return {line.split()[0]: line for line in done.stdout.splitlines()[2:]}


# ---- status -------------------------------------------------------------------------------------------

@pytest.mark.smoke
def test_status_is_the_picture(store):
    five(store)
    attack(store)
    with leader(store):
        done = store.ctl("status")
    head, columns = done.stdout.splitlines()[:2]
    assert re.match(r"mode enforce · (leader pid|NO LEADER)", head), head
    assert re.search(r" · analytics (4[1-9]|5[0-9])s behind lag · Cloudflare API ok \(1180/1200\)$", head), head
    assert columns.split() == ["PREFIX", "STATE", "SINCE", "CAUSE", "ATTACKS", "DROPPED", "NEXT"]
    rows = lines_of(done)
    assert re.fullmatch(r"203.0.113.0/24 +advertised +42m[0-9]+s +attack +1 open +1\.2 Mpps +"
                        r"stays: attack a1b2 open since 03:01:10Z", rows[A])
    assert re.fullmatch(r"198.51.100.0/24 +advertised +31m[0-9]+s +attack +0 +0 +"
                        r"withdraw 03:22:05Z if calm \(13 of 15 minutes\)", rows[B])
    assert re.fullmatch(r"192.0.2.0/24 +advertised +9d +unknown +0 +- +orphan: cfmtctl adopt .*", rows[ORPHAN])
    assert re.fullmatch(r"2001:db8::/32 +withdrawn +3d +policy +0 +- +-", rows[V6])
    assert re.fullmatch(r"203.0.113.128/25 +not on demand +- +- +1 open +- +inside 203.0.113.0/24", rows[PART])


def test_status_as_data(store):
    five(store)
    attack(store)
    doc = store.data("status")
    assert (doc["mode"], doc["demo"], doc["configured"], doc["api_breaker"]) == ("enforce", False, True, "closed")
    assert (doc["api_left"], doc["api_quota"]) == (1180, 1200) and near(doc["analytics_age_seconds"], 341)
    rows = {r["prefix"]: r for r in doc["prefixes"]}
    a = rows[A]
    assert (a["name"], a["state"], a["cause"], a["attack"], a["attacks_open"]) == \
        ("web", "advertised", "attack", "a1b2", 1)
    assert a["dropped_pps"] == 1200000 and a["exposed"] is False and a["intent"] is None
    assert near(a["since_age_seconds"], 2530) and near(a["decided_age_seconds"], 2)
    assert at(rows[B]["earliest"]) == (store.now + 3 * MINUTE) // SECOND and rows[B]["dropped_pps"] == 0
    assert rows[ORPHAN]["orphan"] is True and rows[ORPHAN]["dropped_pps"] is None
    assert rows[PART]["inside"] == A and rows[PART]["exposed"] is None and rows[PART]["decided_at"] is None


def test_status_of_some(store):
    five(store)
    for typed, prefix in ((A, A), ("203.0.113.7", A), ("web", A), ("WEB", A), ("2001:db8::1", V6), (PART, PART),
                          ("203.0.113.200", A)):  # what can be advertised, not the part of it that cannot
        assert [r["prefix"] for r in store.data("status", typed)["prefixes"]] == [prefix], typed
    assert [r["prefix"] for r in store.data("status", "mail", "web", B)["prefixes"]] == [B, A]
    store.prefix(6, "203.0.0.0/16", enabled=0)
    assert store.data("status", "203.0.113.7")["prefixes"][0]["prefix"] == A
    store.policy("10.1.0.0/16", "name=new")  # configured, and the API lists none: named it is shown
    row, = store.data("status", "new")["prefixes"]
    assert (row["prefix"], row["state"], row["since_at"]) == ("10.1.0.0/16", "not listed", None)


def test_status_of_what_is_under_way(store):
    five(store)
    store.intent(7, B, 0, next_at=store.now + HOUR, answer="429: wait")
    store.intent(8, V6, 1, state="sent", cause="attack", who="policy")
    rows = lines_of(store.ctl("status"))
    assert re.search(r" withdrawing .* withdraw 7 requested, due 20[-0-9T:]+Z: 429: wait$", rows[B])
    assert re.search(r" advertising .* advertise 8 sent$", rows[V6])
    row, = store.data("status", V6)["prefixes"]
    assert (row["state"], row["intent"], row["intent_state"]) == ("advertising", 8, "sent")


def test_status_says_not_protected(store):
    five(store)
    store.run("DELETE FROM decision WHERE prefix = ?", V6)
    text = "NOT PROTECTED against attack c3d4: waits for approval, possible now"
    store.decision(V6, "-", advertise={"action": "wait", "reason": "proposed", "attack": "c3d4", "exposed": True,
                                       "text": text, "page_at": store.now + MINUTE})
    assert lines_of(store.ctl("status"))[V6].endswith(text)
    row, = store.data("status", V6)["prefixes"]
    assert row["exposed"] is True and row["next"] == text
    assert any(t["what"] == "NOT PROTECTED told" for t in store.data("timers")["timers"])


def test_status_without_anything(store):
    done = store.ctl("status")
    assert done.stdout.startswith("mode - · ") and "no API configured" in done.stdout
    assert "CFMT0997" in done.stderr and "CFMT0780" in done.stderr
    store.settings(Mode="observe")
    store.prefix(1, A, advertised=1, advertised_at=store.now - HOUR)
    rows = lines_of(store.ctl("status"))
    assert rows[A].endswith("not decided yet")
    store.decision(A)
    store.run("UPDATE decision SET gates = '{\"version\":9}'")
    assert "cannot be read" in lines_of(store.ctl("status"))[A]
    assert store.ctl("explain", A).stdout.splitlines()[-1].startswith("its decision cannot be read")
    assert store.data("explain", A)["decision"] is None


def test_a_calm_span_has_no_exact_newest_minute(store):
    five(store)
    store.run("UPDATE evidence SET pps = 900.0, at = until - ?, peak_at = until - ? WHERE prefix = ?",
              5 * MINUTE, 5 * MINUTE, B)
    assert " <900 pps " in lines_of(store.ctl("status"))[B]
    assert store.data("status", B)["prefixes"][0]["dropped_pps"] is None


# ---- explain ------------------------------------------------------------------------------------------

def test_explain(store):
    five(store)
    attack(store)
    store.add("hold", id=3, prefix=A, origin="operator", who="user alice", reason=f"why {ESCAPE}",
              since=store.now - HOUR)
    store.add("window", id=4, prefix="*", starts_at=store.now + HOUR, ends_at=store.now + 2 * HOUR,
              who="user bob", reason="fibre")
    store.add("proposal", id=5, prefix=A, want=0, reason="calm", made_at=store.now, expires_at=store.now + HOUR,
              state="open")
    store.intent(6, A, 1, state="done", settled_at=store.now - HOUR, attack="a1b2", cause="attack", who="policy")
    store.intent(9, B, 1)
    store.add("audit", id=1, at=store.now - HOUR, what="advertise", prefix=A, who="policy", why="attack a1b2",
              ref="intent 6", hash="0" * 64)
    out = store.ctl("explain", "web").stdout
    assert re.match(r"203.0.113.0/24 \(web\): advertised since 20[-0-9T:]+Z \(42m[0-9]+s\)\n"
                    r"cause: attack, attack a1b2\nattacks: 1 open; dropped: 1.2 Mpps in the minute of ", out), out
    gates = re.findall(r"^  (\w+) +(green|red|unknown|not checked) ", out, re.M)
    assert [g for g, _ in gates] == GATES and dict(gates)["no_attack"] == "red"
    assert re.search(r"^verdict: stays: attack a1b2 open since 03:01:10Z$", out, re.M)
    wanted = out[out.index("what would change it"):]
    assert re.search(r"^  no_attack +its END, calm, or 'cfmtctl attack close ID'", wanted, re.M)
    assert re.search(r"^  calm +by time, 20[-0-9T:]+Z; calm minutes: 'cfmtctl evidence 203.0.113.0/24'$", wanted, re.M)
    for title in ("holds", "maintenance windows", "proposals", "wanted changes", "last changes"):
        assert re.search(f"^{title}$", out, re.M), title
    assert "why \\x1b[31mred\\x07" in out and "advertise  done" in out and B not in out


def test_explain_as_data(store):
    five(store)
    doc = store.data("explain", B)
    assert doc["prefix"]["prefix"] == B and doc["prefix"]["state"] == "advertised"
    d = doc["decision"]
    assert (d["action"], d["why"], d["advertise"]) == ("stay", "calm", "none")
    gates = {g["gate"]: g for g in d["gates"]}
    assert list(gates) == GATES
    calm = gates["calm"]
    assert (calm["light"], calm["value"], calm["threshold"], calm["figure"]) == ("red", "13", "15", "count")
    assert near(calm["known_age_seconds"], 360) and at(calm["next_change_at"]) == (store.now + 3 * MINUTE) // SECOND
    assert calm["remedy"] == f"calm minutes: 'cfmtctl evidence {B}'" and gates["mode"]["remedy"] is None
    assert [doc[k] for k in ("holds", "windows", "proposals", "intents", "changes")] == [[]] * 5
    text = store.ctl("explain", B).stdout
    assert re.search(r"^earliest withdrawal: 20[-0-9T:]+Z, if it stays calm", text, re.M)


def test_explain_of_an_orphan_names_the_command(store):
    five(store)
    assert f"'cfmtctl adopt {ORPHAN}' hands it to the policy" in store.ctl("explain", ORPHAN).stdout


# ---- timers, proposals, windows -----------------------------------------------------------------------

def test_timers(store):
    five(store)
    now = store.now
    store.intent(7, A, 0, not_before=now + 5 * MINUTE)
    store.add("hold", id=1, prefix=B, origin="operator", who="user alice", reason="r", since=now, until=now + HOUR)
    store.add("hold", id=2, prefix=V6, origin="advertise", who="user alice", reason="", since=now)
    store.add("window", id=1, prefix="*", starts_at=now - HOUR, ends_at=now + 2 * HOUR, who="user b", reason="")
    store.add("window", id=2, prefix=A, starts_at=now + 3 * HOUR, ends_at=now + 4 * HOUR, who="user b", reason="")
    store.add("proposal", id=5, prefix=V6, want=1, reason="attack", made_at=now, expires_at=now + 30 * MINUTE,
              state="open")
    rows = store.data("timers")["timers"]
    assert [(r["what"], r["id"], r["prefix"]) for r in rows] == [
        ("earliest withdrawal", None, B), ("withdraw", 7, A), ("proposal expires", 5, V6), ("hold ends", 1, B),
        ("window ends", 1, "*"), ("window begins", 2, A), ("orphan, told again", None, ORPHAN),
        ("held until released", 2, V6)]
    assert 0 < rows[0]["in_seconds"] <= 180 and rows[-1]["at"] is None and rows[-1]["in_seconds"] is None
    lines = store.ctl("timers").stdout.splitlines()
    assert lines[0].split() == ["IN", "AT", "WHAT", "ID", "PREFIX", "DETAIL"] and len(lines) == 9
    assert re.match(r"[23]m[0-9]*s? ", lines[1]) and lines[-1].startswith("- ")


def test_proposals_and_windows(store):
    now = store.now
    store.add("proposal", id=4, prefix=A, want=0, reason="calm", made_at=now - HOUR, expires_at=now, state="denied",
              decided_at=now - MINUTE, decided_by="user bob", decided_why="not now")
    store.add("proposal", id=5, prefix=B, want=1, attack="a1", reason="r", made_at=now, expires_at=now + HOUR,
              state="open")
    done = store.ctl("proposals")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["4", "5", "1"]
    assert done.stdout.splitlines()[-1] == "1 open: 'cfmtctl approve ID' or 'cfmtctl deny ID'"
    rows = store.data("proposals")["proposals"]
    assert (rows[0]["state"], rows[0]["decided_by"], rows[0]["decided_why"]) == ("denied", "user bob", "not now")
    assert (rows[1]["want"], rows[1]["attack"], rows[1]["decided_at"]) == ("advertise", "a1", None)
    assert [r["id"] for r in store.data("proposals", "-n", "1")["proposals"]] == [5]
    assert store.data("proposals", "-n", "0")["proposals"] == []
    store.add("window", id=1, prefix="*", starts_at=now - HOUR, ends_at=now + HOUR, who="user b", reason="")
    store.add("window", id=2, prefix=A, starts_at=now - 2 * HOUR, ends_at=now - HOUR, who="user b", reason="")
    row, = store.data("window", "list")["windows"]
    assert (row["id"], row["prefix"], row["state"]) == (1, "*", "open")


# ---- audit --------------------------------------------------------------------------------------------


def test_audit(store):
    for i in range(1, 61):
        store.add("audit", id=i, at=store.now + i, what="hold", prefix=A if i % 2 else None, who=f"user u{i}",
                  why=ESCAPE, ref=f"journal {i}", body='{"a":1}', hash=f"{i:064x}")
    rows = store.data("audit")["changes"]
    assert [r["id"] for r in rows] == list(range(11, 61)) and rows[-1]["hash"] == f"{60:064x}"
    assert rows[0]["body"] == {"a": 1} and rows[0]["prefix"] == A and rows[1]["prefix"] is None
    assert len(store.ctl("audit", "-n", "3").stdout.splitlines()) == 4
    assert store.data("audit", "-n", "0")["changes"] == []


def test_audit_verify(store):
    done = store.ctl("audit", "verify")
    assert done.stdout == "sound: 0 rows, head none\n"
    assert store.data("audit", "verify") == {"version": 1, "sound": True, "rows": 0, "head": None, "broken": None,
                                             "problem": None, "detail": None}
    store.add("audit", id=1, at=store.now, what="hold", who="user a", hash=hashlib.sha256(b"forged").hexdigest())
    bad = store.server.ctl("audit", "verify")
    assert bad.returncode == 1 and "CFMT0998" in bad.stderr and bad.stdout == ""
    doc = json.loads(store.server.ctl("audit", "verify", "--json").stdout)
    assert doc["sound"] is False and doc["broken"] == 1 and doc["problem"] == "hash"
    store.run("DELETE FROM audit")
    lost = store.server.ctl("audit", "verify", "--anchor", "7:" + "ab" * 32)
    assert lost.returncode == 1 and "CFMT0998" in lost.stderr


@pytest.mark.parametrize("anchor", ["", "7", "7:", "x:" + "ab" * 32, "0:" + "ab" * 32, "7:" + "ab" * 31 + "z",
                                    "7:" + "ab" * 33, "7:" + "ab" * 32 + "z", ":" + "ab" * 32])
def test_what_is_no_anchor(store, anchor):
    done = store.server.ctl("audit", "verify", "--anchor", anchor)
    assert done.returncode == 2 and "CFMT0996" in done.stderr


# ---- which prefix -------------------------------------------------------------------------------------

@pytest.mark.parametrize("typed,says", [
    ("wbe", "did you mean 'web'"), ("203.0.113.0/25", f"did you mean '{A}'"), ("203.0.0.0/8", f"'{A}'"),
    ("10.0.0.1", "cfmtctl prefixes"), ("nonsense", "cfmtctl prefixes"), (ESCAPE, "cfmtctl prefixes"), ("", "'-'")])
def test_unknown_prefix(store, typed, says):
    five(store)
    for command in (["status", typed], ["explain", typed], ["withdraw", A, typed, "--yes"],
                    ["hold", typed, "--reason", "r"], ["window", "add", typed, "now", "+1h"]):
        done = store.server.ctl(*command)
        assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done
        assert says in done.stderr
    assert store.commands() == []  # of several none, when one is wrong


def test_ambiguous_name(store):
    five(store)
    store.policy(ORPHAN, "name=Web")
    done = store.server.ctl("explain", "web")
    assert done.returncode == 2 and "CFMT0984" in done.stderr and A in done.stderr and ORPHAN in done.stderr


# ---- commands -----------------------------------------------------------------------------------------

BODIES = [
    (["advertise", V6, "--yes"], {"command": "advertise", "prefix": V6}),
    (["withdraw", "web", "-y", "--reason", 'a "b"\\'], {"command": "withdraw", "prefix": A, "reason": 'a "b"\\'}),
    (["withdraw", A, "-y", "--override"], {"command": "withdraw", "prefix": A, "override": True}),
    (["hold", B, "--reason", "r"], {"command": "hold", "prefix": B, "reason": "r"}),
    (["hold", B, "--reason", "r", "--for", "2h"], {"command": "hold", "prefix": B, "reason": "r", "for": 2 * HOUR}),
    (["release", B], {"command": "release", "prefix": B}),
    (["release", "mail", B, "198.51.100.1"], {"command": "release", "prefix": B}),
    (["adopt", ORPHAN, "--reason", "ours"], {"command": "adopt", "prefix": ORPHAN, "reason": "ours"}),
    (["window", "remove", "3"], {"command": "window.remove", "id": 3}),
    (["cancel", "7", "--reason", "r"], {"command": "cancel", "id": 7, "reason": "r"}),
    (["approve", "5"], {"command": "approve", "id": 5}),
    (["deny", "5", "--reason", "no"], {"command": "deny", "id": 5, "reason": "no"}),
    (["window", "add", "*", "2030-01-01T00:00:00Z", "+2h"],
     {"command": "window.add", "prefix": "*", "from": 1893456000 * SECOND, "to": 1893463200 * SECOND}),
    (["window", "add", "web", "2030-01-01T00:00:00Z", "2030-01-02T00:00:00+01:00", "--reason", "r"],
     {"command": "window.add", "prefix": A, "from": 1893456000 * SECOND, "to": 1893538800 * SECOND, "reason": "r"}),
]


@pytest.mark.smoke
@pytest.mark.parametrize("args,body", BODIES, ids=[" ".join(a) for a, _ in BODIES])
def test_what_is_journaled(store, args, body):
    five(store)
    with answering(store, lambda c: {"text": f"{c['command']} \x1b done"}):
        done = store.ctl(*args)
    (_, origin, said), = store.commands()
    assert said == body and re.fullmatch("user [^ ].*", origin)
    assert done.stdout == f"{body['command']} \\x1b done\n" and done.stderr == ""


def test_several_are_one_transaction_and_all_means_on_demand(store):
    five(store)
    with answering(store, lambda c: {}):
        store.ctl("withdraw", "--all", "--yes")
    first = store.commands()
    assert [c[2]["prefix"] for c in first] == [ORPHAN, B, A, V6]  # not the part that is not on demand
    ids = [c[0] for c in first]
    assert ids == list(range(ids[0], ids[0] + 4))
    store.run("DELETE FROM journal")
    store.run("UPDATE prefix SET enabled = 0")
    done = store.server.ctl("withdraw", "--all", "--yes")
    assert done.returncode == 1 and "CFMT0994" in done.stderr and store.commands() == []


@pytest.mark.parametrize("code", range(1, 9))
def test_exit_status_is_the_answer(store, code):
    five(store)
    said = {"outcome": "refused" if code in (3, 6) else "failed", "code": code, "text": "it is so",
            "at": store.now + HOUR}
    with answering(store, lambda c: said):
        done = store.server.ctl("withdraw", A, "--yes")
    assert done.returncode == code and done.stdout == ""
    assert "203.0.113.0/24: it is so; possible from 20" in done.stderr and "CFMT0986" in done.stderr
    if code == 3:
        assert "'cfmtctl withdraw 203.0.113.0/24 --override --reason TEXT'" in done.stderr
    else:
        assert "--override" not in done.stderr and "'cfmtctl " in done.stderr


def test_each_refusal_names_the_next_command(store):
    five(store)
    said = {"outcome": "refused", "code": 3, "text": "no"}
    for args, hint in ((["withdraw", A, "--yes", "--override"], "'cfmtctl explain 203.0.113.0/24'"),
                       (["cancel", "7"], "'cfmtctl timers'"), (["deny", "7"], "'cfmtctl proposals'"),
                       (["window", "remove", "7"], "'cfmtctl window list'"),
                       (["hold", A, "--reason", "r"], "'cfmtctl explain 203.0.113.0/24'")):
        with answering(store, lambda c: said):
            done = store.server.ctl(*args)
        assert done.returncode == 3 and hint in done.stderr and "--override" not in done.stderr, done


@pytest.mark.parametrize("outcome", ["done", "queued", "already"])
def test_what_went_well(store, outcome):
    five(store)
    with answering(store, lambda c: {"outcome": outcome, "text": "fine", "intent": 7, "at": store.now + HOUR}):
        doc = store.data("advertise", V6, "--yes")
    result, = doc["results"]
    row = store.commands()[0][0]
    assert doc["code"] == 0 and result == {
        "about": V6, "journal_id": row, "outcome": outcome, "text": "fine", "intent": 7, "proposal": None,
        "at": result["at"], "state": None, "answer": None, "code": 0}
    assert at(result["at"]) == (store.now + HOUR) // SECOND


def test_some_of_several(store):
    five(store)
    bad = {"outcome": "refused", "code": 6, "text": "locked"}
    with answering(store, lambda c: bad if c["prefix"] == A else {"text": "fine"}):
        done = store.server.ctl("advertise", A, B, V6, "--yes")
    assert done.returncode == 5 and done.stdout == "fine\nfine\n" and done.stderr.count("CFMT0986") == 1
    for worse in (A, B):
        with answering(store, lambda c, worse=worse: bad if c["prefix"] == worse else {**bad, "code": 3}):
            done = store.server.ctl("advertise", A, B, "--yes")
        assert done.returncode == 6  # all failed: the worst


def test_damaged_answers_are_failures(store):
    five(store)
    for said in ({"outcome": None, "code": None}, {"code": 99}, {"outcome": "refused", "code": 0},
                 {"text": "", "code": "x"}):
        with answering(store, lambda c, said=said: said):
            assert store.server.ctl("release", A).returncode == 1, said


def test_no_answer_is_unknown(store):
    five(store)
    begin = time.monotonic()
    with answering(store, lambda c: None):
        done = store.server.ctl("release", A)
    assert 4.5 < time.monotonic() - begin < 8 * SLOWER
    assert done.returncode == 7 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "CFMT0987" in done.stderr and "do not repeat" in done.stderr
    with answering(store, lambda c: None if c["prefix"] == A else {"text": "fine"}):
        done = store.server.ctl("release", A, B, "--json")
    doc = json.loads(done.stdout)
    assert done.returncode == 5 and doc["code"] == 5
    assert [(r["outcome"], r["code"]) for r in doc["results"]] == [(None, 7), ("done", 0)]


# ---- --wait -------------------------------------------------------------------------------------------

def moving(store, states, final=True):
    """An answer that names intent 7, which then goes through the states."""
    def answer(command):
        del command
        store.intent(7, V6, 1)

        def move():
            for state in states:
                time.sleep(0.3)
                settled = store.now if final and state == states[-1] and state != "propagating" else None
                store.run("UPDATE intent SET state = ?, settled_at = ?, answer = 'said so' WHERE id = 7", state,
                          settled)

        threading.Thread(target=move).start()
        return {"outcome": "queued", "text": "will be advertised", "intent": 7}
    return answer


@pytest.mark.parametrize("last,code", [("propagating", 0), ("done", 0), ("refused", 1), ("failed", 1),
                                       ("superseded", 1), ("cancelled", 1)])
def test_wait(store, last, code):
    five(store)
    begin = time.monotonic()
    with answering(store, moving(store, ["sent", "accepted", last])):
        done = store.server.ctl("advertise", V6, "--yes", "--wait=10s")
    assert done.returncode == code and time.monotonic() - begin < 5 * SLOWER, done
    words = re.findall(r"^2001:db8::/32: (\w+)", done.stdout, re.M)
    assert done.stdout.startswith("will be advertised\n") and words == ["requested", "sent", "accepted", last]
    if code:
        assert "CFMT0986" in done.stderr and f"{last}: said so" in done.stderr


def test_wait_is_limited(store):
    five(store)
    with answering(store, moving(store, ["sent"], final=False)):
        done = store.server.ctl("advertise", V6, "--yes", "--wait=1s", "--json")
    doc = json.loads(done.stdout)
    assert done.returncode == 7 and doc["code"] == 7 and doc["results"][0]["state"] == "sent"
    assert "CFMT0988" in done.stderr and "cfmtctl cancel 7" in done.stderr


# ---- asking, --dry-run, usage -------------------------------------------------------------------------

@pytest.mark.parametrize("args", [["advertise", V6], ["withdraw", A, B], ["withdraw", "--all"],
                                  ["withdraw", A, "--json"], ["withdraw", A, "--override"]])
def test_nobody_to_ask(store, args):
    five(store)
    done = store.server.ctl(*args)
    assert done.returncode == 2 and done.stdout == "" and "CFMT0989" in done.stderr and "--yes" in done.stderr
    assert store.commands() == []


@pytest.mark.parametrize("typed,code", [("y\n", 0), ("YES\n", 0), ("n\n", 2), ("\n", 2), ("yesterday\n", 2)])
def test_asking_on_a_terminal(store, typed, code):
    five(store)
    master, slave = pty.openpty()
    try:
        with answering(store, lambda c: {}):
            proc = subprocess.Popen([cfmtctl_path(), "--db", store.server.db, "withdraw", A, B], stdin=slave,
                                    stdout=slave, stderr=slave, env={"PATH": "/usr/bin:/bin", "TERM": "dumb"})
            os.write(master, typed.encode())
            assert proc.wait(20 * SLOWER) == code
        said = os.read(master, 4096).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert "withdraw 203.0.113.0/24 and 1 more? [y/N]" in said
    assert len(store.commands()) == (2 if code == 0 else 0) and ("CFMT0990" in said) == (code != 0)


def test_json_never_asks(store):
    five(store)
    master, slave = pty.openpty()
    try:
        proc = subprocess.Popen([cfmtctl_path(), "--db", store.server.db, "withdraw", A, "--json"], stdin=slave,
                                stdout=slave, stderr=slave, env={"PATH": "/usr/bin:/bin", "TERM": "dumb"})
        assert proc.wait(20 * SLOWER) == 2
        assert "CFMT0989" in os.read(master, 4096).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert store.commands() == []


def test_dry_run_changes_nothing(store):
    five(store)
    before = store.one("SELECT max(id) FROM journal")
    out = store.ctl("withdraw", A, "--dry-run").stdout
    assert re.match(r"would withdraw 203.0.113.0/24; as of [0-9]+s ago:\n", out)
    assert re.search(r"^  no_attack +red +attack a1b2 open since ", out, re.M) and "min_advertised" in out
    assert "calm" not in out and "no_attack" not in store.ctl("advertise", A, "--dry-run").stdout
    assert "cause " in store.ctl("adopt", A, "--dry-run").stdout
    assert store.ctl("window", "add", "*", "now", "+1h", "--dry-run").stdout.startswith("would add a maintenance")
    assert store.ctl("cancel", "7", "--dry-run").stdout == "would cancel intent 7\n"
    would, = store.data("withdraw", A, "--dry-run")["would"]
    assert would["prefix"] == A and {g["gate"] for g in would["gates"]} >= {"known", "no_attack", "min_advertised"}
    assert "nothing was decided" in store.ctl("hold", PART, "--dry-run", "--reason", "r").stdout
    assert store.one("SELECT max(id) FROM journal") == before and store.commands() == []


@pytest.mark.parametrize("args", [
    ["advertise"], ["withdraw", "--yes"], ["withdraw", A, "--all", "--yes"], ["hold"], ["hold", A], ["hold", A, "--reason", ""],
    ["hold", A, "--reason", "r", "--for", "0"], ["hold", A, "--reason", "r", "--for", "x"], ["release"], ["adopt"],
    ["explain"], ["explain", A, B], ["timers", "x"], ["cancel"], ["cancel", "x"], ["cancel", "0"], ["cancel", "-1"],
    ["approve", "1", "2"], ["deny", "1.5"], ["window"], ["window", "add", "*", "now"], ["window", "list", "x"],
    ["window", "add", "*", "now", "now"], ["window", "add", "*", "2030-01-01T00:00:00", "+1h"],
    ["window", "add", "*", "2020-01-01T00:00:00Z", "+1h"], ["window", "add", "*", "now", "+x"],
    ["window", "add", "*", "2030-01-02T00:00:00Z", "2030-01-01T00:00:00Z"], ["window", "remove", "*"],
    ["withdraw", A, "--yes", "--wait=x"], ["withdraw", A, "--yes", "--wait=2d"], ["status", "--yes"],
    ["hold", A, "--reason", "r", "--override"], ["withdraw", A, "--for", "2h"], ["audit", "x"],
    ["audit", "verify", "--anchor"], ["audit", "--anchor", "x"], ["proposals", "--since", "2h"]])
def test_wrong_usage_is_2_and_one_sentence(store, args):
    five(store)
    done = store.server.ctl(*args)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done
    assert store.commands() == []


def test_who_may(store):
    if not IS_ROOT:
        pytest.skip("needs root to become somebody else")
    five(store)
    for args in (["status"], ["explain", A], ["timers"], ["audit"], ["withdraw", A, "--yes"]):
        done = store.server.ctl(*args, user="nobody")
        assert done.returncode == 4 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done
    assert store.commands() == []


def test_where_no_leader_is_alive_it_leads(store):
    """Nobody holds the lock: what was journaled is projected by cfmtctl itself, for a round at a time."""
    five(store)
    store.server.ctl("release", A)
    row = store.commands()[0][0]
    assert store.one("SELECT value FROM meta WHERE name = 'cursor'")[0] >= row
    fd = os.open(store.server.db + ".leader", os.O_RDWR | os.O_CLOEXEC)
    try:
        assert locks.taken(fd)  # and it was given back
    finally:
        os.close(fd)
