"""A store with very many deliveries, made of one real one; schema and indexes stay the server's."""
import hashlib
import os
import sqlite3
import time

DAY = 86400
STEP = 5000


class Filler:
    """Clones the newest delivery of db, its event, its attack and its keys, over the last 300 days."""

    def __init__(self, path, rows):
        self.path = path
        self.rows = rows
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF",
                       "locking_mode = EXCLUSIVE", "cache_size = -262144", "temp_store = FILE"):
            self.db.execute(f"PRAGMA {pragma}")
        self.db.create_function("key_id", 3, self.key_id, deterministic=True)
        self.model = self.one("SELECT * FROM journal WHERE kind = 'delivery' ORDER BY id DESC LIMIT 1")
        self.event = self.one("SELECT * FROM event WHERE id = ?", self.model["id"])

    def one(self, sql, *args):
        return self.db.execute(sql, args).fetchone()

    @staticmethod
    def key_id(kind, account, value):
        """As key_id() of src/policy/attack.c."""
        data = str(kind).encode() + account.encode() + b"\0" + value.encode()
        return "a" + hashlib.sha256(data).hexdigest()[:12]

    def bodies(self):
        """(number, id in the body, arrival in seconds, body). Ids are spread like random ones."""
        old_id, old_ts = self.event["attack_id"], f'"ts":{self.model["slot"]}'
        begin = int(time.time()) - 300 * DAY
        spread = (1 << 128) // self.rows
        text = self.model["body"]
        assert text.count(old_id) == 2 and text.count(old_ts) == 1
        for n in range(self.rows):
            name, ts = f"{n * spread:032x}", begin + n * 299 * DAY // self.rows
            yield n, name, ts, text.replace(old_id, name).replace(old_ts, f'"ts":{ts}')

    def journal(self):
        """Journal rows, and a temporary table with what differs in the rows that follow from them."""
        self.db.execute("CREATE TEMP TABLE seed(id INTEGER PRIMARY KEY, at, ts, digest, name, attack)")
        first, account, kind = self.model["id"] + 1, self.event["account"], self.key_kind("ATTACK")
        rows, seeds = [], []
        for n, name, ts, body in self.bodies():
            digest = int.from_bytes(hashlib.sha256(body.encode()).digest()[:8], "big", signed=True)
            at = ts * 1000000 + 500000
            rows.append((first + n, at, self.model["origin"], ts, digest, body))
            seeds.append((first + n, at, ts * 1000000, digest, name, self.key_id(kind, account, name)))
            if len(rows) == STEP or n + 1 == self.rows:
                self.db.executemany("INSERT INTO journal(id, at, kind, origin, slot, dedupe, body)"
                                    " VALUES(?, ?, 'delivery', ?, ?, ?, ?)", rows)
                self.db.executemany("INSERT INTO temp.seed VALUES(?, ?, ?, ?, ?, ?)", seeds)
                rows, seeds = [], []

    def key_kind(self, which):
        """The model's keys are an attack id and a correlation id, in this order."""
        kinds = [r[0] for r in self.db.execute(
            "SELECT kind FROM attack_key WHERE attack = (SELECT number FROM attack WHERE id = ?)"
            " ORDER BY kind", (self.event["attack"],))]
        assert len(kinds) == 2
        return kinds[0 if which == "ATTACK" else 1]

    def clone(self, table, where, args, order, **other):
        """A copy of one row for each seed, but for the columns in other."""
        columns = [r["name"] for r in self.db.execute(f"PRAGMA table_info({table})")]
        values = [other.get(c, "t." + c) for c in columns]
        self.db.execute(f"INSERT INTO {table}({', '.join(columns)}) SELECT {', '.join(values)}"
                        f" FROM {table} t CROSS JOIN temp.seed s WHERE {where} ORDER BY {order}", args)

    def projections(self):
        """Attacks are ended: a million open ones are nobody's past."""
        attack = self.event["attack"]
        self.clone("event", "t.id = ?", [self.event["id"]], "s.id", id="s.id", at="s.at", ts="s.ts",
                   digest="s.digest", attack_id="s.name", correlation_id="s.name", attack="s.attack")
        self.clone("attack", "t.id = ?", [attack], "s.id", number="s.id", id="s.attack", state="'ended'",
                   ended_by="'end'", started_at="s.ts", episode_at="s.ts", last_at="s.ts",
                   ended_at="s.ts")
        for which in ("ATTACK", "CORRELATION"):
            kind = self.key_kind(which)
            self.clone("attack_key", "t.attack = (SELECT number FROM attack WHERE id = ?) AND t.kind = ?",
                       [attack, kind], "s.id", value="s.name", attack="s.id",
                       id="s.attack" if which == "ATTACK" else f"key_id({kind}, t.account, s.name)")
        self.db.execute("UPDATE meta SET value = (SELECT max(id) FROM journal) WHERE name = 'cursor'")

    def fill(self):
        indexes = self.db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'"
                                  " AND sql IS NOT NULL AND tbl_name IN"
                                  " ('journal', 'event', 'attack', 'attack_key')").fetchall()
        self.db.execute("BEGIN")
        for index in indexes:  # made again at the end: that sorts
            self.db.execute(f"DROP INDEX {index['name']}")
        self.journal()
        self.projections()
        for index in indexes:
            self.db.execute(index["sql"])
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.close()


def fill(server, rows):
    """The server is stopped and has one projected delivery. Files keep their owner."""
    filler = Filler(server.db, rows)
    try:
        filler.fill()
    finally:
        filler.db.close()
    with open(server.db, "rb") as f:  # its write-back must not fall into a measurement
        os.fsync(f.fileno())
    for name in (server.db, server.db + "-wal", server.db + "-shm"):
        if os.path.exists(name):
            server.chown_user(name)
