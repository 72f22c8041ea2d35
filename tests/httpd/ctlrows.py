"""Stores for the tests of cfmtctl as a whole: empty, small (some of everything) and many (a million rows).

They are copies of a store that httpd made and left; nothing moves them but what a test does.
"""
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time

import httpd
from actrows import A, B, ORPHAN, V6, Acts, attack, five
from ctlmany import BIG, audit, caught_up, key_id, many
from httpd import IS_ROOT, Httpd, cfmtctl_path
from test_world_cli import DAY, HOUR, IDS, MINUTE, SECOND

ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
DELIVERY = ('{"alert_type":"dos_attack_l4","ts":1795341600,'
            '"data":{"attack_id":"cloudflare-1","target_ip":"203.0.113.7"}}')


class Place:
    """A state directory with a database: what cfmtctl needs of a server."""

    ctl = Httpd.ctl

    def __init__(self, root, source):
        self.root = root
        self.user = httpd.unprivileged()
        self.db = os.path.join(root, "cfmt.db")
        os.makedirs(root)
        for suffix in ("", ".lock", ".leader"):
            shutil.copy(source + suffix, self.db + suffix)
        self.own()

    def own(self):
        """As httpd leaves it."""
        for name in [self.root] + [os.path.join(self.root, n) for n in os.listdir(self.root)]:
            if IS_ROOT:
                shutil.chown(name, self.user, httpd.grp_of(self.user))
            os.chmod(name, 0o2770 if name == self.root else 0o660)

    def command(self, *args):
        return [cfmtctl_path(), "--db", self.db, *args]

    def begin(self, *args, **kw):
        """Not waited for."""
        return subprocess.Popen(self.command(*args), env=ENV, stdin=subprocess.DEVNULL, **kw)

    def all(self, sql):
        db = sqlite3.connect(self.db, timeout=10)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def one(self, sql):
        return self.all(sql)[0]

    def change(self, fill):
        """fill(db) alone with the file, in one transaction; afterwards there is one file again."""
        db = sqlite3.connect(self.db, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = DELETE")
            fill(db)
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("PRAGMA journal_mode = WAL")
        finally:
            db.close()
        self.own()


def wipe(db):
    """Nothing has happened yet, and nothing is configured."""
    for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if name not in ("meta", "sqlite_sequence"):
            db.execute(f"DELETE FROM {name}")
    db.execute("DELETE FROM sqlite_sequence")
    db.execute("UPDATE meta SET value = 0 WHERE name <> 'min_code'")


class Rows(Acts):
    """Rows of one connection, at a time of one's own."""

    def __init__(self, db, now):  # pylint: disable=super-init-not-called
        self.db, self.now = db, now

    def run(self, sql, *values):
        self.db.execute(sql, values)


# ---- some of everything -------------------------------------------------------------------------------

def told(store):
    """Messages of each kind of fate, to two channels."""
    store.add("setting", name="Notify ops", value="telegram name=ops min=low after=600s thread=reply")
    store.add("setting", name="Notify noc", value="webhook name=noc min=high fallback=ops after=600s")
    now = store.now
    for n, (state, channel, more) in enumerate((
            ("sent", "ops", {"ref": "17", "text": "Attack on 203.0.113.0/24\n1.2 Mpps <dropped>"}),
            ("failed", "ops", {}),
            ("sent", "noc", {"acked_at": now - MINUTE, "acked_by": "user alice"}), ("queued", "noc", {}),
            ("maybe", "ops", {}), ("sent", "noc", {"priority": 0}))):
        made = now - HOUR + n * MINUTE
        over = {} if state == "queued" else {"settled_at": made + 2 * SECOND}
        store.add("outbox", **{
            "id": n + 1, "channel": channel, "kind": "attack-start", "dedupe": f"start {n}", "attack": BIG, "prefix": A,
            "at": made, "fields": json.dumps({"prefix": A, "attack": BIG}), "priority": 1, "state": state,
            "attempts": 1, "made_at": made, "next_at": made, "sent_at": made + SECOND if state == "sent" else None,
            "answer": "403 Forbidden" if state == "failed" else None, **over, **more})
    store.add("channel", name="ops", state="ok", since=now - DAY, ok_at=now - HOUR, next_at=0, fails=0)
    store.add("channel", name="noc", state="failing", since=now - HOUR, ok_at=now - 2 * HOUR, next_at=now + 30 * SECOND,
              fails=4, error="connect: refused")


def wanted(store):
    """What people and the policy want."""
    now = store.now
    store.intent(1, A, 1, "done", cause="attack", who="policy", attack=BIG, settled_at=now - 50 * MINUTE,
                 created_at=now - 55 * MINUTE, attempts=1)
    store.intent(2, B, 0, cause="operator", reason="uplink is back", not_before=now + 10 * MINUTE)
    store.add("hold", id=1, prefix=A, origin="operator", who="user alice", reason="fibre", since=now - HOUR,
              until=now + HOUR)
    store.add("window", id=1, prefix="*", starts_at=now + HOUR, ends_at=now + 3 * HOUR, who="user bob", reason="router")
    store.add("proposal", id=1, prefix=ORPHAN, want=0, reason="calm for 15 minutes", made_at=now - MINUTE,
              expires_at=now + 29 * MINUTE, state="open")
    store.add("proposal", id=2, prefix=V6, want=1, attack=BIG, reason="attack", made_at=now - DAY, expires_at=now - DAY,
              state="denied", decided_at=now - DAY, decided_by="user bob", decided_why="a test")
    audit(store.db, 3, now - HOUR)


def world(store):
    """Tunnels, ranges, jobs."""
    now = store.now
    store.tunnel(1)
    store.tunnel(2, kind="ipsec", state="degraded", active=1, name="tunnel \x1b[31mred")
    store.tunnel(3, state="down", gone=1)
    store.sensed("tunnels", 45 * SECOND, **{IDS[1]: "1.0000 0", IDS[2]: "0.9873 1"})
    store.add("range", cidr="104.16.0.0/13", first_at=now - 30 * DAY, seen_at=now - 3 * HOUR)
    store.add("range", cidr="131.0.72.0/22", first_at=now - 30 * DAY, seen_at=now - 3 * DAY, gone_at=now - 2 * DAY)
    store.sensed("ranges", 3 * HOUR, etag="x", count="1")
    store.job("token", 20 * MINUTE, last_at=now - 40 * SECOND, ok_at=now - 2 * HOUR, fails=3,
              last_result="auth: refused")
    store.job("tunnels", 10 * SECOND, last_at=now - 45 * SECOND, ok_at=now - 45 * SECOND, last_result="2 read")
    store.sensed("token", 40 * SECOND, status="active", form="account", expires_at=str(now + 29 * DAY))
    store.sensed("policies", 7 * MINUTE, policies="4", destinations="1", unsent="incident_alert", failing="",
                 last_failure="")


def traffic(store):
    """Two minutes of one attack in detail."""
    for minute in (7, 6):
        at = (store.now - minute * MINUTE) // MINUTE * MINUTE
        for n, (source, packets) in enumerate((("198.18.0.9", 60_000_000), ("10.0.0.1", 12_000_000))):
            store.add("traffic_event", at=at, prefix=A, n=n, vector="SYN Flood", rule_id="r1", rule="rule one",
                      source=source, asn=64500, asn_name="AS of tests", country="US", source_port=1024,
                      target="203.0.113.7", target_port=443, protocol="TCP", flags="SYN", colo="FRA",
                      packets=packets, bits=packets * 480)
        names = ("", "SYN Flood", "198.18.0.9", "64500", "US", "443", "1024", "FRA", "203.0.113.7")
        for kind, name in enumerate(names):
            network = {"asn": 64500, "asn_name": "AS of tests"} if kind in (2, 3) else {}
            store.add("traffic_sum", at=at, prefix=A, kind=kind, n=kind, name=name, cut=0, **network,
                      country="US" if kind == 2 else None, packets=72_000_000, bits=34_560_000_000)


def happened(store):
    """Deliveries, their duplicates, what was refused, and what they were understood to be."""
    now = store.now
    rows = [("config", "httpd", '{"Mode":"enforce"}'), ("delivery", "198.51.100.7", DELIVERY),
            ("duplicate", "198.51.100.7", None), ("rejected", "198.51.100.9", "secret"),
            ("delivery", "198.51.100.7", b'{"text": "h\xffllo"}'), ("leader", "engine", '{"pid":7}'),
            ("delivery", "198.51.100.7", DELIVERY.replace("cloudflare-1", "cloudflare-3"))]  # nobody understood it
    rows += [("imported", "import", '{"at":"2026-01-02 03:04:05"}')] * 3
    for n, (kind, origin, body) in enumerate(rows):
        store.add("journal", id=n + 1, at=now - HOUR + n * MINUTE, kind=kind, origin=origin, body=body,
                  ref=2 if kind == "duplicate" else None, label="first" if n == 1 else None)
    for part in (1, 2, 3):  # an event, an action, traffic
        store.add("imported", id=7 + part, name=f"old {part}", source="withdrawal_history", part=part,
                  at=now - 90 * DAY, ended_at=now - 90 * DAY + HOUR, ambiguous=1, what="dos_attack_l4",
                  state="completed", prefix=A, target="203.0.113.7", vector="SYN Flood", pps=5000.0)
    for n, (state, more) in enumerate((
            ("start", {"alert_type": "dos_attack_l4", "target": "203.0.113.7", "pps": 1200000.0, "bps": 9.6e9,
                       "attack": BIG, "attack_id": "cloudflare-1", "correlation_id": "correlation-1",
                       "vector": "SYN Flood"}),
            ("info", {"summary": "h\\xffllo"}))):
        store.add("event", **{"id": 2 + 3 * n, "at": now - HOUR + (1 + 3 * n) * MINUTE, "ts": now - HOUR, "digest": n,
                              "source": "alert", "state": state, "priority": "HIGH" if n == 0 else "INFO", "effect": 1,
                              "ours": 1, "summary": "SYN Flood against 203.0.113.7", **more})
    attack(store, "203.0.113.7", id=BIG, vectors='["SYN Flood"]', protocols='["tcp"]', alert_types='["dos_attack_l4"]',
           peak_pps=1200000.0, peak_bps=9.6e9, peak_pps_at=now - HOUR, peak_pps_by="alert")
    attack(store, "198.51.100.9", id=key_id(1, "cloudflare-2"), number=2, state="ended", ended_by="end",
           ended_at=now - 2 * HOUR, started_at=now - 3 * HOUR, episode_at=now - 3 * HOUR, last_at=now - 2 * HOUR,
           prefixes=json.dumps([B]))
    for number, kind, name in ((1, 1, "cloudflare-1"), (1, 2, "correlation-1"), (2, 1, "cloudflare-2")):
        store.add("attack_key", kind=kind, value=name, account="", id=key_id(kind, name), attack=number)


def small(db, now):
    """Some of everything that a command shows, all of it in the last days before now."""
    store = Rows(db, now)
    db.execute("BEGIN")
    wipe(db)
    store.settings()
    store.run("DELETE FROM setting")
    five(store)
    for part in (happened, told, wanted, world, traffic):
        part(store)
    store.add("setting", name="Secret first", value="file:/nowhere/secret")
    store.run("UPDATE setting SET value = 'file:/nowhere/token' WHERE name = 'ApiToken'")
    store.run("UPDATE decision SET gates = replace(gates, 'a1b2', ?)", BIG)
    head = db.execute("SELECT max(id) FROM journal").fetchone()[0]
    caught_up(db, head)
    db.execute("COMMIT")


# ---- the places ---------------------------------------------------------------------------------------

class Places:
    """Makes stores; each kind once, and copies of it."""

    def __init__(self, farm):
        self.farm = farm
        self.root = None
        self.kinds = {}
        self.count = 0

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="cfmt-ctl-", dir=httpd.scratch())
        os.chmod(self.root, 0o755)
        return self

    def __exit__(self, *args):
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        self.count += 1
        return os.path.join(self.root, f"{name}-{self.count}")

    def of(self, kind, rows=10**6):
        """The one store of a kind, "empty", "small" or "many": to be read, and not to be changed by much."""
        if kind not in self.kinds:
            if kind == "empty":
                self.kinds[kind] = self.made()
            else:
                place = self.copy("empty")
                place.change(lambda db: many(db, rows) if kind == "many" else small(db, int(time.time() * SECOND)))
                self.kinds[kind] = place
        return self.kinds[kind]

    def made(self):
        server = self.farm.new()
        server.cfmt.append("CfmtPrefix 203.0.113.0/24 name=web")
        server.start()
        server.stop()
        db = sqlite3.connect(server.db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        place = Place(self.path("empty"), server.db)
        self.farm.end(server)
        return place

    def copy(self, kind):
        """One to spoil."""
        return Place(self.path(kind), self.of(kind).db)

    def copy_of(self, place):
        return Place(self.path("copy"), place.db)
