"""What keeps minutes unknown is told: cut answers, late ones, none. Each health reason on by its fault, and off."""
import time

from httpd import wait_for
from pair import Scene, scenes
from truth import (LIKE, MINUTE, NOTHING, V6, WEB, advertise, asked, attack, compare, known_until, reasons, shown,
                   wait_known, wait_reasons, wait_time)


def pages(pair, rows):
    """Of that many rows from now on; the job `limits` learns it."""
    pair.sim.control("POST", "/limits", {"page": rows})
    pair.run("limits")


def starved(pair):
    """A page of one row: what is cut is told once, proves an attack at most, and blinds when it lasts."""
    log = pair.server.log
    log.expect(r"cfmt:warn\].*CFMT0881: analytics cut their answers at 1 rows, also in 8 pieces")
    log.expect(r"cfmt:error\].*CFMT0920: blind: nothing is known of the traffic to 198.51.100.0/24 for 25m")
    pair.start()
    pages(pair, 1)
    since = advertise(pair, WEB)
    assert "198.51.100.0/24" in wait_reasons(pair, {"truncated"})["truncated"]
    wait_time(pair, since + 12 * MINUTE)
    attack(pair, "flood", 200e3, "198.51.100.9")
    wait_time(pair, since + 18 * MINUTE)
    attack(pair, "flood", 0)
    wait_time(pair, since + 30 * MINUTE)
    seen = shown(pair, WEB)
    assert "198.51.100.0/24" in wait_reasons(pair, {"truncated", "blind"}, 60)["blind"]
    assert log.count("CFMT0881") == 1 and log.count("CFMT0920") == 1
    pages(pair, None)
    wait_reasons(pair, ())
    log.wait(r"cfmt:notice\].*CFMT0921: no longer blind: the traffic to 198.51.100.0/24")
    truth = asked(pair, LIKE[WEB], since, since + 30 * MINUTE)
    calm = [at for at in range(since, since + 30 * MINUTE, MINUTE) if seen.get(at) == "calm"]
    assert not [at for at in calm if truth.get(at, NOTHING).rows], "calm, of minutes that had rows"
    assert [at for at, v in seen.items() if v == "attack"], "the first row of a cut answer is an attack here"
    end = since + 45 * MINUTE
    wait_known(pair, end, WEB)
    wait_for(lambda: "unknown" not in [shown(pair, WEB).get(m, "unknown") for m in range(since, end, MINUTE)], 40,
             "the missed minutes to be caught up")
    assert compare(pair, WEB, since, end)["attack"] >= 4


def late(pair):
    """Analytics that are a quarter of an hour late delay everything, and that is said; nothing is lost by it, and an
    attack that they do not show yet is not calm."""
    pair.start()
    since = advertise(pair, WEB)
    wait_known(pair, since + 5 * MINUTE, WEB)
    assert reasons(pair) == {}
    pair.sim.control("POST", "/analytics", {"late": 15 * MINUTE})
    text = wait_reasons(pair, {"lagging"})["lagging"]
    assert "newest row was 1" in text, text
    begin = pair.now()
    for rate, until in ((200e3, 8), (0, 40)):
        attack(pair, "flood", rate, "198.51.100.9")
        wait_time(pair, begin + until * MINUTE)
    assert set(reasons(pair)) == {"lagging"}
    assert pair.now() - known_until(pair, WEB) < 24 * MINUTE  # late, and no later
    pair.sim.control("POST", "/analytics", {"late": 0})
    wait_reasons(pair, ())
    assert compare(pair, WEB, since, known_until(pair, WEB))["attack"] >= 6


def coming_and_going(pair):
    """An announcement takes minutes to bring traffic, and a withdrawal leaves what analytics said last to grow old:
    neither is a fault."""
    pair.start()
    for _ in range(2):
        pair.sim.prefix(WEB, advertised=True)
        wait_for(lambda: pair.health()["prefixes"]["advertised"] == 1, 20, "the announcement")
        watch(pair, 25)
        pair.sim.prefix(WEB, advertised=False)
        wait_for(lambda: pair.health()["prefixes"]["advertised"] == 0, 20, "the withdrawal")
        watch(pair, 40)


def watch(pair, minutes):
    """So long all is well."""
    end = pair.now() + minutes * MINUTE
    while pair.now() < end:
        assert reasons(pair) == {}
        time.sleep(0.1)


def no_traffic(pair):
    """Without a row of the account nothing is proven: unknown, told once; where idle=calm says so, calm."""
    log = pair.server.log
    log.expect(r"cfmt:warn\].*CFMT0880: the account shows no traffic at all")
    log.expect(r"cfmt:error\].*CFMT0920: blind: nothing is known of the traffic to 2001:db8::/32 for 15m")
    pair.start()
    pair.sim.fault("graphql", "empty")
    since = advertise(pair, WEB, V6)
    wait_for(lambda: "no traffic at all" in reasons(pair).get("blind", ""), 40, "blindness for want of traffic")
    text = wait_reasons(pair, {"blind"})["blind"]
    assert V6 in text and WEB not in text, text
    wait_time(pair, since + 40 * MINUTE)
    assert log.count("CFMT0880") == 1 and log.count("CFMT0920") == 1
    assert set(shown(pair, V6).values()) == {"unknown"}
    wait_known(pair, since + 20 * MINUTE, WEB)
    minutes = shown(pair, WEB)
    assert {minutes[m] for m in range(since, since + 20 * MINUTE, MINUTE)} == {"calm"}
    pair.sim.clear()
    wait_reasons(pair, ())
    log.wait(r"cfmt:notice\].*CFMT0921: no longer blind: the traffic to 2001:db8::/32")
    compare(pair, V6, since, known_until(pair, V6), gaps=True)


def unanswered(pair):
    """Whatever the fault is, and also while nothing is asked: an open breaker blinds like an error."""
    log = pair.server.log
    log.allow(r"CFMT0850: job (traffic|detail|tunnels|limits) failed")
    log.expect(r"cfmt:error\].*CFMT0920: blind: nothing is known of the traffic to 198.51.100.0/24")
    pair.start()
    wait_known(pair, advertise(pair, WEB) + 2 * MINUTE, WEB)
    pair.sim.fault("graphql", "5xx")
    wait_for(lambda: "blind" in reasons(pair), 30, "blindness")
    assert set(reasons(pair)) <= {"blind", "api"}
    began = pair.now()
    wait_time(pair, began + 30 * MINUTE)
    assert log.count("CFMT0920") == 1
    log.allow(r"CFMT0920: blind: ")
    wait_time(pair, began + 65 * MINUTE)
    assert log.count("CFMT0920") == 2, "the reminder of the hour"
    pair.sim.clear()
    wait_reasons(pair, ())
    assert log.count("CFMT0921") == 1


@scenes(Scene(starved, takes=30, speed=120, lines=("CfmtBlindAfter 25min",)),
        Scene(late, takes=40, speed=120, lines=("CfmtBlindAfter 60min",)),
        Scene(coming_and_going, takes=38, speed=240),
        Scene(no_traffic, takes=30, speed=120, lines=(f"CfmtPrefix {WEB} idle=calm", f"CfmtPrefix {V6}")),
        Scene(unanswered, takes=28, speed=240))
def test_reasons(scene):
    scene()
