"""The store as the engine leaves it when it decides and acts, and a stand-in for the leader: for tests of cfmtctl."""
import contextlib
import json
import os
import sqlite3
import threading

import locks
from test_world_cli import DAY, HOUR, IDS, MINUTE, SECOND, Store

A, B, ORPHAN, V6, PART = "203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32", "203.0.113.128/25"
GATES = ("mode scope known enabled unlocked api_controlled advertised fresh cause no_attack calm min_advertised "
         "no_hold no_window origin api_health projected clock last_look").split()
TABLES = ("prefix", "sensed", "reading", "job", "setting", "decision", "intent", "hold", "window", "proposal", "audit",
          "attack", "attack_target", "evidence", "journal")


class Acts(Store):
    """Adds what is decided, wanted and done."""

    def __init__(self, server):
        super().__init__(server)
        for table in TABLES:
            with contextlib.suppress(sqlite3.OperationalError):
                self.run(f"DELETE FROM {table}")
        self.run("UPDATE meta SET value = 0 WHERE name = 'cursor'")

    def one(self, sql, *values):
        db = sqlite3.connect(self.server.db, timeout=10)
        try:
            return db.execute(sql, values).fetchone()
        finally:
            db.close()

    def decision(self, prefix, text="-", **more):
        gates = [{"gate": g, "light": "green", "reason": "ok", "figure": "none", "value": 0, "threshold": 0,
                  "text": None, "source": "config", "at": 0, "next": 0} for g in GATES]
        for name, change in more.pop("gates", {}).items():
            gates[GATES.index(name)].update(change)
        cause = {"kind": "attack", "by_attack": True, "at": self.now - HOUR, "who": None, "attack": "a1b2", "intent": 0,
                 **more.pop("cause", {})}
        advertise = {"action": "none", "reason": "calm", "attack": None, "at": 0, "exposed": False, "page_at": 0,
                     "text": "-", **more.pop("advertise", {})}
        doc = {"version": 1, "action": "stay", "why": "calm", "text": text, "earliest": 0, "orphan": False,
               "orphan_at": 0, "cause": cause, "advertise": advertise, "gates": gates, **more}
        self.add("decision", prefix=prefix, at=self.now - 2 * SECOND, verdict=doc["action"],
                 red=",".join(g["gate"] for g in gates if g["light"] == "red"), next_at=None,
                 gates=json.dumps(doc, separators=(",", ":")), changed_at=self.now - HOUR)

    def intent(self, id_, prefix, want, state="requested", **more):
        row = {"cause": "operator", "who": "user alice", "reason": "", "proposal": 0, "override": 0,
               "created_at": self.now - MINUTE, "not_before": 0, "next_at": 0, "attempts": 0, "attack": None}
        self.add("intent", **{"id": id_, "prefix": prefix, "want": want, "state": state, **row, **more})

    def commands(self):
        db = sqlite3.connect(self.server.db, timeout=10)
        try:
            rows = db.execute("SELECT id, origin, body FROM journal WHERE kind = 'command' ORDER BY id").fetchall()
        finally:
            db.close()
        return [(i, origin, json.loads(body)) for i, origin, body in rows]


@contextlib.contextmanager
def leader(store):
    """Somebody leads: nobody else does. As a leader it has the store open: nobody makes its files anew."""
    fd = os.open(store.server.db + ".leader", os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o660)
    db = sqlite3.connect(store.server.db, timeout=10)
    try:
        db.execute("SELECT count(*) FROM meta").fetchone()
        assert locks.taken(fd)
        yield
    finally:
        db.close()
        os.close(fd)


@contextlib.contextmanager
def answering(store, answer):
    """The leader's place: each command is answered by what answer(command) says."""
    stop, failed = threading.Event(), []

    def work():
        done = set()
        try:
            while not stop.wait(0.02):
                for id_, _, body in [c for c in store.commands() if c[0] not in done]:
                    done.add(id_)
                    said = answer(body)
                    if said is not None:
                        store.add("journal", at=store.now, kind="result", origin="engine", tag=f"command {id_}",
                                  body=json.dumps({"command": id_, "outcome": "done", "code": 0, "text": "ok",
                                                   "intent": 0, "proposal": 0, "at": 0, **said}))
        except Exception as e:  # pylint: disable=broad-except
            failed.append(e)

    thread = threading.Thread(target=work)
    with leader(store):
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
    assert not failed, failed


def five(store):
    """The picture of the manual: one prefix in each state."""
    now = store.now
    store.settings(Mode="enforce", AnalyticsLag="5m")
    store.policy(A, "name=web withdraw=auto")
    store.policy(B, "name=mail withdraw=auto")
    store.prefix(1, A, advertised=1, advertised_at=now - 2530 * SECOND)
    store.prefix(2, B, advertised=1, advertised_at=now - 1862 * SECOND)
    store.prefix(3, ORPHAN, advertised=1, advertised_at=now - 9 * DAY)
    store.prefix(4, V6, advertised=0, advertised_at=now - 3 * DAY)
    store.prefix(5, PART, enabled=0)
    store.add("reading", kind="parent", id=IDS[10], read_at=now - 20 * SECOND)
    store.job("prefixes", 12 * SECOND, ok_at=now - 20 * SECOND)
    store.sensed("upstream rest", 5 * SECOND, breaker="closed", left="1180", quota="1200")
    store.sensed("traffic", 5 * SECOND, watermark=str(now - 341 * SECOND), targets="3")
    minute = (now - 6 * MINUTE) // MINUTE * MINUTE
    for prefix, verdict, pps in ((A, "attack", 1200000.0), (B, "calm", 0.0)):
        store.add("evidence", day=minute // DAY, prefix=prefix, at=minute, until=minute + MINUTE, verdict=verdict,
                  reason="pps", pps=pps, bps=0.0, system="dosd", peak_at=minute)
    store.decision(A, "stays: attack a1b2 open since 03:01:10Z", why="no_attack", gates={
        "no_attack": {"light": "red", "reason": "attack", "figure": "count", "value": 1, "text": "a1b2",
                      "source": "alert", "at": now - HOUR},
        "calm": {"light": "red", "reason": "attack", "figure": "count", "value": 0, "threshold": 15,
                 "source": "analytics", "at": now - 6 * MINUTE, "next": now + 15 * MINUTE}})
    store.decision(B, "withdraw 03:22:05Z if calm (13 of 15 minutes)", earliest=now + 3 * MINUTE,
                   gates={"calm": {"light": "red", "reason": "short", "figure": "count", "value": 13, "threshold": 15,
                                   "source": "analytics", "at": now - 6 * MINUTE, "next": now + 3 * MINUTE}})
    store.decision(ORPHAN, "orphan: cfmtctl adopt | hold | withdraw", why="cause", orphan=True,
                   orphan_at=now + DAY, cause={"kind": "unknown", "by_attack": False, "attack": None},
                   gates={"cause": {"light": "red", "reason": "first-seen", "source": "api"}})
    store.decision(V6, "-", why="advertised", cause={"kind": "policy", "attack": None})


def attack(store, target=A, **more):
    row = {"id": "a1b2", "number": 1, "state": "open", "scope": "network", "ours": 1, "episodes": 1, "events": 1,
           "started_at": store.now - HOUR, "episode_at": store.now - HOUR, "last_at": store.now - HOUR,
           "targets": json.dumps([target]), "prefixes": json.dumps([A]), "targets_cut": 0, "target_missing": 0,
           "vectors": "[]", "protocols": "[]", "rules": "[]", "alert_types": "[]"}
    store.add("attack", **{**row, **more})
