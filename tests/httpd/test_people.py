"""Who may do what with cfmtctl, what a killed one leaves, and what others put into our way."""
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import time

import pytest

from client import attack, get, post, token
from httpd import IS_ROOT, SECRET, cfmtctl_path, grp_of, unprivileged, wait_for

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root, to become somebody else")

GROUP = "adm"
# No such users: numbers are enough, and names must not be needed.
MEMBER = ["--reuid=54321", "--regid=54321", f"--groups={GROUP}"]
STRANGER = ["--reuid=54322", "--regid=54322", "--clear-groups"]
FILES = ["cfmt.db", "cfmt.db-wal", "cfmt.db-shm", "cfmt.db.lock", "cfmt.db.leader"]


def user_itself():
    user = unprivileged()
    return [f"--reuid={user}", f"--regid={grp_of(user)}", "--clear-groups"]


PEOPLE = {"root": [], "httpd's user": user_itself() if IS_ROOT else [], "member": MEMBER,
          "stranger": STRANGER}


class Place:
    """A server with CfmtGroup, and cfmtctl where everybody can run it."""

    def __init__(self, server):
        self.server = server
        server.cfmt.append(f"CfmtGroup {GROUP}")
        server.log.allow(f"CFMT0102: CfmtGroup {GROUP}")  # httpd's own user is no member
        self.exe = shutil.copy(cfmtctl_path(), server.path("cfmtctl"))
        os.chmod(self.exe, 0o755)

    def popen(self, person, *args):
        become = ["/usr/bin/setpriv", *PEOPLE[person]] if PEOPLE[person] else []
        return subprocess.Popen([*become, self.exe, "--db", self.server.db, *args], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                                stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin"})

    def run(self, person, *args):
        """Exit status, standard output, standard error."""
        proc = self.popen(person, *args)
        out, err = proc.communicate(timeout=60)
        return proc.returncode, out, err

    def attack(self):
        ident = token()
        post(self.server, attack("START", ident)).stored()
        self.server.wait_projected()
        return ident


@pytest.fixture(scope="module")
def place(farm):
    p = Place(farm.new())
    p.server.start()
    p.attack()
    p.server.wait_projected()
    yield p
    farm.end(p.server)


@pytest.fixture
def place_new(httpd_new):
    return lambda: Place(httpd_new())


# ---- every person, every command -----------------------------------------------------------------------

# What each command is called with here; a command that is new in cfmtctl must be added.
NOBODYS = "203.0.113.0/24"  # no API is configured here: no prefix is known
CALLS = {
    "events": [["events"], ["events", "--since", "1h", "--json"]],
    "attacks": [["attacks"], ["attacks", "--json"]],
    "journal": [["journal", "--limit", "5"], ["journal", "--json", "-n", "500"]],
    "attack close": [["attack", "close", "OPEN", "--reason", "seen by hand"],
                     ["attack", "close", "OPEN", "--json"]],
    "doctor": [["doctor", "--offline"], ["doctor", "--offline", "--json"]],
    "deliveries": [["deliveries"], ["deliveries", "--json"]],
    "deliveries list": [["deliveries", "list", "-n", "2"]],
    "deliveries show": [["deliveries", "show", "2"], ["deliveries", "show", "2", "--json"]],
    "deliveries redeliver": [["deliveries", "redeliver", "2"]],
    "deliveries trigger": [["deliveries", "trigger", "dos_attack_l4", "--yes"]],
    "drill": [["drill"]],
    "secret new": [["secret", "new", "/nonexistent/secret"]],
    "secret list": [["secret", "list"], ["secret", "list", "--json"]],
    "secret retire": [["secret", "retire", "first"]],
    "db info": [["db", "info"], ["db", "info", "--json"]],
    "db backup": [["db", "backup", "/nonexistent/copy"]],
    "db restore": [["db", "restore", "/nonexistent/copy", "--yes"]],
    "db prune": [["db", "prune"]],
    "db check": [["db", "check"], ["db", "check", "--full", "--json"]],
    "prefixes": [["prefixes"], ["prefixes", "--all", "--json"]],
    "tunnels": [["tunnels"], ["tunnels", "--json"]],
    "evidence": [["evidence", "203.0.113.0/24"]],
    "traffic": [["traffic"], ["traffic", "203.0.113.0/24", "--top", "--json"]],
    "jobs": [["jobs"], ["jobs", "--json"]],
    "ranges": [["ranges"], ["ranges", "--json"]],
    "attack": [["attack", "OPEN"], ["attack", "OPEN", "--json"]],
    "status": [["status"], ["status", "--json"]],
    "explain": [["explain", NOBODYS]],
    "timers": [["timers"], ["timers", "--json"]],
    "proposals": [["proposals"], ["proposals", "--json"]],
    "audit": [["audit"], ["audit", "--json"]],
    "audit verify": [["audit", "verify"]],
    "window list": [["window", "list"]],
    "window add": [["window", "add", NOBODYS, "2030-01-01T00:00:00Z", "2030-01-01T01:00:00Z", "--reason", "x"]],
    "window remove": [["window", "remove", "9"]],
    "hold": [["hold", NOBODYS, "--reason", "x"]],
    "release": [["release", NOBODYS]],
    "adopt": [["adopt", NOBODYS]],
    "advertise": [["advertise", NOBODYS, "--yes"]],
    "withdraw": [["withdraw", NOBODYS, "--yes"]],
    "cancel": [["cancel", "9"]],
    "approve": [["approve", "9"]],
    "deny": [["deny", "9"]],
    "ack": [["ack"]],
    "outbox list": [["outbox", "list"], ["outbox", "list", "--json"]],
    "outbox": [["outbox"]],
    "outbox show": [["outbox", "show", "9"]],
    "outbox retry": [["outbox", "retry", "9"]],
    "outbox drop": [["outbox", "drop", "9"]],
    "notify test": [["notify", "test"]],
    "replay": [["replay"], ["replay", "--json"]],
    "import": [["import", "/nonexistent"]],
    "completion": [["completion", "bash"]],
    "version": [["version"]],
    "help": [["help"], ["help", "attack", "close"]],
}
FOR_ALL = ("completion", "version", "help")
# What is said besides: neither an API nor a channel is configured here.
REMARKS = dict.fromkeys(("prefixes", "tunnels", "evidence", "traffic", "jobs", "ranges", "status"), "CFMT0780")
REMARKS.update(dict.fromkeys(("outbox list", "outbox"), "CFMT1086"))
# Nothing to act upon is here; who may hears that from the store, or from the leader.
IN_VAIN = dict.fromkeys(("explain", "window add", "hold", "release", "adopt", "advertise", "withdraw"),
                        (2, "CFMT0983"))
IN_VAIN.update(dict.fromkeys(("window remove", "cancel", "approve", "deny", "outbox retry", "outbox drop",
                               "notify test"), (1, "CFMT0986")))
IN_VAIN["outbox show"] = (1, "CFMT1087")
IN_VAIN.update({"deliveries trigger": (2, "CFMT1183"), "drill": (2, "CFMT1183"), "secret retire": (3, "CFMT1203")})
# These look at a file of the caller's first, with his own rights.
OWN_FILE = {"secret new": (1, "CFMT1198"), "db backup": (1, "CFMT1204"), "db restore": (1, "CFMT1204"),
            "import": (2, "CFMT1150")}


def test_the_table_above_is_whole(place):
    commands = json.loads(place.run("root", "help", "--json")[1])["commands"]
    assert {c["name"] for c in commands} == set(CALLS)


def one_sentence(out, err):
    lines = err.strip().splitlines()
    assert out == "" and len(lines) == 1 and lines[0].startswith("cfmtctl: "), (out, err)


@pytest.mark.parametrize("person", list(PEOPLE))
def test_what_each_person_may(place, person):
    may = person != "stranger"
    for command, calls in CALLS.items():
        for call in calls:
            ident = place.attack() if "OPEN" in call else ""
            code, out, err = place.run(person, *[ident if w == "OPEN" else w for w in call])
            if command in OWN_FILE:
                assert code == OWN_FILE[command][0] and OWN_FILE[command][1] in err, (call, code, err)
            elif may and command in IN_VAIN:
                assert code == IN_VAIN[command][0] and IN_VAIN[command][1] in err, (call, code, err)
            elif may or command in FOR_ALL:
                assert code == 0, (call, code, out, err)
                assert REMARKS[command] in err if command in REMARKS else out and not err, (call, out, err)
            else:
                assert code == 4, (call, code, out, err)
                one_sentence(out, err)
            if command == "attack close":
                sound_attack(place.server, ident, may)
    post(place.server, attack()).stored()


def sound_attack(server, ident, closed):
    server.wait_projected()
    state = server.query("SELECT a.state FROM attack a JOIN event e ON e.attack = a.id"
                         " WHERE e.attack_id = ?", ident)
    assert state == [("ended" if closed else "open",)]


@pytest.mark.parametrize("person", list(PEOPLE))
def test_follow_of_each_person(place, person):
    for command in ("events", "attacks", "journal"):
        proc = place.popen(person, command, "--follow", "--json", "--limit", "1")
        try:
            if person == "stranger":
                out, err = proc.communicate(timeout=20)
                assert proc.returncode == 4
                one_sentence(out, err)
                continue
            assert json.loads(proc.stdout.readline())
            proc.send_signal(signal.SIGTERM)
            assert proc.communicate(timeout=20)[1] == "" and proc.returncode == 0
        finally:
            proc.kill()
            proc.communicate()


def test_the_journal_names_who_closed(place):
    for person, name in (("root", "root"), ("httpd's user", place.server.user),
                         ("member", "uid 54321")):
        ident = place.attack()
        place.server.wait_projected()
        assert place.run(person, "attack", "close", ident)[0] == 0
        body, origin = place.server.query("SELECT body, origin FROM journal WHERE kind = 'command'"
                                          " ORDER BY id DESC LIMIT 1")[0]
        assert name in f"{body} {origin}"


def test_statuses_of_a_missing_attack_and_database(place):
    for person in ("root", "httpd's user", "member"):
        code, out, err = place.run(person, "attack", "close", "no-such-attack")
        assert code == 1
        one_sentence(out, err)
    for person in PEOPLE:
        code, out, err = place.run(person, "--db", place.server.path("htdocs/none.db"), "events")
        assert code == 8, (person, code, err)
        one_sentence(out, err)


# ---- killed at any moment -------------------------------------------------------------------------------


def kill_at_random(place, person, args, longest, chance):
    proc = place.popen(person, *args)
    time.sleep(chance.random() * longest)
    proc.kill()
    proc.communicate()


def kill_the_leading(place, person, args, chance):
    """Killed within milliseconds after it has taken the leader lock; true when it had one to lose."""
    proc = place.popen(person, *args)
    led = 0
    while not led and proc.poll() is None:  # at full speed: it leads for a few milliseconds
        led = place.server.leader_locked()
    time.sleep(chance.random() / 500)
    proc.kill()
    proc.communicate()
    return led and proc.returncode == -signal.SIGKILL


def still_ours(server):
    """Whatever a killed program left can be used by httpd's user and by the members."""
    directory = os.path.dirname(server.db)
    for name in os.listdir(directory):
        info = os.stat(os.path.join(directory, name))
        assert stat.S_IMODE(info.st_mode) == 0o660, name
    assert server.query("PRAGMA quick_check") == [("ok",)]


def test_cfmtctl_killed_thirty_times_beside_httpd(place):
    """Each time a delivery is stored at once."""
    chance = random.Random(7)
    people = ["root", "httpd's user", "member"]
    calls = [["attack", "close", "OPEN"], ["events", "--follow"], ["db", "check", "--full"]]
    for n in range(30):
        call = [place.attack() if w == "OPEN" else w for w in calls[n % 3]]
        kill_at_random(place, people[n // 3 % 3], call, 0.06, chance)
        post(place.server, attack()).stored()
    place.server.wait_projected()
    still_ours(place.server)


def test_cfmtctl_killed_while_it_leads(place_new):
    """Without httpd it projects by itself: killed there, the next start needs no hand."""
    p, chance = place_new(), random.Random(11)
    s, led, rounds = p.server, 0, 0
    while rounds < 9 or (led < 5 and rounds < 40):  # it leads for milliseconds: few kills hit on a slow machine
        n, rounds = rounds, rounds + 1
        s.start()
        idents = [p.attack() for _ in range(5)]
        s.kill()
        person = ("member", "root", "httpd's user")[n % 3]
        for ident in idents:
            led += kill_the_leading(p, person, ["attack", "close", ident], chance)
        kill_at_random(p, person, ["journal", "--follow"], 0.05, chance)
        still_ours(s)
    assert led >= 5, f"only {led} of {rounds * 5} were killed while they led"
    s.start()
    post(s, attack()).stored()
    s.wait_projected()
    assert s.query("SELECT count(*) FROM event JOIN journal USING (id) WHERE kind = 'delivery'") \
        == [(rounds * 5 + 1,)]
    assert s.query("PRAGMA integrity_check") == [("ok",)]


# ---- links in the state directory -------------------------------------------------------------------------


def snapshot(path):
    info = os.stat(path)
    with open(path, "rb") as f:
        return (f.read(), info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, info.st_ino)


def put_link(server, name, kind):
    """A file of root that everybody may write stands where the store's own should be."""
    victim = server.write(f"victim-{name}", "precious\n" * 100, 0o666)
    path = os.path.join(os.path.dirname(server.db), name)
    if os.path.lexists(path):
        os.unlink(path)
    (os.symlink if kind == "symlink" else os.link)(victim, path)
    return victim, path


@pytest.mark.parametrize("kind", ["symlink", "hard link"])
def test_links_to_files_of_root(httpd_new, kind):
    """Neither followed nor changed; httpd serves the rest; one clear message; and it mends itself."""
    s = httpd_new()
    s.log.allow(r"CFMT0[2-6]\d\d")
    for name in FILES:
        s.start(ready=False)
        wait_for(lambda: post(s, attack()).status == 200, 20, f"a store, before {name}")
        s.kill()
        victim, path = put_link(s, name, kind)
        before, mark = snapshot(victim), s.log.size()
        s.start(ready=False)
        assert get(s, "/alive.txt").status == 200
        answer = post(s, attack())
        if name == "cfmt.db.leader":
            answer.stored()
        else:
            answer.problem(503, "store")
        s.log.wait(rf"\[cfmt:error\].*CFMT0\d\d\d: .*({name}|{os.path.dirname(s.db)}).*link", 10, mark)
        health = get(s, "/mt-health").json()  # a missing leader counts as degraded at first
        assert health["status"] in ("degraded", "failing") and health["reasons"], (name, health)
        assert s.ctl("attack", "close", "x").returncode in (1, 4, 7, 8)
        assert get(s, "/alive.txt").status == 200
        assert snapshot(victim) == before, f"{name}: the {kind}'s target was changed"
        s.kill()
        assert snapshot(victim) == before, f"{name}: the {kind}'s target was changed"
        for leftover in FILES:
            if leftover == name or name == "cfmt.db":
                there = os.path.join(os.path.dirname(s.db), leftover)
                if os.path.lexists(there):
                    os.unlink(there)
    s.start()
    post(s, attack()).stored()


# ---- programs that httpd runs -------------------------------------------------------------------------------

LISTER = """#!/bin/sh
ls -l /proc/self/fd >>"%s"
echo end >>"%s"
echo "%s"
"""


def test_a_spawned_program_sees_three_descriptors(httpd_new):
    s = httpd_new()
    out = s.path("seen")
    program = s.write("lister", LISTER % (out, out, SECRET), 0o755)
    s.cfmt[1] = f"CfmtSecret exec:{program} label=first"
    s.start()
    post(s, attack()).stored()
    s.graceful()  # now the parent has more to hand down than at its start
    wait_for(lambda: post(s, attack()).status == 200, 10, "a delivery after the graceful")
    with open(out) as f:
        runs = f.read().split("end\n")[:-1]
    assert len(runs) == 2
    for run in runs:
        seen = dict(re.findall(r" (\d+) -> (.*)", run))
        seen = {fd: to for fd, to in seen.items() if not to.startswith("/proc/")}  # what ls lists
        assert sorted(seen) == ["0", "1", "2"] and seen["0"] == "/dev/null", seen
