"""The traffic of the simulator: a function of world and time, sampled, late, and empty when nothing is announced."""
import ipaddress

import pytest

from cfsim import traffic
from cfsim.clock import Clock
from cfsim.world import World

START = 1800000000
HOUR = 3600


@pytest.fixture(name="world")
def make_world():
    """198.51.100.0/24 and 2001:db8::/32 are announced since an hour."""
    world = World(Clock(speed=0, start=START - HOUR))
    for cidr in ("198.51.100.0/24", "2001:db8::/32"):
        world.set_advertised(cidr, True, by="dashboard", delay=0)
    world.clock.advance(HOUR)
    return world


def attack(world, pps, target="198.51.100.7", **how):
    made = traffic.Attack("a", target, how.pop("vector", "UDP Flood"), rise=0, **how)
    made.set_rate(START, pps)
    world.attacks.append(made)
    return made


def seen(world, begin, end, now=None, wanted=(), **match):
    """Sampled packets, those whose dimensions match."""
    records = traffic.packets(world, now or end + traffic.LAG, begin, end, wanted)
    return sum(number for stream, _, _, number in records
               if all(stream.dims.get(key) == value for key, value in match.items()))


def test_nothing_is_seen_when_nothing_is_announced():
    world = World(Clock(speed=0, start=START))
    attack(world, 1e6)
    assert seen(world, START, START + HOUR) == 0


def test_analytics_can_be_later_than_always(world):
    attack(world, 300e3)
    now = START + 1200
    whole = seen(world, START, START + 900, now)
    world.late = 600.0
    assert seen(world, START, START + 900, now) == seen(world, START, now - 600, now) < whole
    assert seen(world, START, START + 900, now + 600) == whole


def test_the_same_question_has_the_same_answer(world):
    attack(world, 300e3)
    wanted = ("ipSourceAddress",)
    first = list(traffic.packets(world, START + 900, START, START + 300, wanted))
    list(traffic.packets(world, START + 950, START + 60, START + 120))
    again = list(traffic.packets(world, START + 900, START, START + 300, wanted))
    assert len(first) > 1000 and first == again


@pytest.mark.parametrize("pps", [100e3, 1.3e6])
def test_sampling_tells_the_rate(world, pps):
    made = attack(world, pps)
    parts = traffic.attack_streams(made)
    counted = sum(part.sampled(slot) for part in parts for slot in range(START, START + 600, traffic.SLOT))
    assert counted * traffic.SAMPLE / 600 == pytest.approx(pps, rel=0.02)


@pytest.mark.parametrize("pps, system, dropped", [
    (60e3, "dosd", False), (90e3, "dosd", True), (60e3, "flowtrackd", False), (90e3, "flowtrackd", True),
    (20e3, "magic-firewall", True)])
def test_nothing_is_dropped_below_the_floor(world, pps, system, dropped):
    attack(world, pps, system=system)
    stream = traffic.attack_streams(world.attacks[0])[0]
    assert stream.dims["mitigationSystem"] == system and stream.dims["outcome"] == "drop"
    assert bool(stream.pps(START + 60)) is dropped


def test_mitigation_takes_seconds(world):
    made = attack(world, 1e6)
    assert made.dropped_share(START + 5) == 0 and made.dropped_share(START + 15) == 0.98


def test_new_minutes_are_incomplete_and_only_grow(world):
    attack(world, 1e6)
    counts = [seen(world, START + 60, START + 120, now=START + 120 + late) for late in range(0, 400, 20)]
    assert counts == sorted(counts) and counts[0] < counts[5] < counts[-1]
    assert counts[-1] == counts[15] == seen(world, START + 60, START + 120, now=START + HOUR)


def test_coarse_and_fine_are_the_same_packets(world):
    attack(world, 1e6)
    for begin, end in ((START, START + 300), (START + 3, START + 47)):
        assert seen(world, begin, end) == seen(world, begin, end, wanted=("ipSourceAddress", "datetime")) > 100


def test_coarse_and_fine_are_the_same_while_packets_still_come(world):
    attack(world, 1e6)
    counts = [(seen(world, START, START + 300, now=START + at),
               seen(world, START, START + 300, now=START + at, wanted=("ipSourceAddress",))) for at in (200, 301, 400)]
    assert all(coarse == fine > 100 for coarse, fine in counts) and len(set(counts)) == 3


def test_withdrawal_ends_the_traffic_when_it_took_effect(world):
    world.set_advertised("198.51.100.0/24", False, by="dashboard", delay=600)
    subnet = {"ipDestinationSubnet": "198.51.100.0/24"}
    assert seen(world, START, START + 600, **subnet) > 0
    assert seen(world, START + 600, START + 1200, **subnet) == 0
    assert seen(world, START, START + 1200, **subnet) == seen(world, START, START + 600, **subnet)
    assert seen(world, START + 600, START + 1200) > 0  # the other prefix goes on


def test_a_target_in_a_prefix_without_on_demand_comes_through_the_outer_one(world):
    attack(world, 1e6, target="203.0.113.200")
    assert seen(world, START, START + 60, attackVector="UDP Flood") == 0
    world.set_advertised("203.0.113.0/24", True, by="dashboard", delay=0)
    assert seen(world, START, START + 60, attackVector="UDP Flood") > 1000


@pytest.mark.parametrize("target", ["198.51.100.7", "2001:db8:7::1"])
def test_spoofed_sources_are_private_or_reserved(world, target):
    made = attack(world, 1e6, target=target, sources="spoofed")
    stream = traffic.attack_streams(made)[0]
    drawn = [traffic.mix(number) for number in range(300)]
    sources = [ipaddress.ip_address(traffic.VARYING["ipSourceAddress"](stream, d)) for d in drawn]
    assert {source.version for source in sources} == {made.target.version}
    assert not any(source.is_global and not source.sixtofour for source in sources if source.version == 6)
    assert not any(source.is_global for source in sources if source.version == 4)
    assert {traffic.VARYING["sourceAsn"](stream, d) for d in drawn} == {0}


def test_the_noise_is_never_an_attack(world):
    """What dosd drops in peace stays below half of 2,000 pps and of 20 Mbit/s in every minute of a day."""
    for minute in range(START, START + 86400, 60):
        for stream in traffic.background(world.prefix("198.51.100.0/24")):
            if stream.system == "dosd":
                packets = traffic.SAMPLE * sum(stream.sampled(slot) for slot in range(minute, minute + 60, 10))
                assert packets / 60 < 1000 and packets * stream.length * 8 / 60 < 10e6


def test_an_attack_as_dosd_tells_it(world):
    made = attack(world, 1e6)
    begin, end, packets, dropped = traffic.dropped_by_dosd(world, made, START + 300)
    assert begin == START + 10 and end is None and 0 < dropped < packets
    made.set_rate(START + 600, 0)
    assert traffic.dropped_by_dosd(world, made, START + 900)[1] == START + 600
    weak = attack(world, 50e3)
    assert traffic.dropped_by_dosd(world, weak, START + 300) is None
