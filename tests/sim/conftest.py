"""Fixtures: a world with a clock that stands still, a running simulator; a violation fails the test that made it."""
import json
import os
import sys
import urllib.parse

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cfsim import openapi, rest  # noqa: E402 pylint: disable=wrong-import-position
from cfsim.clock import Clock  # noqa: E402 pylint: disable=wrong-import-position
from cfsim.launch import Nursery, Simulator  # noqa: E402 pylint: disable=wrong-import-position
from cfsim.world import World  # noqa: E402 pylint: disable=wrong-import-position

TIER = os.environ.get("CFMT_TIER") or "check"


def pytest_collection_modifyitems(config, items):
    """smoke, of make distcheck: the first of each file."""
    wanted = [i for i in items if TIER == "long" or not i.get_closest_marker("long")]
    if TIER == "smoke":
        wanted = list({i.fspath: i for i in reversed(wanted)}.values())[::-1]
    config.hook.pytest_deselected(items=[i for i in items if i not in wanted])
    items[:] = wanted


@pytest.fixture(scope="session")
def document():
    """The published description of the REST API."""
    found = openapi.load()
    if found is None:
        pytest.skip("the published description (../shared/cloudflare/openapi-subset.json) is not here")
    return found


@pytest.fixture
def world():
    """An account whose time only advance() moves."""
    made = World(Clock(speed=0, start=1800000000))
    yield made
    assert made.violations == []


@pytest.fixture
def api(world):
    """api("GET", "/accounts/{a}/mnm/rules", token="valid") -> (status, body, headers), without a server. Validated
    where the description is here."""
    described = openapi.load()

    def call(method, path, body=None, token="valid", **headers):
        if token:
            headers["Authorization"] = "Bearer " + (world.tokens[token].value if token in world.tokens else token)
        path, _, query = path.replace("{a}", world.account).partition("?")
        data = b"" if body is None else json.dumps(body).encode()
        request = rest.Request(method, path, urllib.parse.parse_qs(query), headers, data)
        return rest.answer(world, described, request)

    return call


@pytest.fixture(scope="session")
def _shared_sim():
    with Simulator().start() as made:
        yield made


def judged(simulator):
    """Takes and tells what broke the documented interface."""
    found = simulator.violations()
    simulator.control("DELETE", "/violations")
    return found


@pytest.fixture
def sim(_shared_sim):
    """A running simulator that the tests share; faults, logs and limits are of this test only."""
    for what in ("faults", "requests", "messages"):
        _shared_sim.control("DELETE", "/" + what)
    _shared_sim.control("POST", "/limits", {"rest": 1200, "graphql": 300})
    yield _shared_sim
    _shared_sim.clear()
    assert judged(_shared_sim) == []


@pytest.fixture(scope="session")
def nursery():
    return Nursery()


@pytest.fixture
def new_sim(nursery):
    """Starts simulators of this test's own."""
    mine = []

    def start(**options):
        mine.append(Simulator(nursery).start(**options))
        return mine[-1]

    yield start
    found = [v for simulator in mine for v in judged(simulator)]
    status = [simulator.stop() for simulator in mine]
    assert found == []
    assert not any(status)
