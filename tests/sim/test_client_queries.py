"""What mod_cfmt asks GraphQL: judged by the published schema, answered by the simulator, read back and compared with
what the simulator's traffic really was. tests/sim/queries.c is the client's side of it."""
import collections
import ipaddress
import json
import os
import subprocess

import pytest

from cfsim import graphql, sdl, traffic
from cfsim.clock import Clock
from cfsim.world import World

BUILT = os.environ.get("builddir")
QUERIES = os.path.join(BUILT or ".", "tests", "sim", "queries")
if not BUILT and not os.path.exists(QUERIES):
    pytest.skip("tests/sim/queries is not built (make check builds it; builddir tells where)", allow_module_level=True)

START = 1800000000
MINUTES = 10
SYSTEMS = ("dosd", "flowtrackd", "magic-firewall", "", "pass")  # in the order that queries.c prints them in
ANNOUNCED = ("198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24", "2001:db8::/32")
SCHEMA = sdl.load()
judged = pytest.mark.skipif(SCHEMA is None, reason=str(sdl.why_not))


def queries(*words, stdin=""):
    done = subprocess.run([QUERIES] + [str(word) for word in words], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def ask(world, body):
    token = {"Authorization": "Bearer " + world.tokens["valid"].value}
    status, answer, _ = graphql.execute(world, world.clock, body.encode(), token)
    assert (status, answer["errors"], world.violations) == (200, None, [])
    return json.dumps(answer)


class Reading:
    """What the client made of an answer: .sums {network: {minute: (packets, bits) * 5}}, .cut, .watermark."""

    def __init__(self, world, networks, begin=START, end=START + 60 * MINUTES, limit=10000):
        piece = (begin, end, limit) + tuple(networks)
        answer = ask(world, queries("traffic", world.account, *piece))
        self.rows = {key: len(rows) for key, rows in json.loads(answer)["data"]["viewer"]["accounts"][0].items()}
        self.sums, self.facts = collections.defaultdict(dict), {}
        for line in queries("read-traffic", *piece, stdin=answer).splitlines():
            name, number, *rest = line.split()
            if rest:
                self.sums[name][int(number)] = tuple(map(int, rest))
            else:
                self.facts[name] = int(number)
        self.cut, self.watermark = self.facts["cut"] == 1, self.facts["watermark"]


def truth(world, networks, begin=START, end=START + 60 * MINUTES):
    """The same sums from the simulated packets themselves, packet by packet."""
    sums = {network: collections.defaultdict(lambda: [0] * 10) for network in networks}
    wider = {text: subnet_around(text) for text in networks}
    found = traffic.packets(world, world.clock.now(), begin, end, ("ipDestinationAddress", "datetime"))
    for stream, slot, drawn, number in found:
        address = stream.dims.get("ipDestinationAddress")
        address = ipaddress.ip_address(address or traffic.VARYING["ipDestinationAddress"](stream, drawn))
        place = 2 * SYSTEMS.index(stream.system or "pass")
        for text, network in wider.items():
            if address in network:
                minute = sums[text][slot // 60 * 60]
                minute[place] += number * traffic.SAMPLE
                minute[place + 1] += number * traffic.SAMPLE * stream.length * 8
    return {text: {at: tuple(minute) for at, minute in minutes.items()} for text, minutes in sums.items() if minutes}


def subnet_around(text):
    network = ipaddress.ip_network(text)
    return traffic.subnet_of(network) or network


@pytest.fixture(name="world")
def make_world():
    """All of ANNOUNCED; attacks on a host, on a whole /32 and on a /48 of it, and one that flowtrackd stops."""
    world = World(Clock(speed=0, start=START - 7200))
    for cidr in ANNOUNCED:
        world.set_advertised(cidr, True, by="dashboard", delay=0)
    attacks = [("a", "198.51.100.7", "UDP Flood", 400e3), ("b", "2001:db8::/32", "UDP Flood", 150e3),
               ("c", "2001:db8:5:1::9", "SYN Flood", 200e3), ("d", "203.0.113.200", "Out-of-state TCP", 300e3)]
    for name, target, vector, pps in attacks:
        attack = traffic.Attack(name, target, vector, rise=0)
        attack.set_rate(START + 60, pps)
        attack.set_rate(START + 420, 0)
        world.attacks.append(attack)
    world.clock.advance(7200 + 60 * MINUTES + traffic.LAG)
    return world


def test_the_limits(world):
    answer = ask(world, queries("limits", world.account))
    assert queries("read-limits", stdin=answer) == "10000 259200 2678400\n"
    assert queries("read-detail-limits", stdin=answer) == "10000 259200 2678400\n"


def test_the_tunnels(world):
    answer = json.loads(ask(world, queries("tunnels", world.account, START, START + 300)))
    assert answer["data"]["viewer"]["accounts"][0]["health"]


@pytest.mark.parametrize("networks", [
    ["198.51.100.0/24"], ["203.0.113.128/25", "203.0.113.0/24"], ["2001:db8::/32"], ["2001:db8:5::/48"],
    ["2001:db8:5:1::/64", "2001:db8::/44"], ["198.51.96.0/20", "192.0.0.0/18"], ["198.51.0.0/16", "192.0.0.0/13"],
    ["2001:db8::/29", "2001:db8::/36", "2001:db8::/43", "198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24"]])
def test_sums_are_the_truth(world, networks):
    exact = [network for network in networks if network != "2001:db8::/36"]
    reading, real = Reading(world, networks), truth(world, networks)
    assert not reading.cut
    assert {network: reading.sums[network] for network in exact} == {network: real[network] for network in exact}
    for network in set(networks) - set(exact):  # asked for as 2001:db8::/32: too much, never too little
        for minute, found in real[network].items():
            assert all(got >= want for got, want in zip(reading.sums[network][minute], found))


def test_the_truth_is_not_empty(world):
    real = truth(world, ["198.51.100.0/24", "2001:db8::/32", "203.0.113.128/25"])
    assert [len(minutes) for minutes in real.values()] == [MINUTES] * 3
    assert real["198.51.100.0/24"][START + 120][0] > 1e7 and real["203.0.113.128/25"][START + 120][2] > 1e7


def test_carpet_bombing_does_not_cut_the_answer(world):
    reading = Reading(world, ["2001:db8::/32"])
    listed = ask(world, queries("traffic", world.account, START, START + 600, 10000, "2001:db8::/44"))
    assert not reading.cut and reading.rows["wide0"] < 100
    assert len(json.loads(listed)["data"]["viewer"]["accounts"][0]["subnets"]) > reading.rows["wide0"]


def test_a_cut_answer_is_told(world):
    whole = Reading(world, ["198.51.100.0/24", "192.0.2.0/24"])
    assert whole.rows["subnets"] > 20
    cut = Reading(world, ["198.51.100.0/24", "192.0.2.0/24"], limit=whole.rows["subnets"])
    assert cut.cut and cut.sums == whole.sums
    assert not Reading(world, ["198.51.100.0/24", "192.0.2.0/24"], limit=whole.rows["subnets"] + 1).cut


def test_the_most_packets_come_first(world):
    cut = Reading(world, ["203.0.113.0/24"], limit=6)
    dropped = [minute[2] for minute in cut.sums["203.0.113.0/24"].values()]
    assert cut.cut and min(dropped) > 1e6


def test_the_watermark(world):
    end = START + 60 * MINUTES
    assert Reading(world, ["192.0.2.0/24"]).watermark == end + traffic.LAG - 60
    assert Reading(world, ["192.0.2.0/24"], begin=START - 3600, end=START - 3000).watermark == START - 3000 + 540
    for cidr in ANNOUNCED:
        world.prefix(cidr).history[:] = [(0, False)]
    idle = Reading(world, ["192.0.2.0/24"])
    assert idle.watermark == 0 and not idle.sums and not idle.cut


def detail_rows(world, networks, begin, end):
    answer = ask(world, queries("detail", world.account, begin, end, 10000, *networks))
    return [line.split(" ", 5) for line in queries("read-detail", stdin=answer).splitlines()]


@pytest.mark.parametrize("networks", [["198.51.100.0/24"], ["2001:db8::/32"], ["203.0.113.128/25", "192.0.2.0/24"],
                                      ["198.51.96.0/20", "2001:db8:5::/48"]])
def test_detail_is_the_truth(world, networks):
    """What dosd dropped, by minute, source and target; two minutes, so that no answer is cut."""
    begin, end = START + 120, START + 240
    found, real = collections.Counter(), collections.Counter()
    around = [subnet_around(text) for text in networks]
    for at, source, target, packets, bits, _ in detail_rows(world, networks, begin, end):
        found[int(at), source, target] += int(packets)
        assert int(bits) > int(packets) and begin <= int(at) < end
    for stream, slot, drawn, number in traffic.packets(world, world.clock.now(), begin, end,
                                                       ("ipDestinationAddress", "ipSourceAddress", "datetime")):
        target = stream.dims.get("ipDestinationAddress") or traffic.VARYING["ipDestinationAddress"](stream, drawn)
        if stream.system == "dosd" and any(ipaddress.ip_address(target) in network for network in around):
            source = traffic.VARYING["ipSourceAddress"](stream, drawn)
            real[slot // 60 * 60, source, target] += number * traffic.SAMPLE
    assert real and found == real


def test_detail_names_the_vector(world):
    vectors = {row[5] for row in detail_rows(world, ["198.51.100.0/24"], START + 120, START + 180)}
    assert "UDP Flood" in vectors and vectors <= {"UDP Flood", ""}


@judged
@pytest.mark.parametrize("networks", [[], ["10.0.0.0/24"], ["10.0.0.0/8"], ["::/0", "0.0.0.0/0"], ["10.0.0.0/18"],
                                      ["2001:db8::/%d" % bits for bits in range(16, 129)]])
def test_every_query_fits_the_schema(world, networks):
    body = queries("traffic", world.account, START, START + 60, 10000, *networks)
    assert SCHEMA.query_problems(json.loads(body)["query"]) == ()
    ask(world, body)  # values, too
    body = queries("detail", world.account, START, START + 60, 10000, *networks)
    assert SCHEMA.query_problems(json.loads(body)["query"]) == ()
    ask(world, body)


@judged
def test_the_schema_is_a_judge(world):
    body = json.loads(queries("traffic", world.account, START, START + 60, 10000, "10.0.0.0/24"))
    assert SCHEMA.query_problems(body["query"].replace("mitigationSystem", "verdict"))
    assert SCHEMA.query_problems(body["query"].replace("$subnets: [string!]", "$subnets: uint64"))
    body = json.loads(queries("detail", world.account, START, START + 60, 10000, "10.0.0.0/24"))
    assert SCHEMA.query_problems(body["query"].replace("attackVector", "mitigationSystem"))
