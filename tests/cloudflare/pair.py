"""An httpd and the simulated Cloudflare that it asks, both with the same time; what tests want to know of them."""
import json
import sqlite3
import time

import pytest

from cfsim.launch import Nursery, Simulator
from client import get
from httpd import SLOWER, wait_for

JOBS = ("token", "prefixes", "rules", "tunnels", "ranges", "history")  # they ask REST, whatever is advertised
ALL = JOBS + ("limits", "traffic")                                      # these GraphQL, the latter only then
MICRO = 1000000
DAY = 86400
TAKES = 5
REPEATED = 0.2  # seconds after which a job that was made due and did not run is made due again
# The five minutes that the projection may be behind are seconds at any speed, and less than one at 300 and more.
BEHIND = r"cfmt:warn\].*CFMT0850: job history failed \(busy\): the projection is behind: nothing can be called missed"
UNDECIDED = "SELECT cidr FROM prefix WHERE NOT gone AND cidr NOT IN (SELECT prefix FROM decision)"
nursery = Nursery()
# What was learned, for comparisons: nothing here may move because an upstream misbehaves.
KNOWN = {
    "prefix": "SELECT id, parent, cidr, description, asn, approved, enabled, locked, bgp_control, auto_withdraw,"
              " advertised, advertised_at, modified_at, gone FROM prefix ORDER BY id",
    "tunnel": "SELECT id, kind, name, endpoint, checked, state, gone FROM tunnel ORDER BY id",
    "rule": "SELECT id, name, type, prefixes, automatic, gone FROM rule ORDER BY id",
    "range": "SELECT cidr, gone_at FROM range ORDER BY cidr",
    "facts": "SELECT name, facts FROM sensed WHERE name IN ('policies', 'prefixes', 'ranges', 'token', 'tunnels')"
             " ORDER BY name",
    "journal": "SELECT count(*) FROM journal",
}


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))


