"""cfmtctl deliveries, and retention now: what came and what became of it, a row that is projected once more, and alerts of
each type that we deliver to ourselves."""
import json
import re

from acts import AUTO, PAGE, PROPOSED, alert, dicts, start, wait
from pair import MICRO, Scene, scenes
from telling import PERSON, quiet, rows, telegram
from truth import WEB

NETWORK = ("advanced_ddos_attack_l4_alert", "dos_attack_l4", "fbm_dosd_attack", "fbm_volumetric_attack")
TYPES = NETWORK + ("advanced_ddos_attack_l7_alert", "dos_attack_l7", "fbm_auto_advertisement",
                   "magic_tunnel_health_check_event", "bgp_hijack_notification", "health_check_status_notification",
                   "incident_alert", "maintenance_event_notification")
HIJACK = r"CFMT\d+: .*(hijack|announced)"


def ctl(pair, *words, code=0):
    done = pair.server.ctl(*words, "--json")
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else done.stderr


def trigger(pair, *words, code=0):
    url = f"http://127.0.0.1:{pair.server.port}/webhook/cloudflare"
    return ctl(pair, "deliveries", "trigger", *words, "--yes", "--url", url, "--secret-file",
               pair.server.path("secret/0"), code=code)


def event(pair, ident):
    found = [e for e in pair.ctl("events", "--limit", "500")["events"] if e["id"] == ident]
    assert len(found) == 1, found
    return found[0]


# ---- trigger ---------------------------------------------------------------------------------------------

def every_type(pair):
    """Each is understood as what it is; START opens, END of the same ends it; twice the same is the same attack."""
    start(pair, PROPOSED.format("advertise", WEB), PAGE.format(WEB), HIJACK)
    pair.park()
    for kind in TYPES:
        given = trigger(pair, kind, WEB)["delivery"]
        found = event(pair, given["id"])
        assert (given["kind"], given["secret"], given["event"]) == ("delivery", "first", given["id"]), given
        assert found["alert_type"] == kind and found["account"] == pair.sim.account, found
        assert found["policy_name"].startswith("cfmtctl, by "), found
        assert trigger(pair, kind, WEB, "--end")["delivery"]["event"] > given["id"]
        if kind in NETWORK:
            assert found["target"] in ("198.51.100.1", WEB) and found["state"] == "start", found
    attacks = {tuple(a["alert_types"]): a for a in pair.ctl("attacks")["attacks"]}
    assert {t[0] for t in attacks} == set(NETWORK + TYPES[4:6]), attacks
    assert all(a["state"] == "ended" and a["ended_by"] == "end" for a in attacks.values()), attacks
    assert [a["prefixes"] for a in attacks.values() if a["scope"] == "network"] == [[WEB]] * 4, attacks
    for name in ("dos_attack_l4", "dos_attack_l4"):
        trigger(pair, name, WEB)
        again = [a for a in pair.ctl("attacks")["attacks"] if a["alert_types"] == ["dos_attack_l4"]]
        assert len(again) == 1 and again[0]["state"] == "open", again
    trigger(pair, "dos_attack_l4", "198.51.100.77", "--end")
    refused_words(pair)
    assert not any(s["deliveries"] for s in pair.ctl("secret", "list")["secrets"])  # they are not Cloudflare's


def refused_words(pair):
    assert "did you mean 'dos_attack_l4'?" in trigger(pair, "dos_atack_l4", code=2)
    assert "there are advanced_ddos_attack_l4_alert, " in trigger(pair, "x", code=2)
    assert "CFMT0982" in trigger(pair, "dos_attack_l4", "198.51.0.0/16", code=2)
    said = ctl(pair, "deliveries", "trigger", "dos_attack_l4", "--url", "http://127.0.0.1:9/", "--secret-file",
               pair.server.path("secret/0"), code=2)
    assert "Nobody can be asked here" in said and "--yes" in said, said
    assert "CFMT1183" in ctl(pair, "deliveries", "trigger", "dos_attack_l4", "--yes", code=2)


@scenes(Scene(every_type, takes=12))
def test_trigger(scene):
    scene()


# ---- list, show, redeliver -------------------------------------------------------------------------------

def passed_over(pair, body):
    """A delivery that the projector did not understand: it had another kind when it was read."""
    pair.write("INSERT INTO journal(at, kind, origin, body, label) VALUES(?, 'later', '192.0.2.200', ?, 'old')",
               [(int(pair.now() * MICRO), json.dumps(body))])
    ident, = pair.server.query("SELECT max(id) FROM journal WHERE kind = 'later'")[0]
    wait(lambda: pair.server.query("SELECT 1 FROM meta WHERE name = 'cursor' AND value >= ?", ident), "the projector")
    pair.write("UPDATE journal SET kind = ? WHERE id = ?", [("delivery", ident)])
    return ident


