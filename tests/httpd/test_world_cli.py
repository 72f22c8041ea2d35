"""cfmtctl prefixes, tunnels, jobs, ranges: what the store holds of the world outside, and how old it is.

The rows are written here as the engine writes them; httpd only makes the store, so nothing else moves them.
"""
import datetime
import json
import re
import sqlite3
import time

import pytest

from httpd import wait_for

SECOND, MINUTE, HOUR, DAY = 10**6, 60 * 10**6, 3600 * 10**6, 86400 * 10**6
API = {"AccountId": "0123456789abcdef0123456789abcdef", "ApiToken": "file:/etc/cfmt-token", "PollInterval": "1m"}
IDS = {n: f"{n:032x}" for n in range(1, 20)}
ESCAPE = "\x1b[31mred\x07"
COMMANDS = ("prefixes", "tunnels", "jobs", "ranges")
TABLES = ("prefix", "tunnel", "range", "sensed", "reading", "job", "setting")


class Store:
    """The store of a server that has stopped, emptied for each test."""

    def __init__(self, server):
        self.server = server
        self.now = int(time.time() * 1e6)
        for table in TABLES:
            self.run(f"DELETE FROM {table}")

    def run(self, sql, *values):
        db = sqlite3.connect(self.server.db, timeout=10)
        try:
            with db:
                db.execute(sql, values)
        finally:
            db.close()

    def add(self, table, **values):
        names = ", ".join(values)
        self.run(f"INSERT INTO {table}({names}) VALUES({', '.join('?' * len(values))})", *values.values())

    def settings(self, **more):
        for name, value in {**API, "Senders": "cloudflare", **more}.items():
            self.add("setting", name=name, value=value)

    def policy(self, cidr, options):
        self.add("setting", name=f"Prefix {cidr}", value=options)

    def sensed(self, name, ago, **facts):
        self.add("sensed", name=name, read_at=self.now - ago, changed_at=self.now - ago, facts=json.dumps(facts))

    def job(self, name, due_in, **more):
        self.add("job", name=name, due_at=self.now + due_in, **more)

    def prefix(self, n, cidr, **more):
        row = {"parent": IDS[10], "approved": 1, "enabled": 1, "locked": 0, "bgp_control": 0, "auto_withdraw": 0,
               "advertised": 0, "gone": 0, "since": self.now - DAY, "row": n, "origin": "first",
               "first_at": self.now - DAY}
        self.add("prefix", **{"id": IDS[n], "cidr": cidr, **row, **more})

    def tunnel(self, n, **more):
        row = {"kind": "gre", "endpoint": "192.0.2.1", "checked": 1, "state": "up", "gone": 0,
               "since": self.now - HOUR, "row": n}
        self.add("tunnel", **{"id": IDS[n], "name": f"tunnel-{n}", **row, **more})

    def ctl(self, *args):
        done = self.server.ctl(*args)
        assert done.returncode == 0, done
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", done.stdout + done.stderr)
        return done

    def table(self, *args):
        return [line.split() for line in self.ctl(*args).stdout.splitlines()]

    def data(self, *args):
        doc = json.loads(self.ctl(*args, "--json").stdout)
        assert doc["version"] == 1
        return doc


@pytest.fixture(scope="module")
def stopped(farm):
    s = farm.new().start()
    s.stop()
    yield s
    farm.end(s)


@pytest.fixture
def store(stopped, oracle):
    return Store(stopped)


def near(value, seconds):
    """An age as cfmtctl computed it a moment after the rows were written."""
    return seconds <= value <= seconds + 60


def at(text):
    parsed = datetime.datetime.strptime(re.sub(r"\.\d+Z$", "Z", text), "%Y-%m-%dT%H:%M:%SZ")
    return int(parsed.replace(tzinfo=datetime.timezone.utc).timestamp())


