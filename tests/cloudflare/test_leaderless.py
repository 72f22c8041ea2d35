"""No httpd: cfmtctl leads for what its command wants, and for nothing else. It sends each change once, whoever is
killed and whoever starts meanwhile, and it takes no decision of the policy."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from acts import UNSURE
from httpd import IS_ROOT, cfmtctl_path, grp_of, wait_for
from pair import MICRO, Scene, scenes
from truth import HALF, MAIL, MINUTE, V6, WEB, advertise, wait_time

ACTS = r"CFMT09(6[0-9]|7[0-7])"


def readable(pair, mode=0o640):
    """The token's file as a group of operators would have it."""
    os.chmod(pair.token, mode)
    if IS_ROOT:
        shutil.chown(pair.token, "root", grp_of(pair.server.user))


def quit_httpd(pair):
    """From now on nobody leads."""
    pair.start()
    readable(pair)
    pair.server.stop()
    return pair.now()


def run(pair, *args):
    return pair.server.ctl(*args, limit=60)


def begin(pair, *args):
    return subprocess.Popen([cfmtctl_path(), "--db", pair.server.db, *args], stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})


def patches(pair):
    return [r for r in pair.calls("rest") if r["method"] == "PATCH"]


def intents(pair, cidr):
    return pair.server.query("SELECT state, attempts, who FROM intent WHERE prefix = ? ORDER BY id", cidr)


def real(pair, cidr):
    return pair.sim.state()["prefixes"][cidr]["on_demand"]["advertised"]


def read(pair, cidr):
    return pair.server.query("SELECT advertised FROM prefix WHERE cidr = ?", cidr)[0][0]


def sent_once(pair):
    """PATCH, read back, exit 0; again: nothing. Then Apache goes on with it until it is done."""
    since = quit_httpd(pair)
    done = run(pair, "advertise", HALF, "--yes", "--wait", "--reason", "drill")
    assert done.returncode == 0 and "propagating" in done.stdout, (done.stdout, done.stderr)
    assert real(pair, HALF) is True and read(pair, HALF) == 1
    asked = [(r["method"], r["path"].rpartition("/")[2]) for r in pair.calls("rest", since=since)]
    assert asked.count(("PATCH", patches(pair)[0]["path"].rpartition("/")[2])) == 1
    assert {p for m, p in asked if m == "GET"} == {"prefixes"} and not pair.calls("graphql", since=since)
    again = run(pair, "advertise", HALF, "--yes", "--wait", "--json")
    doc = json.loads(again.stdout)
    assert again.returncode == 0 and doc["results"][0]["outcome"] == "already", again
    assert len(patches(pair)) == 1 and [i[0] for i in intents(pair, HALF)] == ["propagating"]
    # without --wait, too: nobody else would send it
    done = run(pair, "advertise", V6, "--yes")
    assert done.returncode == 0 and real(pair, V6) is True and read(pair, V6) == 1, (done.stdout, done.stderr)
    assert len(patches(pair)) == 2
    pair.server.start()
    wait_for(lambda: intents(pair, HALF)[0][0] == "done", 30, "Apache to go on with it")
    assert len(patches(pair)) == 2 and pair.ctl("audit", "verify")
    known = pair.ctl("status", HALF)["prefixes"][0]
    assert (known["state"], known["cause"]) == ("advertised", "operator"), known


