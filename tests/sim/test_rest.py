"""The REST operations: the account's truth in the documented envelope, what a PATCH may do, tokens and limits."""
import concurrent.futures
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from cfsim.account import ALERT_TYPES
from cfsim.clock import Clock, parse, stamp
from cfsim.launch import PROGRAM, Simulator
from cfsim.tokens import Refused
from cfsim.world import World

PREFIXES = "/accounts/{a}/addressing/prefixes"
FIVE = ["198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24", "203.0.113.128/25", "2001:db8::/32"]


def ok(answer):
    status, body, _ = answer
    assert status == 200 and body["success"], body
    return body["result"]


def refused(answer):
    """(status, code) of an error."""
    status, body, _ = answer
    assert body["success"] is False and body.get("result") is None
    return status, body["errors"][0]["code"]


def path_of(world, cidr):
    prefix = world.prefix(cidr)
    return f"{PREFIXES}/{prefix.parent.id}/bgp/prefixes/{prefix.id}"


def patch(api, world, cidr, wish, **kw):
    return api("PATCH", path_of(world, cidr), {"on_demand": {"advertised": wish}}, **kw)


# ---- discovery ----

def test_the_five_prefixes_are_found_without_knowing_an_id(api):
    found = []
    for parent in ok(api("GET", PREFIXES)):
        assert parent["advertised"] is False
        assert ok(api("GET", f"{PREFIXES}/{parent['id']}"))["cidr"] == parent["cidr"]
        for bgp in ok(api("GET", f"{PREFIXES}/{parent['id']}/bgp/prefixes")):
            assert ok(api("GET", f"{PREFIXES}/{parent['id']}/bgp/prefixes/{bgp['id']}")) == bgp
            found.append(bgp)
    assert [b["cidr"] for b in found] == FIVE
    off = found[3]["on_demand"]
    assert off == {"advertised": None, "advertised_modified_at": None, "on_demand_enabled": False,
                   "on_demand_locked": False}
    assert found[0]["on_demand"]["advertised"] is False and found[0]["on_demand"]["on_demand_enabled"]


def test_the_same_account_in_every_run():
    assert World(Clock(speed=0)).account == World(Clock(speed=0)).account
    assert World(Clock(speed=0), seed=2).account != World(Clock(speed=0)).account


def test_a_thousand_prefixes(document):
    world = World(Clock(speed=0), more_prefixes=1000)
    assert len(world.prefixes) == 1005 and len(world.ip_prefixes) == 8
    assert len({p.cidr for p in world.prefixes}) == len({p.id for p in world.prefixes}) == 1005


@pytest.mark.parametrize("path, answer", [
    (PREFIXES + "/" + "0" * 32, (404, 1000)),
    ("/accounts/" + "0" * 32 + "/addressing/prefixes", (403, 9109)),
    ("/accounts/x/addressing/prefixes", (404, 7003))])
def test_wrong_ids(api, path, answer):
    assert refused(api("GET", path)) == answer


def test_a_bgp_prefix_of_another_parent(api, world):
    first, second = world.ip_prefixes[:2]
    assert refused(api("GET", f"{PREFIXES}/{first.id}/bgp/prefixes/{second.bgp[0].id}")) == (404, 1002)


# ---- the change ----

def test_a_change_is_a_wish_first(api, world):
    prefix, begin = world.prefix(FIVE[0]), world.clock.now()
    made = ok(patch(api, world, FIVE[0], True))["on_demand"]
    assert made["advertised"] is True
    assert parse(made["advertised_modified_at"]) == pytest.approx(begin, abs=1e-3)
    assert not prefix.advertised(begin + 119)
    assert prefix.advertised(begin + 7 * 60)
    world.clock.advance(3600)
    ok(patch(api, world, FIVE[0], False))
    assert prefix.advertised(begin + 3600 + 15 * 60 - 1)
    assert not prefix.advertised(begin + 3600 + 15 * 60 + 1)


def test_too_early_changes_are_refused(api, world):
    ok(patch(api, world, FIVE[0], True))
    world.clock.advance(15 * 60 - 1)
    assert refused(patch(api, world, FIVE[0], False)) == (429, 1002)
    assert world.prefix(FIVE[0]).wish is True
    world.clock.advance(1)
    ok(patch(api, world, FIVE[0], False))
    assert refused(patch(api, world, FIVE[0], True)) == (429, 1002)