def five(store):
    """The five prefixes of the examples, one in each state that the table tells apart."""
    now = store.now
    store.settings()
    store.policy("198.51.100.0/24", "name=web withdraw=auto")
    store.policy("10.9.0.0/16", "name=typo")
    store.prefix(1, "198.51.100.0/24", advertised=1, advertised_at=now - 600 * SECOND, changed_by="auto-advertise",
                 changed_at=now - 590 * SECOND, description="not this name")
    store.prefix(2, "192.0.2.0/24", locked=1, auto_withdraw=1, advertised_at=now - 3 * DAY, changed_by="external",
                 description=f"from {ESCAPE}", asn=64500)
    store.prefix(3, "203.0.113.0/24", bgp_control=1, approved=0, advertised=None)
    store.prefix(4, "203.0.113.128/25", enabled=0, locked=None)
    store.prefix(5, "2001:db8::/32", gone=1, advertised=1, advertised_at=now - 9 * DAY)
    store.add("reading", kind="parent", id=IDS[10], read_at=now - 20 * SECOND)
    store.add("reading", kind="missing", id=IDS[4], read_at=now - 120 * SECOND)
    store.sensed("prefixes", 20 * SECOND, unmatched="10.9.0.0/16 10.8.0.0/16")
    store.job("prefixes", 12 * SECOND, ok_at=now - 20 * SECOND)


# ---- prefixes -----------------------------------------------------------------------------------------

@pytest.mark.smoke
def test_prefixes(store):
    five(store)
    done = store.ctl("prefixes")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["PREFIX", "STATE", "SINCE", "CHANGED_BY", "FLAGS", "READ", "NAME"]
    rows = {line[0]: line[1:] for line in lines[1:5]}
    web = rows["198.51.100.0/24"]
    assert web[0] == "advertised" and re.fullmatch("10m([0-9]+s)?", web[1])
    assert web[2:4] == ["auto-advertise", "-"] and re.fullmatch("[2-7][0-9]s", web[4]) and web[5:] == ["web"]
    assert rows["192.0.2.0/24"][0] == "withdrawn" and rows["192.0.2.0/24"][1].startswith("3d")
    assert rows["192.0.2.0/24"][3] == "locked,auto-withdraw"
    assert "from \\x1b[31mred\\x07" in done.stdout
    assert rows["203.0.113.0/24"][0] == "unknown" and rows["203.0.113.0/24"][1:3] == ["-", "-"]
    assert rows["203.0.113.0/24"][3] == "bgp-control,not-approved"
    assert rows["203.0.113.128/25"][3] == "missing,not-on-demand"
    # a line that has been taken away since the job looked (10.8.0.0/16) is none any more
    assert done.stdout.splitlines()[5:] == ["CfmtPrefix 10.9.0.0/16: the account has no such BGP prefix"]
    assert done.stderr == ""


def test_prefixes_that_are_gone(store):
    five(store)
    assert "2001:db8::/32" not in store.ctl("prefixes").stdout
    gone = [line for line in store.table("prefixes", "--all") if line[0] == "2001:db8::/32"]
    assert gone and gone[0][1] == "unknown" and gone[0][2].startswith("1d") and gone[0][4] == "gone"
    row, = [r for r in store.data("prefixes", "--all")["prefixes"] if r["gone"]]
    assert row["prefix"] == "2001:db8::/32" and row["state"] == "unknown" and near(row["gone_age_seconds"], 86400)


def test_prefixes_as_data(store):
    five(store)
    doc = store.data("prefixes")
    assert doc["configured"] is True and doc["unmatched"] == ["10.9.0.0/16"]
    assert near(doc["read_age_seconds"], 20) and at(doc["read_at"]) == (store.now - 20 * SECOND) // SECOND
    rows = {r["prefix"]: r for r in doc["prefixes"]}
    assert len(rows) == 4
    web = rows["198.51.100.0/24"]
    assert (web["state"], web["changed_by"], web["name"], web["id"]) == ("advertised", "auto-advertise", "web", IDS[1])
    assert at(web["advertised_at"]) == (store.now - 600 * SECOND) // SECOND
    assert near(web["advertised_age_seconds"], 600) and near(web["changed_age_seconds"], 590)
    assert near(web["read_age_seconds"], 20) and web["missing_at"] is None and web["missing_age_seconds"] is None
    assert web["ip_prefix_id"] == IDS[10] and web["asn"] is None and web["description"] == "not this name"
    flags = ("locked", "on_demand", "bgp_control", "approved", "auto_withdraw", "gone")
    assert [web[f] for f in flags] == [False, True, False, True, False, False]
    assert [rows["192.0.2.0/24"][f] for f in flags] == [True, True, False, True, True, False]
    assert rows["192.0.2.0/24"]["name"] == f"from {ESCAPE}" and rows["192.0.2.0/24"]["asn"] == 64500
    assert rows["203.0.113.0/24"]["state"] == "unknown" and rows["203.0.113.0/24"]["advertised_at"] is None
    assert rows["203.0.113.128/25"]["locked"] is None and near(rows["203.0.113.128/25"]["missing_age_seconds"], 120)


