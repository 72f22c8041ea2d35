"""Whatever breaks while people are told: outages, floods, every misbehaviour of a channel, leaders that end in the
midst. No message is told twice, none is lost without a word, and no channel waits for another."""
import json
import os
import signal
import time

import pytest

from acts import command, start, wait
from httpd import SLOWER
from pair import MICRO, Scene, scenes
from receiver import Receiver
from telling import (BROKEN, FAILING, GROUP, MAYBE, ORPHANED, PERSON, channels, check_told, first_lines, hit, program,
                     quiet, rows, seconds, telegram, texts, webhook)

HOUR = 3600


def told(pair, count, name="ops", limit=30):
    """When so many rows of the channel have ended."""
    wait(lambda: len(rows(pair, channel=name, state=("sent", "maybe", "folded"))) >= count,
         f"{count} messages through {name}: {rows(pair, channel=name)}", limit)


# ---- outage ----------------------------------------------------------------------------------------------

def outage(pair):
    """Six hours in which Telegram answers 503 to everything, and attacks come and go."""
    with Receiver() as receiver:
        pair.server.log.expect(FAILING.format("ops"))
        telegram(pair)
        webhook(pair, receiver, words="min=normal")  # each hour is a few seconds: reminders alone would fill a channel
        start(pair, r"CFMT0938: ", r"CFMT0930: ")
        hit(pair, 1)
        told(pair, 1)
        pair.sim.fault("telegram", "5xx", status=503)
        begin = pair.now()
        for n in range(2, 7):  # an attack an hour, each an hour long, the last one two
            hit(pair, n)
            wait(lambda: pair.now() > begin + (n - 1) * HOUR, "the hour")
            if n < 6:
                hit(pair, n, "END")
        wait(lambda: pair.now() > begin + 6 * HOUR, "the end of six hours")
        quiet(pair, channel="hook")
        before = len(texts(pair))
        late = [seconds(r) / pair.speed for r in rows(pair, channel="hook", state="sent")]
        assert max(late) < 5 * SLOWER, late
        asked = len(pair.calls("telegram", since=begin))
        assert asked < 200, asked  # it is left alone in between
        pair.sim.clear()
        hit(pair, 6, "END")
        quiet(pair, limit=330)  # of its pauses, which grow to five minutes of real time
        check_told(pair)
        check_recovery(pair, before, begin)
        receiver.check_signed()
        assert receiver.kinds().count("attack-start") == 6


def check_recovery(pair, before, begin):
    """At most one message an attack, in the order of their beginning, with the times at which things happened."""
    after = texts(pair)[before:]
    waited = [r for r in rows(pair, channel="ops") if r["made_at"] / MICRO > begin and r["sent_at"]]
    assert {r["state"] for r in rows(pair, channel="ops")} <= {"sent", "folded"}, rows(pair, channel="ops")
    attacks = {r["attack"] for r in rows(pair, channel="ops", kind="attack-start")}
    assert len(attacks) == 6 and len(after) <= len(attacks) + 3, (after, waited)
    for attack in attacks:
        mine = rows(pair, channel="ops", attack=attack)
        carriers = {r["folded_into"] or r["id"] for r in mine if r["made_at"] / MICRO > begin}
        assert len(carriers) <= 2, mine
        for r in mine:
            if r["folded_into"]:
                text = rows(pair, id=r["folded_into"])[0]["text"]
                clock = time.strftime("%H:%M", time.gmtime(r["at"] / MICRO))
                assert clock in text, (clock, r, text)


# ---- floods ----------------------------------------------------------------------------------------------

def storm(pair):
    """429 again and again: it is waited for as long as it says, which costs no attempt."""
    telegram(pair, chat=PERSON)
    start(pair)
    pair.sim.fault("telegram", "429", retry_after=2, count=3)
    begin = time.time()
    hit(pair, 1)
    told(pair, 1)
    asked = [r["at"] for r in pair.calls("telegram")]
    assert len(asked) == 4 and time.time() - begin > 6, asked
    assert all(b - a >= 2 for a, b in zip(asked, asked[1:])), asked
    row, = rows(pair, channel="ops")
    assert (row["state"], row["attempts"], channels(pair)["ops"]["fails"]) == ("sent", 1, 0), row
    for n in range(2, 6):
        hit(pair, n)
    told(pair, 5)
    check_told(pair, chat=PERSON)
    assert [c["status"] for c in pair.calls("telegram")[4:]] == [200] * 4, "we keep its limits by ourselves"


def burst(pair):
    """A thousand attacks within seconds: a few messages, which say how many they are."""
    telegram(pair)
    start(pair)
    for n in range(pair.attacks):
        hit(pair, n)
    told(pair, pair.attacks, limit=90)
    check_told(pair)
    lines = first_lines(pair)
    assert len(lines) <= 40, lines  # fewer than thirty that wait are told one by one
    folded = rows(pair, channel="ops", state="folded")
    assert len(folded) + len(rows(pair, channel="ops", state="sent")) == pair.attacks
    assert any("attacks began" in line for line in lines), lines