def test_a_change_to_what_it_is_already(api, world):
    before = world.prefix(FIVE[0]).advertised_modified_at
    ok(patch(api, world, FIVE[0], False))
    assert world.prefix(FIVE[0]).advertised_modified_at == before
    assert world.events[-1]["changed"] is False


@pytest.mark.parametrize("field, value", [
    ("locked", True), ("enabled", False), ("approved", "P"), ("bgp_control", True)])
def test_who_may_not_be_changed(api, world, field, value):
    setattr(world.prefix(FIVE[0]), field, value)
    status, _ = refused(patch(api, world, FIVE[0], True))
    assert status == 400 and not world.prefix(FIVE[0]).wish


def test_the_one_that_is_not_on_demand(api, world):
    assert refused(patch(api, world, FIVE[3], True)) == (400, 1001)


def test_the_dashboard_and_cloudflare_change_it_too(api, world):
    world.prefix(FIVE[0]).locked = True
    assert world.set_advertised(FIVE[0], True, by="dashboard")
    assert world.set_advertised(FIVE[0], False, by="auto-advertise", delay=5)
    assert len(world.prefix(FIVE[0]).history) == 1  # the first never took effect
    assert [e["by"] for e in world.events] == ["dashboard", "auto-advertise"]
    assert ok(api("GET", path_of(world, FIVE[0])))["on_demand"]["on_demand_locked"] is True


@pytest.mark.parametrize("body", [{}, {"advertised": True}, {"on_demand": {"advertized": True}}])
def test_wrong_bodies_are_refused_and_noted(api, world, document, body):
    assert refused(api("PATCH", path_of(world, FIVE[0]), body)) == (400, 1001)
    assert [v["side"] for v in world.violations] == ["request"]
    assert world.prefix(FIVE[0]).wish is False
    world.violations.clear()


@pytest.mark.parametrize("method, path", [("GET", "/zones"), ("PUT", PREFIXES), ("DELETE", PREFIXES + "/x")])
def test_what_is_not_listed_or_not_simulated(api, world, method, path):
    assert refused(api(method, path)) == (404, 7003)
    assert len(world.violations) == 1
    world.violations.clear()


def test_other_fields_of_a_prefix(api, world):
    made = ok(api("PATCH", path_of(world, FIVE[0]), {"auto_advertise_withdraw": True, "asn_prepend_count": 2}))
    assert made["auto_advertise_withdraw"] is True and made["asn_prepend_count"] == 2
    parent = f"{PREFIXES}/{world.prefix(FIVE[0]).parent.id}"
    assert ok(api("PATCH", parent, {"description": "new"}))["description"] == "new"


# ---- tokens ----

@pytest.mark.parametrize("token, verified, listed, changed", [
    ("valid", "active", 200, 200), ("expiring", "active", 200, 200), ("expired", "expired", 401, 401),
    ("revoked", "disabled", 401, 401), ("read-only", "active", 200, 403), ("nothing", "active", 403, 403),
    ("account", None, 200, 200), ("never-seen", None, 401, 401), (None, None, 400, 400)])
def test_tokens(api, world, token, verified, listed, changed):
    answer = api("GET", "/user/tokens/verify", token=token)
    if verified:
        assert ok(answer)["status"] == verified
    else:
        assert refused(answer)[1] in (1000, 9106)
    assert api("GET", PREFIXES, token=token)[0] == listed
    assert patch(api, world, FIVE[0], True, token=token)[0] == changed


def test_an_account_owned_token(api):
    assert refused(api("GET", "/user/tokens/verify", token="account")) == (401, 1000)
    answer = api("GET", "/accounts/{a}/tokens/verify", token="account")
    assert ok(answer)["status"] == "active" and answer[1]["messages"][0]["code"] == 10000
    assert refused(api("GET", "/accounts/{a}/tokens/verify")) == (401, 1000)


