"""Traffic as a pure function of the world and the time: what Cloudflare's network saw, sampled.

Time is cut into slots of ten seconds. In every slot each stream of packets (background of a prefix,
the dropped and the passed part of an attack) has a number of *sampled* packets, found by hashing
the stream and the slot: the same question gets the same answer, however often and in whatever
order it is asked. A sampled packet stands for 10,000. What differs from packet to packet (source,
colo, second, port) comes out of one 64-bit hash of each packet, computed only when asked for.

A prefix that Cloudflare does not announce has no traffic here, attack or not.
"""
import bisect
import functools
import ipaddress
import math
import weakref

SAMPLE = 10000      # packets that one sampled packet stands for
SLOT = 10           # seconds
LAG = 300           # a packet is seen by analytics 30 to 300 seconds after it came
FLOOR = 80000.0     # packets per second below which Cloudflare mitigates nothing
REACTION = 10       # seconds from passing the floor until packets are dropped
MASK = (1 << 64) - 1

# code: city, country, geohash
COLOS = (("FRA", "Frankfurt", "DE", "u0y"), ("ZRH", "Zurich", "CH", "u0q"), ("AMS", "Amsterdam", "NL", "u17"),
         ("LHR", "London", "GB", "gcp"), ("IAD", "Ashburn", "US", "dqc"), ("SIN", "Singapore", "SG", "w21"))

# network, ASN (for documentation), its name, country; 0 where no network is known: spoofed
PEOPLE = (("81.2.69.0/24", 64496, "Example Broadband", "GB"), ("5.149.248.0/22", 64497, "Example Mobile", "CH"),
          ("37.120.128.0/19", 64498, "Example Cable", "DE"), ("2a10:5d00::/32", 64499, "Example Fibre", "DE"))
BOTNET = (("45.128.0.0/14", 64500, "Example Hosting", "NL"), ("103.140.0.0/16", 64501, "Example Cloud", "SG"),
          ("177.36.0.0/16", 64502, "Example Telecom", "BR"), ("185.220.0.0/16", 64503, "Example Servers", "DE"),
          ("2a0e:1d80::/32", 64504, "Example VPS", "US"), ("2804:14c::/32", 64505, "Example Net", "BR"))
SPOOFED = (("10.0.0.0/8", 0, "", "XX"), ("100.64.0.0/10", 0, "", "XX"), ("192.168.0.0/16", 0, "", "XX"),
           ("240.0.0.0/4", 0, "", "XX"), ("127.0.0.0/8", 0, "", "XX"), ("fc00::/7", 0, "", "XX"),
           ("fe80::/10", 0, "", "XX"), ("2002:a00::/24", 0, "", "XX"))
SOURCES = {"botnet": BOTNET, "spoofed": SPOOFED, "mixed": BOTNET + SPOOFED}

# vector: protocol, source port (None: any), destination port, bytes, TCP flags, who mitigates
VECTORS = {
    "UDP Flood": ("UDP", None, 443, 512, 0, "dosd"),
    "DNS Amplification": ("UDP", 53, 33434, 1400, 0, "dosd"),
    "NTP Amplification": ("UDP", 123, 80, 468, 0, "dosd"),
    "ICMP Flood": ("ICMP", 0, 0, 84, 0, "dosd"),
    "SYN Flood": ("TCP", None, 443, 60, 2, "dosd"),
    "SYN-ACK Flood": ("TCP", 443, None, 60, 18, "flowtrackd"),
    "Out-of-state TCP": ("TCP", None, 443, 52, 16, "flowtrackd"),
}
PROTOCOLS = {"TCP": 6, "UDP": 17, "ICMP": 1, "IPv6-ICMP": 58, "GRE": 47}
FLAG_NAMES = ((2, "SYN"), (16, "ACK"), (4, "RST"), (1, "FIN"), (8, "PSH"))

# background of a prefix: packets per second, protocol, source and destination port, bytes, flags, dropped by
BACKGROUND = (
    (6000.0, "TCP", None, 443, 900, 16, ""), (2500.0, "UDP", None, 443, 1200, 0, ""),
    (900.0, "UDP", None, 53, 90, 0, ""), (120.0, "ICMP", 0, 0, 84, 0, ""),
    (300.0, "TCP", None, 23, 60, 2, "magic-firewall"),  # the customer's own rules
    (40.0, "UDP", None, 389, 120, 0, "dosd"),           # the noise of the Internet: never an attack
)


