"""cfmtctl drill: through the endpoint to a real message, each hop with its time; the hop that breaks is named; and nothing
of it is anywhere but in the journal and in what people were told."""
import json
import re

from acts import AUTO, ENFORCE, PAGE, PROPOSED, dicts, intents, start, wait
from client import post
from httpd import SECRET
from pair import Scene, scenes
from receiver import Receiver
from telling import FAILING, PERSON, REFUSED, program, quiet, rows, telegram, texts, webhook
from truth import WEB

HOPS = ["endpoint", "journal", "attack", "decision", "outbox"]
# What people, statistics and decisions rest on: nothing of it may know of a drill.
EMPTY = ("event", "attack", "attack_key", "entity", "event_repeat", "intent", "proposal", "hold", "audit")
STATE = ("SELECT * FROM prefix ORDER BY id", "SELECT * FROM standing ORDER BY prefix",
         "SELECT prefix, verdict, red FROM decision ORDER BY prefix",
         "SELECT value FROM meta WHERE name = 'last_delivery_at'")


def drill(pair, *args, code=0, secret="secret/0"):
    url = f"http://127.0.0.1:{pair.server.port}/webhook/cloudflare"
    words = ["drill", "--json", *args]
    if "--url" not in args:
        words += ["--url", url]
    if secret:
        words += ["--secret-file", pair.server.path(secret)]
    done = pair.server.ctl(*words)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    for value in pair.server.secrets:
        assert value not in done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def hops(doc):
    return [(h["hop"], h["status"]) for h in doc["hops"]]


def hop(doc, name):
    return [h for h in doc["hops"] if h["hop"] == name][0]


def state(pair):
    return [pair.server.query(sql) for sql in STATE] + [pair.server.query(f"SELECT count(*) FROM {t}") for t in EMPTY]


def whole_way(pair):
    """All channels get a message at once, whatever they want otherwise; the policy would act, and does nothing."""
    with Receiver() as receiver:
        telegram(pair, chat=PERSON, words="types=attack-start quiet=00:00-23:59,max=critical")
        webhook(pair, receiver)
        start(pair)
        quiet(pair)
        pair.park()
        before, events = state(pair), pair.ctl("events")["events"]
        doc = drill(pair)
        assert hops(doc) == [(h, "ok") for h in HOPS + ["message", "message"]], doc
        assert doc["broken"] is None and doc["code"] == 0, doc
        assert all(0 <= h["latency_ms"] < 20000 for h in doc["hops"]), doc
        assert re.match(r"mode enforce, would follow: advertise \S+ at once$", hop(doc, "decision")["detail"]), doc
        assert {h["channel"] for h in doc["hops"][-2:]} == {"hook", "ops"}, doc
        message = texts(pair)[-1]
        assert re.match(r"DRILL: an attack on \S+: UDP Flood, 250 kpps, ", message), message
        assert "Nothing has happened" in message and "Would follow: advertise" in message, message
        assert receiver.kinds()[-1] == "drill" and receiver.bodies()[-1]["text"].startswith("DRILL"), receiver.bodies()
        nothing_of_it(pair, before, events, doc)
        twice(pair, before)
        receiver.check_signed()


def nothing_of_it(pair, before, events, doc):
    pair.server.wait_projected()
    assert state(pair) == before and not intents(pair)
    assert pair.ctl("events")["events"] == events and not pair.ctl("attacks")["attacks"]
    assert not any(p["attacks_open"] for p in pair.ctl("status")["prefixes"]), pair.ctl("status")
    kinds = [r[0] for r in pair.server.query("SELECT kind FROM journal WHERE id = ?", doc["journal_id"])]
    assert kinds == ["drill"]
    shown = [d for d in pair.ctl("deliveries")["deliveries"] if d["id"] == doc["journal_id"]]
    assert shown[0]["kind"] == "drill" and shown[0]["event"] is None and shown[0]["secret"] == "first", shown
    assert not any(s["deliveries"] for s in pair.ctl("secret", "list")["secrets"])
    replayed = pair.server.ctl("replay")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def twice(pair, before):
    """Each is one of its own, and each is told once."""
    ids = {drill(pair, WEB)["journal_id"] for _ in range(2)}
    assert len(ids) == 2 and state(pair) == before
    told = rows(pair, kind="drill")
    assert len(told) == 6 and all(r["state"] == "sent" for r in told), told
    assert all(r["prefix"] is None and r["attack"] is None for r in told), told
    table = pair.server.ctl("drill", "198.51.100.7", "--url", f"http://127.0.0.1:{pair.server.port}/webhook/cloudflare",
                            "--secret-file", pair.server.path("secret/0"))
    lines = table.stdout.splitlines()
    assert table.returncode == 0 and re.match(r"HOP +STATUS +LATENCY +CHANNEL +DETAIL$", lines[0]), table
    assert [line.split()[0] for line in lines[1:6]] == HOPS, lines


@scenes(Scene(whole_way, takes=12, lines=AUTO))
def test_the_whole_way(scene):
    scene()


# ---- the hop that breaks ---------------------------------------------------------------------------------

def breaks(doc, name, code, words):
    assert doc["broken"] == name and doc["code"] == code, doc
    assert words in hop(doc, name)["detail"] or any(words in h["detail"] for h in doc["hops"]), doc