def burst_of(count):
    def scene(pair):
        pair.attacks = count
        burst(pair)
    return scene


# ---- misbehaviour ----------------------------------------------------------------------------------------

# kind, its values, what the row becomes, how often Telegram has it
WRONG = (
    ("slow", {"ms": 1200}, "sent", 1), ("reset", {}, "maybe", 0), ("reset", {"executed": True}, "maybe", 1),
    ("truncated", {}, "maybe", 1), ("length", {}, "maybe", 1), ("drip", {"ms": 5, "bytes": 10}, "sent", 1),
    ("html", {}, "sent", 1), ("html", {"status": 200}, "sent", 1), ("garbage", {}, "sent", 1),
    ("5xx", {"status": 500}, "sent", 1), ("5xx", {"status": 504, "executed": True}, "maybe", 1),
    ("429", {"retry_after": 2}, "sent", 1), ("date", {"seconds": 7200}, "sent", 1))


def misbehaviour(pair):
    """One after the other; nothing of it is left to the next."""
    for line in (MAYBE, FAILING.format("ops")):
        pair.server.log.expect(line)
    telegram(pair)
    start(pair)
    for n, (kind, values, state, count) in enumerate(WRONG):
        before = len(texts(pair))
        pair.sim.fault("telegram", kind, count=1, **values)
        hit(pair, n)
        row = wait(lambda: pushed(pair, n), f"the end of {kind}")
        assert row["state"] == state, (kind, values, row)
        assert len(texts(pair)) - before == count, (kind, texts(pair)[before:])
    check_told(pair)
    assert len(rows(pair)) == len(WRONG)


def pushed(pair, number):
    """The row of that number when it has ended; it does not wait for its channel's pause."""
    pair.server.wait_projected()
    row = rows(pair, channel="ops")[number]
    free_at = channels(pair).get("ops", {}).get("next_at") or 0
    if row["state"] == "queued" and free_at > pair.now() * MICRO + 2 * MICRO:
        command(pair, "outbox", "retry", str(row["id"]))
    return row if row["state"] not in ("queued", "sending") else None


def refused(pair):
    """A token or a chat that does not take us: broken, said, tried slowly; at once when somebody asks for it."""
    log = pair.server.log
    log.expect(BROKEN.format("ops"))
    telegram(pair)
    start(pair)
    for n, (kind, words) in enumerate((("401", "Unauthorized"), ("403", "Forbidden"))):
        pair.sim.fault("telegram", kind)
        hit(pair, n)
        broken(pair, words)
        pair.sim.clear()
        mended(pair, n + 1)
    for n, (kind, words) in enumerate((("blocked", "bot was blocked"), ("missing", "chat not found"))):
        pair.sim.control("POST", "/chats/" + GROUP, {"kind": kind})
        hit(pair, n + 2)
        broken(pair, words)
        pair.sim.control("POST", "/chats/" + GROUP, {"kind": None})
        mended(pair, n + 3)
    check_told(pair)
    assert not rows(pair, state=("failed", "maybe", "expired"))


def broken(pair, words):
    wait(lambda: channels(pair).get("ops", {}).get("state") == "broken", "the channel to be broken")
    row = channels(pair)["ops"]
    assert words in row["error"] and row["next_at"] - pair.now() * MICRO > 600 * MICRO, row
    assert "outbox" in json.dumps(pair.health()["reasons"]), pair.health()
    said = command(pair, "notify", "test", "ops", code=1)
    assert words in said, said


def mended(pair, count):
    said = command(pair, "notify", "test", "ops")
    assert "ops: sent in " in said, said
    quiet(pair)
    assert channels(pair)["ops"]["state"] == "ok"
    assert len(rows(pair, kind="attack-start", state="sent")) == count
    assert "outbox" not in json.dumps(pair.health()["reasons"])


def moved(pair):
    """A group that becomes a supergroup is followed, over a restart, too."""
    telegram(pair, chat="-4321")
    start(pair)
    pair.sim.control("POST", "/chats/-4321", {"kind": "migrated", "to": int(GROUP)})
    hit(pair, 1)
    told(pair, 1)
    assert len(texts(pair, GROUP)) == 1 and channels(pair)["ops"]["chat"] == GROUP
    pair.reload()
    hit(pair, 2)
    told(pair, 2)
    assert len(texts(pair, GROUP)) == 2
    asked = [c["status"] for c in pair.calls("telegram")]
    # a new leader does not know what the one before it sent a moment ago
    assert [s for s in asked if s != 429] == [400, 200, 200] and len(asked) <= 4, asked
    check_told(pair)


