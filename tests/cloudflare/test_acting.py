"""Each scenario of the simulator, from its first packet to the withdrawal, with all that is in between: which calls
are made, when, none too early and none besides."""
from acts import (AUTO, BY_CALM, BY_TRAFFIC, HALF, MAIL, ORPHAN, PAGE, PROPOSED, V6, WEB, attacks, audit, cause,
                  changes, check_always, check_ours, intents, is_advertised, minutes, ours, proposals, real, scenario,
                  settle, start, wait, wait_minute, wait_ours)
from pair import MICRO, Scene, scenes

# An hour and a half takes that many real seconds.
TAKES = 27


def play(pair, name, until, *allowed, count=1):
    """count: of changes that are waited for."""
    start(pair, *allowed)
    scenario(pair, name)
    wait_minute(pair, until)
    wait_ours(pair, count)
    settle(pair)
    check_always(pair)


def withdrawn(pair, cidr=WEB):
    """By the policy, for calm, and nothing of it is left to do."""
    found = [r for r in intents(pair, cidr) if not r["want"]]
    assert len(found) == 1, found
    row = found[0]
    assert (row["cause"], row["who"], row["attempts"]) == ("calm", "policy", 1), row
    assert row["state"] == "done" and not is_advertised(pair, cidr), row
    assert row["settled_at"] - row["sent_at"] >= 15 * 60 * MICRO
    changed = audit(pair, "change.withdrawn", cidr)
    assert [(r["who"], r["why"], r["ref"]) for r in changed] == [("policy", "policy", f"intent {row['id']}")], changed
    assert cause(pair, cidr) == "policy"
    return row


def single_attack(pair):
    """Cloudflare announces it by itself; whoever would be asked needs not be."""
    pair.server.log.allow(PROPOSED.format("advertise", WEB))
    play(pair, "single-attack", 40)
    check_ours(pair, (WEB, False, 34, 37))
    withdrawn(pair)
    assert {a["state"] for a in attacks(pair)} == {"ended"}
    assert [r["who"] for r in audit(pair, "change.advertised")] == ["auto-advertise"]
    assert {p["state"] for p in proposals(pair)} <= {"withdrawn"}, proposals(pair)


def first_of_all(pair):
    """With advertise=auto the first alert announces it, unless Cloudflare does five seconds later: a moment here."""
    play(pair, "single-attack", 40)
    wait(lambda: not is_advertised(pair), "the withdrawal")
    settle(pair)
    check_always(pair)
    check_ours(pair, *[(WEB, True, 1.6, 1.8)] * (len(ours(pair)) - 1), (WEB, False, 34, 37))
    withdrawn(pair)
    made = [(r["cause"], r["state"]) for r in intents(pair)]
    assert made in ([("attack", "done"), ("calm", "done")], [("calm", "done")]), made


def always_on(pair):
    pair.server.log.expect(ORPHAN.format(MAIL, "first-seen|unknown|external"))
    play(pair, "always-on", 75, count=0)
    check_ours(pair)
    assert is_advertised(pair, MAIL) and [a["state"] for a in attacks(pair)] == ["ended"]
    assert pair.server.log.count("CFMT0968") == 1


def api_outage(pair):
    """Told, not silent; delayed, not reset: as soon as the API can be asked it is withdrawn."""
    log = pair.server.log
    log.expect(r"CFMT0850: job traffic failed")
    log.expect(r"CFMT0850: job prefixes failed")
    play(pair, "api-outage-during-calm", 55, r"CFMT085\d: ", r"CFMT0880: ", r"CFMT0881: ", r"CFMT0920: blind: ",
         r"CFMT08\d\d: .*breaker", r"CFMT08[0-9][0-9]: ")
    check_ours(pair, (WEB, False, 45, 52))
    withdrawn(pair)


def changed_elsewhere(pair):
    """Withdrawn in the dashboard under attack: a page, and announced again at the first second that is allowed."""
    log = pair.server.log
    log.expect(PAGE.format(WEB))
    log.expect(ORPHAN.format(MAIL, "external"))
    log.expect(ORPHAN.format(WEB, "first-seen"))  # as long as nothing happens to it
    play(pair, "changed-elsewhere", 63, count=2)
    check_ours(pair, (WEB, True, 22, 22.5), (WEB, False, 54, 58))
    first, second = intents(pair, WEB)
    assert (first["cause"], first["who"], first["want"], first["attempts"]) == ("attack", "policy", 1, 1), first
    taken = [c[0] for c in changes(pair, "dashboard") if c[1:3] == (WEB, False)]
    assert abs((first["not_before"] / MICRO - pair.begin) / 60 - (taken[0] + 15)) < 0.1
    assert (second["cause"], second["want"]) == ("calm", 0) and not is_advertised(pair, WEB)
    # the announcement of another was left alone, and is told whose it is
    told = [(r["what"], r["who"]) for r in audit(pair, cidr=MAIL)]
    assert ("change.advertised", "external") in told, told