def test_old_readings_are_said(store):
    five(store)
    store.run("UPDATE job SET ok_at = ok_at - ?", 2 * HOUR)
    assert store.ctl("prefixes").stderr == ""  # a part fails, the rest is fresh
    store.run("UPDATE reading SET read_at = read_at - ?", 2 * HOUR)
    done = store.ctl("prefixes")
    assert "CFMT0782" in done.stderr and "2h" in done.stderr and "cfmtctl jobs" in done.stderr
    store.run("UPDATE setting SET value = '1h' WHERE name = 'PollInterval'")
    assert store.ctl("prefixes").stderr == ""


def test_a_time_ahead_of_ours_is_now(store):
    five(store)
    store.run("UPDATE reading SET read_at = ? WHERE kind = 'parent'", store.now + HOUR)
    assert {r["read_age_seconds"] for r in store.data("prefixes")["prefixes"]} == {0}
    assert {line[5] for line in store.table("prefixes")[1:5]} == {"0s"}


# ---- tunnels ------------------------------------------------------------------------------------------

def tunnels(store):
    store.settings()
    store.tunnel(1)
    store.tunnel(2, kind="ipsec", state="degraded", health=1.0, active=1)
    store.tunnel(3, kind="interconnect", state="down", name=ESCAPE, endpoint=None)
    store.tunnel(4, state="unknown", checked=0, name=None)
    store.tunnel(5, gone=1)
    store.sensed("tunnels", 45 * SECOND, **{IDS[1]: "1.0000 0", IDS[2]: "0.9873 1", IDS[3]: "0.0000 1",
                                           IDS[5]: "1.0000 1"})
    store.job("tunnels", 10 * SECOND, ok_at=store.now - 45 * SECOND)


def test_tunnels(store):
    tunnels(store)
    lines = store.table("tunnels")
    assert lines[0] == ["NAME", "KIND", "STATE", "SINCE", "HEALTH", "ACTIVE", "READ", "ENDPOINT"]
    rows = {line[0]: line for line in lines[1:]}
    assert len(rows) == 4
    idle = rows["tunnel-1"]
    assert idle[1:3] == ["gre", "up"] and idle[3].startswith("1h") and idle[4:6] == ["100%", "no"]
    assert re.fullmatch("(4[5-9]|[5-9][0-9])s|1m.*", idle[6]) and idle[7] == "192.0.2.1"
    # the last reading counts, not what was so when the state changed
    assert rows["tunnel-2"][1:3] == ["ipsec", "degraded"] and rows["tunnel-2"][4:6] == ["98.73%", "yes"]
    assert rows["\\x1b[31mred\\x07"][4:6] == ["0%", "yes"] and rows["\\x1b[31mred\\x07"][7] == "-"
    assert rows[IDS[4]][2] == "unknown" and rows[IDS[4]][4:7] == ["-", "-", "-"]
    gone, = [line for line in store.table("tunnels", "--all") if line[0] == "tunnel-5"]
    assert gone[2] == "gone" and gone[4:7] == ["-", "-", "-"]


def test_tunnels_as_data(store):
    tunnels(store)
    doc = store.data("tunnels")
    assert doc["configured"] is True and near(doc["read_age_seconds"], 45)
    rows = {r["id"]: r for r in doc["tunnels"]}
    assert set(rows) == {IDS[n] for n in (1, 2, 3, 4)}
    assert rows[IDS[2]]["health"] == 0.9873 and rows[IDS[2]]["active"] is True
    assert rows[IDS[1]]["active"] is False and rows[IDS[1]]["health"] == 1
    assert rows[IDS[4]]["health"] is None and rows[IDS[4]]["active"] is None and rows[IDS[4]]["read_at"] is None
    assert rows[IDS[4]]["health_check"] is False and rows[IDS[4]]["name"] == IDS[4]
    assert near(rows[IDS[1]]["state_age_seconds"], 3600) and at(rows[IDS[1]]["state_at"])
    assert rows[IDS[3]]["name"] == ESCAPE and rows[IDS[3]]["kind"] == "interconnect"


