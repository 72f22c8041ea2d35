"""Detail of attack traffic: what the store says of an attack's minutes is what the simulator sent, nothing is asked
while nothing is open, nothing is there twice, and answers that are cut are bounded and marked."""
import ipaddress
import json
import os
import signal
import time
import urllib.request

from client import post
from httpd import wait_for
from pair import MICRO, Scene, scenes
from truth import MAIL, MINUTE, WEB, advertise, attack, seconds_of, stamp, wait_time

TARGET = "198.51.100.7"
KEPT_ROWS, KEPT_SOURCES, KEPT_SUMS = 30, 16, 60  # of a minute of a prefix
TOTAL, SPOOFED, VECTOR, SOURCE, ASN, COUNTRY, PORT, SOURCE_PORT, COLO, TARGETS = range(10)  # traffic_sum.kind
QUERY = """query($a: string!, $from: Time!, $to: Time!) { viewer { accounts(filter: {accountTag: $a}) {
  rows: dosdNetworkAnalyticsAdaptiveGroups(limit: 10000, filter: {datetime_geq: $from, datetime_lt: $to,
    verdict: "drop", ipDestinationSubnet_like: "198.51.100.%"}, orderBy: [sum_packets_DESC]) { sum { packets bits }
    dimensions { attackVector ipSourceAddress sourceAsn sourceCountry sourcePort destinationPort
    ipDestinationAddress ipProtocolName coloCode } } } } }"""
NOWHERE = [ipaddress.ip_network(n) for n in ("10.0.0.0/8", "100.64.0.0/10", "192.168.0.0/16", "240.0.0.0/4",
                                             "127.0.0.0/8")]  # of what the simulator sends from


def is_spoofed(source):
    return any(ipaddress.ip_address(source) in n for n in NOWHERE)


