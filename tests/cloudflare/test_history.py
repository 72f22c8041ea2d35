"""Notifications that never arrived are taken from Cloudflare's history: once, when it is certain, and no others."""
import json

from client import attack, post, token
from httpd import SECRET, wait_for
from pair import MICRO, Scene, scenes

RIPE = 600
KIND = "advanced_ddos_attack_l4_alert"
LOST = rf"cfmt:warn\].*CFMT0868: a notification that Cloudflare sent at \S+Z never arrived and is taken from its " \
       rf"history: {KIND}$"


def alert(pair, event, ident, ago=0, **more):
    body = json.loads(attack(event, attack_id=ident, correlation=ident, ts=int(pair.now() - ago), **more))
    body["account_id"] = pair.sim.account
    body["policy_id"] = next(p["id"] for p in pair.sim.control("GET", "/policies") if p["alert_type"] == KIND)
    return json.dumps(body)


def note(pair, body, ago=0):
    """Cloudflare's history says that it sent this."""
    return pair.sim.control("POST", "/history", {"alert_type": KIND, "body": body, "ago": ago})


def recovered(pair):
    return pair.server.query("SELECT id, origin, body, at FROM journal WHERE kind = 'recovered' ORDER BY id")


def allow_unprotected(pair):
    """What follows from an attack on a prefix that nobody advertises, at 300 times the speed."""
    for line in (r"CFMT0964: proposal \d+: advertise", r"CFMT0966: attack \S+ open", r"CFMT0920: blind: "):
        pair.server.log.allow(line)


def start(pair):
    allow_unprotected(pair)
    pair.start()
    pair.park()
    pair.server.wait_projected()


def attacks(pair):
    return pair.server.query("SELECT state, events FROM attack ORDER BY number")


def lost(pair):
    """The END of an attack: after ten minutes, once, and as part of that attack."""
    start(pair)
    ident = token()
    begin, end = alert(pair, "START", ident), alert(pair, "END", ident)
    note(pair, begin)
    post(pair.server, begin.encode()).stored()
    sent = note(pair, end)["sent"]
    pair.server.log.expect(LOST)
    pair.succeed("history")
    assert not recovered(pair) and attacks(pair) == [("open", 1)]  # it may still arrive
    found = wait_for(lambda: recovered(pair), 20, "the notification to be recovered")
    assert [r[1:3] for r in found] == [("history", end)] and found[0][3] / MICRO - sent >= RIPE
    pair.server.wait_projected()
    assert attacks(pair) == [("ended", 2)]
    for _ in range(3):
        pair.succeed("history")
    assert len(recovered(pair)) == 1 and pair.server.log.count("CFMT0868") == 1


def not_lost(pair):
    """The same body sent to two destinations, a body that was changed on the way, what arrived twice."""
    start(pair)
    one, two, three = (alert(pair, "START", token()) for _ in range(3))
    for body in (one, two, three):
        note(pair, body)
    note(pair, one)  # to the other destination
    for body in (one, two, two):
        post(pair.server, body.encode())
    post(pair.server, json.dumps(dict(json.loads(three), text="other words")).encode()).stored()
    pair.sleep(2 * RIPE)
    pair.succeed("history")
    pair.succeed("history")
    assert recovered(pair) == [] and len(attacks(pair)) == 3


def from_before_the_store(pair):
    pair.start(ready=False)
    note(pair, alert(pair, "START", token(), ago=7200), ago=7200)
    note(pair, alert(pair, "START", token(), ago=3 * 86400), ago=3 * 86400)
    pair.settled()
    for _ in range(2):
        pair.succeed("history")
    assert recovered(pair) == [] and attacks(pair) == []


def lost_on_the_way(pair):
    """A scenario whose END is lost; all the rest arrives by itself."""
    allow_unprotected(pair)
    pair.start()
    pair.server.log.expect(LOST)
    pair.sim.control("POST", "/hooks", {"url": f"http://127.0.0.1:{pair.server.port}/webhook/cloudflare",
                                        "secret": SECRET})
    pair.sim.control("POST", "/scenario", {"name": "no-end"})
    found = wait_for(lambda: recovered(pair), 30, "the END to be recovered")
    pair.server.wait_projected()
    assert [state for state, _ in attacks(pair)] == ["ended"]  # by calm it may have been so before
    pair.sleep(RIPE)
    assert recovered(pair) == found and len(found) == 1
    sent = sorted(n["body"] for n in pair.sim.control("GET", "/events") if n["kind"] == "alert")
    stored = pair.server.query("SELECT body FROM journal WHERE kind IN ('delivery', 'recovered')")
    assert sent == sorted(r[0] for r in stored)


@scenes(*(Scene(call, takes=8, speed=300) for call in (lost, not_lost, from_before_the_store, lost_on_the_way)))
def test_history(scene):
    scene()
