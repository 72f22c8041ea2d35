"""cfmtctl import: the system before, its settings and its history, each row once; and nothing follows from it."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from client import attack, get, post, token
from httpd import IS_ROOT, SLOWER, cfmtctl_path, wait_for

ROWS = 10000
ACCOUNT = "9035f53656c247e895c5a6939ae8a0e0"
ROME = {"TZ": "Europe/Rome"}
TABLES = {
    "attack_events":
        "id event_type alert_type attack_id policy_id policy_name prefix target_ip target_port protocol attack_vector"
        " packets_per_second megabits_per_second severity action_taken raw_payload created_at",
    "webhook_events":
        "id received_at alert_type event_state alert_id policy_id policy_name target_ip target_prefix source_ip"
        " processed action_taken payload",
    "withdrawal_history":
        "id prefix attack_id policy_id policy_name target_ip attack_type advertised_at attack_ended_at withdrawn_at"
        " attack_duration_seconds protection_duration_seconds withdraw_method status notes created_at",
    "pending_withdrawals":
        "id prefix attack_id policy_id policy_name target_ip attack_type advertised_at withdraw_after"
        " attack_ended_at created_at status retry_count max_retries next_retry_at last_error",
    "network_analytics_events":
        "id event_hash attack_id event_datetime attack_vector rule_name rule_id source_ip source_port destination_ip"
        " destination_port protocol tcp_flags colo_code colo_country packets bits outcome mitigation_reason"
        " notified_at raw_data",
    "prefix_calm_status": "id prefix calm_since last_checked_at is_calm",
}
# Each table's share of a database; together ROWS.
SHARES = {"attack_events": 0.3, "webhook_events": 0.3, "withdrawal_history": 0.05, "pending_withdrawals": 0.05,
          "network_analytics_events": 0.25, "prefix_calm_status": 0.05}
TIMES = ["{0}", "{0}Z", "{1}", "{1}.123456", "{1}.5+00:00", "{0} UTC"]  # those of UTC, in every dress
CERTAIN = (False, True, False, False, True, True)


def payload(n, ts=True):
    body = {"alert_type": "advanced_ddos_attack_l4_alert", "alert_event": "ADVANCED_DDOS_ATTACK_L4_ALERT_START",
            "data": {"attack_id": f"cloudflare-{n}", "target_ip": "203.0.113.7", "packets_per_second": 5000 + n}}
    return json.dumps({**body, "ts": 1749795217 + n} if ts else body)


def value(column, n):
    when = time.gmtime(1749795217 + n)
    if column == "id":
        return n + 1
    if column.endswith("_at") or column in ("event_datetime", "calm_since", "withdraw_after"):
        blank, t = time.strftime("%Y-%m-%d %H:%M:%S", when), time.strftime("%Y-%m-%dT%H:%M:%S", when)
        return TIMES[n % len(TIMES)].format(blank, t)
    return {"prefix": "203.0.113.0/24", "target_prefix": "203.0.113.0/24", "target_ip": "203.0.113.7",
            "source_ip": "198.51.100.9", "destination_ip": "203.0.113.7", "attack_id": f"cloudflare-{n}",
            "event_hash": f"hash-{n}", "packets_per_second": 5000 + n, "megabits_per_second": 12.5, "packets": 10 * n,
            "bits": 4000 * n, "payload": payload(n), "raw_payload": payload(n, ts=False), "raw_data": "{}",
            "alert_type": "advanced_ddos_attack_l4_alert", "status": "completed",
            "outcome": "drop"}.get(column, f"{column} {n}")


def make(path, tables, rows=ROWS, types="", share=SHARES):
    """A database of the old system: table -> its columns."""
    db = sqlite3.connect(path)
    for table, columns in tables.items():
        names = columns.split()
        declared = ", ".join("id INTEGER PRIMARY KEY" if c == "id" else f"{c} {types}" for c in names)
        db.execute(f"CREATE TABLE {table}({declared})")
        db.executemany(f"INSERT INTO {table} VALUES({','.join('?' * len(names))})",
                       ([value(c, n) for c in names] for n in range(int(rows * share[table]))))
    db.commit()
    db.close()
    return path


def without(*dropped):
    """The tables, each without these columns."""
    return {t: " ".join(c for c in columns.split() if c not in dropped) for t, columns in TABLES.items()}


def every_other(first):
    return {t: " ".join(["id"][:1 - first] + columns.split()[1 + first::2]) for t, columns in TABLES.items()}


VARIANTS = {
    "all": TABLES,
    "no calm status": {t: c for t, c in TABLES.items() if t != "prefix_calm_status"},
    "no ids": without("id"),
    "no payloads": without("payload", "raw_payload", "raw_data"),
    "no times": without("created_at", "received_at", "advertised_at", "event_datetime"),
    "even columns": every_other(0),
    "odd columns": every_other(1),
    "more columns": {t: f"{c} added_later note" for t, c in TABLES.items()},
}


@pytest.fixture(scope="module")
def kept(farm):
    """A store without a server: what is imported is projected by cfmtctl itself."""
    s = farm.new()
    s.cfmt.append("CfmtPrefix 203.0.113.0/24 name=web")
    s.start()
    s.stop()
    yield s
    farm.end(s)


def run(s, *args, code=0, env=None, **kw):
    done = s.ctl("import", *args, env=env or ROME, limit=60, **kw)
    assert done.returncode == code, done
    return done


def report(s, *args, **kw):
    doc = json.loads(run(s, "--json", *args, **kw).stdout)
    assert doc["version"] == 1
    return doc


def tally(doc):
    """source -> (rows, new, known)"""
    return {h["source"]: (h["rows"], h["new"], h["known"]) for h in doc["history"]}


def imported(s):
    return s.query("SELECT name, source, part, at, ended_at, done_at, ambiguous, what, state, done, attack, prefix,"
                   " target, vector, pps, bps FROM imported ORDER BY name")


# What must be the same before and after: all that is decided, opened or told by.
def consequences(s):
    return [s.query(f"SELECT * FROM {t}") for t in
            ("event", "attack", "attack_key", "entity", "prefix", "intent", "outbox", "proposal", "hold", "audit",
             "decision", "standing")]


# ---- history ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("variant", [
    v if v in ("all", "no ids", "odd columns") else pytest.param(v, marks=pytest.mark.long) for v in VARIANTS])
def test_each_variant_of_columns_twice_is_once(kept, tmp_path, variant):
    tables = VARIANTS[variant]
    path = make(str(tmp_path / "magic_transit.db"), tables)
    want = {t: int(ROWS * SHARES[t]) for t in tables}
    before, nothing = dict(kept.query("SELECT name, 1 FROM imported")), consequences(kept)
    first = report(kept, path)
    assert not first["not_understood"], first["not_understood"][:3]
    assert tally(first) == {t: (n, n, 0) for t, n in want.items()}
    assert tally(report(kept, path)) == {t: (n, 0, n) for t, n in want.items()}
    added = [r for r in imported(kept) if r[0] not in before]
    assert len(added) == sum(want.values())
    assert consequences(kept) == nothing
    clean(kept)


def clean(s):
    """Variants have the same ids and times: one would replace the rows of the other."""
    db = sqlite3.connect(s.db)
    with db:
        db.execute("DELETE FROM journal WHERE kind = 'imported'")
        db.execute("DELETE FROM imported")
    db.close()


def test_a_row_that_went_on_replaces_its_former_self(kept, tmp_path):
    path = make(str(tmp_path / "magic_transit.db"), TABLES, rows=100)
    run(kept, path)
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE pending_withdrawals SET status = 'failed', retry_count = 3 WHERE id = 2")
    db.close()
    done = tally(report(kept, path))
    assert done["pending_withdrawals"] == (5, 1, 4) and done["attack_events"] == (30, 0, 30)
    rows = [r for r in imported(kept) if r[1] == "pending_withdrawals"]
    assert sorted(r[8] for r in rows) == ["completed"] * 4 + ["failed"]
    clean(kept)


def test_equal_rows_without_ids_are_as_many(kept, tmp_path):
    path = str(tmp_path / "magic_transit.db")
    db = sqlite3.connect(path)
    with db:
        db.execute("CREATE TABLE attack_events(prefix, severity)")
        db.executemany("INSERT INTO attack_events VALUES('203.0.113.0/24', ?)", [("high",)] * 3 + [("low",)])
    db.close()
    assert tally(report(kept, path)) == {"attack_events": (4, 4, 0)}
    assert tally(report(kept, path)) == {"attack_events": (4, 0, 4)} and len(imported(kept)) == 4
    rows = json.loads(kept.ctl("events", "--imported", "--json").stdout)["imported"]
    assert len(rows) == 4 and {r["at"] for r in rows} == {None}
    clean(kept)


def test_times(kept, tmp_path):
    """Kept as text; without a zone it is UTC, flagged where the host's was another; Cloudflare's own counts more."""
    path = make(str(tmp_path / "magic_transit.db"), {"withdrawal_history": TABLES["withdrawal_history"]}, rows=240)
    assert report(kept, path)["history"][0]["ambiguous"] == 6
    rows = json.loads(kept.ctl("audit", "--imported", "--json").stdout)["imported"]
    assert [r["ambiguous"] for r in rows] == [not c for c in CERTAIN * 2]
    for n, row in enumerate(rows):
        assert row["at"][:19] == time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1749795217 + n))
        assert row["body"]["columns"]["created_at"] == value("created_at", n)
    clean(kept)
    assert report(kept, path, env={"TZ": "UTC"})["history"][0]["ambiguous"] == 0
    clean(kept)
    path = make(str(tmp_path / "other.db"), {"webhook_events": TABLES["webhook_events"]}, rows=20)
    run(kept, path)
    rows = json.loads(kept.ctl("events", "--imported", "--json").stdout)["imported"]
    assert len(rows) == 6 and not any(r["ambiguous"] for r in rows)
    assert [r["attack"] for r in rows] == [f"cloudflare-{n}" for n in range(6)]
    clean(kept)


ODD = [("attack_events", "created_at", "yesterday", "no time"),
       ("attack_events", "prefix", "203.0.113", "neither an address"),
       ("attack_events", "raw_payload", "{broken", "not JSON"),
       ("attack_events", "packets_per_second", "many", "not a number")]


def test_what_is_not_understood_is_listed_by_row_and_kept(kept, tmp_path):
    path = make(str(tmp_path / "magic_transit.db"), {"attack_events": TABLES["attack_events"]}, rows=40)
    db = sqlite3.connect(path)
    with db:
        for n, (table, column, odd, _) in enumerate(ODD):
            db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (odd, n + 1))
        db.execute("UPDATE attack_events SET raw_payload = ? WHERE id = 9", ("x" * 1100000,))
        db.execute("CREATE TABLE users(name)")
    db.close()
    doc = report(kept, path)
    found = [(u["source"], u["id"], u["column"], u["value"]) for u in doc["not_understood"]]
    assert found[:4] == [(t, str(n + 1), c, v) for n, (t, c, v, _) in enumerate(ODD)]
    assert found[4][:2] == ("attack_events", "9") and found[5][0] == "users"
    for u, (_, _, _, why) in zip(doc["not_understood"], ODD):
        assert u["why"].startswith(why)
    assert tally(doc)["attack_events"] == (12, 11, 0)
    text = run(kept, path).stdout
    assert "yesterday" in text and "no time" in text
    body = kept.query("SELECT body FROM journal WHERE kind = 'imported' AND tag LIKE 'attack_events/1/%'")[0][0]
    assert json.loads(body)["columns"]["created_at"] == "yesterday"
    clean(kept)


def webhooks(root):
    os.makedirs(root / "logs" / "webhooks")
    where = root / "logs" / "webhooks"
    (where / "20250613_061337.json").write_text(payload(1))
    (where / "20250613_061338.json").write_text(json.dumps(
        {"timestamp": "2025-06-13 08:13:38", "headers": {"cf-webhook-auth": "old-webhook-secret"},
         "payload": json.loads(payload(2, ts=False))}))
    (where / "20250613_061339.json").write_text('{"cut off')
    (where / "notes.txt").write_text("not one of them")
    return where


def test_webhook_files(kept, tmp_path):
    where = webhooks(tmp_path)
    doc = report(kept, str(tmp_path))
    assert tally(doc) == {"webhooks": (3, 2, 0)}
    assert [(u["id"], u["why"]) for u in doc["not_understood"]] == \
        [("20250613_061339.json", "the file is not JSON, and is left out")]
    rows = json.loads(kept.ctl("events", "--imported", "--json").stdout)["imported"]
    assert [(r["attack"], r["state"], r["pps"]) for r in rows] == \
        [("cloudflare-1", "start", 5001), ("cloudflare-2", "start", 5002)]
    assert [r["at"] for r in rows] == ["2025-06-13T06:13:38Z", "2025-06-13T08:13:38Z"] and rows[1]["ambiguous"]
    assert not kept.query("SELECT 1 FROM journal WHERE body LIKE '%old-webhook-secret%' OR body LIKE '%headers%'")
    os.utime(where / "20250613_061337.json", (1, 1))  # copied
    assert tally(report(kept, str(where))) == {"webhooks": (3, 0, 2)}
    clean(kept)


def test_killed_in_the_middle_and_run_again(kept, tmp_path):
    rows = ROWS // 2
    path = make(str(tmp_path / "magic_transit.db"), TABLES, rows=rows)
    p = subprocess.Popen([cfmtctl_path(), "--db", kept.db, "import", path], env={"PATH": "/usr/bin:/bin", **ROME},
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    count = "SELECT count(*) FROM journal WHERE kind = 'imported'"
    wait_for(lambda: kept.query(count)[0][0] > 500, 20, "rows to be imported")
    p.send_signal(signal.SIGKILL)
    p.wait()
    some = kept.query(count)[0][0]
    done = tally(report(kept, path))
    assert sum(k for _, _, k in done.values()) == some < rows
    assert sum(n for _, n, _ in done.values()) == rows - some
    assert kept.query("SELECT count(*), count(DISTINCT name) FROM imported") == [(rows, rows)]
    clean(kept)


def test_a_damaged_database_and_one_that_is_none(kept, tmp_path):
    path = make(str(tmp_path / "magic_transit.db"), TABLES, rows=1000)
    with open(path, "r+b") as f:
        f.seek(20 * 4096)
        f.write(b"\xff" * 4096 * 8)
    doc = report(kept, path, code=5)
    assert any("malformed" in u["why"] for u in doc["not_understood"])
    clean(kept)
    (tmp_path / "magic_transit.db").write_text("hello")
    doc = report(kept, path, code=5)
    assert doc["history"] == [] and "not a database" in doc["not_understood"][0]["why"]


def test_dry_run_changes_nothing(kept, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    settings(old)
    path = make(str(old / "magic_transit.db"), TABLES, rows=100)
    before = kept.query("SELECT max(id) FROM journal")
    doc = report(kept, "--dry-run", "--out", str(tmp_path / "out"), str(old))
    assert doc["dry_run"] and tally(doc)["attack_events"] == (30, 30, 0)
    assert {f["state"] for f in doc["files"]} == {"would be written"} and not os.path.exists(tmp_path / "out")
    assert kept.query("SELECT max(id) FROM journal") == before
    run(kept, path)
    assert tally(report(kept, "--dry-run", path))["attack_events"] == (30, 0, 30)
    clean(kept)


@pytest.mark.parametrize("args,code", [
    (["import"], 2), (["import", "/nowhere/at/all"], 2), (["import", "--imported", "/tmp"], 2),
    (["events", "--imported", "-f"], 2), (["traffic", "203.0.113.0/24", "--imported"], 2),
    (["import", "/proc/self/fdinfo"], 1)])
def test_wrong_usage(kept, args, code):
    done = kept.ctl(*args)
    assert done.returncode == code and done.stdout == "" and len(done.stderr.strip().splitlines()) == 1, done


def test_without_a_database_of_ours(tmp_path, kept):
    """The settings are there already then; the history waits for httpd."""
    settings(tmp_path)
    make(str(tmp_path / "magic_transit.db"), TABLES, rows=20)
    done = kept.ctl("import", "--db", str(tmp_path / "none" / "cfmt.db"), "--out", str(tmp_path / "out"), str(tmp_path),
                    db=False)
    assert done.returncode == 8 and "there is no such database" in done.stderr
    assert os.path.exists(tmp_path / "out" / "cfmt.conf")


# ---- settings -----------------------------------------------------------------------------------------

def settings(root, **over):
    given = {"cloudflare": {"account_id": ACCOUNT, "api_token": "old-api-token-0123456789",
                            "webhook_secret": "old-webhook-secret"},
             "telegram": {"bot_token": "123456:old-bot-token", "chat_id": -1001234567890}}
    for name, new in over.items():
        group, _, member = name.partition("_")
        given[group][member] = new
    (root / "settings.json").write_text(json.dumps(given))
    (root / "prefix_mapping.json").write_text(json.dumps({"prefixes": {
        "203.0.113.0/24": {"parent_prefix_id": "p", "bgp_prefix_id": "b",
                           "description": "Customer \"One\" / web\nCfmtMode enforce"},
        "2001:db8::/32": {"prefix_id": "p"}, "198.51.100.7/24": {}, "no network": {}}}))


def test_settings_become_a_configuration(kept, tmp_path):
    (tmp_path / "old").mkdir()
    settings(tmp_path / "old")
    out = tmp_path / "out"
    doc = report(kept, "--out", str(out), str(tmp_path / "old"))
    assert {os.path.basename(f["path"]): f["state"] for f in doc["files"]} == {
        "webhook-secret": "written", "api-token": "written", "telegram-token": "written", "cfmt.conf": "written"}
    assert [u["column"] for u in doc["not_understood"]] == ["198.51.100.7/24", "no network"]
    assert (out / "webhook-secret").read_text() == "old-webhook-secret\n"
    assert (out / "api-token").read_text() == "old-api-token-0123456789\n"
    assert [os.stat(out / n).st_mode & 0o777 for n in ("webhook-secret", "api-token", "telegram-token")] == [0o600] * 3
    assert os.stat(out).st_mode & 0o777 == 0o700
    conf = (out / "cfmt.conf").read_text()
    for line in (f"CfmtAccountId {ACCOUNT}", f'CfmtSecret "file:{out}/webhook-secret" label=imported',
                 "CfmtMode observe",
                 f'CfmtApiToken "file:{out}/api-token"', "CfmtPrefix 2001:db8::/32 withdraw=auto advertise=manual",
                 f'CfmtNotify telegram name=telegram "token=file:{out}/telegram-token" chat=-1001234567890',
                 "CfmtPrefix 203.0.113.0/24 name=customer-one-web-cfmtmode-enforce withdraw=auto advertise=manual"):
        assert f"    {line}\n" in conf
    assert "\nCfmtMode enforce" not in conf and conf.count("CfmtMode observe") >= 1
    for text in (conf, json.dumps(doc), run(kept, "--out", str(out), str(tmp_path / "old")).stdout):
        assert "old-webhook-secret" not in text and "old-api-token" not in text and "old-bot-token" not in text


def test_what_was_edited_is_kept(kept, tmp_path):
    (tmp_path / "old").mkdir()
    settings(tmp_path / "old")
    out = tmp_path / "out"
    run(kept, "--out", str(out), str(tmp_path / "old"))
    (out / "cfmt.conf").write_text("# mine\n")
    settings(tmp_path / "old", cloudflare_api_token="another-api-token-9876")
    doc = report(kept, "--out", str(out), str(tmp_path / "old"))
    states = {os.path.basename(f["path"]): f["state"] for f in doc["files"]}
    assert states == {"webhook-secret": "same", "api-token": "kept", "telegram-token": "same", "cfmt.conf": "kept"}
    assert (out / "cfmt.conf").read_text() == "# mine\n" and "old-api" in (out / "api-token").read_text()


@pytest.mark.parametrize("over,column", [
    ({"cloudflare_account_id": "mine"}, "cloudflare.account_id"),
    ({"cloudflare_webhook_secret": ""}, "cloudflare.webhook_secret"),
    ({"cloudflare_webhook_secret": "a\nCfmtMode enforce"}, "cloudflare.webhook_secret"),
    ({"cloudflare_api_token": "YOUR_API_TOKEN"}, "cloudflare.api_token"),
    ({"telegram_chat_id": "@"}, "telegram.chat_id"),
    ({"telegram_bot_token": "two words"}, "telegram.bot_token")])
def test_settings_that_cannot_be_used(httpd_new, tmp_path, over, column):
    s = httpd_new(modules=["authz_host"])
    settings(tmp_path, **over)
    done = s.ctl("import", "--json", "--out", str(tmp_path / "out"), str(tmp_path))
    doc = json.loads(done.stdout)
    told = {u["column"]: u["value"] for u in doc["not_understood"]}
    assert told[column] in (None, "mine", "@")
    s.cfmt = [f"CfmtDb {s.db}", f"Include {tmp_path}/out/cfmt.conf"]
    assert_configtest(s)


def assert_configtest(s):
    s.write_config()
    done = s.run("-t")
    assert done.returncode == 0 and "Syntax OK" in done.stdout, done


# ---- whose files --------------------------------------------------------------------------------------

@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_root_reads_as_the_owner_and_leaves_nothing_behind(kept):
    """In a directory of another user; its database has a write-ahead log, beside which files are made."""
    old = kept.path("old")
    os.mkdir(old)
    path = make(os.path.join(old, "magic_transit.db"), TABLES, rows=100)
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    for name in (old, path):
        shutil.chown(name, "nobody", "nogroup")
    os.chmod(path, 0o600)
    assert tally(report(kept, old))["attack_events"] == (30, 30, 0)
    assert {os.stat(os.path.join(old, n)).st_uid for n in os.listdir(old)} == {os.stat(path).st_uid}
    clean(kept)
    os.chmod(path, 0)  # root could read it, its owner cannot
    doc = report(kept, old, code=5)
    assert doc["history"] == [] and doc["not_understood"][0]["source"] == "magic_transit.db"


# ---- what is left of it -------------------------------------------------------------------------------

SITE = """<VirtualHost *:443>
    ProxyPass /static !
    ProxyPass "/webhook/mt" "http://127.0.0.1:5000/webhook"
    ProxyPassReverse /webhook/mt http://127.0.0.1:5000/webhook
    # ProxyPass /webhook/old http://127.0.0.1:5001/
    ProxyPass /shop http://localhost:8080/
    ProxyPass /far http://backend.example.net/
