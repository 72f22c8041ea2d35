"""A store of a million rows, made within seconds: what a large site has after 400 days."""
import contextlib
import functools
import hashlib
import json
import time

SECOND, MINUTE, HOUR, DAY = 10**6, 60 * 10**6, 3600 * 10**6, 86400 * 10**6
PREFIXES = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32", "203.0.113.128/25")
INDEXED = ("journal", "event", "attack", "attack_key", "outbox")

def key_id(kind, value):
    """As key_id() of src/policy/attack.c; kind 1: Cloudflare's id of an attack. The first one names the attack."""
    return "a" + hashlib.sha256(f"{kind}\0{value}".encode()).hexdigest()[:12]


BIG = key_id(1, "cloudflare-1")  # the attack that has lasted all the time

# Time of row i of {n}; the prefix that belongs to a number; which attack event i is of.
AT = "({now} - ({n} - i) * {step})"
PREFIX = "CASE i % 5 " + " ".join(f"WHEN {n} THEN '{p}'" for n, p in enumerate(PREFIXES)) + " END"
ATTACK = "CASE WHEN i % 10 = 1 THEN 1 ELSE 2 + i * ({attacks} - 1) / ({n} + 1) END"

MANY = {
    "journal": f"""INSERT INTO journal(id, at, kind, origin, slot, dedupe, body) SELECT i, {AT},
        CASE WHEN i % 10 < 4 THEN 'delivery' WHEN i % 10 < 8 THEN 'evidence' WHEN i % 10 = 8 THEN 'decision'
        WHEN i % 100 < 20 THEN 'rejected' WHEN i % 100 < 40 THEN 'duplicate' WHEN i % 100 < 60 THEN 'result'
        WHEN i % 100 < 80 THEN 'tunnel_state' ELSE 'leader' END, '198.51.100.7',
        CASE WHEN i % 10 < 4 THEN {AT} / 1000000 END, CASE WHEN i % 10 < 4 THEN i * 2654435761 END,
        '{{{{"alert_type":"dos_attack_l4","account_id":"0123456789abcdef0123456789abcdef","n":' || i || '}}}}'
        FROM n""",
    "event": f"""INSERT INTO event(id, at, ts, digest, source, alert_type, state, priority, effect, ours, attack_id,
        attack, target, vector, pps, bps, summary) SELECT i, {AT}, {AT}, i * 2654435761, 'alert', 'dos_attack_l4',
        CASE i % 4 WHEN 1 THEN 'start' ELSE 'end' END, 'HIGH', 1, 1, 'cloudflare-' || a, key_id(1, 'cloudflare-' || a),
        '203.0.113.' || i % 256, 'SYN Flood', 100.0 * i, 8000.0 * i, 'SYN Flood against 203.0.113.' || i % 256
        FROM (SELECT i, {ATTACK} AS a FROM n WHERE i % 10 < 4)""",
    "attack": f"""INSERT INTO attack(number, id, ours, scope, state, ended_by, episodes, started_at, episode_at,
        ended_at, last_at, events, targets, targets_cut, target_missing, prefixes, vectors, protocols, rules,
        alert_types, peak_pps, peak_bps) SELECT a, key_id(1, 'cloudflare-' || a), 1, 'network',
        CASE a WHEN 1 THEN 'open' ELSE 'ended' END,
        CASE a WHEN 1 THEN NULL ELSE 'end' END, 1, min(at), min(at), CASE a WHEN 1 THEN NULL ELSE max(at) END, max(at),
        count(*), '["203.0.113.7"]', 0, 0, '["203.0.113.0/24"]', '["SYN Flood"]', '["tcp"]', '[]', '["dos_attack_l4"]',
        max(i) * 100.0, max(i) * 8000.0
        FROM (SELECT i, {ATTACK} AS a, {AT} AS at FROM n WHERE i % 10 < 4) GROUP BY a""",
    "attack_key": """INSERT INTO attack_key(kind, value, account, id, attack)
        SELECT k, 'cloudflare-' || number, '', key_id(k, 'cloudflare-' || number), number
        FROM attack, (SELECT 1 AS k UNION SELECT 2) ORDER BY k, number""",
    "entity": """INSERT INTO entity(kind, id, name, state, since, last_at, events, changes, priority)
        SELECT 'tunnel', printf('%032x', i), 'tunnel-' || i, 'up', {now}, {now}, 9, 9, 'HIGH' FROM n WHERE i <= 1000""",
    "evidence": f"""INSERT OR IGNORE INTO evidence SELECT at / 86400000000, {PREFIX}, at, at + 180000000,
        CASE i / 5 % 4 WHEN 0 THEN 'attack' WHEN 1 THEN 'unknown' ELSE 'calm' END, 'pps', 900.0 * (i % 7), 1e6, 'dosd',
        at FROM (SELECT i, ({{now}} / 60000000 - 3 * (i / 5)) * 60000000 AS at FROM n WHERE i <= {{n}} / 10)""",
    "traffic_event": """INSERT INTO traffic_event SELECT {now} / 60000000 * 60000000 - i / 100 * 60000000,
        '203.0.113.0/24', i % 100, 'SYN Flood', 'r1', 'rule one', '198.18.' || i % 200 || '.' || i % 251,
        64500 + i % 90, 'AS of tests', 'US', i % 65536, '203.0.113.' || i % 256, 443, 'TCP', 'SYN', 'FRA',
        1000 + i % 997, 512000 FROM n WHERE i < {n} / 5""",
    "traffic_sum": """INSERT INTO traffic_sum SELECT {now} / 60000000 * 60000000 - i / 100 * 60000000,
        '203.0.113.0/24', CASE i % 100 WHEN 0 THEN 0 ELSE 1 + i % 8 END, i % 100, 'name ' || i % 300, 64500 + i % 90,
        'AS of tests', 'US', 0, 1000 + i % 997, 512000 FROM n WHERE i < {n} / 5""",
    "outbox": f"""INSERT INTO outbox(id, channel, kind, dedupe, attack, prefix, at, fields, priority, state, attempts,
        made_at, next_at, sent_at, settled_at, text)
        SELECT i, CASE i % 3 WHEN 0 THEN 'ops' WHEN 1 THEN 'noc' ELSE 'log' END, 'attack-start', 'start ' || i,
        key_id(1, 'cloudflare-' || (1 + i % {{attacks}})), {PREFIX}, {AT}, '{{{{"prefix":"203.0.113.0/24"}}}}', i % 4,
        CASE WHEN i > {{n}} / 20 - 300 THEN 'queued' WHEN i % 50 = 3 THEN 'failed' ELSE 'sent' END, 1, {AT}, {AT}, {AT},
        CASE WHEN i > {{n}} / 20 - 300 THEN NULL ELSE {AT} END, 'Attack on 203.0.113.0/24'
        FROM n WHERE i <= {{n}} / 20""",
    "intent": f"""INSERT INTO intent(id, prefix, want, cause, who, reason, proposal, override, created_at, not_before,
        state, next_at, settled_at, attempts) SELECT i, {PREFIX}, i % 2, 'policy', 'policy', 'calm', 0, 0, {AT}, 0,
        'done', 0, {AT}, 1 FROM n WHERE i <= {{n}} / 50""",
    "hold": f"""INSERT INTO hold(id, prefix, origin, who, reason, since, until, released_at)
        SELECT i, {PREFIX}, 'operator', 'user alice', 'fibre', {AT}, {AT}, {AT} FROM n WHERE i <= {{n}} / 100""",
    "window": f"""INSERT INTO window(id, prefix, starts_at, ends_at, who, reason)
        SELECT i, {PREFIX}, {AT}, {AT} + 3600000000, 'user alice', 'fibre' FROM n WHERE i <= {{n}} / 100""",
    "proposal": f"""INSERT INTO proposal(id, prefix, want, attack, reason, made_at, expires_at, state, decided_at)
        SELECT i, {PREFIX}, i % 2, '{BIG}', 'calm', {AT}, {AT}, 'expired', {AT} FROM n WHERE i <= {{n}} / 100""",
    "imported": f"""INSERT INTO imported(id, name, source, part, at, ambiguous, what, prefix, target, vector, pps)
        SELECT i, 'row ' || i, 'attack_events', 1 + i % 3, {AT}, 0, 'dos_attack_l4', {PREFIX}, '203.0.113.7', 'SYN',
        10.0 * i FROM n WHERE i <= {{n}} / 20""",
    "job": """INSERT INTO job(name, due_at, last_at, ok_at, last_result) SELECT 'prefixes', {now} + 60000000, {now},
        {now}, '5 read, 0 changed'""",
    "prefix": f"""INSERT INTO prefix(id, parent, cidr, approved, enabled, locked, bgp_control, auto_withdraw,
        advertised, advertised_at, gone, since, row, origin, first_at) SELECT printf('%032x', i), 'parent', {PREFIX}, 1,
        i % 5 <> 4, 0, 0, 0, 1, {AT}, 0, {AT}, i, 'first', {AT} FROM n WHERE i <= 5""",
}