class Pair:
    """new: makes the server; speed: of both times; token: one of the simulator's, or None; urls: "plain", "tls", or a
    certificate of wrong_tls; further lines for the configuration; options of the simulator; then those of Httpd."""

    def __init__(self, new, speed=1, token="valid", urls="plain", lines=(), options=None, **kw):
        self.speed, self.anchor = speed, int(time.time()) - 1
        self.sim = Simulator(nursery).start(speed=speed, anchor=self.anchor, **(options or {}))
        self.server = new(**kw)
        # the servers' own oracle looks for these in logs and store
        self.server.secrets += list(self.sim.tokens.values())
        self.own = list(self.server.cfmt) + list(lines)
        self.urls, self.token = urls, None
        if token:
            self.use_token(token)
        self.configure()
        if speed > 1:
            self.server.log.allow(r"cfmt:warn\].*CFMT0117: DEMO: time runs")
            self.server.log.allow(BEHIND)

    # ---- configuration ----

    def use_token(self, name):
        """The token's file; takes effect with the next start or graceful."""
        self.token = self.server.write("secret/token", self.sim.tokens.get(name, name) + "\n", 0o600)

    def base(self):
        return {"plain": self.sim.line, "tls": self.sim.tls}.get(self.urls) or self.sim.wrong_tls[self.urls]

    def configure(self):
        base, s = self.base(), self.server
        s.cfmt = self.own + [f"CfmtAccountId {self.sim.account}", f"CfmtApiUrl {base['rest']}",
                             f"CfmtGraphqlUrl {base['graphql']}"]
        if self.token:
            s.cfmt.append(f"CfmtApiToken file:{self.token}")
        if self.urls != "plain":
            ca = s.path("ca.pem")
            with open(self.sim.ca) as f:
                s.write("ca.pem", f.read())
            s.cfmt.append(f"CfmtCaFile {ca}")
        if self.speed > 1:
            s.cfmt.append(f"CfmtDemoSpeed {self.speed} since={stamp(self.anchor)}")

    def reload(self):
        """A graceful with the configuration as it is now; when the new generation leads."""
        s, mark, old = self.server, self.server.log.size(), self.server.generation()
        self.configure()
        s.write_config()
        s.graceful()
        s.log.wait(r"CFMT0405", 15, mark)
        wait_for(lambda: not s.generation() & old, 20, "the old generation to go")

    def start(self, ready=True):
        """ready: all jobs have succeeded, what they learned is in the tables, and each prefix is decided about."""
        self.server.start()
        if ready:
            self.settled()
        return self

    def settled(self, limit=20):
        wait_for(lambda: all(j["ok_at"] for j in self.jobs(ALL)), limit, f"all jobs to succeed: {self.words()}")
        self.server.wait_projected()
        wait_for(lambda: not self.server.query(UNDECIDED), limit, "the first decisions")

    # ---- time ----

    def now(self):
        return self.anchor + (time.time() - self.anchor) * self.speed

    def sleep(self, seconds):
        """Of simulated time."""
        time.sleep(seconds / self.speed)

    def jump(self, seconds):
        """Moves both times ahead; httpd's by a reload. Needs a speed of 2."""
        assert self.speed == 2
        self.anchor -= seconds
        self.sim.advance(seconds)
        self.reload()

    # ---- jobs ----

    def jobs(self, names=JOBS):
        """The rows of these jobs; those not made yet are empty."""
        found = {r[0]: dict(zip(("name", "due_at", "owner", "last_at", "ok_at", "fails", "result"), r))
                 for r in self.server.query("SELECT name, due_at, owner, last_at, ok_at, fails, last_result FROM job")}
        none = {"due_at": 0, "owner": None, "last_at": 0, "ok_at": 0, "fails": 0, "result": ""}
        return [dict(found.get(n) or dict(none, name=n)) for n in names]

    def job(self, name):
        return self.jobs((name,))[0]

    def words(self):
        return {j["name"]: j["result"] for j in self.jobs()}

    def write(self, sql, rows):
        """Changes the store under the server."""
        db = sqlite3.connect(self.server.db, timeout=10)
        try:
            with db:
                db.executemany(sql, rows)
        finally:
            db.close()

    def plan(self, due_at, names, before=None):
        """before: only those that did not run since then."""
        self.write("UPDATE job SET due_at = ? WHERE name = ? AND owner IS NULL AND ifnull(last_at, 0) < ?",
                   [(due_at, n, before or int(self.now() + DAY) * MICRO) for n in names])

    def park(self, names=ALL):
        """None of them runs by itself for a day."""
        far = int((self.now() + DAY) * MICRO)

        def parked():
            self.plan(far, names)
            return all(j["owner"] is None and j["due_at"] > far - MICRO for j in self.jobs(names))

        wait_for(parked, 40, "the jobs to be idle")

    def run(self, *names, limit=20):
        """Runs these jobs, all in the same round if they are parked; their rows as first seen thereafter."""
        names = names or JOBS
        since = int(self.now() * MICRO)
        asked, rows = [0.0], {}

        def over():
            for job in self.jobs(names):
                if (job["last_at"] or 0) >= since:  # it may be claimed again already: its row is of the last run
                    rows.setdefault(job["name"], job)
            left = [n for n in names if n not in rows]
            if left and time.monotonic() - asked[0] > REPEATED:
                asked[0] = time.monotonic()
                self.plan(1, left, before=since)
            return not left

        wait_for(over, limit, f"{names} to run: {self.words()}")
        return [rows[n] for n in names]

    def succeed(self, *names, limit=20):
        rows = self.run(*names, limit=limit)
        while any(j["result"].startswith("busy: ") for j in rows):  # see BEHIND
            rows = self.run(*names, limit=limit)
        for job in rows:
            assert not job["fails"], job
        self.server.wait_projected()

    def wait_ok(self, names=ALL, limit=20):
        """Until these work again by themselves."""
        try:
            wait_for(lambda: not any(j["fails"] for j in self.jobs(names)), limit, "the jobs to recover")
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.words()}") from None

    # ---- what is known ----

    def known(self, *parts):
        return {k: self.server.query(sql) for k, sql in KNOWN.items() if not parts or k in parts}

    def states(self, cidr=None):
        """The journal's prefix_state rows as (origin, body)."""
        rows = [(r[1], json.loads(r[3])) for r in self.server.journal("prefix_state")]
        return [r for r in rows if cidr in (None, r[1].get("cidr"))]

    def ctl(self, *args):
        """The document that cfmtctl prints."""
        done = self.server.ctl(*args, "--json")
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def health(self):
        return get(self.server, "/mt-health").json()

    def calls(self, upstream=None, part="", since=0):
        """The simulator's notes of requests."""
        return [r for r in self.sim.requests() if upstream in (None, r["upstream"]) and part in r["path"]
                and r["at"] >= since]

    # ---- end ----

    def end(self):
        """Takes the server down first: what it asks until then is judged, too. Sentences about what is wrong."""
        wrong = []
        try:
            if self.server.proc:
                self.server.stop(5 * SLOWER)
            wrong = [f"violation by the {v['side']} at {v['where']}: {v['what']}" for v in self.sim.violations()]
        except AssertionError as e:
            wrong.append(str(e))
        finally:
            if self.sim.stop() != 0:
                wrong.append("the simulator ended badly")
        return wrong


class Scene:
    """What a pair goes through. takes: about so many seconds; options: of Pair."""

    def __init__(self, call, *args, name=None, takes=TAKES, **options):
        self.call, self.args, self.takes, self.options = call, args, takes, options
        self.name = name or call.__name__


def scenes(*given):
    """Decorates a test that is run for each of these: def test_x(scene): scene()."""
    return pytest.mark.parametrize("scene", given, ids=[g.name for g in given], indirect=True)
