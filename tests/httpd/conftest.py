"""Fixtures: servers that always end, and the oracle that reads their error logs after each test."""
import os
import signal

import pytest

import httpd
from receiver import Receiver

TIER = os.environ.get("CFMT_TIER") or "check"
SHARED = os.path.join(httpd.SRCDIR, "..", "shared", "cloudflare")


def ended(signum, frame):
    raise KeyboardInterrupt(f"signal {signum}")  # so that the fixtures end their servers


def pytest_configure(config):
    signal.signal(signal.SIGTERM, ended)
    if not os.path.exists(httpd.MODULE):
        pytest.exit(f"{httpd.MODULE} is not built", returncode=3)


def pytest_generate_tests(metafunc):
    if "mpm" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("mpm")
        names = marker.args if marker else ("event",)
        metafunc.parametrize("mpm", names, scope="module")


def pytest_collection_modifyitems(config, items):
    """Picks the tier; tests of one module stay together by MPM so that they share a server."""
    def wanted(item):
        if httpd.ASAN and not item.get_closest_marker("asan"):
            return False
        if TIER == "smoke":
            return item.get_closest_marker("smoke") is not None
        return TIER == "long" or item.get_closest_marker("long") is None

    dropped = [i for i in items if not wanted(i)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [i for i in items if wanted(i)]


class Farm:
    """Every server of the run; nothing outlives it."""

    def __init__(self):
        self.servers = []

    def new(self, *args, **kw):
        server = httpd.Httpd(*args, **kw)
        self.servers.append(server)
        return server

    def end(self, server, check=True):
        self.servers.remove(server)
        took = None
        try:
            if check:
                took = server.stop()
            wrong = server.verdict() if check else []
        finally:
            server.cleanup()
        assert not wrong, "\n".join(wrong)
        return took


@pytest.fixture(scope="session")
def farm():
    f = Farm()
    yield f
    for server in list(f.servers):
        server.cleanup()


@pytest.fixture(autouse=True)
def oracle(farm):
    """After each test: no unannounced warning, no report of a sanitizer, no secret anywhere."""
    yield
    wrong = [w for s in farm.servers for w in s.verdict()]
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def httpd_new(farm, oracle):
    """Makes servers of this test; ended, with their logs judged, when it is over."""
    mine = []

    def new(*args, **kw):
        server = farm.new(*args, **kw)
        mine.append(server)
        return server

    yield new
    wrong = []
    for server in mine:
        try:
            farm.end(server)
        except AssertionError as e:
            wrong.append(str(e))
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def shared_server(farm, mpm):
    """One plain server for the tests of a module and an MPM."""
    modules = ["reqtimeout", "headers"] + (["http2"] if mpm != "prefork" else [])
    extra = "RequestReadTimeout header=5 body=2" + \
            ("\nProtocols h2c http/1.1" if "http2" in modules else "")
    server = farm.new(mpm=mpm, modules=modules, extra=extra)
    try:
        yield server.start()
        farm.end(server)
    finally:
        if server in farm.servers:
            farm.end(server, check=False)


@pytest.fixture
def server(shared_server, oracle):
    return shared_server


@pytest.fixture(scope="module")
def stopped(farm):
    """A server that has run and has stopped: its store is there, and nobody leads."""
    s = farm.new().start()
    s.stop()
    yield s
    farm.end(s)


@pytest.fixture(scope="session")
def places(farm):
    """Stores without a server, for cfmtctl."""
    from ctlrows import Places  # not at the top: it needs a module of tests, whose asserts pytest must see first
    with Places(farm) as p:
        yield p


@pytest.fixture
def receiver():
    """Named before httpd_new it hears of the stop, too."""
    with Receiver() as r:
        yield r


@pytest.fixture(scope="session")
def shared_bodies():
    if not os.path.isdir(os.path.join(SHARED, "webhooks")):
        pytest.skip("the documented bodies (../shared/cloudflare/webhooks) are not here")
    return os.path.join(SHARED, "webhooks")
