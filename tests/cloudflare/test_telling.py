"""People are told: a whole attack through all four kinds of channels, each message once and in order; the commands of
cfmtctl about it; and no secret in any output."""
import json
import re

from acts import (AUTO, PAGE, PROPOSED, WEB, alert, command, is_advertised, scenario, settle, start, wait,
                  wait_minute)
from httpd import IS_ROOT
from pair import MICRO, Scene, scenes
from receiver import Receiver
from telling import (FAILING, PERSON, REFUSED, UNACKED, add, check_told, first_lines, hit, logged, own_syslog, program,
                     programmed, quiet, rows, telegram, texts, webhook)

STORY = ("attack-start", "advertised", "attack-end", "withdrawn")


def check_story(found):
    """Each of it once. That it is advertised is read, that the attack ends is delivered: either may come first."""
    for kind in STORY:
        assert found.count(kind) == 1, (kind, found)
    begun, advertised, ended, withdrawn = [found.index(kind) for kind in STORY]
    assert begun < min(advertised, ended) and max(advertised, ended) < withdrawn, found


# ---- one attack, four channels ---------------------------------------------------------------------------

def whole_attack(pair):
    log = own_syslog(pair)
    with Receiver() as receiver:
        telegram(pair)
        telegram(pair, name="one", chat=PERSON, words="thread=edit")
        webhook(pair, receiver)
        program(pair)
        if log:
            add(pair, "syslog name=sys facility=local3 min=normal")
        start(pair)
        scenario(pair, "single-attack")
        wait_minute(pair, 34)
        wait(lambda: not is_advertised(pair), "the withdrawal")
        settle(pair)
        quiet(pair)
        check_told(pair)
        told = rows(pair, channel="ops", prefix=WEB)
        check_story([r["kind"] for r in told])
        check_thread(pair, told)
        check_edits(pair)
        check_receiver(pair, receiver)
        check_program(pair)
        if log:
            check_syslog(pair, logged(log))


def check_thread(pair, told):
    """The first line says what changed and where; the rest of the attack answers to its first message, in HTML."""
    sent = {str(m["message_id"]): m for m in pair.sim.messages()}
    first = next(r for r in told if r["kind"] == "attack-start")
    assert sent[first["ref"]]["text"].startswith(f"<b>Attack on {WEB}"), sent[first["ref"]]
    for r in told:
        message = sent[r["ref"]]
        assert message["parse_mode"] == "HTML" and message["link_preview_options"] == {"is_disabled": True}
        assert message["plain"] == r["text"] and WEB in r["text"].partition("\n")[0], message
        if r["attack"] == first["attack"] and r is not first:
            assert message["reply_parameters"]["message_id"] == int(first["ref"]), message
    end = next(r for r in told if r["kind"] == "attack-end")["text"]
    assert re.search(r"^Peak: .*1(\.\d)? Mpps", end, re.M) and "Lasted: " in end, end
    assert "Look: cfmtctl " in first["text"] and "Mode: enforce" in first["text"], first["text"]


def check_edits(pair):
    """thread=edit: what need not wake anybody takes the place of the message before it."""
    there = {str(m["message_id"]): m for m in pair.sim.messages() if str(m["chat_id"]) == PERSON}
    told = rows(pair, channel="one", state="sent", prefix=WEB)
    end = next(r for r in told if r["kind"] == "attack-end")
    before = [r for r in told if r["attack"] == end["attack"] and r["id"] < end["id"]][-1]
    assert end["ref"] == before["ref"] and before["text"] != end["text"], (before, end)
    assert len(there[end["ref"]]["earlier"]) >= 1, there
    assert len(there) == len({r["ref"] for r in rows(pair, channel="one")}) < len(rows(pair, channel="one")), there


def check_receiver(pair, receiver):
    receiver.check_signed()
    told = sorted(rows(pair, channel="hook", state="sent"), key=lambda r: (r["sent_at"], r["id"]))
    assert receiver.kinds() == [r["kind"] for r in told]
    assert [b["text"] for b in receiver.bodies()] == [r["text"] for r in told]
    ids = [b["cfmt"]["id"] for b in receiver.bodies()]
    assert len(ids) == len(set(ids))
    check_story(receiver.kinds())