def blocks_stop(pid):
    """A stopped process that has the leader lock would stop the host's engine."""
    with open(f"/proc/{pid}/status") as f:
        mask = int(re.search(r"SigBlk:\s*(\w+)", f.read())[1], 16)
    return all(mask >> (s - 1) & 1 for s in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


def killed(pair, executed):
    """In the midst of the call; the answer never came."""
    quit_httpd(pair)
    pair.sim.fault("rest", "hang", method="PATCH", count=1, executed=executed)
    first = begin(pair, "advertise", HALF, "--yes", "--wait")
    try:
        wait_for(lambda: patches(pair), 20, "the call")
        if executed:
            wait_for(lambda: real(pair, HALF), 10, "the change")
        assert blocks_stop(first.pid)
    finally:
        first.kill()
        first.communicate()
    assert intents(pair, HALF)[0][:2] == ("sent", 1)
    pair.sim.clear()


def killed_and_repeated(pair):
    """It was applied: the state tells, and there is no second call."""
    killed(pair, True)
    again = run(pair, "advertise", HALF, "--yes", "--wait")
    assert again.returncode == 0, (again.stdout, again.stderr)
    assert len(patches(pair)) == 1 and intents(pair, HALF) == [("propagating", 1, intents(pair, HALF)[0][2])]


def killed_and_apache_starts(pair):
    """It was not applied: whoever leads next reads that, and calls once more."""
    pair.server.log.expect(UNSURE)
    pair.server.log.expect(r"cfmt:error\].*CFMT0973: advertise 203.0.113.0/24 does not succeed .* was not carried out")
    killed(pair, False)
    pair.server.start()
    wait_for(lambda: real(pair, HALF), 40, "the change")
    wait_for(lambda: read(pair, HALF) == 1, 20, "that it is read")
    assert len(patches(pair)) == 2 and intents(pair, HALF)[0][1] == 2 and len(intents(pair, HALF)) == 1


def two_and_apache(pair):
    """The same command twice at once, and Apache starts meanwhile."""
    quit_httpd(pair)
    pair.sim.fault("rest", "slow", method="PATCH", ms=1500)
    both = [begin(pair, "advertise", HALF, "--yes", "--wait") for _ in range(2)]
    wait_for(lambda: patches(pair), 20, "the call")
    pair.server.start()
    said = [(b.communicate(timeout=60)[0], b.returncode) for b in both]
    assert [rc for _, rc in said] == [0, 0], said
    assert len(patches(pair)) == 1 and len(intents(pair, HALF)) == 1
    assert pair.server.query("SELECT count(*) FROM journal WHERE kind = 'result' AND tag LIKE 'command %'") == [(2,)]


def without_a_token(pair):
    """What needs Cloudflare's answer is refused in one sentence, before it is written; the rest works."""
    quit_httpd(pair)
    before = len(pair.calls())
    readable(pair, 0o600 if IS_ROOT else 0)
    for words in (["advertise", HALF, "--yes"], ["withdraw", "--all", "--yes"], ["approve", "7"]):
        done = run(pair, *words)
        line = [x for x in done.stderr.splitlines() if "DEMO" not in x]
        assert done.returncode == 4 and len(line) == 1 and not done.stdout, (words, done)
        assert "CFMT0978" in line[0] and "Permission denied" in line[0] and "start httpd" in line[0]
    readable(pair, 0o644)
    assert "everybody can read it" in run(pair, "advertise", HALF, "--yes").stderr
    if IS_ROOT:  # whoever can write to the database must not choose whose file is sent away
        readable(pair)
        shutil.chown(pair.token, "daemon")
        assert "belongs neither to root" in run(pair, "advertise", HALF, "--yes").stderr
    assert not pair.server.journal("command")
    readable(pair, 0o600 if IS_ROOT else 0)
    assert run(pair, "hold", HALF, "--reason", "works").returncode == 0
    assert run(pair, "window", "add", "*", "now", "+2h", "--reason", "works").returncode == 0
    assert run(pair, "release", HALF).returncode == 0
    refused = [run(pair, *words) for words in (["adopt", HALF], ["deny", "7"], ["cancel", "7"])]
    assert [d.returncode for d in refused] == [3, 1, 1], refused
    assert len(pair.server.journal("command")) == 6 == len(pair.server.journal("result")), "each is answered"
    assert len(pair.calls()) == before


def a_program_is_not_run(pair):
    """The token of exec: has no file; what a database names is not run."""
    ran, program = pair.server.path("asan/ran"), pair.server.path("give")  # where everybody may write
    pair.server.write("give", f"#!/bin/sh\n: >>{ran}\necho {pair.sim.tokens['valid']}\n", 0o755)
    pair.own.append(f"CfmtApiToken exec:{program}")
    pair.own.append(f"CfmtWithdrawCheck exec:{program}")
    pair.token = None
    pair.configure()
    pair.start()
    pair.server.stop()
    os.unlink(ran)
    done = run(pair, "advertise", HALF, "--yes")
    assert done.returncode == 4 and "exec:" in done.stderr and "CFMT0978" in done.stderr, done
    assert run(pair, "hold", HALF, "--reason", "x").returncode == 0
    assert not os.path.exists(ran) and not patches(pair)


def no_decision(pair):
    """All that the policy waits for is a leader; cfmtctl does its own command and leaves the rest to Apache."""
    pair.server.log.allow(ACTS)
    pair.start()
    begun = advertise(pair, WEB)
    assert run(pair, "adopt", WEB).returncode == 0
    wait_time(pair, begun + 16 * MINUTE)
    pair.server.log.wait(r"CFMT0967: would withdraw 198.51.100.0/24 now", 60)
    readable(pair)
    pair.server.stop()
    pair.write("UPDATE setting SET value = ? WHERE name = 'Mode'", [("enforce",)])
    pair.write("INSERT INTO intent(prefix, want, cause, who, reason, proposal, override, created_at, not_before, state,"
               " next_at) VALUES(?, 1, 'operator', 'user bob', 'before', 0, 0, ?, 0, 'requested', 0)",
               [(MAIL, int(pair.now()) * MICRO)])
    decided = pair.server.query("SELECT * FROM decision ORDER BY prefix")
    for words in (["hold", MAIL, "--reason", "x"], ["advertise", V6, "--yes", "--wait"]):
        done = run(pair, *words)
        assert done.returncode == 0, (done.stdout, done.stderr)
    assert [r["path"] for r in patches(pair)] == [patches(pair)[0]["path"]] and real(pair, V6) is True
    assert real(pair, WEB) is True and real(pair, MAIL) is False
    assert intents(pair, MAIL)[0][:2] == ("requested", 0) and not intents(pair, WEB)
    assert pair.server.query("SELECT * FROM decision ORDER BY prefix") == decided
    # it was but for the leader
    pair.own.append("CfmtMode enforce")
    pair.configure()
    pair.server.write_config()
    pair.server.start()
    wait_for(lambda: real(pair, WEB) is False and real(pair, MAIL), 40, "Apache to do the rest")


@pytest.mark.asan
@scenes(Scene(sent_once, takes=12, speed=120), Scene(killed_and_repeated, takes=8, speed=5),
        Scene(killed_and_apache_starts, takes=25, speed=5), Scene(two_and_apache, takes=10, speed=5),
        Scene(without_a_token, takes=5), Scene(a_program_is_not_run, takes=5),
        Scene(no_decision, takes=30, speed=120, lines=("CfmtPrefix * withdraw=auto",)))
def test_leaderless(scene):
    scene()