def end_before_start(pair):
    play(pair, "end-before-start", 35, BY_TRAFFIC)
    check_ours(pair, (WEB, False, 31, 34))
    withdrawn(pair)
    assert {a["state"] for a in attacks(pair)} == {"ended"}
    assert len(pair.server.journal("duplicate")) == 1


def ipv6(pair):
    play(pair, "ipv6", 40)
    check_ours(pair, (V6, False, 33, 36))
    withdrawn(pair, V6)
    assert [a["state"] for a in attacks(pair)] == ["ended", "ended"]


def locked(pair):
    """No call against the lock; at once when it is gone, unless Cloudflare was first."""
    pair.server.log.expect(PAGE.format(WEB))
    play(pair, "locked", 54, count=0)
    wait(lambda: not is_advertised(pair), "the withdrawal")
    settle(pair)
    check_always(pair)
    found = ours(pair)
    mine = [(WEB, True, 8, 10)] if found[0][2] else []
    check_ours(pair, *mine, (WEB, False, 50, 52))
    withdrawn(pair)


def no_end(pair):
    pair.server.log.expect(r"cfmt:warn\].*CFMT0868: a notification that Cloudflare sent at \S+Z never arrived")
    play(pair, "no-end", 35)
    check_ours(pair, (WEB, False, 29, 33))
    withdrawn(pair)
    assert [a["state"] for a in attacks(pair)] == ["ended"]


CHECK = """#!/usr/bin/python3 -I
import json, sys, urllib.request
state = json.load(urllib.request.urlopen("{}/state"))
if not state["prefixes"][sys.argv[1]]["own_announcement"]:
    print("we do not announce", sys.argv[1])
    sys.exit(1)
print("announced")
"""


def no_own_announcement(pair):
    path = pair.server.write("check", CHECK.format(pair.sim.control_url), 0o755)
    pair.own.append(f"CfmtWithdrawCheck exec:{path}")
    pair.configure()
    start(pair)
    scenario(pair, "no-own-announcement")
    wait_minute(pair, 36)
    wait(lambda: f"we do not announce {WEB}" in pair.server.ctl("explain", WEB).stdout, "the program's reason", 10)
    wait_ours(pair, 1)
    settle(pair)
    check_always(pair)
    check_ours(pair, (WEB, False, 50, 52))
    withdrawn(pair)


def overlapping(pair):
    play(pair, "overlapping", 45, count=2)
    check_ours(pair, (WEB, False, 39, 42), (HALF, False, 31, 34))
    withdrawn(pair)
    withdrawn(pair, HALF)
    assert [a["state"] for a in attacks(pair)] == ["ended"] * 3


def small_packets(pair):
    play(pair, "small-packets", 45, BY_TRAFFIC, BY_CALM, count=2)
    check_ours(pair, (MAIL, False, 41, 44), (WEB, False, 15, 24))
    withdrawn(pair, MAIL)
    assert {(a["alert_types"], a["ended_by"]) for a in attacks(pair)} == {("[]", "calm")}, attacks(pair)


def waves(pair):
    play(pair, "waves", 78, BY_TRAFFIC)
    check_ours(pair, (WEB, False, 73, 76))
    withdrawn(pair)


def a_day_off(pair):
    """The network's own announcement is nobody's business when nothing is advertised: nothing is asked or done."""
    start(pair)
    wait_minute(pair, 60)
    check_always(pair)
    check_ours(pair)
    assert not intents(pair) and minutes(pair) >= 60 and not real(pair)["on_demand"]["advertised"]
    wait(lambda: pair.ctl("status")["mode"] == "enforce", "the mode", 5)


def scene_of(call, last, *more, **options):
    """last: its minutes."""
    return Scene(call, takes=TAKES, speed=int(last * 60 / TAKES), lines=AUTO + more, **options)


@scenes(Scene(single_attack, takes=TAKES, speed=118, lines=AUTO[:1] + ("CfmtPrefix * withdraw=auto",)),
        scene_of(first_of_all, 53), scene_of(always_on, 75), scene_of(api_outage, 70),
        scene_of(changed_elsewhere, 75, "CfmtOrphanAfter 30min"), scene_of(end_before_start, 45), scene_of(ipv6, 52),
        scene_of(locked, 70), scene_of(no_end, 45), scene_of(no_own_announcement, 62), scene_of(overlapping, 55),
        scene_of(small_packets, 60), scene_of(waves, 86), scene_of(a_day_off, 60))
def test_acting(scene):
    scene()
