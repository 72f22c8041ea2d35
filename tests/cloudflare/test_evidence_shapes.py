"""Attacks of every shape become the minutes that they are: short waves, small packets and large ones, prefixes of
every length, log mode, IPv6, whatever zone the host lives in. The old system's mistakes with traffic have scenes."""
import json
import os
import signal

from httpd import wait_for
from pair import MICRO, Scene, scenes
from truth import (HALF, HOUR, LIKE, MAIL, MINUTE, V6, WEB, advertise, asked, attack, compare, seconds_of, shown,
                   stamp, verdict, wait_known, wait_time)

COVER, LONGER, WIDER, WIDEST = "198.19.9.0/24", "198.19.9.128/25", "198.18.16.0/20", "10.64.0.0/16"
LIKE_MADE = {LONGER: "198.19.9.%", WIDER: "198.18.%", WIDEST: "10.64.%"}


def minutes_of(counts, word):
    return counts.get(word, 0)


def short_waves(pair):
    """Two minutes on, two off, again and again: shorter than analytics are late. Each minute is what it was."""
    pair.start()
    since = advertise(pair, WEB)
    begin = pair.now() + MINUTE
    for wave in range(6):
        wait_time(pair, begin + wave * 4 * MINUTE)
        attack(pair, "wave", 300e3, "198.51.100.7", rise=1)
        calm = [m for m, v in shown(pair, WEB).items() if v == "calm" and m >= pair.now() - 3 * MINUTE]
        assert not calm, "known before it can be"
        wait_time(pair, begin + (wave * 4 + 2) * MINUTE)
        attack(pair, "wave", 0)
    end = int(begin + 26 * MINUTE) // MINUTE * MINUTE
    wait_known(pair, end, WEB)
    counts = compare(pair, WEB, since, end)
    assert counts["attack"] >= 12 and minutes_of(counts, "calm") + minutes_of(counts, "between") >= 4, counts


def thresholds_joined_by_and_hid_small_packet_floods(pair):
    """Many small packets with few bits are an attack, and so are few packets with many bits; either is enough."""
    pair.start()
    since = advertise(pair, WEB, MAIL)
    attack(pair, "small", 20e3, "198.51.100.7", vector="SYN Flood", length=40, floor=0)
    attack(pair, "large", 1000, "192.0.2.7", length=9000, floor=0)
    wait_time(pair, since + 8 * MINUTE)
    attack(pair, "small", 0)
    attack(pair, "large", 0)
    end = since + 14 * MINUTE
    wait_known(pair, end, WEB, MAIL)
    for cidr, small in ((WEB, True), (MAIL, False)):
        assert compare(pair, cidr, since, end)["attack"] >= 5, cidr
        full = asked(pair, LIKE[cidr], since + 2 * MINUTE, since + 6 * MINUTE).values()
        assert all((m.packets / MINUTE >= 2000) == small and (m.bits / MINUTE >= 20e6) != small for m in full), full


def ipv6_attacks_were_missing(pair):
    """One on a single address of the /32, and one that hits all of it: the sum of its /48s is the verdict."""
    pair.start()
    since = advertise(pair, V6)
    attack(pair, "one", 200e3, "2001:db8:0:7::80")
    wait_time(pair, since + 5 * MINUTE)
    attack(pair, "one", 0)
    wait_time(pair, since + 8 * MINUTE)
    attack(pair, "carpet", 30e3, "2001:db8::/32", floor=0)
    wait_time(pair, since + 12 * MINUTE)
    attack(pair, "carpet", 0)
    end = since + 16 * MINUTE
    wait_known(pair, end, V6)
    counts = compare(pair, V6, since, end)
    assert counts["attack"] >= 6 and counts["calm"] >= 3, counts
    assert pair.server.log.count("CFMT0881") == 0  # a verdict, and nothing was cut


def every_length(pair):
    """A /25 is judged on the /24 that covers it, a /20 and a /16 by the sum of their subnets, none of which is over
    the threshold; a carpet over the whole /16 gives a verdict."""
    for cidr in (COVER, LONGER, WIDER, WIDEST):
        pair.sim.control("POST", "/prefixes", {"cidr": cidr})
    pair.start()
    wait_for(lambda: pair.server.query("SELECT count(*) FROM prefix")[0][0] == 9, 20, "the prefixes")
    since = advertise(pair, COVER, LONGER, WIDER, WIDEST)
    attack(pair, "outside", 30e3, "198.19.9.5", floor=0)      # in the /24, not in the /25
    attack(pair, "left", 1200, "198.18.17.5", floor=0)
    attack(pair, "right", 1200, "198.18.30.9", floor=0)
    attack(pair, "carpet", 5e3, WIDEST, floor=0)              # 20 pps on each of its /24s
    wait_time(pair, since + 6 * MINUTE)
    for name in ("outside", "left", "right", "carpet"):
        attack(pair, name, 0)
    end = since + 12 * MINUTE
    wait_known(pair, end, LONGER, WIDER, WIDEST)
    for cidr in (LONGER, WIDER, WIDEST):
        assert compare(pair, cidr, since, end, like=LIKE_MADE[cidr])["attack"] >= 3, cidr
    parts = [asked(pair, like, since + MINUTE, since + 5 * MINUTE) for like in ("198.18.17.%", "198.18.30.%")]
    assert not [m for part in parts for m in part.values() if verdict(m) == "attack"]