def test_a_token_expires(api, world):
    expires = parse(ok(api("GET", "/user/tokens/verify", token="expiring"))["expires_on"])
    assert expires - world.clock.now() == pytest.approx(5 * 86400, abs=1)
    world.clock.advance(5 * 86400 + 1)
    assert ok(api("GET", "/user/tokens/verify", token="expiring"))["status"] == "expired"
    assert api("GET", PREFIXES, token="expiring")[0] == 401


# ---- limits ----

def test_twelve_hundred_calls_then_five_minutes_of_refusals(api, world):
    for left in range(1199, -1, -1):
        _, _, headers = api("GET", "/user/tokens/verify")
        assert headers["Ratelimit"] == f'"default";r={left};t=300'
        assert headers["Ratelimit-Policy"] == '"default";q=1200;w=300'
    status, _, headers = api("GET", "/user/tokens/verify")
    assert status == 429 and headers["retry-after"] == "300"
    assert api("GET", "/user/tokens/verify", token="expiring")[0] == 200  # each token has its own
    world.clock.advance(200)
    assert api("GET", "/user/tokens/verify")[2]["retry-after"] == "100"
    world.clock.advance(100)
    assert api("GET", "/user/tokens/verify")[0] == 200


def test_a_window_ends(api, world):
    api("GET", "/user/tokens/verify")
    world.clock.advance(299)
    assert api("GET", "/user/tokens/verify")[2]["Ratelimit"] == '"default";r=1198;t=1'
    world.clock.advance(1)
    assert api("GET", "/user/tokens/verify")[2]["Ratelimit"] == '"default";r=1199;t=300'


def test_graphql_has_a_limit_and_a_permission_of_its_own(api, world):
    def admit(token="valid"):
        return world.admit({"Authorization": "Bearer " + world.tokens[token].value}, "graphql", "analytics:read")

    assert [admit()[1] for _ in range(300)] == [{}] * 300
    with pytest.raises(Refused) as refusal:
        admit()
    assert refusal.value.status == 429 and refusal.value.headers == {"retry-after": "300"}
    assert api("GET", "/user/tokens/verify")[0] == 200
    with pytest.raises(Refused, match="Authentication error"):
        admit("no-analytics")


# ---- the rest of the account ----

def test_ranges_need_no_token_and_have_an_etag(api, world):
    first = ok(api("GET", "/ips", token=None))
    assert len(first["ipv4_cidrs"]) == 15 and len(first["ipv6_cidrs"]) == 7
    assert ok(api("GET", "/ips", token=None)) == first
    world.ranges["ipv4"].pop()
    assert ok(api("GET", "/ips", token=None))["etag"] != first["etag"]


@pytest.mark.parametrize("path, key, names", [
    ("gre_tunnels", "gre_tunnels", ["cf-gre-zrh", "cf-gre-mxp"]),
    ("ipsec_tunnels", "ipsec_tunnels", ["cf-ipsec-fra"]), ("cf_interconnects", "interconnects", ["cf-cni-zrh"])])
def test_tunnels(api, path, key, names):
    old = ok(api("GET", "/accounts/{a}/magic/" + path))[key]
    new = ok(api("GET", "/accounts/{a}/magic/" + path, **{"x-magic-new-hc-target": "true"}))[key]
    assert [t["name"] for t in old] == [t["name"] for t in new] == names
    assert isinstance(old[0]["health_check"]["target"], str)
    assert set(new[0]["health_check"]["target"]) == {"saved", "effective"}


def test_interconnects_have_no_envelope(api, world):
    status, body, _ = api("GET", "/accounts/{a}/cni/interconnects")
    assert status == 200 and set(body) == {"items", "next"} and body["next"] is None
    icon = f"/accounts/{{a}}/cni/interconnects/{body['items'][0]['name']}/status"
    assert api("GET", icon)[1] == {"state": "Healthy", "reason": None}
    world.tunnel("cf-cni-zrh").set_health(0, world.clock.now())
    assert api("GET", icon)[1]["state"] == "Down"
    assert api("GET", "/accounts/{a}/cni/interconnects?limit=0")[1] == {"items": [], "next": 0}