@pytest.mark.parametrize("text", ["nan 1", "inf 1", "x", ""])
def test_a_health_that_is_no_number_is_not_known(store, text):
    store.settings()
    store.tunnel(1)
    store.sensed("tunnels", SECOND, **{IDS[1]: text})
    row, = store.data("tunnels")["tunnels"]
    assert row["health"] is None and row["active"] is None
    assert store.table("tunnels")[1][4:6] == ["-", "-"]


# ---- ranges -------------------------------------------------------------------------------------------

def ranges(store, **settings):
    store.settings(**settings)
    now = store.now
    store.add("range", cidr="104.16.0.0/13", first_at=now - 30 * DAY, seen_at=now - 3 * HOUR)
    store.add("range", cidr="131.0.72.0/22", first_at=now - 30 * DAY, seen_at=now - 3 * DAY, gone_at=now - 2 * DAY)
    store.add("range", cidr="2400:cb00::/32", first_at=now - 30 * DAY, seen_at=now - 9 * DAY, gone_at=now - 8 * DAY)
    store.sensed("ranges", 3 * HOUR, etag="x", count="1")


def test_ranges(store):
    ranges(store)
    done = store.ctl("ranges")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["CIDR", "FIRST_SEEN", "LAST_SEEN", "STATE"]
    rows = {line[0]: line[1:] for line in lines[1:4]}
    assert rows["104.16.0.0/13"][0].startswith("30d") and rows["104.16.0.0/13"][1].startswith("3h")
    assert rows["104.16.0.0/13"][2] == "listed"
    assert rows["131.0.72.0/22"][2] == "accepted" and re.fullmatch("4d23h|5d", rows["131.0.72.0/22"][4])
    assert rows["2400:cb00::/32"][2] == "dropped"
    assert re.match("read 3h.* ago$", done.stdout.splitlines()[4]) and done.stderr == ""


def test_ranges_as_data(store):
    ranges(store)
    doc = store.data("ranges")
    assert doc["in_use"] is True and near(doc["read_age_seconds"], 3 * 3600)
    rows = {r["cidr"]: r for r in doc["ranges"]}
    assert [r["state"] for r in rows.values()] == ["listed", "accepted", "dropped"]
    gone = rows["131.0.72.0/22"]
    assert at(gone["accepted_until"]) == (store.now + 5 * DAY) // SECOND and near(gone["gone_age_seconds"], 2 * 86400)
    assert near(gone["last_seen_age_seconds"], 3 * 86400) and near(gone["first_seen_age_seconds"], 30 * 86400)
    assert rows["104.16.0.0/13"]["accepted_until"] is None and rows["104.16.0.0/13"]["gone_at"] is None


def test_ranges_before_any_was_read(store):
    store.settings()
    done = store.ctl("ranges")
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert len(rows) > 15 and {(r[1], r[2], r[3]) for r in rows} == {("-", "-", "compiled-in")}
    assert "CFMT0781" in done.stderr
    assert {r["state"] for r in store.data("ranges")["ranges"]} == {"compiled-in"}


def test_ranges_that_nobody_uses(store):
    ranges(store, Senders="192.0.2.0/24")
    assert "CFMT0784" in store.ctl("ranges").stderr and store.data("ranges")["in_use"] is False


# ---- jobs ---------------------------------------------------------------------------------------------

def jobs(store):
    now = store.now
    store.settings()
    store.job("prefixes", 55 * SECOND, last_at=now - 5 * SECOND, ok_at=now - 5 * SECOND,
              last_result="5 read, 0 changed")
    store.job("token", 20 * MINUTE, last_at=now - 40 * SECOND, ok_at=now - 2 * HOUR, fails=3,
              last_result=f"auth: {ESCAPE}")
    store.job("history", -30 * SECOND)
    facts = {"breaker": "open", "since": str(now - 4 * MINUTE), "last_ok": str(now - 5 * MINUTE),
             "probe_at": str(now + 30 * SECOND), "problem": "server", "detail": f"status 500 {ESCAPE}",
             "left": "1180", "quota": "1200", "blocked_until": str(now + 10 * MINUTE), "skew": str(-3_500_000)}
    store.sensed("upstream rest", 5 * SECOND, **facts)
    facts.update(breaker="closed", problem="", detail="", blocked_until=str(now - MINUTE), skew="0", left="280", quota="300")
    store.sensed("upstream graphql", 5 * SECOND, **facts)
    store.sensed("token", 40 * SECOND, status="active", form="account", expires_at=str(now + 29 * DAY))
    store.sensed("policies", 7 * MINUTE, policies="4", destinations="1",
                 unsent="bgp_hijack_notification incident_alert",
                 failing="hook\\x1b", last_failure="2026-01-02T03:04:05Z")