def check_program(pair):
    """Its input, and what it was run with: three descriptors (and the one that lists them), PATH alone, never root."""
    got = programmed(pair)
    check_story([g["cfmt"]["kind"] for g in got])
    for g in got:
        assert set(g["environ"]) <= {"PATH", "LC_CTYPE"} and len(g["fds"]) <= 4 and (g["uid"] or not IS_ROOT), g
    assert {r["answer"] for r in rows(pair, channel="prog")} == {"taken by the program"}


def check_syslog(pair, lines):
    kinds = [r["kind"] for r in rows(pair, channel="sys", state="sent")]
    assert len(lines) == len(kinds), (lines, kinds)
    start_line = lines[kinds.index("attack-start")]
    # local3 is 19, a warning 4
    assert re.match(r"<156>\w{3} [ \d]\d [\d:]{8} mod_cfmt\[\d+\]: Attack on 198\.51\.100\.0/24", start_line), lines
    assert not any("\n" in line for line in lines)


@scenes(Scene(whole_attack, takes=30, speed=200, lines=AUTO))
def test_a_whole_attack(scene):
    scene()


# ---- cfmtctl ---------------------------------------------------------------------------------------------

class Said:
    """What cfmtctl says, for a look at all of it."""

    def __init__(self, pair):
        self.pair, self.all = pair, ""

    def __call__(self, *words, code=0):
        said = command(self.pair, *words, code=code)
        self.all += said
        return said


def commands(pair):
    with Receiver() as receiver:
        receiver.status = 503
        pair.server.log.expect(FAILING.format("hook"))
        pair.server.log.expect(REFUSED)
        telegram(pair, chat=PERSON, words="lifecycle=on")
        webhook(pair, receiver)
        program(pair)
        start(pair)
        said = Said(pair)
        tried(pair, said, receiver)
        kept(pair, said, receiver)
        nobody_shows_secrets(pair, said)
        pair.server.stop()
        wait(lambda: first_lines(pair)[-1].startswith("mod_cfmt stops"), "its last words")
        alone(pair, said)
        check_told(pair, chat=PERSON)


def tried(pair, said, receiver):
    """notify test: each channel's own answer; what failed, and why."""
    quiet(pair)
    assert first_lines(pair)[0].startswith("mod_cfmt has started"), texts(pair)
    text = said("notify", "test", code=5)
    assert re.search(r"^ops: sent in \d+ ms: message 2$", text, re.M), text
    assert re.search(r"^prog: sent in \d+ ms: taken by the program$", text, re.M), text
    assert re.search(r"hook: not sent: status 503.*CFMT1088", text), text
    assert "Test message of mod_cfmt to channel ops by user " in texts(pair)[-1], texts(pair)
    assert "channel nosuch is not configured; there are: " in said("notify", "test", "nosuch", code=1)
    receiver.status = 200
    wait(lambda: rows(pair, channel="hook", state="sent"), "the next try", 20)
    done = json.loads(pair.server.ctl("notify", "test", "hook", "--json").stdout)
    result, = done["results"]
    assert (done["code"], result["channel"], result["state"]) == (0, "hook", "sent"), done
    assert 0 < result["latency_ms"] < 30000 and result["answer"].startswith("status 200"), done