def test_the_health_of_a_tunnel_has_a_past(world):
    tunnel, begin = world.tunnels[0], world.clock.now()
    tunnel.set_health(0.5, begin)
    tunnel.set_health(0, begin + 60)
    assert [tunnel.health(begin + t) for t in (-1, 0, 59, 60)] == [1, 0.5, 0.5, 0]


def test_rules_policies_destinations(api, world):
    assert {r["name"] for r in ok(api("GET", "/accounts/{a}/mnm/rules"))} == {"volumetric-v4", "zscore-v6"}
    policies = ok(api("GET", "/accounts/{a}/alerting/v3/policies"))
    assert {p["alert_type"] for p in policies} == {kind for kind, _, _ in ALERT_TYPES}
    destination = ok(api("GET", "/accounts/{a}/alerting/v3/destinations/webhooks"))[0]
    assert all(p["mechanisms"]["webhooks"] == [{"id": destination["id"]}] for p in policies)
    assert "secret" not in destination and "last_failure" not in destination
    world.destinations[0].last_failure = world.clock.now()
    destination = ok(api("GET", "/accounts/{a}/alerting/v3/destinations/webhooks"))[0]
    assert destination["last_failure"] == stamp(world.clock.now())
    products = ok(api("GET", "/accounts/{a}/alerting/v3/available_alerts"))
    assert {a["type"] for alerts in products.values() for a in alerts} == {kind for kind, _, _ in ALERT_TYPES}


def test_history_in_pages(api, world):
    begin = world.clock.now()
    for number in range(12):
        world.add_notification("dos_attack_l4", json.dumps({"n": number}), sent=begin + number)
    path = "/accounts/{a}/alerting/v3/history"
    status, body, _ = api("GET", path + "?per_page=5&page=3")
    assert status == 200 and [json.loads(h["alert_body"])["n"] for h in body["result"]] == [1, 0]
    assert body["result_info"] == {"page": 3, "per_page": 5, "count": 2, "total_count": 12}
    some = ok(api("GET", f"{path}?since={stamp(begin + 3)}&before={stamp(begin + 6)}"))
    assert [json.loads(h["alert_body"])["n"] for h in some] == [5, 4]
    assert api("GET", path)[1]["result_info"]["per_page"] == 25


# ---- the running program ----

def get(sim, path, token="valid", url=None):
    request = urllib.request.Request((url or sim.rest) + path)
    request.add_header("Authorization", "Bearer " + sim.tokens[token])
    return urllib.request.urlopen(request, timeout=10)


def test_over_http(sim):
    with get(sim, "/user/tokens/verify") as answer:
        assert json.load(answer)["result"]["status"] == "active"
        assert answer.headers["Ratelimit"] == '"default";r=1199;t=300'
    seen, = sim.requests()
    assert seen["status"] == 200 and seen["authorization"] and seen["token"] == "valid" and not seen["tls"]
    assert sim.tokens["valid"] not in json.dumps(sim.requests()) + json.dumps(sim.state())


def test_the_control_api_begins_and_ends_attacks(sim):
    made = sim.control("POST", "/attacks/by-hand", {"target": "198.51.100.7", "rate": 200e3, "floor": 0})
    assert sim.control("POST", "/attacks/by-hand", {"rate": 0}) == made and len(made["id"]) == 32
    with pytest.raises(RuntimeError, match="400"):
        sim.control("POST", "/attacks/other", {"target": "nowhere", "rate": 1})
    with pytest.raises(RuntimeError, match="404"):
        sim.control("POST", "/attacks/other", {"rate": 1})
    with pytest.raises(RuntimeError, match="400"):
        sim.control("POST", "/analytics", {"later": 1})


