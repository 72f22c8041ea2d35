"""Acting in times that are nearer to the real ones, for hours, and each scenario on the other MPMs: CFMT_TIER=long."""
import pytest

import test_acting
import test_acting_modes
from acts import (AUTO, BY_CALM, BY_TRAFFIC, ENFORCE, MAIL, ORPHAN, PAGE, PROPOSED, WEB, alert, check_always,
                  check_ours, flood, ours, patches, proposals, scenario, settle, start, wait)
from httpd import SLOWER
from pair import MICRO, Scene, scenes

SCENARIOS = {"always-on": 75, "changed-elsewhere": 63, "end-before-start": 40, "ipv6": 52, "locked": 54, "no-end": 40,
             "overlapping": 45, "single-attack": 40, "small-packets": 45, "waves": 78}


def the_earliest_withdrawal(pair):
    """DOMAIN: the last attack minute ends, fifteen calm ones, five of lag, and a minute to act in."""
    start(pair)
    scenario(pair, "single-attack")
    wait(lambda: [c for c in ours(pair) if not c[2]], "the withdrawal", 180)
    # it stops at minute 15, and with its minute
    over = 15 + (-(pair.begin + 15 * 60) % 60) / 60
    check_ours(pair, *[(WEB, True, 1.6, 2)] * (len(ours(pair)) - 1), (WEB, False, over + 20 - 0.05, over + 21.2))
    check_always(pair)


def the_page_in_its_second(pair):
    """NOT PROTECTED two minutes after START, in real time."""
    log = pair.server.log
    log.expect(PROPOSED.format("advertise", WEB))
    log.expect(PAGE.format(WEB))
    start(pair)
    flood(pair, 600000)
    sent = alert(pair, "START")
    wait(lambda: log.count("CFMT0966"), "the page", 150)
    paged = pair.server.query("SELECT paged_at FROM standing WHERE prefix = ?", WEB)[0][0] / MICRO
    assert abs(paged - sent - 120) <= 1 * SLOWER, paged - sent
    made = proposals(pair)[0]["made_at"] / MICRO
    assert made - sent < 1 * SLOWER, made - sent
    assert not patches(pair)


def a_scenario(pair, name, until):
    """Whatever it comes to, by the rules that always hold."""
    for line in (BY_TRAFFIC, BY_CALM, PAGE.format(".*"), ORPHAN.format(".*", ".*"), r"CFMT0868", r"CFMT097[23]: "):
        pair.server.log.allow(line)
    start(pair)
    scenario(pair, name)
    test_acting.wait_minute(pair, until)
    if name != "always-on":
        wait(lambda: [c for c in ours(pair) if not c[2]], "a withdrawal")
    settle(pair)
    check_always(pair)
    assert name != "always-on" or MAIL not in [c[1] for c in ours(pair)]


def days_off(pair):
    """The defaults touch nothing, for twenty-five hours."""
    test_acting_modes.the_defaults_touch_nothing(pair, 25)


def other_mpms():
    return [Scene(a_scenario, name, until, takes=40, speed=100, lines=AUTO, mpm=mpm, name=f"{name} {mpm}")
            for name, until in SCENARIOS.items() for mpm in ("worker", "prefork")]


@pytest.mark.long
@scenes(Scene(the_earliest_withdrawal, takes=120, speed=20, lines=AUTO),
        Scene(the_page_in_its_second, takes=130, speed=1, lines=(ENFORCE, "CfmtPrefix * withdraw=auto")),
        Scene(days_off, takes=160, speed=600, lines=(ENFORCE, "CfmtPrefix * withdraw=auto", "CfmtOrphanAfter 15min")),
        *other_mpms())
def test_long(scene):
    scene()
