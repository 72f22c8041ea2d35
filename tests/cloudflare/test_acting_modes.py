"""Who may act: nobody by default, nobody in observe, a person where it is proposed, an operator by command; and what
the operator's program says of the network's own announcement."""
import os
import re
import time

import pytest

from acts import (AUTO, ENFORCE, FIVE, ORPHAN, PAGE, PROPOSED, SHORT, WEB, WOULD, alert, audit, cause, check_always,
                  check_ours, command, decided, flood, intents, is_advertised, minutes, ours, patches, proposals,
                  settle, start, struck, the_intent, wait, wait_minute, wait_ours)
from httpd import SLOWER
from pair import MICRO, Scene, scenes

PART = "203.0.113.128/25"
HOLDS = "SELECT count(*) FROM hold WHERE released_at IS NULL AND prefix = ?"


# ---- nobody ----------------------------------------------------------------------------------------------

def the_defaults_touch_nothing(pair, hours):
    """Five prefixes that were advertised long before: calm for hours, and never withdrawn. Told, each once a day."""
    pair.sim.prefix(PART, enabled=True)
    for cidr in FIVE + (PART,):
        pair.sim.prefix(cidr, advertised=True, by="dashboard", delay=0)
        pair.server.log.expect(ORPHAN.format(cidr, "first-seen"))
    start(pair)
    wait_minute(pair, hours * 60)
    check_always(pair, calm=9)
    assert not patches(pair) and not intents(pair) and not ours(pair)
    assert all(is_advertised(pair, c) for c in FIVE)
    assert pair.server.log.count("CFMT0968") == 5 * (1 + hours // 24)
    calm = pair.ctl("evidence", WEB, "--since", "1h")["minutes"]
    assert calm and {m["verdict"] for m in calm} <= {"calm", "unknown"} and calm[0]["verdict"] == "calm", calm


def observe_does_nothing(pair):
    """It decides and tells, under attack and in the calm behind it."""
    log = pair.server.log
    log.expect(PROPOSED.format("advertise", WEB))
    log.expect(PAGE.format(WEB))
    log.expect(WOULD.format(WEB))
    start(pair)
    flood(pair, 600000)
    alert(pair, "START")
    wait(lambda: log.count("CFMT0966"), "the page")
    pair.sim.prefix(WEB, advertised=True, by="auto-advertise", delay=0)
    wait(lambda: is_advertised(pair), "the announcement")
    flood(pair, 0)
    alert(pair, "END")
    wait(lambda: log.count("CFMT0967"), "would withdraw")
    assert decided(pair)[0] == "would-withdraw", decided(pair)
    wait_minute(pair, minutes(pair) + 20)
    check_always(pair, calm=9)
    assert not patches(pair) and not intents(pair) and is_advertised(pair)
    assert log.count("CFMT0967") == 1  # once an hour


# ---- a person --------------------------------------------------------------------------------------------

def proposed(pair):
    pair.server.log.expect(PROPOSED.format("withdraw", WEB))
    start(pair)
    struck(pair)
    wait(lambda: [p for p in proposals(pair) if not p["want"]], "a proposal")
    offer = proposals(pair)[-1]
    assert (offer["want"], offer["state"]) == (0, "open") and not patches(pair)
    return offer["id"]


def approved(pair):
    """Withdrawn for the proposal, with all gates and the last look."""
    number = proposed(pair)
    command(pair, "approve", str(number))
    wait_ours(pair, 1)
    row = the_intent(pair, state=("propagating", "done"))
    assert (row["cause"], row["proposal"], row["want"]) == ("proposal", number, 0), row
    check_ours(pair, (WEB, False, 15, 30))
    settle(pair)
    check_always(pair, calm=9)
    assert [r["who"] for r in audit(pair, "approve")] and cause(pair) == "proposal"


def denied(pair):
    """No means no, for a day."""
    command(pair, "deny", str(proposed(pair)))
    wait_minute(pair, minutes(pair) + 60)
    assert not patches(pair) and is_advertised(pair) and len([p for p in proposals(pair) if not p["want"]]) == 1
    check_always(pair, calm=9)


def not_protected(pair):
    """Nobody answers: two minutes after START, then each ten. Approved it is advertised, without a hold, and the
    policy takes it back."""
    log = pair.server.log
    log.expect(PROPOSED.format("advertise", WEB))
    log.expect(PAGE.format(WEB))
    start(pair)
    flood(pair, 600000)
    sent = alert(pair, "START")
    pages = []
    for count in (1, 2):
        wait(lambda n=count: log.count("CFMT0966") >= n, "the page")
        pages.append(pair.server.query("SELECT paged_at FROM standing WHERE prefix = ?", WEB)[0][0] / MICRO)
    began = pair.anchor + (sent - pair.anchor) * pair.speed
    assert 118 <= pages[0] - began <= 120 + pair.speed * SLOWER, (began, pages)
    assert 600 <= pages[1] - pages[0] <= 600 + pair.speed * SLOWER, pages
    assert "NOT PROTECTED" in command(pair, "status") and not patches(pair)
    command(pair, "approve", str(proposals(pair)[-1]["id"]))
    wait_ours(pair, 1)
    wait(lambda: pair.server.query("SELECT 1 FROM prefix WHERE cidr = ? AND advertised = 1", WEB), "the state")
    assert pair.server.query(HOLDS, WEB) == [(0,)]
    assert [(r["cause"], r["want"]) for r in intents(pair)] == [("proposal", 1)]
    flood(pair, 0)
    alert(pair, "END")
    wait_ours(pair, 2)
    settle(pair)
    check_always(pair, calm=9)
    first, second = ours(pair)
    assert (first[1:], second[1:]) == ((WEB, True), (WEB, False)) and second[0] - first[0] >= 15
    assert intents(pair)[1]["cause"] == "calm"


# ---- an operator -----------------------------------------------------------------------------------------

def within_a_second(pair):
    """From the command's row to the answer's, in real time; the call follows at once."""
    start(pair)
    for words, holds in ((("hold", WEB, "--reason", "x"), 1), (("release", WEB), 0),
                         (("advertise", WEB, "--yes", "--reason", "x"), 1)):
        command(pair, *words)
        asked, told = pair.server.query("SELECT max(at) FROM journal WHERE kind IN ('command', 'result')"
                                        " GROUP BY kind ORDER BY kind")
        assert 0 <= told[0] - asked[0] < 1.2 * MICRO * SLOWER, (words, asked, told)
        assert pair.server.query(HOLDS, WEB) == [(holds,)]
    wait(lambda: patches(pair), "the call", 5)
    row = the_intent(pair, state=("accepted", "propagating"))
    assert row["sent_at"] - row["created_at"] < 2 * MICRO * SLOWER, row
    assert f"cfmtctl release {WEB}" in command(pair, "advertise", WEB, "--yes")


def by_hand(pair):
    """Advertised, it is held however calm; refused while it may not be; overridden, but never Cloudflare's rule."""
    start(pair, PAGE.format(WEB), PROPOSED.format("advertise", WEB))  # in the end it is open and withdrawn
    said = command(pair, "advertise", WEB, "--yes", "--reason", "to be safe")
    assert "cfmtctl release" in said, said
    wait_ours(pair, 1)
    the_intent(pair, state=("propagating", "done"))
    said = command(pair, "withdraw", WEB, "--yes", code=3)
    assert re.search(r"\d\d:\d\d:\d\dZ", said) and "--override" in said, said
    wait_minute(pair, 25)
    assert len(patches(pair)) == 1 and is_advertised(pair)
    alert(pair, "START")
    command(pair, "withdraw", WEB, "--yes", code=3)
    assert len(patches(pair)) == 1
    command(pair, "withdraw", WEB, "--yes", "--override", "--reason", "it hurts")
    wait_ours(pair, 2)
    row = the_intent(pair, state=("propagating", "done"), want=0)
    assert (row["cause"], row["override"]) == ("operator", 1) and row["who"] != "policy", row
    assert [r["who"] == row["who"] for r in audit(pair, "withdraw")] == [True]
    check_always(pair, calm=0)
    alert(pair, "END")


def cloudflares_rule(pair):
    """--override within a quarter of an hour: the policy is overridden, and the call waits for its time."""
    start(pair)
    command(pair, "advertise", WEB, "--yes")
    wait_ours(pair, 1)
    the_intent(pair, state="propagating")
    said = command(pair, "withdraw", WEB, "--yes", "--override")
    assert "queued" in said, said
    wait_ours(pair, 2)
    the_intent(pair, state=("propagating", "done"), want=0)
    # taken back at once: queued, and given up
    said = command(pair, "advertise", WEB, "--yes")
    assert "queued" in said, said
    row = the_intent(pair, want=1, state="requested")
    assert row["not_before"] / MICRO >= pair.begin + ours(pair)[1][0] * 60 + 900 - 1
    command(pair, "cancel", str(row["id"]))
    assert "already" in command(pair, "cancel", str(row["id"]))
    wait_minute(pair, minutes(pair) + 20)
    check_always(pair, calm=0)
    assert len(ours(pair)) == 2 and not is_advertised(pair)


def adopted(pair):
    """What the dashboard announced is the policy's when it is handed over, and not before."""
    pair.server.log.expect(ORPHAN.format(WEB, "external"))
    start(pair)
    pair.sim.prefix(WEB, advertised=True, by="dashboard", delay=0)
    wait_minute(pair, 35)
    assert not patches(pair) and cause(pair) == "external"
    command(pair, "adopt", WEB, "--reason", "ours")
    wait_ours(pair, 1)
    settle(pair)
    check_always(pair, calm=9)
    assert [r["ref"] for r in audit(pair, "change.withdrawn")] == ["intent 1"]
    command(pair, "adopt", WEB, code=3)


def held(pair):
    """Calm is not enough while it is held, nor in a window."""
    start(pair)
    struck(pair)
    command(pair, "hold", WEB, "--reason", "wait")
    wait_minute(pair, 26)
    assert not patches(pair) and "no_hold" in decided(pair)[1], decided(pair)
    now = pair.now()
    utc = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)) for t in (now, now + 900)]
    command(pair, "window", "add", "*", *utc, "--reason", "night work")
    command(pair, "release", WEB)
    wait_minute(pair, 34)
    assert not patches(pair) and "no_window" in decided(pair)[1], decided(pair)
    wait_ours(pair, 1)
    check_ours(pair, (WEB, False, 40.9, 43))
    check_always(pair, calm=9)