def endpoint_breaks(pair, doc_of):
    """Refused and unreachable: nothing behind it is tried."""
    wrong = pair.server.write("secret/wrong", "not the secret\n", 0o600)
    doc = doc_of("--secret-file", wrong, code=4, secret=None)
    breaks(doc, "endpoint", 4, "HTTP 401")
    assert hops(doc) == [("endpoint", "broken")] and "another secret" in doc["hops"][0]["detail"], doc
    doc = doc_of("--url", f"http://127.0.0.1:{pair.server.port}/alive.txt", code=1)
    breaks(doc, "endpoint", 1, "is this the Location of cfmt-webhook?")
    doc = doc_of("--url", "http://127.0.0.1:9/", code=1)
    breaks(doc, "endpoint", 1, "did not take it")
    said = doc_of("--url", "ftp://127.0.0.1/", code=2)
    assert "CFMT1184" in said
    said = doc_of("--url", f"http://127.0.0.1:{pair.server.port}/webhook/cloudflare", code=4, secret=None)
    assert "CFMT1182" in said and "--secret-file PATH" in said


def broken_hops(pair):
    """From the front to the back: refused, nobody is told, one of two channels refuses, locked, nobody leads."""
    with Receiver() as receiver:
        receiver.status = 400
        for line in (FAILING.format("hook"), REFUSED):
            pair.server.log.allow(line)
        start(pair)
        quiet(pair)
        endpoint_breaks(pair, lambda *a, **kw: drill(pair, *a, **kw))
        doc = drill(pair, code=1)
        breaks(doc, "outbox", 1, "no channel is configured (CfmtNotify)")
        webhook(pair, receiver)
        program(pair)
        pair.reload()
        doc = drill(pair, code=1)
        breaks(doc, "message", 1, "status 400")
        found = {h["channel"]: h["status"] for h in doc["hops"] if h["hop"] == "message"}
        assert found == {"hook": "broken", "prog": "ok"}, doc
        receiver.status = 200
        locked(pair)
        pair.server.stop()
        assert "CFMT1197" in drill(pair, code=8)


def locked(pair):
    """An attack there could not be answered, and people are told so."""
    pair.write("UPDATE prefix SET locked = ? WHERE cidr = ?", [(1, WEB)])
    pair.park()
    doc = drill(pair, WEB, code=1)
    breaks(doc, "decision", 1, "locked")
    assert [h["status"] for h in doc["hops"] if h["hop"] == "message"] == ["ok", "ok"], doc


@scenes(Scene(broken_hops, takes=14, lines=(ENFORCE, "CfmtPrefix * advertise=auto")))
def test_the_hop_that_breaks_is_named(scene):
    scene()


# ---- where to, with which secret -------------------------------------------------------------------------

def by_default(pair):
    """Without options: to CfmtPublicUrl, with a file of CfmtSecret that the owner of the store can read; signed, where
    signatures are wanted."""
    pair.own.append(f"CfmtPublicUrl http://127.0.0.1:{pair.server.port}/webhook/cloudflare")
    pair.configure()
    pair.server.chown_user(pair.server.path("secret/0"))
    start(pair, "CFMT0866: no enabled notification policy sends")  # none goes to that address
    done = pair.server.ctl("drill", "--json")
    doc = json.loads(done.stdout)
    assert hops(doc)[:3] == [("endpoint", "ok"), ("journal", "ok"), ("attack", "ok")], doc
    assert doc["broken"] == "outbox" and done.returncode == 1 and "secret first" in hop(doc, "journal")["detail"], doc
    row, = pair.server.query("SELECT tag, label FROM journal WHERE kind = 'drill'")
    assert bool(row[0]) == ("CfmtAuth hmac" in pair.own) and row[1] == "first", row


@scenes(Scene(by_default, takes=5, name="secret"),
        Scene(by_default, takes=5, name="signature", lines=("CfmtAuth hmac",)))
def test_without_options(scene):
    scene()


# ---- a stranger's drill ----------------------------------------------------------------------------------

def marked(pair):
    """The mark is the body's: whatever else it says, what has it is a drill and no attack; what has none is none."""
    start(pair, PROPOSED.format("advertise", WEB), PAGE.format(WEB))
    body = {"alert_type": "dos_attack_l4", "ts": int(pair.now()), "alert_event": "ALERT_STATE_EVENT_START",
            "data": {"target_ip": "198.51.100.9", "cfmt_drill": "inside data it is none", "attack_id": "1" * 32}}
    real = post(pair.server, json.dumps(body), secret=SECRET)
    assert real.json()["status"] == "stored", real
    pair.server.wait_projected()
    assert len(pair.ctl("attacks")["attacks"]) == 1
    end = dict(body, cfmt_drill="user eve", alert_event="ALERT_STATE_EVENT_END", ts=int(pair.now()) + 1)
    false = post(pair.server, json.dumps(end), secret=SECRET)
    assert false.json()["status"] == "drill", false
    wait(lambda: pair.server.query("SELECT 1 FROM journal WHERE tag = ?", f"command {false.json()['id']}"), "an answer")
    answer, = [json.loads(r[0]) for r in pair.server.query("SELECT body FROM journal WHERE tag = ?",
                                                           f"command {false.json()['id']}")]
    assert answer["outcome"] == "failed" and "no attack on any of our prefixes" in answer["text"], answer
    attack, = pair.ctl("attacks")["attacks"]
    assert attack["state"] == "open" and attack["events"] == 1, attack
    assert not dicts(pair, "SELECT id FROM outbox")


@scenes(Scene(marked, takes=6))
def test_a_drill_ends_no_attack(scene):
    scene()
