"""A command that changes BGP, given twice: one call, one intent, and the second time it says so. tests/httpd has those
that ask nothing of Cloudflare."""
import json

from pair import Scene, scenes
from test_leaderless import intents, patches, quit_httpd, run
from truth import HALF


def outcome(pair, *args):
    """(exit status, outcome, intent) of a command about one thing."""
    done = run(pair, *args, "--json")
    result, = json.loads(done.stdout)["results"]
    return done.returncode, result["outcome"], result["intent"]


def twice(pair, httpd):
    """Advertised, withdrawn as early as Cloudflare allows, and given up again."""
    if httpd:
        pair.start()
    else:
        quit_httpd(pair)
    code, said, first = outcome(pair, "advertise", HALF, "--yes", "--wait")
    assert (code, said) == (0, "done")
    code, said, _ = outcome(pair, "advertise", HALF, "--yes", "--wait")
    assert (code, said) == (0, "already") and len(patches(pair)) == 1
    _, said, second = outcome(pair, "withdraw", HALF, "--yes", "--override")
    assert said == "queued" and second > first
    code, said, again = outcome(pair, "withdraw", HALF, "--yes", "--override")
    assert (code, said, again) == (code, "already", second)
    assert outcome(pair, "cancel", str(second), "--wait") == (0, "done", second)
    assert outcome(pair, "cancel", str(second)) == (0, "already", second)
    states = [state for state, _, _ in intents(pair, HALF)]
    assert len(states) == 2 and states[1] == "cancelled" and len(patches(pair)) == 1
    assert pair.ctl("audit", "verify")


def with_a_leader(pair):
    twice(pair, True)


def without_a_leader(pair):
    twice(pair, False)


@scenes(Scene(with_a_leader, takes=10, speed=5), Scene(without_a_leader, takes=10, speed=5))
def test_twice(scene):
    scene()