</VirtualHost>
"""


@pytest.mark.skipif(not IS_ROOT or not shutil.which("unshare"), reason="needs root and unshare")
def test_what_retires_the_old_system(kept, tmp_path):
    """In a mount namespace with its services, cron jobs and proxy lines; the commands for the lines are run."""
    (tmp_path / "old").mkdir()
    settings(tmp_path / "old")
    for name, text in {"systemd/cloudflare-webhook.service": "[Service]\n",
                       "systemd/cloudflare-autowithdraw.service": "[Service]\n",
                       "cron/cloudflare-services-watchdog": "* * * * * root true\n",
                       "cron/cloudflare-mt-withdrawals": "*/5 * * * * root true\n",
                       "apache/sites-available/mt.conf": SITE}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "apache/sites-enabled").mkdir()
    (tmp_path / "apache/sites-enabled/mt.conf").symlink_to("../sites-available/mt.conf")
    binds = " && ".join(f"mkdir -p {to} && mount --bind {tmp_path}/{name} {to}" for name, to in
                        (("systemd", "/etc/systemd/system"), ("cron", "/etc/cron.d"), ("apache", "/etc/apache2")))
    ctl, operands = f"{cfmtctl_path()} --db {kept.db} import", f"--out {tmp_path}/out {tmp_path}/old"
    script = f"{binds} && {ctl} --json {operands} > {tmp_path}/doc && {ctl} {operands} > {tmp_path}/text &&" \
             f" grep -o 'sed -i .*conf' {tmp_path}/text > {tmp_path}/sh && . {tmp_path}/sh"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=20 * SLOWER)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done
    doc, text = json.loads((tmp_path / "doc").read_text()), (tmp_path / "text").read_text()
    left = [(x["what"], os.path.basename(x["where"]), x["sure"]) for x in doc["left"]]
    assert left == [("cron job", "cloudflare-services-watchdog", True), ("cron job", "cloudflare-mt-withdrawals", True),
                    ("service", "cloudflare-autowithdraw.service", True),
                    ("proxy line", "mt.conf:6", False), ("proxy line", "mt.conf:4", True),
                    ("proxy line", "mt.conf:3", True), ("service", "cloudflare-webhook.service", True)]
    assert doc["settings"]["route"] == "/webhook/mt"
    assert '<Location "/webhook/mt">' in (tmp_path / "out" / "cfmt.conf").read_text()
    commands = [line for line in text.splitlines() if line.startswith("  sudo ")]
    assert "reload apache2" in commands[-2] and "disable --now cloudflare-webhook.service" in commands[-1]
    assert len(commands) == 7 and "/shop" in text and not any("/shop" in c for c in commands)
    lines = (tmp_path / "apache/sites-available/mt.conf").read_text().splitlines()
    assert [n + 1 for n, line in enumerate(lines) if line.startswith("# ")] == [3, 4]
    assert (tmp_path / "apache/sites-enabled/mt.conf").is_symlink()


# ---- all of it ----------------------------------------------------------------------------------------

def test_a_whole_migration(httpd_new, tmp_path):
    """A server that runs beside the old system, goes on while the history comes, and takes over with the old secret."""
    old, out = tmp_path / "old", tmp_path / "out"
    old.mkdir()
    settings(old)
    webhooks(old)
    make(str(old / "magic_transit.db"), TABLES, rows=2000)
    (old / "logs" / "webhooks" / "debug.json").write_text(json.dumps(
        {"alert_type": "dos_attack_l4",
         "text": "old-api-token-0123456789, old-webhook-secret and 123456:old-bot-token"}))
    s = httpd_new(modules=["authz_host"])
    s.secrets += ["old-webhook-secret", "old-api-token-0123456789", "123456:old-bot-token"]
    s.start()
    post(s, attack("START", token())).stored()
    s.wait_projected()
    before = consequences(s)
    p = subprocess.Popen([cfmtctl_path(), "--db", s.db, "import", "--json", "--out", str(out), str(old)], text=True,
                         env={"PATH": "/usr/bin:/bin", **ROME}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stored = 0
    while p.poll() is None:
        post(s, attack("START", token())).stored()
        stored += 1
        time.sleep(0.05)
    doc = json.loads(p.communicate()[0])
    assert p.returncode == 0 and stored and tally(doc)["attack_events"] == (600, 600, 0)
    s.wait_projected()
    assert s.query("SELECT count(*) FROM event")[0][0] == stored + 1  # the deliveries', and no other
    assert s.query("SELECT count(*) FROM attack")[0][0] == stored + 1
    assert [len(x) for x in consequences(s)][5:] == [len(x) for x in before][5:]
    rows = imported(s)
    assert len(rows) == 2000 + 3
    text, = s.query("SELECT body FROM journal WHERE tag LIKE 'webhooks/debug%'")[0]
    assert text.count("[secret]") == 3  # that they are nowhere else, the oracle looks for
    s.stop()
    # the settings: as they were written, before a configuration of the tests' own
    s.cfmt = [f"CfmtDb {s.db}", "CfmtSenders any", "CfmtRequireTLS off", "CfmtApiUrl http://127.0.0.1:1/",
              "CfmtGraphqlUrl http://127.0.0.1:1/", "CfmtTelegramUrl http://127.0.0.1:1/", f"Include {out}/cfmt.conf"]
    assert_configtest(s)
    s.log.allow(r"CFMT0|CFMT1")  # nobody answers for Cloudflare here
    s.start(ready=False)
    wait_for(lambda: get(s, "/mt-health").status in (200, 503), 10, "httpd to answer")
    post(s, attack("START", token()), secret="old-webhook-secret", path="/webhook/cloudflare").stored()
    post(s, attack("START", token()), secret="another", path="/webhook/cloudflare").problem(401)
    done = s.ctl("import", "--json", "--out", str(out), str(old), env=ROME)
    assert tally(json.loads(done.stdout))["attack_events"] == (600, 0, 600)
    assert imported(s) == rows
