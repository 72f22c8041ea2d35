"""The rows of the analytics datasets: filtered, grouped by the dimensions asked for, ordered, cut.

A dataset gives records; a record is (object, time, hash, weight, value): for packets the stream, its
slot, the hash of the packet, packets and bits; for the other datasets a dictionary, its time, and a
count and a sum. What the simulator does not model reads as 0 or an empty text.
"""
import calendar
import functools
import math
import re
import time

from . import clock, traffic

DAY = 86400
UNITS = {"datetime": 1, "datetimeTenSeconds": 10, "datetimeMinute": 60, "datetimeFiveMinutes": 300,
         "datetimeFifteenMinutes": 900, "datetimeHalfOfHour": 1800, "datetimeHour": 3600, "date": DAY}
RATES = {"": 1, "TenSeconds": 10, "Minute": 60, "FiveMinutes": 300, "FifteenMinutes": 900, "Hour": 3600, "Day": DAY}
SUFFIXES = ("_geq", "_gt", "_leq", "_lt", "_neq", "_in", "_notin", "_like", "_notlike")
ONGOING = "0001-01-01T00:00:00Z"  # the end of an attack that goes on: which text the service gives is not documented

TESTS = {
    "": lambda a, b: a == b, "_neq": lambda a, b: a != b, "_gt": lambda a, b: a > b, "_lt": lambda a, b: a < b,
    "_geq": lambda a, b: a >= b, "_leq": lambda a, b: a <= b, "_in": lambda a, b: a in b,
    "_notin": lambda a, b: a not in b, "_like": lambda a, b: bool(b.match(a)),
    "_notlike": lambda a, b: not b.match(a),
}


