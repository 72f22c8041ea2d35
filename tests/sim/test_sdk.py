"""Cloudflare's own SDK (npm package `cloudflare`) as a client that nobody here wrote: it lists, reads and patches the
prefixes of the simulator, and reads what else mod_cfmt reads. Long tier; the package goes to a temporary directory."""
import json
import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.long

HERE = os.path.dirname(os.path.abspath(__file__))
FIVE = ["198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24", "203.0.113.128/25", "2001:db8::/32"]
HISTORY = 25  # lines, in pages of 10
INSTALL = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]


def reason(text):
    """The line that names the error."""
    lines = text.strip().splitlines() or ["it said nothing"]
    return next((line for line in lines if "rror" in line), lines[0])[:200]


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    """run(simulator) -> what sdk.js saw."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"no {tool} (Debian packages nodejs, npm)")
    place = tmp_path_factory.mktemp("sdk")
    env = {k: v for k, v in os.environ.items() if not k.startswith("CLOUDFLARE_")}
    env.update(NODE_PATH=str(place / "node_modules"), NO_UPDATE_NOTIFIER="1", NO_PROXY="127.0.0.1")
    try:
        done = subprocess.run(INSTALL + ["--prefix", str(place), "--cache", str(place / "cache"), "cloudflare"],
                              cwd=place, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=180, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the registry did not answer within 180 s")
    if done.returncode:
        pytest.skip("npm cannot install the package: " + reason(done.stderr))
    done = subprocess.run(["node", "-e", "require('cloudflare')"], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip("this node cannot load the package: " + reason(done.stderr))

    def run(sim):
        given = json.dumps({"rest": sim.rest, "account": sim.account, "token": sim.tokens["valid"]})
        ended = subprocess.run(["node", os.path.join(HERE, "sdk.js"), given], env=env, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    yield run
    shutil.rmtree(place, ignore_errors=True)  # 120 MB


@pytest.fixture(scope="module")
def seen(sdk):
    """What it saw of a simulator of its own, and that simulator's truth afterwards."""
    from cfsim.launch import Simulator
    with Simulator().start() as sim:
        sim.prefix("192.0.2.0/24", locked=True)
        for number in range(HISTORY):
            sim.control("POST", "/history", {"alert_type": "dos_attack_l4", "body": json.dumps({"n": number}),
                                             "ago": 60 * number})
        found = sdk(sim)
        found["state"], found["violations"] = sim.state(), sim.violations()
        found["agents"] = {r["agent"] for r in sim.requests()}
        return found


def test_nothing_it_sent_or_got_breaks_the_documented_interface(seen):
    assert not seen["violations"]
    assert all("Cloudflare" in agent for agent in seen["agents"]), seen["agents"]


def test_it_lists_and_reads_the_five_prefixes(seen):
    found = seen["prefixes"]
    assert [b["cidr"] for p in found for b in p["bgp"]] == FIVE
    for p in found:
        assert p["one"] == p["parent"] and p["again"] == p["bgp"]
    assert found[0]["bgp"][0]["on_demand"]["advertised"] is False
    assert found[2]["bgp"][1]["on_demand"]["on_demand_enabled"] is False


def test_it_patches_prefixes(seen):
    changed, state = seen["changed"], seen["state"]["prefixes"][FIVE[0]]
    assert changed["advertised"]["on_demand"]["advertised"] is True and changed["advertised"]["cidr"] == FIVE[0]
    assert state["on_demand"]["advertised"] is True
    assert changed["same"]["on_demand"] == changed["advertised"]["on_demand"]
    assert changed["described"]["description"] == "by the SDK"


def test_it_understands_refusals(seen):
    changed = seen["changed"]
    assert changed["soon"]["status"] == 429 and "less than 15 minutes ago" in changed["soon"]["messages"][0]
    assert changed["locked"] == {"status": 400, "codes": [1001], "messages": ["the prefix is locked"]}
    assert changed["unknown"]["status"] == 404
    assert seen["refused"]["status"] == 401
    assert seen["state"]["prefixes"]["192.0.2.0/24"]["on_demand"]["advertised"] is False


def test_it_reads_everything_else(seen):
    others, state = seen["others"], seen["state"]
    assert others["verified"]["status"] == "active"
    assert others["ranges"]["ipv4_cidrs"] == state["ranges"]["ipv4_cidrs"] and others["ranges"]["etag"]
    assert [t["name"] for t in others["gre"]["gre_tunnels"]] == ["cf-gre-zrh", "cf-gre-mxp"]
    assert [t["name"] for t in others["ipsec"]["ipsec_tunnels"]] == ["cf-ipsec-fra"]
    assert [r["name"] for r in others["rules"]] == [r["name"] for r in state["rules"]]
    assert [p["alert_type"] for p in others["policies"]] == [p["alert_type"] for p in state["policies"]]
    assert [d["id"] for d in others["destinations"]] == [d["id"] for d in state["destinations"]]


def test_it_pages_through_the_history(seen):
    """Newest first, each line once."""
    found = seen["others"]["history"]
    assert [json.loads(n["alert_body"])["n"] for n in found] == list(range(HISTORY))