def silence(pair):
    """No answer at all for as long as a transfer may take: nobody knows, said so, and the next one goes."""
    pair.server.log.expect(MAYBE)
    pair.server.log.allow(FAILING.format("ops"))
    telegram(pair)
    start(pair)
    pair.sim.fault("telegram", "hang", count=1, executed=True)
    hit(pair, 1)
    told(pair, 1, limit=60)
    hit(pair, 1, "END")
    told(pair, 2, limit=30)
    check_told(pair)
    assert [r["state"] for r in rows(pair)] == ["maybe", "sent"] and len(texts(pair)) == 2
    assert "May not have arrived before this: Attack on" in texts(pair)[1], texts(pair)


# ---- leaders that end ------------------------------------------------------------------------------------

def sending(pair, calls=1):
    wait(lambda: rows(pair, state="sending") and len(pair.calls("telegram")) >= calls, "a message under way")


def killed(pair):
    """Between send and mark: what may have been told is not told again, the next message says so."""
    log = pair.server.log
    log.expect(ORPHANED)
    log.allow(r"exit signal Killed")  # said when it is noticed
    telegram(pair)
    start(pair)
    pair.sim.fault("telegram", "hang", count=1, executed=True)
    hit(pair, 1)
    sending(pair)
    wait(lambda: texts(pair), "its arrival")
    leader, = pair.server.leaders()
    os.kill(leader, signal.SIGKILL)
    wait(lambda: rows(pair, state="maybe"), "the next leader", 30)
    pair.sim.clear()
    hit(pair, 1, "END")
    told(pair, 2)
    quiet(pair)
    first, second = [r for r in rows(pair) if r["attack"]]
    assert (first["state"], second["state"]) == ("maybe", "sent"), rows(pair)
    assert "May not have arrived before this: Attack on" in second["text"], second
    assert sum(line.startswith("Attack on 100.64.0.2") and "over" not in line for line in first_lines(pair)) == 1
    assert rows(pair, kind="leader", state="sent"), rows(pair)
    check_told(pair)
    command(pair, "outbox", "retry", str(first["id"]))
    quiet(pair)
    assert [r["state"] for r in rows(pair, id=first["id"])] == ["sent"]


def graceful(pair):
    """In the middle of a transfer: the old leader waits for most of a second, else nobody knows."""
    pair.server.log.expect(MAYBE)
    telegram(pair)
    start(pair)
    for n, (kind, values, state) in enumerate((("slow", {"ms": 300}, "sent"), ("hang", {"executed": True}, "maybe"))):
        pair.sim.fault("telegram", kind, count=1, **values)
        hit(pair, n)
        sending(pair, n + 1)
        wait(lambda: len(texts(pair)) == n + 1 or kind == "slow", "its arrival")
        pair.reload()
        quiet(pair)
        time.sleep(1.1)  # a chat takes one message a second, and the next leader does not know when the last one went
        row = rows(pair, channel="ops")[-1]
        assert row["state"] == state and len(texts(pair)) == n + 1, (kind, row, texts(pair))
    pair.sim.clear()
    hit(pair, 5)
    told(pair, 3)
    check_told(pair)
    assert len(texts(pair)) == 3


# ---- each for itself -------------------------------------------------------------------------------------

def no_delay(pair):
    """Telegram is silent and a program sleeps: neither the webhook nor a delivery waits for them."""
    with Receiver() as receiver:
        pair.server.log.allow(MAYBE)
        pair.server.log.allow(FAILING.format("(ops|prog)"))
        telegram(pair)
        program(pair, text="#!/bin/sh\nsleep 8\n")
        webhook(pair, receiver)
        start(pair)
        pair.sim.fault("telegram", "hang")
        took, came = [], []
        for n in range(4):
            begin = time.time()
            hit(pair, n)
            took.append(time.time() - begin)
            wait(lambda: len(receiver.got) > n, "the webhook")
            came.append(receiver.got[n].at - begin)
            time.sleep(max(0, begin + 1.2 - time.time()))  # a second between two messages of a channel
        assert max(took) < 1 * SLOWER and max(came) < 2 * SLOWER, (took, came)
        assert receiver.kinds() == ["attack-start"] * 4
        assert {r["state"] for r in rows(pair, channel="hook")} == {"sent"}
        assert {r["state"] for r in rows(pair, channel=("ops", "prog"))} <= {"queued", "sending"}
        pair.sim.clear()


SCENES = (
    Scene(outage, takes=25, speed=2000), Scene(storm, takes=14), Scene(burst_of(200), name="burst", takes=15),
    Scene(misbehaviour, takes=22), Scene(refused, takes=15), Scene(moved, takes=9), Scene(killed, takes=12),
    Scene(graceful, takes=12), Scene(no_delay, takes=12))
# with times that are nearer to real ones
LONG = (Scene(outage, takes=220, speed=120), Scene(burst_of(1000), name="burst", takes=40), Scene(silence, takes=40))


@scenes(*SCENES)
def test_faults_of_telling(scene):
    scene()


@pytest.mark.long
@scenes(*LONG)
def test_longer_faults_of_telling(scene):
    scene()
