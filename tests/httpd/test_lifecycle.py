"""People hear that the service starts and stops and that a leader has died, by a channel that wants to know; at a
graceful, and where a child is recycled, there is nothing to hear."""
import os
import signal

import pytest

from httpd import wait_for

EVERY = pytest.mark.mpm("event", "worker", "prefork")


def with_channel(new, receiver, mpm, **kw):
    s = new(mpm=mpm, **kw)
    url = s.write("secret/hook", receiver.url + "\n", 0o600)
    s.cfmt = list(s.cfmt) + [f"CfmtNotify webhook name=hook url=file:{url} lifecycle=on",
                             f"CfmtNotify webhook name=quiet url=file:{url} min=high"]
    return s


def settled(s):
    wait_for(lambda: s.query("SELECT count(*) FROM outbox WHERE state <> 'sent'") == [(0,)], 5, "all to be sent")


@EVERY
def test_start_and_stop(receiver, httpd_new, mpm):
    s = with_channel(httpd_new, receiver, mpm).start()
    wait_for(lambda: receiver.kinds() == ["start"], 10, "the start to be told")
    assert "mod_cfmt has started" in receiver.bodies()[0]["text"]
    old = s.generation()
    s.graceful()
    wait_for(lambda: not s.generation() & old, 20, "the old generation to go")
    s.log.wait(r"CFMT0405.*[\s\S]*CFMT0405", 15)
    assert receiver.kinds() == ["start"]
    s.stop()
    stops = [] if mpm == "prefork" else ["stop"]  # there a child does not know why it ends
    assert receiver.kinds() == ["start"] + stops
    s.start()
    wait_for(lambda: receiver.kinds() == ["start"] + stops + ["start"], 10, f"both starts: {receiver.kinds()}")
    settled(s)


@pytest.mark.mpm("event", "worker")
def test_a_restart_is_an_end_and_a_start(receiver, httpd_new, mpm):
    s = with_channel(httpd_new, receiver, mpm).start()
    wait_for(lambda: receiver.kinds() == ["start"], 10, "the start to be told")
    s.log.allow(r"AH00171|AH00299|caught SIGHUP")
    s.signal(signal.SIGHUP)
    wait_for(lambda: receiver.kinds() == ["start", "stop", "start"], 15, f"all three: {receiver.kinds()}")


def test_a_leader_that_dies(receiver, httpd_new):
    s = with_channel(httpd_new, receiver, "event").start()
    s.log.allow(r"exit signal Killed|AH00052")
    wait_for(lambda: receiver.kinds() == ["start"], 10, "the start to be told")
    settled(s)
    with open(s.db + ".leader") as f:
        leader = int(f.read().split()[0])
    os.kill(leader, signal.SIGKILL)
    wait_for(lambda: len(receiver.got) == 3, 15, f"its death to be told by both channels: {receiver.kinds()}")
    assert receiver.kinds()[1:] == ["leader", "leader"]
    assert f"process {leader}, died" in receiver.bodies()[1]["text"]