def mix(value):
    """A 64-bit hash of an integer (splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def key_of(*parts):
    """A 64-bit number from texts and numbers, the same in every run."""
    value = 0
    for char in repr(parts).encode():
        value = mix(value ^ char)
    return value


def subnet_of(network):
    """The /24 or /48 that holds a network; None when it is larger."""
    length = 24 if network.version == 4 else 48
    return network.supernet(new_prefix=length) if network.prefixlen >= length else None


class Attack:
    """One attack: a vector on a target with a rate that scenarios set over time."""

    def __init__(self, name, target, vector="UDP Flood", ident=None, **how):
        protocol, sport, dport, length, flags, system = VECTORS[vector]
        self.name, self.vector, self.protocol, self.flags = name, vector, protocol, flags
        self.target = ipaddress.ip_network(target)
        if self.target.version == 6 and protocol == "ICMP":
            self.protocol = "IPv6-ICMP"
        self.sport, self.port = sport, how.get("port", dport)
        self.length = how.get("length", length)
        self.system = how.get("system", system)     # who mitigates: dosd, flowtrackd, magic-firewall
        self.floor = how.get("floor", FLOOR)
        self.dropped = how.get("dropped", 0.98)     # share that a mitigation drops
        self.sources = SOURCES[how.get("sources", "mixed")]
        self.rise = how.get("rise", 20.0)           # seconds from one rate to the next
        self.id = ident or "%032x" % (key_of("attack", name) << 64 | key_of(name, "attack"))
        self.correlation = "%032x" % (key_of("correlation", name) << 64 | key_of(name))
        self.rule = "%032x" % (key_of("rule", vector) << 64 | key_of(vector))
        self.steps = []                             # (time, packets per second), oldest first

    def set_rate(self, at, pps):
        """From `at` on the rate moves to pps, in `rise` seconds."""
        self.steps.append((float(at), float(pps)))

    def rate(self, at):
        """Packets per second sent at that time, whether or not Cloudflare gets them."""
        rate = 0.0
        for when, pps in self.steps:
            if when > at:
                break
            share = min(1.0, (at - when) / self.rise) if self.rise else 1.0
            rate += (pps - rate) * share
        return rate

    def peak(self, at):
        """The greatest rate that was aimed at until then: what an alert tells."""
        return max([pps for when, pps in self.steps if when <= at] or [0.0])

    @property
    def started(self):
        return self.steps[0][0] if self.steps else None

    @property
    def stopped(self):
        """When the sending ended; None while it goes on."""
        return self.steps[-1][0] + self.rise if self.steps and not self.steps[-1][1] else None

    def dropped_share(self, at):
        """The share of packets dropped then. The customer's own rules know no floor."""
        if self.system == "magic-firewall":
            return self.dropped
        return self.dropped if min(self.rate(at - REACTION), self.rate(at)) >= self.floor else 0.0


class Stream:
    """Packets that share all but what is drawn for each: `dims` is what they share, by dimension name."""

    def __init__(self, key, target, protocol, sport, dport, length, flags, system, sources):
        self.key, self.target, self.length, self.system = key, target, length, system
        self.sources = [(ipaddress.ip_network(net), asn, name, country) for net, asn, name, country in sources
                        if (":" in net) == (target.version == 6)]
        self.dims = stream_dims(target, protocol, dport, length, flags, system)
        self.varying = set(VARYING)
        if sport is not None:
            self.fix("sourcePort", sport)
        if dport is not None:
            self.fix("destinationPort", dport)
        if target.num_addresses == 1:
            self.fix("ipDestinationAddress", str(target.network_address))
        if subnet_of(target):
            self.fix("ipDestinationSubnet", str(subnet_of(target)))
        self.attack, self.shares = None, {}

    def fix(self, name, value):
        self.dims[name] = value
        self.varying.discard(name)

    def pps(self, at):
        """Packets per second at Cloudflare, were the target announced there."""
        return self.steady

    def sampled(self, at):
        """The number of sampled packets in the slot that begins at `at`."""
        share = self.shares.get(at)
        if share is None:
            share = self.shares[at] = (mix(self.key ^ mix(at)) >> 11) / float(1 << 53)
        return int(self.pps(at) * SLOT / SAMPLE + share)


class AttackStream(Stream):
    """The dropped or the passed part of an attack."""

    def __init__(self, attack, dropped):
        system = attack.system if dropped else ""
        super().__init__(key_of(attack.id, dropped), attack.target, attack.protocol, attack.sport, attack.port,
                         attack.length, attack.flags, system, attack.sources)
        self.attack, self.part = attack, dropped
        self.dims.update(dosd_dims(attack, dropped))

    def pps(self, at):
        share = self.attack.dropped_share(at)
        return self.attack.rate(at) * (share if self.part else 1.0 - share)