def log_mode(pair):
    """Nothing is dropped, all of it passes: an attack where passed-pps= says so, and calm to whom it does not."""
    pair.start()
    since = advertise(pair, WEB, MAIL)
    for name, target in (("web", "198.51.100.7"), ("mail", "192.0.2.7")):
        attack(pair, name, 200e3, target, dropped=0)
    wait_time(pair, since + 6 * MINUTE)
    attack(pair, "web", 0)
    attack(pair, "mail", 0)
    end = since + 12 * MINUTE
    wait_known(pair, end, WEB, MAIL)
    assert compare(pair, WEB, since, end, passed_pps=50e3)["attack"] >= 4
    assert compare(pair, MAIL, since, end) == {"calm": 12}
    peak = max(s["pps"] for s in pair.ctl("evidence", WEB, "--since", "2h")["minutes"] if s["verdict"] == "attack")
    assert 150e3 < peak < 300e3, peak  # what passed counts in the figures, too


def local_time_stamped_as_utc(pair):
    """A host in a zone of odd minutes, an hour off that nearly all year: every time is UTC all the same."""
    env = dict(pair.server.env(), TZ="AAA-5:45BBB-6:45,J1/0,J365/23")
    pair.server.env = lambda: env
    pair.start()
    since = advertise(pair, HALF)
    attack(pair, "flood", 200e3, "203.0.113.7")
    wait_time(pair, since + 3 * MINUTE)
    attack(pair, "flood", 0)
    end = since + 8 * MINUTE
    wait_known(pair, end, HALF)
    assert compare(pair, HALF, since, end)["attack"] >= 2
    spans = pair.ctl("evidence", HALF, "--since", "1h")["minutes"]
    assert all(s[k].endswith("Z") for s in spans for k in ("from", "to")), spans
    assert abs(seconds_of(spans[-1]["to"]) - pair.now()) < HOUR / 2, (spans[-1], stamp(pair.now()))
    for row in pair.server.journal("evidence"):
        assert since - MINUTE <= json.loads(row[3])["from"] <= pair.now(), row


def peak_forgotten_so_the_notice_said_0_packets(pair):
    """What an attack was at its highest outlives it, the leader and httpd; it is the highest of its minutes."""
    def peak():
        rows = pair.server.query("SELECT peak_pps, peak_pps_at, peak_pps_by, peak_bps FROM attack")
        return rows[0] if rows else (0, 0, None, 0)

    pair.start()
    since = advertise(pair, WEB)
    for rate in (100e3, 400e3, 150e3):
        attack(pair, "flood", rate, "198.51.100.7")
        wait_time(pair, pair.now() + 4 * MINUTE)
    attack(pair, "flood", 0)
    end = int(pair.now() + 2 * MINUTE) // MINUTE * MINUTE
    wait_known(pair, end, WEB)
    truth = asked(pair, LIKE[WEB], since, end)
    highest = max(m.packets for m in truth.values()) / MINUTE
    wait_for(lambda: abs(peak()[0] - highest) < 1, 30, f"the peak of {highest}, not {peak()}")
    kept = peak()
    assert kept[2] == "dosd" and truth[kept[1] // MICRO].packets / MINUTE == highest, kept
    assert abs(kept[3] - max(m.bits for m in truth.values()) / MINUTE) < 1, kept
    pair.server.log.allow("exit signal Killed")
    os.kill(pair.server.leaders()[0], signal.SIGKILL)
    wait_time(pair, pair.now() + 3 * MINUTE)
    pair.reload()
    wait_time(pair, pair.now() + 3 * MINUTE)
    assert peak() == kept
    assert pair.server.query("SELECT count(*) FROM attack") == [(1,)]


@scenes(Scene(short_waves, takes=22, speed=120),
        Scene(thresholds_joined_by_and_hid_small_packet_floods, takes=16, speed=120),
        Scene(ipv6_attacks_were_missing, takes=18, speed=120), Scene(every_length, takes=16, speed=120),
        Scene(log_mode, takes=16, speed=120, lines=(f"CfmtPrefix {WEB} passed-pps=50000", f"CfmtPrefix {MAIL}")),
        Scene(local_time_stamped_as_utc, takes=14, speed=120),
        Scene(peak_forgotten_so_the_notice_said_0_packets, takes=24, speed=120))
def test_shapes(scene):
    scene()