class Wrong(Exception):
    """A question the service refuses: HTTP status and message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


@functools.lru_cache(maxsize=10000)
def text_of(at):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def date_of(at):
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def time_of(text):
    """Seconds of a Time or Date; refuses anything else."""
    try:
        if re.match(r"\d{4}-\d\d-\d\d$", text):
            return calendar.timegm(time.strptime(text, "%Y-%m-%d"))
        return clock.parse(text)
    except (ValueError, TypeError):
        raise Wrong(400, f"error parsing args: {text!r} is not a time")


def split_name(key):
    """'datetime_geq' -> ('datetime', '_geq')."""
    for suffix in SUFFIXES:
        if key.endswith(suffix):
            return key[:-len(suffix)], suffix
    return key, ""


def bound(name, suffix, text):
    """The half-open interval of whole seconds that a condition on a time dimension leaves."""
    unit, at = UNITS[name], time_of(text)
    up, down = math.ceil(at / unit) * unit, math.floor(at / unit) * unit
    return {"_geq": (up, math.inf), "_gt": (down + unit, math.inf), "_lt": (-math.inf, up),
            "_leq": (-math.inf, down + unit), "": (up, up + unit if up == down else up)}.get(suffix)


class Filter:
    """A filter object: .begin and .end of the time asked for, .names used in the rest, .test() for the rest."""

    def __init__(self, given, dataset):
        self.begin, self.end, self.names = -math.inf, math.inf, set()
        self.dataset = dataset
        self.test = self.all_of(given, outermost=True)

    def all_of(self, given, outermost=False):
        """A predicate for an object: all its conditions hold. Times in the outermost ANDs become begin and end."""
        tests = []
        for key, value in given.items():
            name, suffix = split_name(key)
            in_time = outermost and self.dataset.timed and name in UNITS and isinstance(value, str)
            span = bound(name, suffix, value) if in_time else None
            if span:
                self.begin, self.end = max(self.begin, span[0]), min(self.end, span[1])
            elif key in ("AND", "OR"):
                tests += self.combined(key, value, outermost)
            else:
                tests.append(self.condition(name, suffix, value))
        if not tests:
            return lambda *record: True
        return tests[0] if len(tests) == 1 else lambda *record: all(test(*record) for test in tests)

    def combined(self, key, value, outermost):
        value = value if isinstance(value, list) else [value]
        members = [self.all_of(item, outermost and key == "AND") for item in value]
        if key == "AND":
            return members
        return [lambda *record: any(test(*record) for test in members)]

    def condition(self, name, suffix, value):
        get, test = self.dataset.getter(name), TESTS[suffix]
        self.names.add(name)
        if suffix in ("_like", "_notlike"):
            value = re.compile(".*".join(re.escape(part) for part in value.split("%")) + r"\Z", re.S)
        elif name in UNITS or name.endswith("Datetime"):
            value = [normal_time(v, name) for v in value] if isinstance(value, list) else normal_time(value, name)
        return lambda *record: test(get(*record), value)


def normal_time(text, name):
    """A time as the rows write it, so that texts can be compared."""
    return date_of(time_of(text)) if name == "date" else text_of(time_of(text))


class Dataset:
    """What all datasets share; the limits are those of the documented example and tutorials."""
    page, oldest, widest, most_fields = 10000, 2678400, 259200, 30
    shrinks = False  # whether the control API's page is for it
    timed = True        # has datetime dimensions, and a time range is required
    zeros = None        # of each: dimensions that are in the schema but not modelled, name -> 0 or ""

    def getter(self, name):
        """A function (object, time, hash) -> value of a dimension; refuses an unknown one."""
        if self.timed and name in UNITS:
            unit = UNITS[name]
            return (lambda o, t, h: date_of(t)) if name == "date" else (lambda o, t, h: text_of(t // unit * unit))
        zero = self.zeros.get(name)
        if zero is None and name not in self.known():
            raise Wrong(400, f'unknown field "{name}"')
        return lambda o, t, h: o.get(name, zero)

    def known(self):
        return ()

    def metric(self, group, name):
        """A function (weight, value) -> number of sum, avg, max or count."""
        raise Wrong(400, f'unknown field "{name}"')

    def records(self, world, now, chosen, used):
        """The records that match a Filter, time included; `used`: every dimension asked for or filtered by."""
        return ()


def rate(quantity, name, prefix):
    """avg.bitRateMinute and its like: a sum divided by the seconds of its unit."""
    seconds = RATES.get(name[len(prefix):])
    if seconds is None:
        return None
    return (lambda w, v: w // seconds) if quantity == 0 else (lambda w, v: v // seconds)


class Packets(Dataset):
    """Sampled packets: Magic Transit's own dataset, and the one of dosd."""

    shrinks = True

    def __init__(self, system=None):
        self.system = system  # "dosd": outcome and verdict are dosd's, what others drop has passed here
        self.zeros = dict.fromkeys(("attackId", "attackVector", "ruleId", "ruleName", "mitigationReason",
                                    "mitigationScope"), "") if system else {}

    def getter(self, name):
        if name == "datetime":
            return lambda s, t, h: text_of(t if h is None else t + traffic.second_of(h))
        if name in UNITS:
            return super().getter(name)
        varies, zero = traffic.VARYING.get(name), self.zeros.get(name)
        if zero is None and name not in self.known():
            raise Wrong(400, f'unknown field "{name}"')
        if self.system and name in ("outcome", "verdict"):
            return lambda s, t, h: "drop" if s.system == self.system else "pass"
        if varies:
            return lambda s, t, h: s.dims[name] if name in s.dims else varies(s, h)
        return lambda s, t, h: s.dims.get(name, zero)

    def known(self):
        return MODELLED

    def metric(self, group, name):
        if group == "sum" and name in ("packets", "bits"):
            return (lambda w, v: w) if name == "packets" else (lambda w, v: v)
        if group == "avg" and name.startswith(("packetRate", "bitRate")):
            packet = name.startswith("packet")
            found = rate(0 if packet else 1, name, "packetRate" if packet else "bitRate")
            if found:
                return found
        return super().metric(group, name)

    def records(self, world, now, chosen, used):
        test, timeless = chosen.test, chosen.names.isdisjoint(UNITS)
        sure = set()  # streams of which every packet matches

        def fits(stream):
            """False where no packet of a stream can match: none is made then, and that is most of a question's cost."""
            if not timeless or not chosen.names.isdisjoint(stream.varying):
                return True
            if test(stream, None, None):
                sure.add(stream)
            return stream in sure

        for stream, slot, drawn, number in traffic.packets(world, now, chosen.begin, chosen.end, used, fits):
            if stream in sure or test(stream, slot, drawn):
                number *= traffic.SAMPLE
                yield stream, slot, drawn, number, number * stream.length * 8


MODELLED = set(traffic.VARYING) | set(UNITS) - {"datetimeHalfOfHour"} | {
    "direction", "ethertype", "ipProtocol", "ipProtocolName", "ipTotalLength", "ipTotalLengthBuckets", "outcome",
    "destinationAsn", "destinationAsnName", "destinationCountry", "mitigationSystem", "verdict", "tcpFlags",
    "tcpFlagsString", "sampleInterval", "onRamp", "offRamp", "trafficType", "udpPayloadLength"}


