"""CfmtDemoSpeed seen by cfmtctl: it reckons by the clock that the rows are dated by, and says so."""
import datetime
import json
import time

import pytest

from client import attack, post, token

SPEED, HEAD_START = 60, 7200  # the demonstration's clock is about five days ahead when it begins


@pytest.fixture(scope="module")
def demo(farm):
    s = farm.new()
    s.since = int(time.time()) - HEAD_START
    since = datetime.datetime.fromtimestamp(s.since, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    s.cfmt += [f"CfmtDemoSpeed {SPEED} since={since}", "CfmtPrefix 203.0.113.0/24"]
    s.log.expect("CFMT0117")
    s.start()
    s.open = token()
    post(s, attack("START", s.open, ts=int(now_of(s)))).stored()
    s.wait_projected()
    yield s
    s.log.allow("CFMT0117")
    farm.end(s)


def now_of(s):
    return s.since + (time.time() - s.since) * SPEED


def test_the_demonstration_is_named_in_each_answer(demo):
    for command in ("events", "attacks", "journal", "prefixes", "jobs", "db check"):
        for options in ([], ["--json"]):
            done = demo.ctl(*command.split(), *options)
            assert done.stderr.count("DEMO: time runs 60 times faster") == 1, (command, done)
            assert "CFMT0731" not in done.stderr and "overdue\":true" not in done.stdout, done


def test_ages_and_since_are_of_its_clock(demo):
    done = demo.ctl("attacks", "--since", "1h", "--json")
    rows = json.loads(done.stdout)["attacks"]
    assert [r["state"] for r in rows] == ["open"], done
    assert 0 <= rows[0]["duration_seconds"] < 1200, rows[0]
    assert json.loads(demo.ctl("events", "--since", "1h", "--json").stdout)["events"]
    time.sleep(1.1)  # more than a minute of it
    assert not json.loads(demo.ctl("events", "--since", "1min", "--json").stdout or '{"events":[]}')["events"]
    jobs = json.loads(demo.ctl("jobs", "--json").stdout)["jobs"]
    assert all(-3600 < j["due_in_seconds"] < 90000 for j in jobs), jobs


def test_an_attack_is_closed_at_its_time(demo):
    done = demo.ctl("attack", "close", demo.open)
    assert done.returncode == 0 and "closed by" in done.stdout, done
    at = demo.query("SELECT at FROM journal WHERE kind = 'command'")[0][0]
    assert abs(at / 1e6 - now_of(demo)) < 1200