def audited(value):
    """A column as the chain of hashes covers it."""
    data = str(value).encode()
    return (b"i" if isinstance(value, int) else b"t") + len(data).to_bytes(8, "big") + data


def audit(db, n, at):
    """n rows whose chain is sound."""
    head, rows = "0" * 64, []
    for i in range(1, n + 1):
        row = (i, at + i, "withdraw", PREFIXES[i % 5], "policy", "calm", f"intent {i}", json.dumps({"id": i}))
        head = hashlib.sha256(head.encode() + b"".join(map(audited, row))).hexdigest()
        rows.append(row + (head,))
    db.execute("DELETE FROM audit")
    db.executemany("INSERT INTO audit VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.execute("REPLACE INTO meta VALUES('audit_head', ?)", (f"{n} {head}",))


def caught_up(db, head):
    """All of the journal is projected, told and answered."""
    names = ("cursor", "announced", "commands_done", "evidence_swept")
    db.execute(f"UPDATE meta SET value = ? WHERE name IN {names}", (head,))


@contextlib.contextmanager
def without_indexes(db):
    """Made again at the end: that sorts."""
    indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
                         f" AND tbl_name IN {INDEXED}").fetchall()
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    yield
    for _, sql in indexes:
        db.execute(sql)


def many(db, n):
    """Fills an empty store with n journal rows, up to now, and what they leave behind: twice as many."""
    now = int(time.time() * SECOND)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -200000",
                   "temp_store = MEMORY"):
        db.execute(f"PRAGMA {pragma}")
    db.create_function("key_id", 2, functools.lru_cache(maxsize=1 << 17)(key_id), deterministic=True)
    db.execute("BEGIN")
    db.execute("CREATE TEMP TABLE n(i INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO n WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?)"
               " SELECT i FROM c", (n,))
    with without_indexes(db):
        for table, sql in MANY.items():
            db.execute(f"DELETE FROM {table}")
            db.execute(sql.format(now=now, n=n, step=400 * DAY // n, attacks=max(n // 50, 2)))
    audit(db, n // 50, now - HOUR)
    caught_up(db, n)
    db.execute("UPDATE meta SET value = ? WHERE name = 'last_delivery_at'", (now,))
    db.execute("COMMIT")
