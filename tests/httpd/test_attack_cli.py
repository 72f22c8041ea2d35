"""cfmtctl attack: one attack whole, as the leader projects it from alerts, what traffic says, and evidence."""
import json
import re
import sqlite3
import time

import pytest

from client import post
from httpd import wait_for

NET = "203.0.113.0/24"
SECOND, MINUTE = 10**6, 60
HOT = range(10, 14)  # minutes of the evidence that are attack


class Scene:
    """An attack that traffic opened, an alert's that it was joined with; calm at the end."""

    def __init__(self, server):
        self.server = server
        self.begin = int(time.time()) // MINUTE * MINUTE - 7200
        self.evidence()
        self.says("open", at=self.begin + 10 * MINUTE, **self.figures(3000))
        self.traffic = wait_for(lambda: self.ids(), 10, "the attack")[0]
        self.alert("ALERT_STATE_EVENT_START", self.begin + 11 * MINUTE)
        both = wait_for(lambda: len(self.ids()) == 2 and self.ids(), 10, "the alert")
        self.ident = next(i for i in both if i != self.traffic)
        self.says("join", attack=self.traffic, **{"with": self.ident})
        self.says("peak", attack=self.ident, at=self.begin + 12 * MINUTE, **self.figures(9000))
        self.says("calm", attack=self.ident, at=self.begin + 29 * MINUTE)
        wait_for(lambda: self.ids() == [self.ident] and self.attack()["state"] == "ended", 10, "the end")

    @staticmethod
    def figures(pps):
        return {"prefix": NET, "pps": pps, "bps": pps * 1000, "system": "dosd"}

    def journal(self, kind, body):
        db = sqlite3.connect(self.server.db, timeout=10)
        try:
            with db:
                db.execute("INSERT INTO journal(at, kind, origin, body) VALUES(?, ?, 'test', ?)",
                           (int(time.time()) * SECOND, kind, json.dumps(body)))
        finally:
            db.close()

    def says(self, what, at=None, **more):
        self.journal("attack", {"says": what, **({"at": at * SECOND} if at else {}), **more})

    def evidence(self):
        rows = [[0, m, 0, 0, 0, 4000 * MINUTE + m, 4000000 * MINUTE] for m in HOT]
        self.journal("evidence", {"from": self.begin, "to": self.begin + 40 * MINUTE,
                                  "complete": self.begin + 40 * MINUTE, "prefixes": [NET], "rows": rows})

    def alert(self, event, ts):
        post(self.server, json.dumps({
            "alert_type": "dos_attack_l4", "alert_event": event, "ts": ts,
            "data": {"attack_id": "cf-1", "target_ip": "203.0.113.7", "attack_vector": "UDP \x1b[31mFlood"}})).stored()

    def ids(self):
        self.server.wait_projected()
        return [a["id"] for a in json.loads(self.server.ctl("attacks", "--json").stdout)["attacks"]]

    def attack(self, *args):
        done = self.server.ctl("attack", *(args or (self.ident,)), "--json")
        assert done.returncode == 0, done
        doc = json.loads(done.stdout)
        assert doc["version"] == 1
        return doc if args else doc["attack"]


