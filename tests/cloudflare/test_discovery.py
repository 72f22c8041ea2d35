"""What is found without any configuration, and how cfmtctl and health show it."""
import os

import pytest

import httpd
from pair import ALL, Pair

FIVE = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "203.0.113.128/25", "2001:db8::/32"]
LINES = ["CfmtPrefix 198.51.100.0/24 name=web", "CfmtPrefix 198.18.7.0/24 name=misspelt"]


@pytest.fixture(scope="module")
def found(farm):
    """One pair that the tests of this module only look at."""
    made = Pair(farm.new, lines=LINES)
    try:
        made.server.log.expect(r"CFMT0862: CfmtPrefix 198\.18\.7\.0/24: the account has no such BGP prefix, so nothing "
                               r"follows this policy \(cfmtctl prefixes shows those it has\)")
        made.start()
        made.run("prefixes")  # judged once the first reading is in the tables
        yield made
        wrong = made.end()
        farm.end(made.server)
        assert not wrong, "\n".join(wrong)
    finally:
        if made.server in farm.servers:
            farm.end(made.server, check=False)


@pytest.fixture
def pair(found, oracle):
    return found


def test_what_is_asked_is_validated(pair):
    if not pair.sim.validated:
        pytest.skip("the published descriptions (../shared/cloudflare) are not here: requests are not validated")
    assert os.path.isdir(os.path.join(httpd.SRCDIR, "..", "shared", "cloudflare"))
    assert pair.calls("rest") and pair.calls("graphql")


@pytest.mark.smoke
@pytest.mark.asan
def test_prefixes(pair):
    truth = pair.sim.state()["prefixes"]
    doc = pair.ctl("prefixes")
    assert [p["prefix"] for p in doc["prefixes"]] == FIVE
    assert doc["unmatched"] == ["198.18.7.0/24"] and doc["configured"] is True
    for shown in doc["prefixes"]:
        real = truth[shown["prefix"]]
        demand = real["on_demand"]
        assert shown["id"] == real["id"] and shown["ip_prefix_id"] == real["parent"]
        assert shown["state"] == {True: "advertised", False: "withdrawn", None: "unknown"}[demand["advertised"]]
        assert shown["advertised_at"] == demand["advertised_modified_at"]
        assert shown["modified_at"] == real["modified_at"]
        assert (shown["locked"], shown["on_demand"]) == (demand["on_demand_locked"], demand["on_demand_enabled"])
        assert (shown["bgp_control"], shown["approved"]) == (False, True) and shown["auto_withdraw"] is False
        assert 0 <= shown["read_age_seconds"] < 30 and not shown["gone"]
    assert {r[0] for r in pair.states()} == {"first"} and len(pair.states()) == len(FIVE)
    plain = pair.server.ctl("prefixes").stdout.splitlines()
    assert plain[0].split() == ["PREFIX", "STATE", "SINCE", "CHANGED_BY", "FLAGS", "READ", "NAME"]
    assert [line.split()[0] for line in plain[1:6]] == FIVE
    assert "not-on-demand" in plain[4] and "198.18.7.0/24" in "\n".join(plain[6:])


@pytest.mark.asan
def test_tunnels(pair):
    truth = pair.sim.state()["tunnels"]
    shown = {t["name"]: t for t in pair.ctl("tunnels")["tunnels"]}
    assert shown.keys() == truth.keys()
    for name, real in truth.items():
        tunnel = shown[name]
        assert tunnel["id"] == real["id"] and tunnel["state"] == "up", tunnel
        assert tunnel["kind"] == {"cni": "interconnect"}.get(real["kind"], real["kind"])
        assert tunnel["active"] is real["active"] and tunnel["health"] == 1  # idle ones are read, too
        assert 0 <= tunnel["read_age_seconds"] < 30
    plain = pair.server.ctl("tunnels").stdout
    assert all(name in plain for name in truth) and "100%" in plain


def test_rules_and_policies(pair):
    state = pair.sim.state()
    rows = pair.server.query("SELECT name, type, automatic, gone FROM rule ORDER BY name")
    real = sorted((r["name"], r["type"], r["automatic_advertisement"]) for r in state["rules"])
    assert [(n, t, None if a is None or a < 0 else bool(a)) for n, t, a, _ in rows] == real
    assert not any(r[3] for r in rows)
    alerts = pair.health()["api"]["alerts"]
    assert alerts["policies"] == len(state["policies"]) and alerts["destinations"] == len(state["destinations"])
    assert alerts["unsent"]["count"] == 0 and alerts["failing"] is None


@pytest.mark.asan
def test_ranges(pair):
    done = pair.server.ctl("ranges", "--json")
    truth = pair.sim.control("GET", "/ranges")
    assert {r[0] for r in pair.server.query("SELECT cidr FROM range WHERE gone_at IS NULL")} \
        == set(truth["ipv4_cidrs"] + truth["ipv6_cidrs"])
    for cidr in truth["ipv4_cidrs"] + truth["ipv6_cidrs"]:
        assert cidr in done.stdout, cidr
    assert "CFMT0784" in done.stderr  # CfmtSenders of this server are others


def test_jobs_token_upstreams(pair):
    doc = pair.ctl("jobs")
    shown = {j["name"]: j for j in doc["jobs"]}
    assert set(ALL) <= set(shown)
    for name in ALL:
        assert shown[name]["fails"] == 0, shown[name]
    text = pair.server.ctl("jobs").stdout
    assert "token: active, of the user, never expires" in text and "notifications: 9 policies" in text
    for upstream, quota in (("rest", 1200), ("graphql", 300)):
        state = pair.health()["api"]["upstreams"][upstream]
        assert state["breaker"] == "closed" and state["quota"] == quota and 0 < state["left"] <= quota, state
        assert abs(state["clock_skew_s"]) < 2


def test_what_each_job_asks(pair):
    """The token goes with every call but the one that needs none; the health of tunnels is one query."""
    calls = pair.calls()
    for call in calls:
        assert call["status"] == 200 and call["agent"].startswith("mod_cfmt/"), call
        assert call["authorization"] == (not call["path"].endswith("/ips")), call
        assert call["token"] == ("valid" if call["authorization"] else None)
    assert len([c for c in calls if c["path"].endswith("/tokens/verify")]) == 1
    runs = len([c for c in calls if c["path"].endswith("/gre_tunnels")])
    assert len(pair.calls("graphql")) == runs + 1  # the limits of the plan


def test_a_prefix_that_matches_nothing_is_told_once(pair):
    pair.run("prefixes")
    pair.run("prefixes")
    assert pair.server.log.count("CFMT0862") == 1