def stream_dims(target, protocol, dport, length, flags, system):
    """The dimensions that all packets of a stream share."""
    names = [name for bit, name in FLAG_NAMES if flags & bit]
    dropped = "drop" if system else "pass"
    return {
        "direction": "inbound", "ethertype": 2048 if target.version == 4 else 34525,
        "ipProtocol": PROTOCOLS[protocol], "ipProtocolName": protocol, "ipTotalLength": length,
        "ipTotalLengthBuckets": length // 100 * 100, "destinationAsn": 64510, "destinationAsnName": "Example Customer",
        "destinationCountry": "CH", "mitigationSystem": system, "outcome": dropped, "verdict": dropped,
        "tcpFlags": flags, "tcpFlagsString": " ".join(names), "sampleInterval": SAMPLE,
        "onRamp": "", "offRamp": "" if system else "GRE", "trafficType": "",
        "udpPayloadLength": length - 28 if protocol == "UDP" else 0,
    }


def dosd_dims(attack, dropped):
    """What dosd tells of a packet it took for part of an attack."""
    if attack.system != "dosd" or not dropped:
        return {}
    return {"attackId": attack.id, "attackVector": attack.vector, "ruleId": attack.rule, "ruleName": attack.vector,
            "mitigationReason": "BLOCK", "mitigationScope": "global"}


def drawn_address(network, drawn):
    """An address of a network from a hash; few enough that the same ones come again."""
    spread = min(network.num_addresses, 1 << 12)
    step = network.num_addresses // spread
    return network.network_address + (drawn % spread) * step + (drawn >> 12) % max(1, min(step, 250))


def source(stream, drawn):
    return stream.sources[(drawn >> 20) % len(stream.sources)]


def as_subnet(address):
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


@functools.lru_cache(maxsize=20000)
def one_of(network, number):
    """One of a network's sources: its address and its subnet, as texts."""
    address = drawn_address(network, number)
    return str(address), as_subnet(address)


def source_texts(stream, drawn):
    return one_of(source(stream, drawn)[0], mix(drawn) % 997)


def colo(drawn):
    return COLOS[(drawn >> 8) % len(COLOS)]


# Dimensions that differ from packet to packet: (stream, hash of the packet) -> value
VARYING = {
    "ipSourceAddress": lambda s, d: source_texts(s, d)[0],
    "ipSourceSubnet": lambda s, d: source_texts(s, d)[1],
    "sourceAsn": lambda s, d: source(s, d)[1], "sourceAsnName": lambda s, d: source(s, d)[2],
    "sourceCountry": lambda s, d: source(s, d)[3],
    "sourcePort": lambda s, d: 1024 + (d >> 32) % 64000,
    "destinationPort": lambda s, d: 1 + (d >> 40) % 65000,
    "ipDestinationAddress": lambda s, d: str(drawn_address(s.target, d >> 24)),
    "ipDestinationSubnet": lambda s, d: as_subnet(drawn_address(s.target, d >> 24)),
    "ipTtl": lambda s, d: 40 + (d >> 28) % 80, "ipTtlBuckets": lambda s, d: (40 + (d >> 28) % 80) // 10 * 10,
    "coloCode": lambda s, d: colo(d)[0], "coloCity": lambda s, d: colo(d)[1],
    "coloName": lambda s, d: colo(d)[0].lower() + "01", "coloCountry": lambda s, d: colo(d)[2],
    "coloGeohash": lambda s, d: colo(d)[3],
    "datetime": None,  # the second within the slot: datasets.py reads it
}


def second_of(drawn):
    """The second of its slot at which a packet came."""
    return (drawn & 0xffff) % SLOT


def delay_of(drawn):
    """Seconds after which analytics shows a packet."""
    return 30 + (drawn >> 48) % (LAG - 30 - SLOT)


_background = {}


def background(prefix):
    """The streams of a prefix in peace; the same objects each time."""
    if prefix.cidr not in _background:
        _background[prefix.cidr] = [background_stream(prefix.cidr, number, *how)
                                    for number, how in enumerate(BACKGROUND)]
    return _background[prefix.cidr]


def background_stream(cidr, number, pps, protocol, sport, dport, length, flags, system):
    network = ipaddress.ip_network(cidr)
    subnet = next(network.subnets(new_prefix=max(network.prefixlen, 24 if network.version == 4 else 48)))
    if network.version == 6 and protocol == "ICMP":
        protocol = "IPv6-ICMP"
    stream = Stream(key_of(cidr, number), subnet, protocol, sport, dport, length, flags, system, PEOPLE)
    stream.steady = pps
    return stream