def kept(pair, said, receiver):
    """outbox list, show, retry, drop."""
    receiver.status = 400
    hit(pair, 1)
    wait(lambda: rows(pair, channel="hook", state="failed"), "the refusal")
    failed, = rows(pair, channel="hook", state="failed")
    text = said("outbox", "show", str(failed["id"]))
    assert "status 400" in text and "Attack on 100.64.0.2" in text and "failed, 1 attempt" in text, text
    receiver.status = 200
    assert f"message {failed['id']} goes to hook again" in said("outbox", "retry", str(failed["id"]))
    quiet(pair)
    assert "only what waits" in said("outbox", "retry", str(failed["id"]), code=3)
    assert "is sent" in said("outbox", "drop", str(failed["id"]), code=3)
    receiver.status = 503
    hit(pair, 2)
    wait(lambda: [r for r in rows(pair, channel="hook", state="queued") if r["attempts"]], "a message that waits")
    waits = rows(pair, channel="hook", state="queued")[0]
    assert "CFMT0985" in said("outbox", "drop", "this", code=2) and rows(pair, id=waits["id"], state="queued")
    assert "is dropped" in said("outbox", "drop", str(waits["id"]))
    listed = pair.ctl("outbox")
    states = {m["id"]: m["state"] for m in listed["messages"]}
    assert (states[failed["id"]], states[waits["id"]]) == ("sent", "dropped"), listed
    by_name = {c["name"]: c for c in listed["channels"]}
    assert [(by_name[n]["kind"], by_name[n]["state"]) for n in ("hook", "ops", "prog")] == \
        [("webhook", "failing"), ("telegram", "ok"), ("command", "ok")], by_name
    table = said("outbox", "list", "hook")
    assert "dropped" in table and "failing" in table and "taken by the program" not in table, table
    assert "there are: hook, ops, prog" in said("outbox", "list", "nosuch", code=2)
    assert "CFMT1087" in said("outbox", "show", "99999", code=1)
    assert "no critical message waits" in said("ack")
    assert "there is no message 99999" in said("ack", "99999", code=1)


def nobody_shows_secrets(pair, said):
    """Not cfmtctl and no process list; log and store are looked through at the end of every scene."""
    shown = said.all + said("outbox", "--json") + json.dumps(pair.health())
    for pid in pair.server.members():
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", errors="replace") as f:
                    shown += f.read()
            except OSError:  # ended meanwhile
                pass
    assert len(pair.server.secrets) >= 4
    for secret in pair.server.secrets:
        assert secret not in shown, shown


def alone(pair, said):
    """Without httpd: what waits can be dropped, nothing can be sent."""
    assert "CFMT1089" in said("notify", "test", code=8)
    pair.write("INSERT INTO outbox(channel, kind, dedupe, at, fields, priority, state, made_at, next_at)"
               " VALUES(?, 'blind', 'blind by hand', ?, '{}', 0, 'queued', ?, 0)",
               [("hook", int(pair.now() * 1e6), int(pair.now() * 1e6))])
    row = rows(pair, kind="blind")[0]
    assert "1 message is acknowledged" in said("ack")
    assert "is dropped" in said("outbox", "drop", str(row["id"]))
    row = rows(pair, kind="blind")[0]
    assert row["state"] == "dropped" and row["acked_by"].startswith("user "), row


@scenes(Scene(commands, takes=20))
def test_commands(scene):
    scene()


# ---- somebody must know ----------------------------------------------------------------------------------

def fallback(pair):
    """A critical message that nobody acknowledges goes to the other channel, which gets nothing else; once."""
    with Receiver() as receiver:
        for line in (PAGE.format(WEB), UNACKED):
            pair.server.log.expect(line)
        telegram(pair, words="fallback=hook after=2min")
        webhook(pair, receiver, words="types=test")
        start(pair, PROPOSED.format("advertise", WEB))
        alert(pair, "START")
        wait(lambda: receiver.got, "the fallback")
        body = receiver.bodies()[0]
        assert body["cfmt"]["kind"] == "not-protected" and body["text"].startswith(f"NOT PROTECTED: {WEB}"), body
        assert re.search(r"^Nobody has acknowledged this on ops since .*: cfmtctl ack$", body["text"], re.M), body
        other = rows(pair, channel="hook")[0]
        one = rows(pair, id=other["fallback_of"])[0]
        assert one["channel"] == "ops" and one["kind"] == "not-protected" and one["fallback"] == other["id"], one
        assert other["made_at"] - one["made_at"] >= 2 * 60 * MICRO, (one, other)
        assert "acknowledged" in command(pair, "ack", str(one["id"]))
        assert all(r["acked_by"] for r in rows(pair, dedupe=one["dedupe"])), rows(pair, dedupe=one["dedupe"])
        alert(pair, "END")
        quiet(pair)
        receiver.check_signed()
        told = [r["fallback_of"] for r in rows(pair, channel="hook")]
        assert len(told) == len(set(told)) and set(receiver.kinds()) <= {"not-protected", "attack-end"}, told


@scenes(Scene(fallback, takes=20, speed=60))
def test_fallback(scene):
    scene()
