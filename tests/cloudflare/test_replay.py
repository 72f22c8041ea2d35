"""cfmtctl replay on the database of a real run: every decision of the leader is made again, byte by byte; another calm
makes the difference that it must; what cannot be replayed is refused with a reason."""
import json
import os
import re
import sqlite3

from acts import (AUTO, BY_CALM, BY_TRAFFIC, PROPOSED, WEB, check_always, command, late, ours, scenario, settle, start,
                  wait, wait_minute)
from pair import MICRO, Scene, scenes
from truth import seconds_of

TAKES = 40


def ctl(pair, *words, code=0):
    done = pair.server.ctl("replay", *words, limit=60)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def replayed(pair, *words):
    return json.loads(ctl(pair, *words, "--json").stdout)


def policy(pair, *lines):
    path = pair.server.path("policy.conf")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    os.chmod(path, 0o644)
    return path


def the_same(pair):
    """While the leader goes on, and of every kind of row."""
    doc = replayed(pair)
    made = pair.server.query("SELECT count(*) FROM journal WHERE kind = 'decision' AND at < ?",
                             int(seconds_of(doc["to"]) * MICRO))[0][0]
    assert doc["different"] == 0 and doc["inexact"] == 0, doc
    assert doc["decisions"] == doc["same"] and abs(doc["same"] - made) <= 1 and made >= 10, (doc, made)
    said = ctl(pair).stdout
    assert re.search(r"Z to \S+Z: (\d+) decisions, \1 made again the same\n$", said), said


def another_calm(pair):
    """Withdrawn half an hour later, so half an hour longer paid; nothing else differs."""
    words = ("--policy", policy(pair, "# longer", "CfmtCalm \\", "  45min"))
    doc = replayed(pair, *words)
    ads = [a for a in doc["advertisements"] if a["prefix"] == WEB and a["was"]["withdrawn_at"]]
    assert len(ads) == 1 and doc["later"] >= 1 and doc["earlier"] == 0, doc
    was, would = ads[0]["was"], ads[0]["would"]
    assert would["withdrawn_at"] and was["by_policy"] and would["by_policy"], ads
    longer = seconds_of(would["withdrawn_at"]) - seconds_of(was["withdrawn_at"])
    slack = 1 + late(pair)  # in minutes: traffic is read when this machine comes to it
    assert abs(longer - 30 * 60) <= slack * 60, ads
    assert abs(would["paid_seconds"] - was["paid_seconds"] - longer) <= 1, ads
    assert was["exposed_seconds"] == would["exposed_seconds"] and was["messages"] == would["messages"], ads
    in_fact = [pair.begin + at * 60 for at, cidr, on in [c[:3] for c in ours(pair)] if cidr == WEB and not on]
    assert abs(seconds_of(was["withdrawn_at"]) - in_fact[0]) <= slack * 60, (was, in_fact)
    shown = re.search(r"  \+(\d+)min  ", ctl(pair, *words).stdout)
    assert shown and abs(int(shown[1]) * 60 - longer) <= 31, (shown, ads)  # `longer` is of whole seconds


def refusals(pair):
    text = ctl(pair, "--policy", policy(pair, "CfmtCalm 5x", "", "CfmtPrefix 203.0.113.1/24", "CfmtDb /tmp/x",
                                        "CfmtThreshold pps=0"), code=2).stderr
    assert re.findall(r"policy\.conf:(\d+): (\w+)", text) == [("1", "CfmtCalm"), ("3", "CfmtPrefix"),
                                                              ("5", "CfmtThreshold")], text
    assert "policy.conf:4: 'CfmtDb' is none of a policy's directives; allowed: CfmtMode, " in text, text
    assert "allowed 1min to 1d" in text and "did you mean 203.0.113.0/24?" in text and "CFMT1019" in text, text
    assert "CFMT1020" in ctl(pair, "--policy", "/dev/null", code=2).stderr
    assert "CFMT1018" in ctl(pair, "--policy", "/nowhere", code=2).stderr
    assert "CFMT1021" in ctl(pair, "--from", "yesterday", code=2).stderr
    early = ctl(pair, "--from", "2020-01-01T00:00:00Z", code=1).stderr
    first = re.search(r"can be made again from (\S+) on \(CFMT1011\)", early).group(1)
    assert replayed(pair, "--from", first)["inexact"] == 0
    assert "CFMT1013" in ctl(pair, "--from", first, "--to", first, code=1).stderr
    assert replayed(pair, "--to", "2100-01-01T00:00:00Z")["to"] < "2100", "nothing is known of what is to come"


def an_altered_row_is_found(pair):
    """Of a copy: one alert fewer, and an attack that never was explains a decision."""
    copy = pair.server.path("copy.db")
    pair.server.query("VACUUM INTO ?", copy)
    db = sqlite3.connect(copy)
    with db:
        db.execute("UPDATE journal SET kind = 'rejected' WHERE kind = 'delivery'")
    db.close()
    os.chmod(copy, 0o660)
    done = pair.server.ctl("replay", "--db", copy, "--json", db=False, limit=60)
    doc = json.loads(done.stdout)
    assert done.returncode == 1 and "CFMT1016" in done.stderr and doc["different"] > 0, (doc, done.stderr)
    assert any("no_attack" in d["red"] and "no_attack" not in d["now_red"] for d in doc["differences"]), doc


def a_run(pair):
    pair.server.log.allow(PROPOSED.format("advertise", WEB))
    for line in (BY_TRAFFIC, BY_CALM):
        pair.server.log.allow(line)
    start(pair)
    command(pair, "hold", "2001:db8::/32", "--reason", "kept", "--yes")
    scenario(pair, "single-attack")
    wait_minute(pair, 20)
    command(pair, "window", "add", WEB, "now", "+2min", "--reason", "works", "--yes")
    wait(lambda: [c for c in ours(pair) if not c[2]], "the withdrawal", 120)
    command(pair, "release", "2001:db8::/32", "--yes")
    settle(pair)
    wait_minute(pair, 90)
    before = pair.server.query("SELECT count(*), max(id) FROM audit")
    the_same(pair)
    another_calm(pair)
    refusals(pair)
    an_altered_row_is_found(pair)
    assert pair.server.query("SELECT count(*), max(id) FROM audit") == before
    check_always(pair)


@scenes(Scene(a_run, takes=TAKES, speed=200, lines=AUTO))
def test_replay(scene):
    scene()