def attack_streams(attack):
    """The two parts of an attack, made once."""
    if not hasattr(attack, "streams"):
        attack.streams = [AttackStream(attack, True), AttackStream(attack, False)]
    return attack.streams


def covering(world, target):
    """The prefixes that contain a target, remembered: a world may have a thousand of them."""
    index = _indexes.get(world)
    if index is None or index.prefixes != world.prefixes:
        index = _indexes[world] = Index(world.prefixes)
    return index.covering(target)


class Index:
    """A world's prefixes by network."""

    def __init__(self, prefixes):
        self.prefixes, self.known = list(prefixes), {}
        self.by_network = {ipaddress.ip_network(prefix.cidr): prefix for prefix in prefixes}

    def covering(self, target):
        if target not in self.known:
            outer = [target.supernet(new_prefix=length) for length in range(target.prefixlen + 1)]
            self.known[target] = [self.by_network[network] for network in outer if network in self.by_network]
        return self.known[target]


_indexes = weakref.WeakKeyDictionary()


def streams(world):
    """(prefixes, streams): the streams that reach Cloudflare while one of the prefixes is announced."""
    for prefix in world.prefixes:
        outer = covering(world, ipaddress.ip_network(prefix.cidr))
        if len(outer) == 1:  # one inside another has no background of its own
            yield outer, background(prefix)
    for attack in world.attacks:
        yield covering(world, attack.target), attack_streams(attack)


def announced(prefixes, at):
    return any(prefix.advertised(at) for prefix in prefixes)


def announced_slots(prefixes, slots):
    """Those of a range in which one of the prefixes is announced."""
    changes = [when for prefix in prefixes for when, _ in prefix.history]
    if slots and not any(slots[0] < when <= slots[-1] for when in changes):  # as it was at the beginning
        return slots if announced(prefixes, slots[0]) else ()
    return [slot for slot in slots if announced(prefixes, slot)]


def packets(world, now, begin, end, wanted=(), fits=lambda stream: True):
    """The packets sampled in [begin, end) as analytics shows them at `now`: yields (stream, slot, hash, number).

    hash is None where one entry stands for all packets of the slot that are seen; that is so unless a
    dimension in `wanted` differs from packet to packet, or the slot does not lie within the interval.
    fits: which streams are asked for."""
    now -= world.late
    slots = range(int(begin) // SLOT * SLOT, math.ceil(min(end, now)), SLOT)
    for outer, members in streams(world):
        seen = announced_slots(outer, slots)
        for stream in filter(fits, members) if seen else ():
            detail = not stream.varying.isdisjoint(wanted)
            for slot in seen:
                number = stream.sampled(slot)
                if number and (detail or slot < begin or slot + SLOT > end):
                    yield from single_packets(stream, slot, number, begin, end, now)
                    continue
                if number and slot + LAG > now:
                    number = bisect.bisect_right(delays(stream.key, slot, number), now - slot - SLOT)
                if number:
                    yield stream, slot, None, number


@functools.lru_cache(maxsize=2000)
def hashes(key, slot, number):
    """Of the packets of a stream in a slot."""
    base = key ^ mix(slot * 3 + 1)
    return [mix(base + serial) for serial in range(number)]


@functools.lru_cache(maxsize=2000)
def delays(key, slot, number):
    """Of the same packets: after how many seconds they are seen, the least first."""
    return sorted(map(delay_of, hashes(key, slot, number)))


def single_packets(stream, slot, number, begin, end, now):
    for drawn in hashes(stream.key, slot, number):
        at = slot + second_of(drawn)
        if begin <= at < end and slot + SLOT + delay_of(drawn) <= now:
            yield stream, slot, drawn, 1


def dropped_by_dosd(world, attack, now):
    """(begin, end or None, packets, dropped packets) of an attack as dosd mitigated it; None if it did not."""
    dropped, passed = attack_streams(attack)
    outer = covering(world, attack.target)
    slots = range(int(attack.started) // SLOT * SLOT, int(min(now, attack.stopped or now)) + 1, SLOT)
    seen = [slot for slot in slots if announced(outer, slot)]
    hit = [slot for slot in seen if attack.dropped_share(slot)]
    if attack.system != "dosd" or not hit:
        return None
    lost = sum(dropped.sampled(slot) for slot in hit) * SAMPLE
    total = lost + sum(passed.sampled(slot) for slot in seen) * SAMPLE
    ended = hit[-1] + SLOT if hit[-1] + 6 * SLOT < now else None
    return hit[0], ended, total, lost
