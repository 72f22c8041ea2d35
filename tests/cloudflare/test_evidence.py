"""Traffic as evidence: what the store says of each minute is what analytics say of it in the end, whatever happened
on the way; unknown where nobody could look, and never calm where there was an attack."""
import os
import signal

from httpd import wait_for
from pair import Scene, scenes
from truth import (BY_TRAFFIC, HALF, MINUTE, V6, WEB, advertise, advertised_at, compare, known_until, shown, wait_known,
                   wait_time)


def play(pair, until, do=None):
    """The scenario single-attack, and after each of its minutes in do what stands there."""
    pair.server.log.allow(BY_TRAFFIC)
    pair.server.log.allow(r"CFMT0868")  # its webhooks go nowhere: they are taken from the history
    pair.start()
    begin = pair.now()
    pair.sim.control("POST", "scenario", {"name": "single-attack"})
    for minute, act in sorted((do or {}).items()):
        wait_time(pair, begin + minute * MINUTE)
        act(pair)
    wait_for(lambda: advertised_at(pair, WEB), 30, "the prefix to be advertised")
    end = int(begin + until * MINUTE) // MINUTE * MINUTE
    wait_known(pair, end, WEB)
    return advertised_at(pair, WEB), end


def single_attack(pair):
    """Each minute since the announcement, the attack's and the calm ones behind it."""
    since, end = play(pair, 24)
    counts = compare(pair, WEB, since, end)
    assert counts["attack"] >= 8 and counts["calm"] >= 5, counts
    # nothing is said of the time before, although nothing was dropped then
    before = [v for m, v in shown(pair, WEB).items() if m < since]
    assert set(before) <= {"unknown"}
    peak = max(s["pps"] for s in pair.ctl("evidence", WEB, "--since", "12h")["minutes"] if s["verdict"] == "attack")
    assert 500000 < peak < 1500000, peak
    strip = pair.server.ctl("evidence", WEB, "--since", "1h").stdout
    assert "#" in strip and "." in strip and "? unknown" in strip


def small_pages(pair):
    """Where a page holds a few minutes only, time is halved until all of it is read, and nobody need be told."""
    pair.sim.control("POST", "/limits", {"page": 9})
    since, end = play(pair, 24)
    assert pair.job("limits")["result"].startswith("9 rows"), pair.job("limits")
    pair.sim.control("POST", "/limits", {"page": None})
    counts = compare(pair, WEB, since, end)
    assert counts["attack"] >= 8 and counts["calm"] >= 5, counts
    assert pair.server.log.count("CFMT0881") == 0


def blind_for_a_while(pair):
    """Analytics fail in the middle of it, each in another way: what was missed is read later, nothing reads as calm
    meanwhile, and nothing is counted twice by another leader or after a restart."""
    pair.server.log.allow(r"CFMT0850: job (traffic|detail|tunnels|limits)")
    pair.server.log.allow(r"CFMT0920: blind: ")

    def fail(kind, **how):
        return lambda p: (p.sim.clear(), p.sim.fault("graphql", kind, **how))

    def kill(p):
        os.kill(p.server.leaders()[0], signal.SIGKILL)
        p.server.log.allow(r"exit signal Killed")

    since, end = play(pair, 26, {
        6: fail("errors", message="unable to execute query, please try again later"), 8: fail("empty"),
        10: fail("partial"), 12: lambda p: p.sim.clear(), 13: kill, 15: fail("truncated"), 17: lambda p: p.sim.clear(),
        18: lambda p: p.reload()})
    wait_for(lambda: "unknown" not in [shown(pair, WEB).get(m, "unknown") for m in range(since, end, MINUTE)], 40,
             "the missed minutes to be caught up")
    counts = compare(pair, WEB, since, end)
    assert counts["attack"] >= 8 and counts["calm"] >= 5, counts


def an_error_of_the_api_is_not_calm(pair):
    """The system before this one withdrew during outages: 200 with errors, without rows, with half of them, and
    refusals said 'nothing dropped' to it. Here not one minute becomes known by them."""
    log = pair.server.log
    log.allow(r"CFMT0850: job \S+ failed")
    log.allow(r"CFMT0852: job ")
    log.allow(r"CFMT0880: the account shows no traffic at all")
    log.allow(r"CFMT0920: blind: ")
    pair.start()
    advertise(pair, WEB)
    for kind in ("errors", "empty", "partial", "no-accounts", "garbage", "html", "5xx", "403"):
        before = known_until(pair, WEB)
        pair.sim.clear()
        pair.sim.fault("graphql", kind)
        begin = pair.now()  # an answer under way was honest
        wait_for(lambda: int(pair.job("traffic")["last_at"] or 0) > (begin + 2 * MINUTE) * 1e6, 30, "a run")
        wait_time(pair, begin + 8 * MINUTE)
        late = [m for m, v in shown(pair, WEB).items() if v != "unknown" and m >= max(before, begin - 4 * MINUTE)]
        assert not late, (kind, late)
    pair.sim.clear()


def nothing_is_advertised(pair):
    """Then nothing is asked, and nothing is known."""
    pair.start()
    pair.run("traffic")
    assert pair.job("traffic")["result"] == "nothing is advertised"
    assert pair.server.query("SELECT count(*) FROM evidence") == [(0,)]
    assert pair.server.query("SELECT count(*) FROM journal WHERE kind = 'evidence'") == [(0,)]
    assert set(shown(pair, WEB).values()) == {"unknown"}


def wide_and_nested(pair):
    """A v6 /32 is a sum without its subnets; noise of single samples is calm."""
    pair.start()
    since = advertise(pair, V6, HALF)
    wait_known(pair, since + 10 * MINUTE, V6, HALF)
    for cidr in (V6, HALF):
        counts = compare(pair, cidr, since, since + 10 * MINUTE)
        assert counts == {"calm": 10}, (cidr, counts)


@scenes(Scene(single_attack, takes=18, speed=120), Scene(blind_for_a_while, takes=20, speed=120),
        Scene(small_pages, takes=32, speed=60), Scene(an_error_of_the_api_is_not_calm, takes=40, speed=120),
        Scene(nothing_is_advertised, takes=4), Scene(wide_and_nested, takes=14, speed=120))
def test_evidence(scene):
    scene()