def test_the_control_api_changes_the_account(new_sim):
    sim = new_sim(hook="http://127.0.0.1:9/hook", hook_secret="s3")
    sim.prefix(FIVE[0], advertised=True, delay=0)
    sim.prefix(FIVE[1], locked=True, bgp_control=True, approved=False)
    sim.control("POST", "/tokens/valid", {"disabled": True})
    sim.control("POST", "/tunnels/cf-gre-zrh", {"health": 0.5})
    sim.control("POST", "/history", {"alert_type": "dos_attack_l4", "body": "{}", "ago": 60})
    sim.control("POST", "/prefixes", {"cidr": "198.18.0.0/24"})
    sim.control("DELETE", "/prefixes/" + FIVE[4])
    before = sim.state()["now"]
    assert sim.advance(1000)["now"] - before >= 1000
    state = sim.state()
    assert list(state["prefixes"]) == FIVE[:4] + ["198.18.0.0/24"]
    assert state["prefixes"][FIVE[0]]["announced"] and state["prefixes"][FIVE[0]]["on_demand"]["advertised"]
    assert state["prefixes"][FIVE[1]]["on_demand"]["on_demand_locked"]
    assert state["prefixes"][FIVE[1]]["approved"] == "P" and state["prefixes"][FIVE[1]]["bgp_signal_opts"]["enabled"]
    assert state["tokens"]["valid"]["status"] == "disabled"
    assert state["tunnels"]["cf-gre-zrh"]["health"] == 0.5
    assert [d["url"] for d in sim.control("GET", "/hooks")] == ["http://127.0.0.1:9/hook"]
    with pytest.raises(RuntimeError, match="unknown: lockd"):
        sim.prefix(FIVE[1], lockd=True)
    with pytest.raises(RuntimeError, match="404"):
        sim.prefix("10.0.0.0/8", locked=True)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(sim, "/accounts/" + sim.account + "/mnm/rules")


def test_a_violation_is_noted_over_http(new_sim):
    sim = new_sim()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(sim, "/zones")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(sim, "/elsewhere", url=sim.rest.replace("/client/v4", ""))
    assert [v["side"] for v in sim.violations()] == ["request", "request"]
    sim.control("DELETE", "/violations")


def test_speed_and_anchor(new_sim):
    sim = new_sim(speed=1000)
    first, second = sim.control("GET", "/clock"), sim.control("GET", "/clock")
    assert second["now"] > first["now"] > first["anchor"]
    other = new_sim(speed=1000, anchor=repr(sim.anchor))
    before, middle, after = (s.control("GET", "/clock")["now"] for s in (sim, other, sim))
    assert before - 20 < middle < after + 20  # 20 ms of real time: what the clocks of the system differ by


def test_a_scenario_sends_its_webhooks(new_sim):
    got = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["cf-webhook-auth"], json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hook:
        threading.Thread(target=hook.serve_forever, args=(0.01,), daemon=True).start()
        sim = new_sim(scenario="single-attack", speed=600, hook=f"http://127.0.0.1:{hook.server_port}/hook",
                      hook_secret="s3")
        sim.wait_for(lambda s: got)
        sim.wait_for(lambda s: s.state()["destinations"][0].get("last_success"))
        hook.shutdown()
    assert got[0][0] == "s3" and got[0][1]["account_id"] == sim.account
    assert [n["alert_type"] for n in sim.control("GET", "/history")][0] == got[0][1]["alert_type"]
    assert "single-attack" in sim.control("GET", "/scenario")


def test_its_files_are_gone_when_it_ends():
    sim = Simulator().start()
    assert os.path.exists(sim.ca)
    assert sim.stop() == 0 and not os.path.exists(sim.ca)


def test_it_does_not_outlive_the_test_that_started_it():
    code = "import os; from cfsim.launch import Simulator; print(Simulator().start().pid, flush=True); os._exit(0)"
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=here), stdout=subprocess.PIPE,
                          timeout=20, check=True)
    until = time.monotonic() + 5
    while os.path.exists(f"/proc/{int(done.stdout)}"):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("options, word", [
    (["--scenario", "nowhere"], "no scenario 'nowhere'; there are: "), (["--bind", "192.0.2.1"], "simulator: "),
    (["--port", "x"], "invalid int")])
def test_wrong_options(options, word):
    done = subprocess.run([PROGRAM] + options, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10,
                          check=False)
    assert done.returncode in (1, 2) and word in done.stderr and "Traceback" not in done.stderr and not done.stdout


def test_many_clients_at_once(sim):
    path = "/accounts/" + sim.account + "/addressing/prefixes"

    def one(_):
        with get(sim, path) as answer:
            return answer.status

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(200))) == {200}
    assert len(sim.requests()) == 200
