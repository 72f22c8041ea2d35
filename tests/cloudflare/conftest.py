"""Fixtures of tests/httpd, and the stage on which pairs of an httpd and the simulated Cloudflare play their scenes."""
import concurrent.futures
import importlib.util
import itertools
import os
import sys
import traceback

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "httpd"), os.path.join(TESTS, "sim")]

_spec = importlib.util.spec_from_file_location("httpd_conftest", os.path.join(TESTS, "httpd", "conftest.py"))
_httpd = importlib.util.module_from_spec(_spec)
sys.modules["httpd_conftest"] = _httpd
_spec.loader.exec_module(_httpd)
from httpd_conftest import (  # noqa: E402,F401 pylint: disable=wrong-import-position,unused-import
    farm, oracle, pytest_collection_modifyitems, pytest_configure)
import httpd  # noqa: E402 pylint: disable=wrong-import-position
from pair import Pair  # noqa: E402 pylint: disable=wrong-import-position


WORKERS = 16  # scenes at a time: most of their time is waiting
numbers = itertools.count(1)


def keep(log):
    """The log of a scene that failed, in the build directory; where it is, and how it ends."""
    os.makedirs(os.path.join(httpd.BUILDDIR, "failed"), exist_ok=True)
    path = os.path.join(httpd.BUILDDIR, "failed", f"{os.getpid()}.{next(numbers)}.log")
    with open(path, "w", encoding="utf-8") as f:
        f.write(log)
    return f"{path}:\n{log[-3000:]}"


class Stage:
    """Plays the scenes of the selected tests side by side, the longest first; each test waits for its own."""

    def __init__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(WORKERS)
        self.futures, self.pairs = {}, []

    def play(self, items):
        scenes = [(i.nodeid, i.callspec.params["scene"]) for i in items if "scene" in i.callspec.params]
        for nodeid, scene in sorted(scenes, key=lambda s: -s[1].takes):
            self.futures[nodeid] = self.pool.submit(self.one, scene)

    def one(self, scene):
        made = Pair(httpd.Httpd, **scene.options)
        self.pairs.append(made)
        wrong = []
        try:
            scene.call(made, *scene.args)
        except Exception:  # with the log, which is gone with its server
            wrong.append(f"{traceback.format_exc(limit=-5)}\n{keep(made.server.log.text())}")
        try:
            wrong += made.end() + ([] if wrong else made.server.verdict())
        finally:
            made.server.cleanup()
        return wrong

    def end(self):
        for future in self.futures.values():
            future.cancel()
        for made in self.pairs:  # of an interrupted run: ends what a scene waits for
            made.server.cleanup()
            made.sim.stop()
        self.pool.shutdown()


stage = Stage()


def pytest_collection_finish(session):
    if not session.config.option.collectonly:
        stage.play([i for i in session.items if hasattr(i, "callspec")])


def pytest_sessionfinish(session):
    stage.end()


@pytest.fixture
def scene(request):
    """Waits for the scene and judges it."""
    def judge():
        wrong = stage.futures[request.node.nodeid].result()
        assert not wrong, "\n".join(wrong)

    return judge