def truth(pair, begin):
    """The rows of one minute as analytics have them now, flat."""
    body = {"query": QUERY, "variables": {"a": pair.sim.account, "from": stamp(begin), "to": stamp(begin + MINUTE)}}
    request = urllib.request.Request(pair.sim.graphql, json.dumps(body).encode(), {
        "Authorization": "Bearer " + pair.sim.tokens["account"], "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        doc = json.load(answer)
    assert not doc.get("errors"), doc
    rows = [dict(r["dimensions"], **r["sum"]) for r in doc["data"]["viewer"]["accounts"][0]["rows"]]
    assert len(rows) < 10000
    return rows


def added(rows, key):
    """{value: packets}, of what has one."""
    found = {}
    for row in rows:
        value = key(row) if callable(key) else str(row[key])
        if value and value != "XX" and value != "0":
            found[value] = found.get(value, 0) + row["packets"]
    return found


def sums(pair, at, kind):
    return dict(pair.server.query("SELECT name, packets FROM traffic_sum WHERE at = ? AND kind = ?", at * MICRO, kind))


def minutes(pair):
    return [r[0] // MICRO for r in pair.server.query("SELECT DISTINCT at FROM traffic_sum ORDER BY at")]


def read_until(pair):
    """End of the last minute that the job has read."""
    facts = pair.server.query("SELECT facts FROM sensed WHERE name = 'detail'")
    return int(json.loads(facts[0][0]).get(WEB, 0)) // MICRO if facts else 0


def alert(pair, event, ident="a1", target=TARGET):
    post(pair.server, json.dumps({
        "alert_type": "dos_attack_l4", "alert_event": "ALERT_STATE_EVENT_" + event, "account_id": pair.sim.account,
        "ts": int(pair.now()),
        "data": {"attack_id": ident, "target_ip": target, "attack_vector": "UDP Flood"}})).stored()
    pair.server.wait_projected()


def under_attack(pair, rate):
    """Announced, attacked and told; the first whole minute of it that is dropped."""
    pair.server.log.allow(r"CFMT0937: an attack that no alert told of")  # as it may be for a moment
    advertise(pair, WEB)
    attack(pair, "flood", rate, TARGET, port=443, rise=0)
    alert(pair, "START")
    return (int(pair.now()) // MINUTE + 2) * MINUTE


def compare(pair, begin, end):
    """Sums are those of all packets, rows some of them."""
    for at in range(begin, end, MINUTE):
        rows = truth(pair, at)
        packets = sum(r["packets"] for r in rows)
        assert packets and sums(pair, at, TOTAL) == {"": packets}, (stamp(at), packets, sums(pair, at, TOTAL))
        spoofed = sum(r["packets"] for r in rows if is_spoofed(r["ipSourceAddress"]))
        assert sums(pair, at, SPOOFED) == {"": spoofed} and 0.2 < spoofed / packets < 0.8
        assert sums(pair, at, VECTOR) == added(rows, "attackVector")
        assert sums(pair, at, ASN) == added(rows, "sourceAsn")
        assert sums(pair, at, COUNTRY) == added(rows, "sourceCountry")
        assert sums(pair, at, COLO) == added(rows, "coloCode")
        assert sums(pair, at, TARGETS).items() <= added(rows, "ipDestinationAddress").items()
        ports = added(rows, lambda r: f"{r['ipProtocolName']}/{r['destinationPort']}")
        assert sums(pair, at, PORT).items() <= ports.items()
        sources = added(rows, "ipSourceAddress")
        kept = sums(pair, at, SOURCE)
        assert len(kept) == KEPT_SOURCES and kept.items() <= sources.items()
        assert min(kept.values()) >= sorted(sources.values())[-KEPT_SOURCES]
        events = pair.server.query("SELECT source, source_port, vector, asn, country, colo, packets, bits"
                                   " FROM traffic_event WHERE at = ?", at * MICRO)
        known = {(r["ipSourceAddress"], r["sourcePort"], r["attackVector"] or None, r["sourceAsn"] or None,
                  r["sourceCountry"] if r["sourceCountry"] != "XX" else None, r["coloCode"], r["packets"], r["bits"])
                 for r in rows}
        assert len(events) == len(set(events)) == KEPT_ROWS and set(events) <= known


def told(pair, begin, end):
    """What cfmtctl says of these minutes."""
    rows = [r for at in range(begin, end, MINUTE) for r in truth(pair, at)]
    total = sum(r["packets"] for r in rows)
    listed = pair.ctl("traffic", WEB, "--since", stamp(begin), "--limit", "150")["traffic"]
    times = [r["minute"] for r in listed]
    assert len(listed) == 150 and times == sorted(times, reverse=True)
    assert all(r["spoofed"] == is_spoofed(r["source"]) and r["target"].startswith("198.51.100.") for r in listed)
    assert 0.2 < sum(r["spoofed"] for r in listed) / len(listed) < 0.8  # not those of one corner of the address space
    assert sum(r["target"] == TARGET and r["vector"] == "UDP Flood" for r in listed) > 120
    assert len({json.dumps(r) for r in listed}) == 150
    tops = pair.ctl("traffic", "attack", "a1", "--top", "--limit", "3")
    assert seconds_of(tops["from"]) <= begin and seconds_of(tops["to"]) >= end
    assert abs(tops["spoofed_share"] - sum(r["packets"] for r in rows if is_spoofed(r["ipSourceAddress"])) / total) < .1
    assert tops["vectors"][0]["name"] == "UDP Flood" and tops["vectors"][0]["share"] > 0.9
    assert [c["name"] for c in tops["ports"]] == ["UDP/443"] or tops["ports"][0]["name"] == "UDP/443"
    want = added(rows, "sourceAsn")
    assert {str(a["asn"]) for a in tops["asns"]} <= set(want) and len(tops["asns"]) == 3
    for a in tops["asns"]:
        assert abs(a["share"] - want[str(a["asn"])] / total) < 0.1, (a, want, total)
    assert len(tops["sources"]) == 3 and all(s["spoofed"] == is_spoofed(s["name"]) for s in tops["sources"])
    assert tops["cut_minutes"] == 0 and tops["peak_pps"] > 100000
    text = pair.server.ctl("traffic", "attack", "a1", "--top").stdout
    assert "UDP Flood" in text and "% from spoofed addresses" in text and "SHARE" in text


def an_attack(pair):
    """Asked is nothing before it; then each of its minutes once, also over restarts and another leader."""
    pair.start()
    pair.succeed("detail")
    assert pair.job("detail")["result"] == "no attack is open" and not minutes(pair)
    begin = under_attack(pair, 150e3)
    wait_time(pair, begin + 4 * MINUTE)
    pair.server.log.allow(r"exit signal Killed")
    os.kill(pair.server.leaders()[0], signal.SIGKILL)
    wait_for(lambda: read_until(pair) >= begin + 3 * MINUTE, 60, f"detail: {pair.job('detail')}")
    pair.reload()
    wait_for(lambda: read_until(pair) >= begin + 6 * MINUTE, 60, f"detail: {pair.job('detail')}")
    compare(pair, begin, begin + 6 * MINUTE)
    told(pair, begin, begin + 6 * MINUTE)
    pair.write("DELETE FROM sensed WHERE name = ?", [("detail",)])  # all of it is asked again
    before = pair.server.query("SELECT * FROM traffic_event WHERE at < ?", (begin + 6 * MINUTE) * MICRO)
    wait_for(lambda: read_until(pair) >= begin + 7 * MINUTE, 60, f"detail: {pair.job('detail')}")
    assert pair.server.query("SELECT * FROM traffic_event WHERE at < ?", (begin + 6 * MINUTE) * MICRO) == before
    attack(pair, "flood", 0)
    alert(pair, "END")
    ended = pair.now()
    wait_time(pair, ended + 13 * MINUTE)
    pair.succeed("detail")
    assert pair.job("detail")["result"] == "no attack is open"
    last = minutes(pair)[-1]
    assert begin + 7 * MINUTE <= last <= ended + 13 * MINUTE and not pair.job("detail")["fails"]


def steady_state(pair):
    """Two prefixes are attacked: one query a minute."""
    pair.start()
    advertise(pair, MAIL)
    attack(pair, "other", 100e3, "192.0.2.9", rise=0)
    alert(pair, "START", "a2", "192.0.2.9")
    begin = under_attack(pair, 100e3)
    wait_for(lambda: read_until(pair) >= begin + 2 * MINUTE, 60, f"detail: {pair.job('detail')}")
    results = []
    until = pair.now() + 6 * MINUTE
    while pair.now() < until:
        results.append(pair.job("detail")["result"])
        time.sleep(0.05)
    counts = {int(r.split(" queries")[0].split()[-1]) for r in results if r and " queries" in r}
    assert counts and max(counts) <= 2, results
    both = pair.server.query("SELECT prefix, count(DISTINCT at) FROM traffic_sum GROUP BY 1 ORDER BY 1")
    assert [r[0] for r in both] == [MAIL, WEB] and min(r[1] for r in both) >= 6, both
    assert {r["prefix"] for r in pair.ctl("traffic", "attack", "a2")["traffic"]} == {MAIL}


def cut(pair):
    """Answers hold far less than there is: time is halved, the largest are kept and marked, nothing grows."""
    pair.sim.control("POST", "/limits", {"page": 150})
    pair.start()
    begin = under_attack(pair, 150e3)
    wait_for(lambda: read_until(pair) >= begin + 4 * MINUTE, 90, f"detail: {pair.job('detail')}")
    assert "cut" in pair.job("detail")["result"]
    for at in (begin, begin + MINUTE):
        assert pair.server.query("SELECT count(*) FROM traffic_event WHERE at = ?", at * MICRO)[0][0] <= KEPT_ROWS
        assert pair.server.query("SELECT count(*) FROM traffic_sum WHERE at = ?", at * MICRO)[0][0] <= KEPT_SUMS
    tops = pair.ctl("traffic", WEB, "--top")
    assert tops["cut_minutes"] >= 4 and tops["vectors"][0]["name"] == "UDP Flood"
    assert "the sums are too small" in pair.server.ctl("traffic", WEB, "--top").stdout
    pair.sim.control("POST", "/limits", {"page": None})


def trouble(pair):
    """What cannot be read is asked again: nothing is missing in the end."""
    pair.server.log.allow(r"CFMT0850: job \S+ failed")
    pair.server.log.allow(r"CFMT0920: ")
    pair.start()
    begin = under_attack(pair, 100e3)
    for kind in ("errors", "partial", "garbage", "5xx"):
        pair.sim.fault("graphql", kind)
        pair.sleep(90)
        pair.sim.clear()
        pair.sleep(30)
    wait_for(lambda: read_until(pair) >= begin + 8 * MINUTE, 90, f"detail: {pair.job('detail')}")
    compare(pair, begin, begin + 8 * MINUTE)


@scenes(Scene(an_attack, takes=40, speed=60), Scene(steady_state, takes=20, speed=60), Scene(cut, takes=20, speed=60),
        Scene(trouble, takes=30, speed=60))
def test_detail(scene):
    scene()