# ---- the operator's program ------------------------------------------------------------------------------

def program(pair, text, *, keep=True):
    path = pair.server.write("check", "#!/bin/sh\n" + text, 0o755)
    pair.own.append(f"CfmtWithdrawCheck exec:{path}")
    pair.configure()
    start(pair)
    if not keep:
        os.unlink(path)
    struck(pair)
    return path


def says_yes(pair):
    """And inherits nothing but its three descriptors."""
    notes = os.path.join(pair.server.root, "notes")
    os.mkdir(notes)
    os.chmod(notes, 0o777)
    program(pair, f"ls /proc/self/fd > {notes}/fds; echo \"$1\" > {notes}/arg; env > {notes}/env; echo fine\n")
    wait_ours(pair, 1)
    check_ours(pair, (WEB, False, 15, 17))
    settle(pair)
    check_always(pair, calm=9)

    def note(name):
        with open(os.path.join(notes, name), encoding="utf-8") as f:
            return f.read().split()

    assert note("arg") == [WEB] and len(note("fds")) == 4, note("fds")  # 0, 1, 2 and that of ls itself
    assert {v.partition("=")[0] for v in note("env")} <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}, note("env")


def says_no(pair, text, reason, keep=True):
    """Never withdrawn, and the reason is shown."""
    program(pair, text, keep=keep)
    wait(lambda: reason in command(pair, "explain", WEB), f"the reason {reason}", 60)
    wait_minute(pair, 30)
    assert not patches(pair) and not intents(pair) and is_advertised(pair)
    check_always(pair, calm=9)
    assert "origin" in decided(pair)[1], decided(pair)