class Tunnels(Dataset):
    """Health checks of the tunnels: six a minute from each place, shown a minute later."""
    oldest, widest = 90 * DAY, 7 * DAY
    names = ("active", "edgeColoCity", "edgeColoCode", "edgeColoCountry", "edgeColoName", "edgeColoRegion",
             "edgePopName", "remoteTunnelIPv4", "resultStatus", "siteName", "tunnelName")
    checks = 6

    def __init__(self):
        self.zeros = {}

    def known(self):
        return self.names

    def metric(self, group, name):
        if (group, name) == ("avg", "tunnelState"):
            return lambda w, v: v / w
        if (group, name) == ("avg", "sampleInterval"):
            return lambda w, v: 1.0
        if name == "count" and not group:
            return lambda w, v: w
        return super().metric(group, name)

    def records(self, world, now, chosen, used):
        first, last = chosen.begin // 60 * 60, min(chosen.end, now - 60)
        for minute in range(int(first), math.ceil(last), 60):
            for tunnel in world.tunnels:
                state = tunnel.health(minute)
                for row, count in self.minute(tunnel, state):
                    if minute >= chosen.begin and chosen.test(row, minute, None):
                        yield row, minute, None, count, count * state

    def minute(self, tunnel, state):
        """The checks of one tunnel in one minute: (row, count), failed ones apart."""
        good = int(round(self.checks * state))
        for code, city, country, _ in traffic.COLOS:
            row = {"active": int(tunnel.active), "edgeColoCity": city, "edgeColoCode": code, "edgeColoCountry": country,
                   "edgeColoName": code.lower() + "01", "edgeColoRegion": "", "edgePopName": code.lower(),
                   "remoteTunnelIPv4": tunnel.remote, "siteName": "", "tunnelName": tunnel.name}
            for status, count in (("ok", good), ("error", self.checks - good)):
                if count:
                    yield dict(row, resultStatus=status), count


class Attacks(Dataset):
    """One row for each attack that dosd mitigated; nothing is grouped."""
    oldest, timed = 90 * DAY, False
    names = ("attackId", "attackType", "attackVector", "bits", "commonTcpFlags", "commonTcpFlagsNames",
             "destinationIp", "destinationPort", "droppedBits", "droppedPackets", "endDatetime", "ipProtocol",
             "ipProtocolName", "mitigationReason", "mitigationScope", "mitigationType", "packets", "ruleId", "ruleName",
             "rulesetId", "rulesetOverrideId", "sourceIp", "sourcePort", "startDatetime", "tcpFlags", "tcpFlagsNames")
    flat = True

    def __init__(self):
        self.zeros = {}

    def known(self):
        return self.names

    def records(self, world, now, chosen, used):
        for attack in world.attacks:
            seen = traffic.dropped_by_dosd(world, attack, now - 60) if attack.started is not None else None
            if seen:
                row = self.row(attack, *seen)
                if chosen.test(row, None, None):
                    yield row, None, None, 1, 0

    def row(self, attack, begin, end, packets, dropped):
        dims, target = traffic.attack_streams(attack)[0].dims, attack.target
        bits = attack.length * 8
        return {
            "attackId": attack.id, "attackType": attack.vector, "attackVector": attack.vector,
            "bits": packets * bits, "droppedBits": dropped * bits, "packets": packets, "droppedPackets": dropped,
            "commonTcpFlags": attack.flags, "commonTcpFlagsNames": dims["tcpFlagsString"], "tcpFlags": attack.flags,
            "tcpFlagsNames": dims["tcpFlagsString"], "destinationPort": attack.port or 0,
            "destinationIp": str(target.network_address) if target.num_addresses == 1 else "",
            "startDatetime": text_of(begin), "endDatetime": text_of(end) if end else ONGOING,
            "ipProtocol": dims["ipProtocol"], "ipProtocolName": attack.protocol, "mitigationReason": "BLOCK",
            "mitigationScope": "global", "mitigationType": "block", "ruleId": attack.rule, "ruleName": attack.vector,
            "rulesetId": "", "rulesetOverrideId": "", "sourceIp": "", "sourcePort": attack.sport or 0}


class Nothing(Dataset):
    """A dataset in which this account has no rows."""

    def __init__(self, timed=True):
        self.timed, self.zeros = timed, {}

    def getter(self, name):
        return lambda o, t, h: None

    def metric(self, group, name):
        return lambda w, v: 0


TABLE = {
    "magicTransitNetworkAnalyticsAdaptiveGroups": Packets(), "dosdNetworkAnalyticsAdaptiveGroups": Packets("dosd"),
    "dosdAttackAnalyticsGroups": Attacks(), "magicTransitTunnelHealthChecksAdaptiveGroups": Tunnels(),
    "magicTransitTunnelHealthCheckSLOsAdaptiveGroups": Nothing(), "magicTransitTunnelTrafficAdaptiveGroups": Nothing(),
    "mnmFlowDataAdaptiveGroups": Nothing(), "fbmAttackAnalyticsGroups": Nothing(timed=False),
    "magicFirewallNetworkAnalyticsAdaptiveGroups": Nothing(),
    "advancedTcpProtectionNetworkAnalyticsAdaptiveGroups": Nothing(),
    "flowtrackdNetworkAnalyticsAdaptiveGroups": Nothing(),
}