@pytest.mark.smoke
def test_jobs(store):
    jobs(store)
    done = store.ctl("jobs")
    tables = done.stdout.split("\n\n")
    assert len(tables) == 3
    lines = [line.split(None, 5) for line in tables[0].splitlines()]
    assert lines[0] == ["NAME", "DUE_IN", "LAST", "OK", "FAILS", "RESULT"]
    rows = {line[0]: line[1:] for line in lines[1:]}
    assert list(rows) == ["history", "prefixes", "token"]
    assert rows["history"] == ["now", "-", "-", "0", "-"]
    assert re.fullmatch("[3-5][0-9]s", rows["prefixes"][0]) and rows["prefixes"][4] == "5 read, 0 changed"
    assert rows["token"][0].startswith("19m") and rows["token"][2].startswith("2h")
    assert rows["token"][3:] == ["3", "auth: \\x1b[31mred\\x07"]
    lines = [line.split(None, 8) for line in tables[1].splitlines()]
    assert lines[0] == ["UPSTREAM", "BREAKER", "SINCE", "LEFT", "BLOCKED", "OK", "SKEW", "READ", "PROBLEM"]
    rest, graphql = lines[1], lines[2]
    assert rest[:2] == ["rest", "open"] and rest[2].startswith("4m") and rest[3] == "1180/1200"
    assert re.match("9m", rest[4]) and rest[5].startswith("5m") and rest[6] == "-3s"
    assert rest[8] == "server: status 500 \\x1b[31mred\\x07"
    assert graphql[:2] == ["graphql", "closed"] and graphql[3:5] == ["280/300", "no"] and graphql[6] == "-"
    assert graphql[8] == "-"
    token, notifications, unsent, failing = tables[2].splitlines()
    assert re.match(r"token: active, of the account, expires \d{4}-.*Z, in 28d23h; verified \d+s ago$", token)
    assert re.match("notifications: 4 policies, 1 webhook destinations; read 7m.* ago$", notifications)
    assert unsent == "notifications: no policy would send us bgp_hijack_notification incident_alert"
    assert failing.startswith("notifications: delivery to hook")
    assert done.stderr == ""


def test_an_age_has_no_fractions(store):
    store.settings()
    store.job("prefixes", MINUTE, last_at=store.now)
    assert re.fullmatch(r"\d+s", store.table("jobs")[1][2])


def test_jobs_as_data(store):
    jobs(store)
    doc = store.data("jobs")
    rows = {r["name"]: r for r in doc["jobs"]}
    assert 0 < rows["prefixes"]["due_in_seconds"] <= 55 and rows["prefixes"]["overdue"] is False
    assert at(rows["prefixes"]["due_at"]) == (store.now + 55 * SECOND) // SECOND
    assert near(rows["token"]["ok_age_seconds"], 7200) and rows["token"]["fails"] == 3
    assert rows["token"]["result"] == f"auth: {ESCAPE}"
    assert rows["history"]["last_at"] is None and rows["history"]["due_in_seconds"] <= -30
    rest, graphql = doc["upstreams"]
    assert (rest["upstream"], rest["breaker"], rest["left"], rest["quota"]) == ("rest", "open", 1180, 1200)
    assert near(rest["breaker_age_seconds"], 240) and near(rest["ok_age_seconds"], 300)
    assert at(rest["blocked_until"]) == (store.now + 10 * MINUTE) // SECOND and rest["skew_seconds"] == -3
    assert rest["problem"] == "server" and rest["detail"] == f"status 500 {ESCAPE}" and at(rest["probe_at"])
    assert graphql["blocked_until"] is None and graphql["skew_seconds"] is None and graphql["problem"] is None
    token = doc["token"]
    assert (token["status"], token["form"]) == ("active", "account")
    assert 28 * 86400 < token["expires_in_seconds"] <= 29 * 86400 and near(token["read_age_seconds"], 40)
    assert doc["notifications"]["unsent"] == ["bgp_hijack_notification", "incident_alert"]
    assert doc["notifications"]["last_failure_at"] == "2026-01-02T03:04:05Z"


