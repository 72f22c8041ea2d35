"""The scenarios: each loads, plays to its end in step with the clock, sends what it says as Cloudflare would."""
import http.server
import json
import os
import threading
import time

import pytest

from cfsim import certs, faults, scenario, webhook
from cfsim.clock import Clock
from cfsim.world import World

START = 1800000000
TWELVE = {"single-attack", "overlapping", "no-end", "end-before-start", "waves", "ipv6", "small-packets",
          "api-outage-during-calm", "locked", "changed-elsewhere", "always-on", "no-own-announcement"}
DOCUMENTED = os.path.join(scenario.HERE, "..", "..", "..", "..", "shared", "cloudflare", "webhooks")
L4 = "advanced_ddos_attack_l4_alert"
AUTO = "fbm_auto_advertisement"


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what is posted to it; answers .status."""

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Hook)
        self.got, self.status = [], 200
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = "%s://127.0.0.1:%d/cfmt/webhook" % ("https" if context else "http", self.server_port)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def bodies(self):
        return [json.loads(body) for _, body in self.got]


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(name="hook")
def make_hook():
    receiver = Receiver()
    yield receiver
    receiver.shutdown()
    receiver.server_close()


@pytest.fixture(name="world")
def make_world(hook):
    """A world whose clock only the test moves, and whose webhooks go to the receiver."""
    world = World(Clock(speed=0, start=START))
    world.add_hook(hook.url, "the-secret")
    yield world
    world.clock.stop()


def play(world, name, orders=None, until=None):
    """Plays a scenario by moving the clock from action to action (up to `until` seconds): the Player."""
    player = scenario.start(world, world.clock, name, orders or faults.Faults())
    for count, action in enumerate(player.scenario.actions, 1):
        if until is not None and action.at > until:
            return player
        world.clock.advance(max(0, START + action.at - world.clock.now()))
        wait(lambda count=count: player.done.is_set() or played(world) >= count)
        assert webhook.drain(world)
    assert player.wait(5) and world.violations == [] and webhook.drain(world)
    return player


def played(world):
    with world.lock:
        return sum(event["kind"] == "scenario" for event in world.events)


def wait(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0005)


def short(body):
    return body["alert_type"], body.get("alert_event", "").replace("ALERT_STATE_EVENT_", ""), body["ts"] - START


def test_there_are_twelve_and_each_says_what_is_correct():
    assert set(scenario.names()) == TWELVE
    for name in TWELVE:
        about = scenario.load(name).about
        assert about.startswith(name + ": ") and "\nCorrect: " in about


SENT = {
    "single-attack": [("fbm_dosd_attack", "START", 100), (AUTO, "", 110), (L4, "START", 340),
                      ("dos_attack_l4", "START", 345), (L4, "END", 960), ("dos_attack_l4", "END", 965),
                      ("fbm_dosd_attack", "END", 970)],
    "overlapping": [(AUTO, "", 30), (L4, "START", 120), (L4, "START", 300), (L4, "START", 420), (L4, "END", 600),
                    (L4, "END", 780), (L4, "END", 1260)],
    "no-end": [(AUTO, "", 30), (L4, "START", 120)],
    "end-before-start": [(AUTO, "", 30), (L4, "END", 240), (L4, "START", 130), (L4, "START", 130), (L4, "END", 780),
                         (L4, "START", 420)],
    "waves": [(AUTO, "", 30), (L4, "START", 120), (L4, "END", 600), (L4, "START", 1020), (L4, "END", 1500),
              (L4, "END", 3300)],
    "ipv6": [(AUTO, "", 30), (L4, "START", 120), ("dos_attack_l4", "START", 240), ("dos_attack_l4", "END", 660),
             (L4, "END", 900)],
    "small-packets": [(AUTO, "", 30)],
    "api-outage-during-calm": [(AUTO, "", 30), (L4, "START", 120), (L4, "END", 660)],
    "locked": [("fbm_dosd_attack", "START", 100), (AUTO, "", 110), (AUTO, "", 545), (L4, "START", 720),
               (L4, "END", 1020)],
    "changed-elsewhere": [(L4, "START", 240), (L4, "END", 2160)],
    "always-on": [(AUTO, "", 160), (L4, "START", 180), (L4, "END", 780)],
    "no-own-announcement": [(AUTO, "", 30), (L4, "START", 120), (L4, "END", 660)],
}


@pytest.mark.parametrize("name", sorted(TWELVE))
def test_each_sends_what_it_says_in_that_order(world, hook, name):
    play(world, name)
    assert [short(body) for body in hook.bodies()] == SENT[name]
    assert all(pps == 0 for attack in world.attacks for _, pps in attack.steps[-1:])


def test_as_cloudflare_sends_it(world, hook):
    play(world, "single-attack")
    for headers, _ in hook.got:
        assert headers["cf-webhook-auth"] == "the-secret" and headers["User-Agent"] == "Go-http-client/2.0"
        assert headers["Content-Type"] == "application/json"
    first, advanced = hook.bodies()[0], hook.bodies()[2]
    assert first["data"]["advertise_status"] == [{"prefix": "198.51.100.0/24", "status": "Advertised"}]
    assert advanced["data"]["target_ip"] == "198.51.100.7" and advanced["data"]["packets_per_second"] == 1200000
    assert advanced["account_id"] == world.account
    assert len({body["data"]["attack_id"] for body in hook.bodies()[2:6]}) == 1
    assert hook.bodies()[3]["data"]["target_ip"] == "198.51.100.7/32"
    assert world.hook_targets[0].last_success == START + 970


@pytest.mark.skipif(not os.path.isdir(DOCUMENTED), reason="the documented bodies are not beside the checkout")
def test_the_documented_fields_are_there(world, hook):
    with open(os.path.join(DOCUMENTED, L4 + ".start.json"), encoding="utf-8") as source:
        documented = json.load(source)
    play(world, "single-attack")
    body = hook.bodies()[2]
    assert documented.keys() <= body.keys() and documented["data"].keys() <= body["data"].keys()
    for key, value in documented["data"].items():
        assert type(body["data"][key]) is type(value), key


def test_a_lost_alert_is_in_the_history_only(world, hook):
    play(world, "no-end")
    told = [json.loads(line["alert_body"]) for line in world.notifications]
    assert [short(body) for body in told][-1] == (L4, "END", 660) and len(told) == len(hook.got) + 1
    assert [line["alert_body"].encode() for line in world.notifications[:-1]] == [body for _, body in hook.got]


def test_a_duplicate_is_the_same_bytes(world, hook):
    play(world, "end-before-start")
    assert hook.got[2][1] == hook.got[3][1] and len(world.notifications) == len(hook.got) - 1


def test_prefixes_locks_and_announcements(world):
    player = play(world, "changed-elsewhere", until=8 * 60)
    assert not world.prefix("198.51.100.0/24").wish and world.prefix("192.0.2.0/24").wish
    assert world.prefix("198.51.100.0/24").advertised(START) and not player.done.is_set()


def test_a_past_change_is_of_the_past(world):
    play(world, "always-on", until=60)
    assert world.prefix("192.0.2.0/24").advertised_modified_at == START - 30 * 86400


def test_a_lock_comes_and_goes(world):
    play(world, "locked", until=60)
    assert world.prefix("198.51.100.0/24").locked


def test_own_announcement(world):
    assert world.prefix("198.51.100.0/24").own_announcement
    play(world, "no-own-announcement", until=600)
    assert not world.prefix("198.51.100.0/24").own_announcement


def test_faults_are_set_and_cleared(world):
    orders = faults.Faults()
    play(world, "api-outage-during-calm", orders, until=20 * 60)
    assert [order["kind"] for order in orders.describe()] == ["errors"]
    world.clock.advance(7200)
    wait(lambda: not orders.describe())


class Late(Clock):
    """Between two looks at it the machine did something else."""

    def now(self):
        time.sleep(0.002)
        return super().now()


def test_it_keeps_step_with_a_fast_clock(hook):
    world = World(Late(speed=36000))
    world.add_hook(hook.url, "s")
    player = scenario.start(world, world.clock, "single-attack")
    assert player.wait(5) and webhook.drain(world)
    assert [(kind, event) for kind, event, _ in map(short, hook.bodies())] == \
        [(kind, event) for kind, event, _ in SENT["single-attack"]]
    assert [body["ts"] for body in hook.bodies()] == \
        [int(round(player.begin + at, 3)) for _, _, at in SENT["single-attack"]]


def test_a_refused_delivery_is_noted_and_not_repeated(world, hook):
    hook.status = 500
    play(world, "no-end")
    assert len(hook.got) == 2 and world.hook_targets[0].last_failure == START + 120
    assert world.hook_targets[0].last_success is None


def test_a_type_without_a_policy_is_not_sent(world, hook):
    world.policies[:] = [policy for policy in world.policies if policy["alert_type"] != L4]
    assert webhook.deliver(world, world.clock, webhook.Alert(L4)) is None
    assert webhook.drain(world) and hook.got == [] and world.notifications == []


def test_every_type_has_a_body(world):
    for kind in webhook.DATA:
        facts = {"tunnel": "cf-gre-zrh"} if "tunnel" in kind else {}
        body = webhook.build(world, webhook.Alert(kind, facts=facts), START, {"id": "p", "name": "n"})
        assert body["data"] and json.loads(webhook.encode(body)) == body
    assert "<" not in webhook.encode({"text": "a<b&c>"}) and json.loads(webhook.encode({"t": "<&>"})) == {"t": "<&>"}


def test_a_field_can_be_left_out(world):
    alert = webhook.Alert(L4, "START", facts={"target": "192.0.2.1"}, omit=("account_id", "attack_id"))
    body = webhook.build(world, alert, START, {"id": "p", "name": "n"})
    assert "account_id" not in body and "attack_id" not in body["data"] and body["data"]["target_ip"] == "192.0.2.1"


@pytest.mark.skipif(certs.missing() is not None, reason=str(certs.missing()))
def test_tls_on_loopback_may_be_self_signed(tmp_path):
    receiver = Receiver(certs.Certificates(str(tmp_path)).context("right"))
    world = World(Clock(speed=0, start=START))
    target = world.add_hook(receiver.url, "s")
    assert webhook.send_test(target) == 200
    assert list(receiver.bodies()[0]) == ["text"]
    receiver.shutdown()
    receiver.server_close()


@pytest.mark.parametrize("line, word", [
    ("+3x attack a stop", "duration"), ("+3m attck a stop", "no action"), ("+3m attack a pause", "pause"),
    ("+3m attack a start target=192.0.2.1", "rate"), ("+3m attack a start target=192.0.2.999 rate=1k", "192.0.2.999"),
    ("+3m attack a start target=192.0.2.1 rate=1k colour=red", "colour"), ("+3m prefix 192.0.2.0/24 hide", "hide"),
    ("+3m attack a start target=192.0.2.1 rate=1k vector=Magic", "Magic"), ("+3m alert a STOP", "STOP"),
    ("+3m fault f on upstream=graphql kind=odd", "odd"), ("+3m tunnel t sideways", "sideways"), ("+3m", "no action")])
def test_a_bad_line_is_named(line, word):
    with pytest.raises(scenario.Bad) as bad:
        scenario.Scenario("mine", "# mine\n\n" + line)
    assert str(bad.value).startswith("mine:3: ") and word in str(bad.value)


def test_lines_stand_in_the_order_of_time():
    with pytest.raises(scenario.Bad, match="mine:2: earlier"):
        scenario.Scenario("mine", "+3m tunnel cf-gre-zrh down\n+2m tunnel cf-gre-zrh up")


def test_a_failure_while_playing_is_told(world):
    player = scenario.start(world, world.clock, scenario.Scenario("mine", "+0s prefix 10.9.9.0/24 advertise"))
    with pytest.raises(RuntimeError, match="10.9.9.0"):
        player.wait(5)
    assert world.violations[0]["side"] == "scenario"


def test_an_unknown_scenario_is_named():
    with pytest.raises(scenario.Bad, match="single-attack"):
        scenario.load("../single-attack")
