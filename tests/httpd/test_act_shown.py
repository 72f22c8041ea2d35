"""cfmtctl status, explain, timers, proposals, audit, and which prefix is meant: what stands in the store, shown."""
import hashlib
import json
import re

import pytest

from actrows import A, B, GATES, ORPHAN, PART, V6, Acts, attack, five, leader
from test_world_cli import ESCAPE, HOUR, MINUTE, SECOND, at, near


@pytest.fixture
def store(stopped, oracle):
    return Acts(stopped)


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
    assert re.search(r" · analytics (4[1-9]|5[0-9])s behind lag · Cloudflare API ok \(1180/1200\) · outbox empty$", head), head
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


def test_status_says_who_is_not_told(store):
    five(store)
    for name in ("ops", "web"):
        store.add("setting", name="Notify " + name, value="min=low")
    for n, channel in enumerate(("ops", "ops", "web")):
        made = store.now - (3 + n) * MINUTE
        store.add("outbox", channel=channel, kind="attack-start", dedupe=f"x{n}", at=made, fields="{}", priority=1,
                  state="queued", made_at=made, next_at=made)
    assert re.search(r" · outbox 3 waiting, oldest 5m(\d+s)?$", store.ctl("status").stdout.splitlines()[0])
    for name in ("ops", "gone"):  # the latter is configured no more
        store.add("channel", name=name, state="broken", since=1, next_at=1, fails=3)
    assert store.ctl("status").stdout.splitlines()[0].endswith(", BROKEN: ops")
    doc = store.data("status")
    assert doc["outbox_waiting"] == 3 and near(doc["outbox_oldest_age_seconds"], 300)


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


def test_what_is_queued_changes_nothing_yet(store):
    """Until its time the prefix is what it was."""
    five(store)
    store.intent(7, B, 0, not_before=store.now + HOUR)
    store.intent(8, V6, 1, not_before=store.now - SECOND)
    rows = lines_of(store.ctl("status"))
    assert re.search(r" advertised .* withdraw 7 requested, due 20[-0-9T:]+Z$", rows[B])
    assert re.search(r" advertising .* advertise 8 requested$", rows[V6])
    store.run("UPDATE intent SET attempts = 1")  # sent once, tried again then
    assert " withdrawing " in lines_of(store.ctl("status"))[B]


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


@pytest.mark.parametrize("state,answer", [(None, None), ("requested", "429: wait"), ("sent", None)])
def test_not_protected_until_help_has_come(store, state, answer):
    """Neither what is queued nor what is under way protects; nothing is said twice."""
    five(store)
    store.run("DELETE FROM decision WHERE prefix = ?", V6)
    queued = "advertise 03:20:00Z (withdrawn 03:05:00Z): attack c3d4 open"
    store.decision(V6, "-", advertise={"action": "queue", "reason": "young", "attack": "c3d4", "exposed": True,
                                       "text": queued, "at": store.now + MINUTE})
    if state:
        store.intent(8, V6, 1, state=state, cause="attack", who="policy", answer=answer)
    plan = f"advertise 8 {state}" + (f": {answer}" if answer else "") if state else queued
    assert lines_of(store.ctl("status"))[V6].endswith(f" NOT PROTECTED: {plan}")
    assert f"\nverdict: NOT PROTECTED: {plan}\n" in store.ctl("explain", V6).stdout
    row, = store.data("status", V6)["prefixes"]
    assert row["exposed"] is True and row["next"] == f"NOT PROTECTED: {plan}"


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