def once_more(pair):
    telegram(pair, chat=PERSON)
    start(pair, PROPOSED.format("advertise", WEB), PAGE.format(WEB))
    pair.park()
    alert(pair, "START", "b" * 32, "100.64.0.1")
    body = {"alert_type": "dos_attack_l4", "alert_event": "ALERT_STATE_EVENT_START", "account_id": pair.sim.account,
            "ts": int(pair.now()), "data": {"attack_id": "c" * 32, "target_ip": "198.51.100.9"}}
    lost = passed_over(pair, body)
    shown = ctl(pair, "deliveries", "show", str(lost))["delivery"]
    assert (shown["event"], shown["body"], shown["secret"], shown["origin"]) == (None, body, "old", "192.0.2.200"), shown
    assert not [a for a in pair.ctl("attacks")["attacks"] if a["attack_ids"] == ["c" * 32]]
    done = ctl(pair, "deliveries", "redeliver", str(lost))
    assert done["outcome"] == "projected" and done["delivery"]["event"] == lost, done
    attack, = [a for a in pair.ctl("attacks")["attacks"] if a["attack_ids"] == ["c" * 32]]
    assert (attack["state"], attack["events"], attack["prefixes"]) == ("open", 1, [WEB]), attack
    wait(lambda: rows(pair, kind="attack-start", attack=attack["id"], state="sent"), "people to be told")
    again = ctl(pair, "deliveries", "redeliver", str(lost))
    assert again["outcome"] == "already" and again["journal_id"] is None, again
    pair.write("INSERT INTO journal(at, kind, origin, body) VALUES(?, 'command', 'user eve', ?)",
               [(int(pair.now() * MICRO), json.dumps({"command": "redeliver", "id": n})) for n in (lost, 1, 99999)])
    pair.server.wait_projected()
    quiet(pair)
    assert len(rows(pair, kind="attack-start", attack=attack["id"])) == 1
    assert not pair.server.query("SELECT * FROM event_repeat") and event(pair, lost)["attack"] == attack["id"]
    listed(pair, lost)
    same_after_rebuild(pair)


def listed(pair, lost):
    refused = pair.server.query("SELECT max(id) FROM journal WHERE kind = 'command'")[0][0]
    assert "of kind 'command'" in ctl(pair, "deliveries", "show", str(refused), code=1)
    assert "CFMT1188" in ctl(pair, "deliveries", "redeliver", "99999", code=1)
    assert "CFMT0985" in ctl(pair, "deliveries", "show", "this", code=2)
    found = ctl(pair, "deliveries", "list", "--limit", "1")["deliveries"]
    assert [d["id"] for d in found] == [lost], found
    both = pair.ctl("deliveries")["deliveries"]
    assert len(both) == 2 and both[0]["secret"] == "first" and both[1]["attack"], both
    text = pair.server.ctl("deliveries", "show", str(lost)).stdout
    assert re.search(r"^event +\d+: Attack on 198\.51\.100\.9", text, re.M) and '"target_ip": "198.51.100.9"' in text, text
    table = pair.server.ctl("deliveries", "-n", "1")
    assert len(table.stdout.splitlines()) == 2 and not table.stderr, table


def same_after_rebuild(pair):
    """The command is of the journal, so projections from its beginning are what they were."""
    tables = ("SELECT * FROM event ORDER BY id", "SELECT id, state, events, prefixes FROM attack ORDER BY id")
    before = [pair.server.query(sql) for sql in tables]
    pair.server.stop()
    pair.write("UPDATE meta SET value = ? WHERE name = 'cursor'", [(-1,)])
    pair.server.start()
    pair.server.wait_projected()
    assert [pair.server.query(sql) for sql in tables] == before


@scenes(Scene(once_more, takes=12))
def test_redeliver(scene):
    scene()


# ---- db prune --------------------------------------------------------------------------------------------

def pruned(pair):
    """What retention lets go goes at once; again it finds nothing; without a leader nothing is done."""
    start(pair)
    old = int((pair.now() - 3 * 86400) * MICRO)
    pair.write("INSERT INTO journal(at, kind, origin, body) VALUES(?, 'rejected', '192.0.2.1', ?)",
               [(old, f"no json {i}") for i in range(700)])
    pair.server.wait_projected()
    done = ctl(pair, "db", "prune")
    assert done["freed_bytes"] >= 0, done
    assert pair.server.query("SELECT count(*) FROM journal WHERE kind = 'rejected'") == [(0,)]
    assert "as before" in pair.server.ctl("db", "prune").stdout
    info = pair.ctl("db", "info")
    assert info["retention"].startswith("journal=400d") and info["journal"]["projected"] == info["journal"]["last"]
    assert {t["table"]: t["rows"] for t in info["tables"]}["prefix"] == 5, info
    pair.server.stop()
    assert "CFMT1212" in ctl(pair, "db", "prune", code=8)
    assert not dicts(pair, "SELECT id FROM audit")


@scenes(Scene(pruned, takes=6, lines=AUTO + ("CfmtRetention rejected=1d",)))
def test_prune(scene):
    scene()
