"""Simulators that a nursery forked are like those that begin by themselves, and nothing of theirs outlives the test."""
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from cfsim.launch import Simulator

HERE = os.path.dirname(os.path.abspath(__file__))


def gone(*pids, limit=10):
    until = time.monotonic() + limit
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < until, pids
        time.sleep(0.05)


def test_each_is_of_its_own(nursery):
    one, other = (Simulator(nursery).start(speed=speed) for speed in (1, 60))
    one.prefix("192.0.2.0/24", locked=True)
    locked = [s.state()["prefixes"]["192.0.2.0/24"]["on_demand"]["on_demand_locked"] for s in (one, other)]
    assert locked == [True, False] and (one.speed, other.speed) == (1, 60)
    assert one.stop() == 0
    gone(one.pid)
    assert other.state() and other.stop() == 0


def test_it_judges(nursery, document):
    sim = Simulator(nursery).start()
    assert sim.validated
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(sim.rest + "/ips?unknown=1", timeout=10)
    assert [v["side"] for v in sim.violations()] == ["request"]
    assert sim.stop() == 0


def test_a_bad_end_is_told(nursery, capfd):
    sim = Simulator(nursery).start()
    os.kill(sim.pid, signal.SIGKILL)
    assert sim.stop() == -signal.SIGKILL
    with pytest.raises(RuntimeError, match="did not start"):
        Simulator(nursery).start(scenario="nowhere")
    assert "no scenario 'nowhere'" in capfd.readouterr().err


def test_nothing_outlives_the_client():
    code = ("import os; from cfsim.launch import Nursery, Simulator; n = Nursery();"
            "s = [Simulator(n).start() for _ in '12'];"
            "print(n.process.pid, *(x.pid for x in s), s[0].ca, flush=True); os._exit(0)")
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=HERE), stdout=subprocess.PIPE,
                          timeout=30, check=True, text=True)
    *pids, ca = done.stdout.split()
    gone(*pids)
    assert len(pids) == 3 and not os.path.exists(os.path.dirname(ca))