def test_overdue_jobs_and_an_expired_token(store):
    jobs(store)
    store.run("UPDATE job SET due_at = ? WHERE name <> 'token'", store.now - 10 * MINUTE)
    store.run("UPDATE sensed SET facts = ? WHERE name = 'token'",
              json.dumps({"status": "expired", "form": "user", "expires_at": str(store.now - DAY)}))
    done = store.ctl("jobs")
    assert [line.split()[1] for line in done.stdout.splitlines()[1:4]] == ["overdue", "overdue", "19m59s"] \
        or re.match("19m", done.stdout.splitlines()[3].split()[1])
    assert "CFMT0786" in done.stderr and "2 of 3" in done.stderr
    assert re.search(r"token: expired, of the user, expired \S+, 1d.* ago;", done.stdout)
    doc = store.data("jobs")
    assert [r["overdue"] for r in doc["jobs"]] == [True, True, False]
    assert doc["token"]["expires_in_seconds"] <= -86400


# ---- nothing to show ----------------------------------------------------------------------------------

@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("missing", ["AccountId", "ApiToken"])
def test_without_an_api(store, command, missing):
    store.settings()
    store.run("DELETE FROM setting WHERE name = ?", missing)
    done = store.ctl(command)
    assert len(done.stderr.splitlines()) == 1 and "CFMT0780" in done.stderr and "CfmtApiToken" in done.stderr
    assert done.stdout == "" or command == "ranges"
    doc = store.data(command)
    assert doc["configured"] is False and (doc[command] == [] or command == "ranges")


@pytest.mark.parametrize("command,ident", [("prefixes", "0781"), ("tunnels", "0781"), ("jobs", "0785")])
def test_before_the_first_reading(store, command, ident):
    store.settings()
    done = store.ctl(command)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1 and f"CFMT{ident}" in done.stderr
    doc = store.data(command)
    assert doc["configured"] is True and doc[command] == []


@pytest.mark.parametrize("command", ["prefixes", "tunnels"])
def test_an_account_that_has_none(store, command):
    store.settings()
    store.job(command, SECOND, ok_at=store.now - SECOND)
    done = store.ctl(command)
    assert len(done.stdout.splitlines()) == 1 and "CFMT0783" in done.stderr and "--all" in done.stderr
    assert near(store.data(command)["read_age_seconds"], 1)


@pytest.mark.parametrize("args", [["jobs", "--all"],
                                  ["ranges", "--all"], ["prefixes", "x"], ["tunnels", "--limit", "3"]])
def test_wrong_usage(store, args):
    done = store.server.ctl(*args)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1


# ---- through the journal ------------------------------------------------------------------------------

def test_what_a_leader_projects(httpd_new):
    """The same from journal rows: the leader makes the tables, cfmtctl reads them beside it."""
    s = httpd_new().start()
    now = int(time.time() * 1e6)
    prefix = {"id": IDS[1], "parent": IDS[10], "cidr": "203.0.113.0/24", "description": "edge", "asn": 64500,
              "approved": True, "enabled": True, "locked": False, "bgp_control": False, "auto_withdraw": False,
              "advertised": False, "advertised_at": now - 2 * HOUR, "modified_at": now - 2 * HOUR, "gone": False}
    changed = {**prefix, "advertised": True, "advertised_at": now - 90 * SECOND}
    s.stop()
    db = sqlite3.connect(s.db, timeout=10)
    with db:
        for body, origin in ((prefix, "first"), (changed, "external")):
            db.execute("INSERT INTO journal(at, kind, origin, body) VALUES(?, 'prefix_state', ?, ?)",
                       (now - 60 * SECOND, origin, json.dumps(body, sort_keys=True, separators=(",", ":"))))
    db.close()
    s.start()
    s.wait_projected()
    wait_for(lambda: s.query("SELECT count(*) FROM prefix")[0][0] == 1, 10, "the prefix")
    row, = json.loads(s.ctl("prefixes", "--json").stdout)["prefixes"]
    assert (row["prefix"], row["state"], row["changed_by"], row["name"]) == \
        ("203.0.113.0/24", "advertised", "external", "edge")
    assert near(row["advertised_age_seconds"], 90) and near(row["first_age_seconds"], 60) and row["read_at"] is None