@pytest.fixture(scope="module")
def scene(farm):
    s = farm.new()
    s.cfmt = list(s.cfmt) + [f"CfmtPrefix {NET}"]
    s.start()
    yield Scene(s)
    farm.end(s)


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_as_data(scene):
    doc = scene.attack("cf-1", "--limit", "50")
    a, begin = doc["attack"], scene.begin
    assert (a["id"], a["state"], a["ended_by"], a["episodes"]) == (scene.ident, "ended", "calm", 1)
    assert a["started_at"] == stamp(begin + 10 * MINUTE) and a["ended_at"] == stamp(begin + 29 * MINUTE)
    assert (a["peak_pps"], a["peak_pps_by"], a["peak_pps_at"]) == (9000, "dosd", stamp(begin + 12 * MINUTE))
    assert a["alert_types"] == ["dos_attack_l4"] and a["prefixes"] == [NET] and a["attack_ids"] == ["cf-1"]
    told = [(e["source"], e["state"], e["pps"], e["system"]) for e in doc["timeline"]]
    assert told == [("analytics", "start", 3000, "dosd"), ("alert", "start", None, None),
                    ("analytics", "peak", 9000, "dosd"), ("analytics", "end", None, None)]
    assert [e["ts"] for e in doc["timeline"]] == sorted(e["ts"] for e in doc["timeline"])
    assert doc["timeline_cut"] is False
    runs = [(m["from"], m["verdict"], m["by"]) for m in doc["minutes"]]
    assert runs == [(stamp(begin), "calm", None)] + [(stamp(begin + m * MINUTE), "attack", "dosd") for m in HOT] + \
        [(stamp(begin + 14 * MINUTE), "calm", None), (stamp(begin + 40 * MINUTE), "unknown", None)]
    assert doc["minutes"][1]["pps"] == pytest.approx(4000.2, abs=0.1) and doc["minutes"][-1]["pps"] is None
    assert doc["minutes"][-1]["to"] == stamp(begin + 49 * MINUTE)  # twenty minutes behind its end
    assert doc["traffic"]["vectors"] == [] and doc["traffic"]["from"] is None


def test_by_each_of_its_names(scene):
    assert {scene.attack(name, "--limit", "1")["attack"]["id"] for name in (scene.ident, scene.traffic, "cf-1")} == \
        {scene.ident}
    cut = scene.attack("cf-1", "--limit", "1")
    assert cut["timeline_cut"] is True and [e["state"] for e in cut["timeline"]] == ["end"]


def test_for_people(scene):
    text = scene.server.ctl("attack", scene.ident).stdout
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", text)
    assert text.startswith(f"attack {scene.ident} has ended by calm: {stamp(scene.begin + 600)} to ")
    peak = f"peak       9 kpps at {stamp(scene.begin + 720)}, by dosd"
    for part in (f"prefixes   {NET}\n", "targets    203.0.113.0/24, 203.0.113.7\n", "alerts     dos_attack_l4\n", peak,
                 "no detail of attack traffic is known", "? unknown"):
        assert part in text, (part, text)
    hours = [line for line in text.splitlines() if re.match(r"\d{4}-\d\d-\d\dT\d\d:00:00Z  [ .#?+]+$", line)]
    strip = "".join(line[22:] for line in hours)
    assert strip.strip() == "." * 10 + "####" + "." * 26 + "?" * 9


def test_an_open_one_that_only_traffic_shows(scene):
    scene.says("open", at=scene.begin + 100 * MINUTE, prefix="198.51.100.0/24", pps=5000, bps=1, system="flowtrackd")
    ident = next(i for i in wait_for(lambda: len(scene.ids()) == 2 and scene.ids(), 10, "another") if i != scene.ident)
    text = scene.server.ctl("attack", ident).stdout
    assert f"attack {ident} is open: " in text and " to now, " in text
    assert "alerts     none: traffic shows it\n" in text and "prefixes   none of ours\n" in text
    assert "no minute of its traffic is known" in text
    assert scene.attack(ident, "--limit", "9")["minutes"] == []


@pytest.mark.parametrize("args, code, word", [
    (("nothing",), 1, "CFMT0734"), ((), 2, "CFMT0711"), (("a", "b"), 2, "CFMT0711"),
    (("close", "nothing"), 1, "CFMT0734"), (("a", "--follow"), 2, "CFMT0710")])
def test_wrong_usage(scene, args, code, word):
    done = scene.server.ctl("attack", *args)
    assert (done.returncode, done.stdout) == (code, "") and word in done.stderr, done


def test_the_traffic_of_none(scene):
    done = scene.server.ctl("traffic", "attack", "nothing")
    assert (done.returncode, done.stdout) == (1, "") and "CFMT0734" in done.stderr, done