def missing(pair):
    """It was there when httpd began."""
    says_no(pair, "exit 0\n", "the program cannot be run", keep=False)


def left_behind(pair):
    """A program that hangs is ended after ten real seconds, with all that it started."""
    mark = f"9{pair.server.port}"
    says_no(pair, f"sleep {mark} &\nsleep {mark}\n", "CfmtWithdrawCheck did not answer within 10s")
    pair.server.stop()
    found = [p for p in os.listdir("/proc") if p.isdigit() and mark in read(f"/proc/{p}/cmdline")]
    assert not found, found


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def chatty(pair):
    """A mebibyte of words: its first line counts, and nobody waits."""
    program(pair, "echo announced by rt1; head -c 1048576 /dev/zero | tr '\\0' x; exit 0\n")
    wait_ours(pair, 1)
    check_always(pair, calm=9)


OURS = (ENFORCE, "CfmtPrefix * withdraw=auto", SHORT)


def fast(call, *args, lines=OURS, takes=14, speed=100, **more):
    return Scene(call, *args, takes=takes, speed=speed, lines=lines, **more)


PROPOSE = (ENFORCE, "CfmtPrefix * withdraw=propose", SHORT, "CfmtProposalTtl 24h")


@scenes(fast(the_defaults_touch_nothing, 2, lines=(ENFORCE, "CfmtPrefix * withdraw=auto", "CfmtOrphanAfter 15min"),
             speed=360, takes=22),
        fast(observe_does_nothing, lines=AUTO[1:] + (SHORT,), takes=30), fast(approved, lines=PROPOSE),
        fast(denied, lines=PROPOSE, speed=200, takes=26),
        fast(not_protected, lines=OURS, speed=60, takes=32),
        fast(within_a_second, speed=1, takes=4), fast(by_hand, takes=20), fast(cloudflares_rule, speed=150, takes=20),
        fast(adopted, lines=OURS + ("CfmtOrphanAfter 15min",), speed=150, takes=17), fast(held, speed=150, takes=18),
        fast(says_yes), fast(chatty), fast(says_no, "echo not there; exit 1\n", "not there", name="says_no", takes=20),
        fast(left_behind, speed=60, takes=40))
def test_modes(scene):
    scene()


@pytest.mark.long
@scenes(fast(says_no, "kill -9 $$\n", "ended by a signal", name="killed", takes=20), fast(missing, takes=20))
def test_modes_more(scene):
    scene()
