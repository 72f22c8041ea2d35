"""The commands of cfmtctl that change something: the way to the leader, the way back, and the exit status.

They are answered by the test in the leader's place (it holds the leader lock, so nobody else leads).
"""
import json
import os
import pty
import re
import shlex
import subprocess
import threading
import time

import pytest

import locks
from actrows import A, B, ORPHAN, PART, V6, Acts, answering, five, leader
from httpd import IS_ROOT, SLOWER, cfmtctl_path
from test_world_cli import HOUR, SECOND, at


@pytest.fixture
def store(stopped, oracle):
    return Acts(stopped)


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
                       (["advertise", V6, "--yes"], "'cfmtctl explain 2001:db8::/32'"),
                       (["cancel", "7"], "'cfmtctl timers'"), (["deny", "7"], "'cfmtctl proposals'"),
                       (["window", "remove", "7"], "'cfmtctl window list'"),
                       (["hold", A, "--reason", "r"], "'cfmtctl explain 203.0.113.0/24'")):
        with answering(store, lambda c: said):
            done = store.server.ctl(*args)
        assert done.returncode == 3 and hint in done.stderr and "--override" not in done.stderr, done


@pytest.mark.parametrize("args,text", [
    (["adopt", V6], "2001:db8::/32 is not advertised: there is nothing to adopt"),
    (["withdraw", V6, "-y"], "2001:db8::/32: locked by Cloudflare"), (["cancel", "7"], "there is no intent 7")])
def test_what_names_its_object_is_not_prefixed_with_it(store, args, text):
    five(store)
    with answering(store, lambda c: {"outcome": "failed", "code": 1, "text": text}):
        done = store.server.ctl(*args)
    assert done.returncode == 1 and done.stderr.startswith(f"cfmtctl: {text}; see 'cfmtctl "), done


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


@pytest.mark.parametrize("state", ["requested", "sent"])
def test_wait_is_limited(store, state):
    """What was sent cannot be cancelled: then no such way is shown."""
    five(store)
    with answering(store, moving(store, [state], final=False)):
        done = store.server.ctl("advertise", V6, "--yes", "--wait=1s", "--json")
    doc = json.loads(done.stdout)
    assert done.returncode == 7 and doc["code"] == 7 and doc["results"][0]["state"] == state
    assert "CFMT0988" in done.stderr and ("'cfmtctl cancel 7'" in done.stderr) == (state == "requested")


# ---- asking, --dry-run, usage -------------------------------------------------------------------------

@pytest.mark.parametrize("args", [["advertise", V6], ["withdraw", A, B], ["withdraw", "--all"],
                                  ["withdraw", A, "--json"], ["withdraw", A, "--override"],
                                  ["withdraw", A, "--reason", "it's \"so\"; $HOME", "-o", "jsonl"]])
def test_nobody_to_ask(store, args):
    five(store)
    with leader(store):
        done = store.server.ctl(*args)
    assert done.returncode == 2 and done.stdout == "" and "CFMT0989" in done.stderr
    wanted = re.search(r"without a question: (cfmtctl .*) \(CFMT0989\)$", done.stderr, re.M).group(1)
    assert shlex.split(wanted)[-len(args) - 1:] == [*args, "--yes"], "it can be typed as it stands there"
    assert store.commands() == []


def on_terminal(store, typed, *args):
    """(exit status, what the terminal saw)"""
    master, slave = pty.openpty()
    try:
        proc = subprocess.Popen([cfmtctl_path(), "--db", store.server.db] + list(args), stdin=slave, stdout=slave,
                                stderr=slave, env={"PATH": "/usr/bin:/bin", "TERM": "dumb"})
        os.write(master, typed.encode())
        code = proc.wait(20 * SLOWER)
        return code, os.read(master, 4096).decode()
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("typed,code", [("y\n", 0), ("YES\n", 0), ("n\n", 2), ("\n", 2), ("yesterday\n", 2)])
def test_asking_on_a_terminal(store, typed, code):
    five(store)
    with answering(store, lambda c: {}):
        done, said = on_terminal(store, typed, "withdraw", A, B)
    assert done == code and "withdraw 203.0.113.0/24 and 1 more? [y/N]" in said
    assert len(store.commands()) == (2 if code == 0 else 0) and ("CFMT0990" in said) == (code != 0)


def test_json_never_asks(store):
    five(store)
    with leader(store):
        done, said = on_terminal(store, "", "withdraw", A, "--json")
    assert done == 2 and "CFMT0989" in said and store.commands() == []


def test_nobody_is_asked_about_what_cannot_be_done(store):
    """Nobody leads, and there is no token: that is said, not asked about first."""
    five(store)
    done, said = on_terminal(store, "y\n", "withdraw", A)
    assert done == 4 and "CFMT0978" in said and "[y/N]" not in said and store.commands() == []


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
    ["advertise"], ["withdraw", "--yes"], ["withdraw", A, "--all", "--yes"], ["hold"], ["hold", A],
    ["hold", A, "--reason", ""], ["hold", A, "--reason", "r", "--for", "0"], ["hold", A, "--reason", "r", "--for", "x"],
    ["release"], ["adopt"],
    ["explain"], ["explain", A, B], ["timers", "x"], ["cancel"], ["cancel", "x"], ["cancel", "0"], ["cancel", "-1"],
    ["approve", "1", "2"], ["deny", "1.5"], ["window"], ["window", "add", "*", "now"], ["window", "list", "x"],
    ["window", "add", "*", "now", "now"], ["window", "add", "*", "2030-01-01T00:00:00", "+1h"],
    ["window", "add", "*", "2020-01-01T00:00:00Z", "+1h"], ["window", "add", "*", "now", "+x"],
    ["window", "add", "*", "2030-01-02T00:00:00Z", "2030-01-01T00:00:00Z"], ["window", "remove", "*"],
    ["withdraw", A, "--yes", "--wait=x"], ["withdraw", A, "--yes", "--wait=2d"], ["status", "--yes"],
    ["hold", A, "--reason", "r", "--override"], ["advertise", A, "-y", "--override"], ["withdraw", A, "--for", "2h"],
    ["audit", "x"], ["audit", "verify", "--anchor"], ["audit", "--anchor", "x"], ["proposals", "--since", "2h"]])
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
