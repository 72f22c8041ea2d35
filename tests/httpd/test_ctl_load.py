"""cfmtctl beside an Apache that takes hundreds of deliveries a second: both answer, and neither waits for the other."""
import concurrent.futures
import json
import time

import pytest

from client import Load, attack, post, token
from ctlcases import CASES, FILES, REPORTS, words
from httpd import SLOWER

CALL_MAX = 2.0 * SLOWER  # seconds, on a machine that is busy
PAUSE = 0.01  # of each sender between two
PREFIX = "203.0.113.0/24"

# What has another answer where somebody leads, no API is configured, and the store is its own: operands, exit status.
LIVE = {"status": ("", 0), "explain": (PREFIX, 0), "advertise": ("web --yes", 1), "withdraw": ("web --yes", 1),
        "hold": ("web --reason load", 0), "release": ("web", 0), "adopt": ("web", 1), "approve": ("1", 1),
        "deny": ("1", 1), "cancel": ("2", 1), "window add": ("web now +2h", 0), "window remove": ("1", 0),
        "audit verify": ("", 0), "ack": ("", 0), "outbox list": ("", 0), "outbox show": ("1", 1),
        "outbox retry": ("1", 1), "outbox drop": ("1", 1), "notify test": ("", 1), "replay": ("", 0),
        "doctor": ("--offline", 0), "db prune": ("", 0)}


def live(server, name):
    if name in ("attack", "attack close"):
        return words(name, server.known), 0
    if name in ("deliveries show", "deliveries redeliver"):
        return words(name, str(server.known_row)), 0
    line, code = LIVE.get(name, CASES[name].lines[0])
    return words(name, line), code


def call(server, name):
    """(what went wrong, seconds) of one call."""
    args, code = live(server, name)
    begin = time.monotonic()
    done = server.ctl(*args, "--json")
    took = time.monotonic() - begin
    wrong = done.returncode not in ((0, 1) if name in REPORTS else (code,)) or \
        (done.stdout and json.loads(done.stdout)["version"] != 1)
    return (f"{args}: {done}" if wrong else None), took


@pytest.fixture(scope="module")
def busy(farm):
    s = farm.new()
    s.cfmt.append(f"CfmtPrefix {PREFIX} name=web")
    s.start()
    s.known = token()
    s.known_row = post(s, attack("START", s.known)).stored()
    s.wait_projected()
    assert s.ctl("window", "add", "web", "now", "+2h").returncode == 0  # others are added beside its removal
    yield s
    farm.end(s)


def paced(tok):
    time.sleep(PAUSE)
    return attack(attack_id=tok)


def test_every_command_under_load(busy):
    """Each command twice, four at a time, while four threads deliver; every delivery is stored, the audit sound."""
    names = [n for n in CASES if CASES[n].store and n not in FILES]
    with Load(busy, make=paced) as load, concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: call(busy, n), names + names[::-1]))
        sent = load.count()
    wrong = [w for w, _ in results if w]
    assert not wrong, wrong[:5]
    slow = [(n, t) for n, (_, t) in zip(names + names[::-1], results) if t > CALL_MAX and not CASES[n].whole]
    assert not slow, slow
    assert sent > 100
    load.audit()
    busy.wait_projected()
    assert busy.ctl("audit", "verify").returncode == 0 and busy.ctl("db", "check", "--full").returncode == 0
