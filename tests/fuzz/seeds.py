#!/usr/bin/python3
"""Writes the seeds of every fuzz target: seeds.py OUT [BODIES] -> OUT/<target>/<number>, OUT/<target>.dict.

Each function below gives the inputs of the target of its name. BODIES is a directory of recorded webhook
bodies (*.json, below it, too); they are added where it exists.
"""
import base64
import hashlib
import hmac
import itertools
import json
import os
import struct
import sys

ID = "9035f53656c247e895c5a6939ae8a0e0"
LONE = "\\ud800 \\udc00 \\ud83d\\ude00"
BAD_UTF8 = [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"\xff", b"\xf0\x80\x80\x80",
            b"\xf8\x88\x80\x80\x80", b"\xc3\x28"]
ODD_TEXT = ["", "plain", "tab\there", "line\nbreak", "back\\slash", "\x1b[31mred", "\x7f", "\u0085", "\u2028",
            "\u202etxt.exe", "\u2066x\u2069", "é ü 漢字", "😀" * 60, "\ufffd", "\x00nul", "x" * 300, "é" * 150]
OLD_TABLES = ["attack_events", "webhook_events", "webhooks", "withdrawal_history", "pending_withdrawals",
              "network_analytics_events", "prefix_calm_status"]
KINDS = ["advanced_ddos_attack_l4_alert", "dos_attack_l4", "advanced_ddos_attack_l7_alert", "dos_attack_l7",
         "fbm_dosd_attack", "fbm_volumetric_attack", "fbm_auto_advertisement", "magic_tunnel_health_check_event",
         "bgp_hijack_notification", "health_check_status_notification", "incident_alert",
         "maintenance_event_notification", "workers_alert", "no_such_type", "", "ADVANCED_DDOS_ATTACK_L4_ALERT"]
RATES = ["800", "800.00 pps", "6.4Gb/s", "12 kpps", "5 Mbps", "1.2e6", "1e-6", "1E+3 K", "0", "0.0", "00012", " 7 ",
         "9 packets/s", "3 bits/s", "3 bit/s", "1 Trps", "999.5", "999499999999999", "999.5e12", "1e308", "1e309",
         "1e-400", "0." + "0" * 330 + "1e331", "9" * 400, "-1", "+1", "nan", "inf", "0x10", "1.", ".5", "1.2.3", "1e",
         "1e99999", "1e-9999", "1 x", "1 pps x", "1kk", "1\tMbps\t", "9.995", "99.95", "1 P", "١"]
TIMES = ["2025-06-13T06:13:37.721192654Z", "1970-01-01 00:00:00 +0000 UTC", "1970-01-01T00:00:00Z",
         "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:60Z", "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z",
         "2016-12-31t15:59:60-08:00", "2024-02-29T12:00:00z", "2023-02-29T12:00:00Z", "2000-02-29 00:00:00Z",
         "2100-02-29T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "1970-01-01T00:00:00-23:59",
         "9999-12-31T23:59:59-00:01", "2025-06-13T24:00:00Z", "2025-06-13T23:60:00Z", "2025-13-01T00:00:00Z",
         "2025-00-01T00:00:00Z", "2025-01-32T00:00:00Z", "2025-01-00T00:00:00Z", "2025-06-13T06:13:37",
         "2025-06-13", "2025-06-13T06:13:37.Z", "2025-06-13T06:13:37.1234567890Z", "2025-06-13T06:13:37.1Z",
         "2025-06-13T06:13:37 +0200 UTC", "2025-06-13T06:13:37+0200", "2025-06-13T06:13:37+24:00", "",
         "2025-06-13T06:13:37 +0000 UTCx", "2025-06-13T06:13:37  +0000 UTC", "+2025-06-13T06:13:37Z",
         "2025-6-13T06:13:37Z", "2025-06-13T06:13:37Zz"]
CIDRS = ["203.0.113.0/24", "203.0.113.7", "203.0.113.7/24", "0.0.0.0/0", "255.255.255.255/32", "1.2.3.4/33", "1.2.3.4/",
         "1.2.3.4/-1", "1.2.3.4/08", "1.2.3.4/0", "1.2.3/8", "01.2.3.4", "1.2.3.256", "1.2.3.4 ", "::", "::/0", "::1",
         "2001:db8::/32", "2001:db8::1/129", "2001:db8::1/127", "::ffff:192.0.2.1", "::ffff:192.0.2.1/120",
         "::ffff:0:0/96", "::ffff:0:0/95", "fe80::1%eth0", "fe80::/10", "2001:DB8:0:0:0:0:0:1", "1::2::3", "/24", "",
         "2001:db8:85a3:8d3:1319:8a2e:370:7348/64", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/1",
         "1.2.3.4/24/24", "::ffff:1.2.3.4/128", "198.51.100.0/22", "64:ff9b::1.2.3.4", "a" * 60]


def text(*items):
    return [i.encode("utf-8", "surrogatepass") for i in items]


def doc(value):
    return json.dumps(value).encode()


def alert(kind, **data):
    return {"alert_type": kind, "alert_event": "ALERT_STATE_EVENT_START", "ts": 1700000000, "account_id": ID,
            "policy_id": "p1", "policy_name": "All attacks", "alert_correlation_id": "c1", "data": data}


def delivery():
    attack = dict(attack_id="a1", target_ip="203.0.113.7", attack_vector="UDP Flood", protocol="UDP", rule_name="r",
                  packets_per_second="1200000", megabits_per_second=6400, start_time="2025-06-13T06:13:37Z")
    entity = dict(tunnel_id="t1", tunnel_name="gre-zrh", new_status="MAGIC_TUNNEL_STATUS_DOWN", pop_names="ZRH",
                  health_check_id="h1", name="web", status="Unhealthy", reason="timeout", incident_id="i1",
                  incident_impact="INCIDENT_IMPACT_MAJOR", maintenance_id="m1", airport_code="ZRH", impact="none",
                  prefix_hijacked="192.0.2.0/25", hijack_as=64500, prefix_configured="192.0.2.0/24")
    for kind in KINDS:
        yield doc(alert(kind, **attack))
        yield doc({**alert(kind, **entity), "alert_event": "X_END"})
    for rate in RATES:
        yield doc(alert(KINDS[0], max_rate=rate, packets_per_second_string=rate, requests_per_second=rate))
    for cidr, kind in zip(CIDRS, itertools.cycle(["dos_attack_l4", "fbm_auto_advertisement", "workers_alert"])):
        yield doc(alert(kind, target_ip=cidr, prefix="203.0.112.0/22", prefix_hijacked=cidr))
    for odd in ODD_TEXT:
        yield doc({"text": odd, "ts": "5"})
        yield json.dumps(alert("dos_attack_l7", zone_name=odd, attack_type=odd), ensure_ascii=False).encode()
    for status in (["Advertised"], ["locked", "error"], ["could not advertise"] * 30, [None]):
        yield doc(alert("fbm_auto_advertisement", advertise_status=[{"prefix": "192.0.2.0/24", "status": s}
                                                                    for s in status]))
    for ts in (0, -1, 253402300799, 253402300800, 1.5, "x", None, [], 1e30):
        yield doc({**alert(KINDS[4]), "ts": ts, "alert_event": ["END", "SUSPEND", 5][bool(ts) + (ts == "x")]})
    yield from bodies_refused()


def bodies_refused():
    yield from text("", " \r\n", "{}", "[]", "null", '"text"', "text=a", '{"text":"a"}x', '{"text":"a"', "{" * 40,
                    '{"text":"a","text":"b"}', '{"data":{"a":1,"a":2}}', '{"o":{"a":1,"a":2}}', '{"ts":0,"ts":1}',
                    '{"data":' + "[" * 31 + "]" * 31 + "}", '{"data":' + "[" * 30 + "]" * 30 + "}",
                    '{"text":"%s"}' % LONE, '{"\\ud800":1,"\\udbff":2}', '{"text":"\\u0000"}', '{"data":"x"}',
                    '{"a\\u0000b":1,"a":2}', "\ufeff{}", '{"text":"a",}', "{'text':1}", '{"a":01}', '{"a":1e}')
    for bad in BAD_UTF8:
        yield b'{"text":"' + bad + b'"}'


def json_():
    documents = list(text(*'null true false 0 -0 1e400 "" [] {} [1,2] [[[]]] {"a":{"b":{"c":1}}}'.split()))
    documents += list(bodies_refused()) + [json.dumps(t).encode() for t in ODD_TEXT]
    documents += text('{"data":{"a":1}}', '{"data":[],"data":1}', '["\\u202e\\"\\\\"]', '{"k":"12","n":-9}')
    for i, d in enumerate(documents):
        yield bytes([(0, 1, 7, 31, 39)[i % 5], i % 4]) + d


def json_stream():
    rows = [{"id": ID, "on_demand": {"advertised": True, "at": None}}, {"a": [1, [2], {}]}, 1, "x", None, []]
    answer = {"success": True, "errors": [], "messages": [], "result": rows, "result_info": {"page": 1}}
    viewer = {"viewer": {"accounts": [{"traffic": rows}, {"traffic": [7]}]}}
    documents = [doc(answer), doc({**answer, "result": rows[0]}), doc({**answer, "result": None}), doc({"items": rows}),
                 doc({"data": viewer, "errors": None}), doc({"data": None, "errors": [{"message": "m"}]}),
                 doc({"data": {"viewer": {"accounts": []}}}), doc({"a": [{"b": rows, "c": 1}, rows, 2]}),
                 doc([rows, rows]), doc({"result": "r" * 1990}), doc({"result": ["r" * 1990]}), doc({"x": "e" * 2990}),
                 doc(["é" * 1200]),
                 json.dumps({"result": ["é漢😀" * 9], "é": "😀"}, ensure_ascii=False).encode(),
                 doc({"result": [{"n": n} for n in range(60)]}), doc([[]] * 70)]
    documents += text('{"a":1,"a":2}', '{"result":[{"a":1,"a":2}]}', '{"result":[1],"result":[2]}', '{"result":[1',
                      '{}"a', '{"result":[1]} x', '{"result":[' + "[" * 20 + "]" * 20 + "]}", '"a"', "12", '"a""b',
                      "[1,2", "<html>")
    documents += [b'{"result":[1,"' + bad + b'"]}' for bad in BAD_UTF8] + list(bodies_refused())
    for i, d in enumerate(documents):
        for cut in (1, 5, 128, 255)[i % 2::2]:
            yield bytes([(0, 1, 2, 3, 1, 65, 34)[i % 7], 31 if i % 5 else 7, cut]) + d
        yield bytes([1 + i % 3, 31, 64 + i]) + d


def settings():
    yield from bodies_refused()
    base = {"CfmtAccountId": ID, "CfmtSender": "cloudflare 127.0.0.0/8", "CfmtPrefix": "203.0.113.0/24 lab"}
    yield doc(base)
    for odd in ODD_TEXT:
        yield doc({**base, "CfmtDatabase": odd})
        yield doc({odd: "on"})
    for value in (1, None, True, [], {}, "off"):
        yield doc({**base, "cfmtaccountid": value})


def attack_state(**change):
    bits = struct.unpack("<q", struct.pack("<d", 1.2e6))[0]
    state = dict(account=ID, ours=1, scope="network", open=0, ended_by="end", episodes=2, started_at=1, episode_at=2,
                 ended_at=3, last_at=4, events=5, targets=["192.0.2.1", "2001:db8::1"], targets_cut=0,
                 target_missing=1, vectors=["UDP"], protocols=[], rules=["é"], alert_types=["dos_attack_l4"],
                 pps_bits=bits, bps_bits=-4616189618054758400, rps_bits=0)
    state.update(change)
    return state


def entity_state(**change):
    state = dict(name="gre-zrh", state="down", previous=None, since=1, last_at=2, events=3, changes=1,
                 priority="HIGH")
    state.update(change)
    return state


def snapshot():
    odd = [None, -1, 2**31, 2**63 - 1, -2**63, 2**63, "7", "x", [], 1.5]
    yield b"a" + doc(attack_state())
    yield b"e" + doc(entity_state())
    for value, key in zip(odd, ["account", "open", "episodes", "last_at", "pps_bits", "events", "targets", "rules"] * 2):
        yield b"a" + doc(attack_state(**{key: value}))
    for value, key in zip(odd, ["name", "since", "last_at", "events", "changes", "priority", "state"] * 2):
        yield b"e" + doc(entity_state(**{key: value}))
    for bits in (0x7FF8000000000000, 0x7FF0000000000000, 1, -2**63):
        yield b"a" + doc(attack_state(pps_bits=bits))
    yield b"a" + doc(attack_state(targets=["192.0.2.%d" % n for n in range(80)], scope="host", ended_by=None))
    for value in ([], ["a", 1, None, "b"], {}, ODD_TEXT, "x", [[["a"]]]):
        yield b"l" + doc(value)
    for version in (1, 2, "1", None):
        yield b"s" + doc({"version": version, "last_delivery_at": 0, "config": {"CfmtAccountId": ID, "a": 1, "": ""},
                          "attacks": [{"id": "a1", "prefixes": [], "base": attack_state(), "keys": [
                              {"kind": 1, "value": "a1", "account": ID, "id": "a0123456789ab"}]}],
                          "entities": [{"kind": "tunnel", "id": "t1", "base": entity_state()}],
                          "repeats": [{"id": 9, "first": 3}]})


def signature():
    key, now = b"0123456789abcdef0123456789abcdef", 1700000000

    def sign(ident, at, body, k=key):
        mac = hmac.new(k, b"%s.%s.%s" % (ident, at, body), hashlib.sha256).digest()
        return b"v1," + base64.b64encode(mac)

    def lines(ident, at, sigs, body):
        return b"\n".join([ident, at, sigs, body])

    body = b'{"text":"Hello"}'
    good = sign(b"msg_1", b"%d" % now, body)
    for at in text("1700000000", "1699999700", "1699999699", "1700000300", "1700000301", "0", "-1", "", "1.5",
                   "253402300799", "253402300800", "01700000000", "1700000000 ", "99999999999999999999", "now"):
        yield lines(b"msg_1", at, sign(b"msg_1", at, body), body)
    for ident in text("", "a", "a.b", "a b", "\x01", "é", "x" * 256, "x" * 257, "whsec_c2VjcmV0", "whsec_", "whsec_=",
                      "whsec_c2VjcmV=", "whsec_c2VjcmV1====", " lead", "trail "):
        yield lines(ident, b"1700000000", sign(ident, b"1700000000", body), body)
    for sigs in (good, b"v1, " + good, b"v1,AAAA " + good, good + b" " + good, b"v2," + good[3:], good[:-1], b"v1,",
                 good[3:], b"", b" ", b",", b"v1", b"v1,x v2", good.replace(b"v1", b"V1"), good + b"=", b"v1,AA== " * 16
                 + good, b"v1,AA== " * 15 + good, b"v1a," + good[3:], good + b"\t", b"v1," + b"A" * 43 + b"=",
                 b"v1," + b"A" * 44, sign(b"msg_1", b"1700000000", body, b"other"), b"v1,!" + good[4:]):
        yield lines(b"msg_1", b"1700000000", sigs, body)
    yield lines(b"msg_1", b"1700000000", good, b"")
    yield lines(b"msg_1", b"1700000000", sign(b"msg_1", b"1700000000", b""), b"")
    yield lines(b"msg_1", b"1700000000", sign(b"msg_1", b"1700000000", b"\x00\xff\n"), b"\x00\xff\n")
    yield b""


def cidr():
    yield from text(*CIDRS)
    for a, b in zip(CIDRS, CIDRS[1:] + CIDRS[:1]):
        yield text(a + "\n" + b)[0]
    yield from text("10.0.0.0/8\n10.1.2.3", "10.1.2.3\n10.0.0.0/8", "0.0.0.0/0\n::/0", "::/0\n::1", "10.0.0.0/9\n10.128.0.0/9")
    yield from (b"\x7f\0\0\x01", b"\0" * 16, b"\0" * 10 + b"\xff\xff\x01\x02\x03\x04", b"\xff" * 16, b"abc")


def rate():
    yield from text(*RATES)
    yield from text("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "-",
                    "--1", "007", "-0")
    for v in (0.0, -0.0, -1.0, 1.0, 9.994999, 9.995, 99.95, 999.5, 5e-324, 1.7e308, float("nan"), float("inf")):
        yield struct.pack("<d", v)


def time():
    yield from text(*TIMES)
    for v in (0, 1, -1, 2**63 - 1, -2**63, 253402300799999999):
        yield struct.pack("<q", v)


def duration():
    yield from text("30s", "5m", "5min", "250ms", "2h", "1d", "45", "0", "0s", "00", "1ms", "36500d", "36501d", "876000h",
                    "3153600000", "3153600001", "3153600000000ms", "1w", "1 s", " 1s", "1s ", "-1s", "+1s", "1.5h", "", "s",
                    "1mins", "1M", "9223372036854775807", "9223372036854775808d", "1us", "1dd", "99999999999999999999ms")
    for v in (0, 1, -1, 999, 1000, 1001, 59999999, 3600000000, 86400000001, 3153600000000000, 2**63 - 1, -2**63):
        yield struct.pack("<q", v)


def text_():
    for room in (0, 1, 3, 4, 16, 255):
        for odd in text(*ODD_TEXT):
            yield bytes([room]) + odd
        for bad in BAD_UTF8:
            yield bytes([room]) + b"12345678" + bad + b"x" + bad


def leader():
    beat = "%d %d %d %d" % (4711, 1700000000000000, 12, 1700000001000000)
    yield from text(beat.ljust(95) + "\n", beat, beat + "\n", beat + " x", beat + " ended", beat + " ended x", " " + beat,
                    beat.replace(" ", "\t"), "", "\n", " " * 95 + "\n", "1 2 3 4", "0 2 3 4",
                    "-5 2 3 4", "2 0 0 0", "2 0 0 1", "2 0 0 -1", "2 -1 -1 1",
                    "2147483647 1 1 1", "2147483648 1 1 1", "4294967298 1 1 1", "9223372036854775807 1 1 1",
                    "18446744073709551618 1 1 1", "2 9223372036854775807 9223372036854775807 9223372036854775807",
                    "2 99999999999999999999 1 99999999999999999999", "2 1 1", "2 1 1 1 1", "2 1 1 1\0\0", "\0" * 96,
                    "2 1 1 1e5", "+2 +1 +1 +1", "0x10 1 1 1", "2\n1\n1\n1\n", "02 01 01 01", "2 1 1 1" + " " * 200 + "x",
                    beat[:20], "a b c d", "2,1,1,1", "2 1 1 " + "0" * 100 + "1")


ROW_ID = "2af39739cc4e3b5910c918468bb89828"
ROWS = {
    "prefix": {"cidr": "203.0.113.0/24", "asn": 64500, "approved": "V", "description": "web",
               "auto_advertise_withdraw": False, "bgp_signal_opts": {"enabled": False, "modified_at": None},
               "modified_at": "2026-11-22T20:07:00Z", "on_demand": {
                   "advertised": True, "advertised_modified_at": "2026-11-22T20:06:00.5Z", "on_demand_enabled": True,
                   "on_demand_locked": False}},
    "token": {"status": "active", "expires_on": "2027-01-01T00:00:00Z", "not_before": None},
    "ranges": {"etag": "e1", "ipv4_cidrs": ["173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "104.16.0.0/13",
                                            "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22", "162.158.0.0/15"],
               "ipv6_cidrs": ["2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2a06:98c0::/29"]},
    "tunnel": {"name": "cf-gre-zrh", "customer_gre_endpoint": "203.0.113.1", "customer_endpoint": "203.0.113.2",
               "health_check": {"enabled": True, "rate": "mid", "target": {"saved": "a", "effective": "b"}}},
    "health": {"count": 120, "avg": {"tunnelState": 0.5}, "dimensions": {"tunnelName": "cf-gre-zrh", "active": 1}},
    "rule": {"name": "volumetric", "type": "threshold", "prefixes": ["203.0.113.0/24", "2001:db8::/32"],
             "automatic_advertisement": True},
    "policy": {"name": "all", "alert_type": "dos_attack_l4", "enabled": True, "url": "https://hook.example/",
               "mechanisms": {"webhooks": [{"id": ROW_ID}], "email": [{"id": "a@example.com"}]},
               "last_success": "2026-11-22T20:07:00Z", "last_failure": None},
    "notice": {"alert_type": "dos_attack_l4", "policy_id": "p1", "mechanism": "x", "mechanism_type": "webhook",
               "alert_body": "{}", "sent": "2026-11-22T20:07:00Z"},
    "traffic": {"dimensions": {"datetimeMinute": "2026-11-22T20:01:00Z", "ipDestinationSubnet": "192.0.2.0/24",
                               "outcome": "drop", "mitigationSystem": "dosd"},
                "sum": {"packets": 58800000, "bits": 240844800000}},
    "limits": {"magicTransitNetworkAnalyticsAdaptiveGroups": {"maxPageSize": 10000, "maxDuration": 259200,
                                                              "notOlderThan": 2678400}},
}


def rows():
    odd = [None, True, "1", 0, -1, 2**63, 1.5, "", "é" * 600, "203.0.113.7/33", "\x00", [], {}, [[1]]]
    everything = {"id": ROW_ID}
    for row in ROWS.values():
        everything.update(row)
        yield doc({"id": ROW_ID, **row})
        for value, key in zip(itertools.cycle(odd), row):
            yield doc({"id": ROW_ID, **row, key: value})
            yield doc({"id": value, **row})
            if isinstance(row[key], dict):
                yield doc({"id": ROW_ID, **row, key: {k: value for k in row[key]}})
            if isinstance(row[key], list):
                yield doc({"id": ROW_ID, **row, key: [value] + row[key]})
    yield doc(everything)
    for value in odd:
        yield doc({key: value for key in everything})
    for key in ROWS["traffic"]["dimensions"]:
        for value in odd + ["2001:db8::/48", "2001:DB8:0:0::/48", "192.0.3.7", "pass", "flowtrackd", "magic-firewall",
                            "2026-11-22T20:05:00Z", "2026-11-22T19:59:59.9Z"]:
            yield doc({**ROWS["traffic"], "dimensions": {**ROWS["traffic"]["dimensions"], key: value}})
    for bodies in ("ab", "aa", "aabb", "abcabc"):
        yield doc([{**ROWS["notice"], "id": "%032x" % i, "alert_body": body, "sent": "2026-11-22T20:%02d:00Z" % (3 * i)}
                   for i, body in enumerate(bodies)])
        yield doc([{**ROWS["notice"], "id": ROW_ID, "alert_body": None, "policy_id": body} for body in bodies])
    yield from text("", "[]", "null", "[null,1,[]]", '{"id":"%s","id":1}' % ROW_ID, '{"id":"%s"' % ROW_ID)


def ratelimit():
    counts = ["0", "1", "50", "1200", "-1", "1.5", "", "x", "86400", "86401", "1000000000", "1000000001", "9" * 20]
    for a, b in itertools.product(counts, ["0", "1", "30", "86400", "86401", "x"]):
        yield from text('"default";r=%s;t=%s\n"burst";q=%s;w=%s' % (a, b, a, b))
    items = ["", ",", '"', '"a', "a", '"a";', '"a";r', '"a";r=', '"a, b;r=1";r=5;t=5', '"a\\"b";r=1;t=1',
             "a;r=1;t=1;x=:Zg==:", "a;r=1;t=1 b", "a ; r=1 ; t=1 ", "limit=1, remaining=2", "a;t=5;r=0, b;r=0;t=9,,c",
             ";;;", "a;r=1;r=2;t=3", "\\"]
    for one, other in zip(items, items[1:] + items[:1]):
        yield from text(one + ", " + other + "\n" + one.replace("r=", "q=").replace("t=", "w=") + "," + other)
    yield from text('\n"second";q=10;w=1, "default";q=1200;w=300', '\n"x";q=1;w=1', '\n"x";q=3;w=86400, y;q=2;w=1')


def message():
    """The kind as a byte, a template, a NUL, the fields."""
    templates = ["", "{prefix}", "[{target}]", "a [plain] {rate}\nRate: {rate} [{peak}]", "{prefix", "}", "[", "[[", "]",
                 "{no}", "\n", "x\r\n\r\n", "<b>{target}</b> & {reason}", "{at} {since_at} {duration_s}\n\n{mode}",
                 "x" * 3001, "\u202e", "{number} {spoofed}", "{prefix}" * 400]
    fields = [{}, [], "x", {"target": "203.0.113.7", "pps": "1200000", "bps": 6400000000, "mode": "observe"},
              {"since_at": "1763781600000000", "duration_s": 7200, "number": 3, "spoofed": "34.4", "days": 1},
              {"since_at": 2 ** 63, "number": -1, "pps": "1e308", "spoofed": "nan"}, {"target": {"a": [1]}},
              {"target": "<b>&</b>" * 1000, "reason": "😀" * 5000, "prefix": "\u05d0\u202e\u0000\u001b[31m"}]
    for kind, template in enumerate(templates):
        for one in fields:
            yield bytes([kind]) + template.encode() + b"\0" + doc(one)
    for kind in range(32):
        yield bytes([kind]) + b"\0" + doc(fields[3])
        yield bytes([kind]) + "\0é\xff".encode("latin-1")


def channel():
    kinds = ("telegram name=ops token=file:/t chat=-1001 topic=7 thread=edit", "webhook name=w url=https://h/p?q secret=file:s",
             "webhook name=w url=file:/u", "command name=c path=/bin/true", "syslog name=s facility=local7")
    words = ("", "min=high", "types=attack-start,hijack", "types=,", "prefixes=203.0.113.0/24,2001:db8::/32", "prefixes=,",
             "fallback=b after=90s", "after=1min", "quiet=22:00-07:00", "quiet=22:00-07:00,max=high", "quiet=22:00-07:0",
             "quiet=24:00-07:00", "quiet=", "daily=08:00", "daily=08:00x", "lifecycle=on", "min=low min=low", "name=", "=",
             "chat=@a", "x" * 5000, "types=" + "hijack," * 500, "'a b' \"c", "\\", "topic=9223372036854775808")
    for kind in kinds:
        for word in words:
            yield f"{kind} {word}".encode()
    yield from text("", " ", "telegram", "pigeon name=x", "syslog name=" + "a" * 32, "syslog name=" + "a" * 33, "'")


def policy():
    durations = ("Calm", "CalmMax", "MinAdvertised", "MinWithdrawn", "OrphanAfter", "AttackTimeout", "ProposalTtl")
    options = ("", "name=web", "withdraw=auto", "WITHDRAW=Propose advertise=auto", "calm=20m", "pps=3 bps=1.5G",
               "systems=dosd,flowtrackd", "systems=DOSD", "passed-pps=1e6", "idle=calm", "calm=5m calm=6m", "pps",
               "'bps=1 M'", '"name=a\\"b"', "name=" + "n" * 64)
    for cidr, option in zip(CIDRS, itertools.cycle(options)):
        yield f"CfmtPrefix {cidr} {option}\nCfmtPrefix * {option}\nCfmtPrefix \"{cidr}\"".encode()
    for rate in RATES:
        yield f'CfmtThreshold "pps={rate}" sustain=3 bps={rate}\n'.encode()
    for name, value in zip(durations * 2, ("90m", "3600", "1h", "20min", "1d", "2h", "5m", "1500ms", "0", "1h 2h",
                                           "x", "-1", "99999999999999999999", '"2h"')):
        yield f"# {name}\r\n\r\n  cfmt{name}\t\\\n  {value}\r\n".encode()
    yield from text("", "\\", "\n\\\n\"", "CfmtCalm \"\\", "\\\n\\\nListen 80", "CfmtMode observe\nCfmtMode ENFORCE",
                    "CfmtMode x" * 400, "<IfModule x>\n", "\u0301CfmtMode é", "'' ''", "CfmtThreshold",
                    "CfmtThreshold pps=1 pps=2 PPS=3", "CfmtThreshold sustain=61", "\\\n" * 300)


def imported():
    def row(source, columns, times=None, ambiguous=()):
        return doc({"source": source, "id": "17", "times": times or {}, "ambiguous": list(ambiguous), "columns": columns})

    full = {"attack_id": "a", "prefix": "203.0.113.0/24", "target_ip": "203.0.113.7", "attack_vector": "SYN", "status": "done",
            "packets_per_second": 5000, "megabits_per_second": "12.5", "alert_type": KINDS[0], "payload": None}
    for source in OLD_TABLES:
        yield row(source, full, {"created_at": 1, "received_at": 2, "advertised_at": 3, "withdrawn_at": 4}, ["created_at"])
        yield row(source, {})
    for kind in KINDS[:6]:
        yield row("webhook_events", {"payload": json.dumps(alert(kind, attack_id="x", target_ip="203.0.113.7/24"))})
    for odd in RATES[:20] + CIDRS[:10]:
        yield row("attack_events", {"packets_per_second": odd, "megabits_per_second": odd, "prefix": odd, "target_ip": odd})
    for odd in ODD_TEXT:
        yield row("attack_events", {"raw_payload": odd, "alert_type": odd}, {"created_at": odd}, [odd])
    yield from text("{}", '{"source":1}', '{"source":"attack_events","columns":[],"times":[],"ambiguous":{}}', "[]", "")


TARGETS = {"delivery": delivery, "imported": imported, "json": json_, "json_stream": json_stream, "settings": settings,
           "snapshot": snapshot,
           "signature": signature, "cidr": cidr, "rate": rate, "time": time, "duration": duration, "text": text_,
           "leader": leader, "ratelimit": ratelimit, "rows": rows,
           "message": message, "channel": channel,
           "policy": policy}

# What a fuzzer would take long to guess.
NAMES = """text name ts data alert_type alert_event account_id policy_id policy_name alert_correlation_id attack_id
attack_vector attack_type protocol rule_name start_time packets_per_second packets_per_second_string bits_per_second
megabits_per_second requests_per_second max_rate target_ip prefix prefix_hijacked prefix_configured hijack_as
target_hostname zone_name target_zone_name advertise_status status tunnel_id tunnel_name new_status tunnel_status
pop_names health_check_id health_check_name new_health_status reason incident_id incident_name incident_status
incident_impact impact maintenance_id airport_code event_type scheduled_start message id""".split()
WORDS = {"delivery": ['"%s":' % n for n in NAMES] + ['"%s"' % k for k in KINDS if k] + ["_START", "_END", "pps", "bps"],
         "imported": ['"%s"' % t for t in OLD_TABLES] + ['"columns":{', '"times":{', '"payload":"{', '"_at":'],
         "json": ["null", "true", "false", "\\u", "\\ud800", '":', '"data":'],
         "json_stream": ['"result":', '"data":', '"viewer":', '"accounts":', '"traffic":', '"items":', "\\u", "null"],
         "ratelimit": [";r=", ";t=", ";q=", ";w=", '";', ", "],
         "snapshot": ['"%s":' % n for n in list(attack_state()) + list(entity_state()) + ["version", "config"]],
         "signature": ["v1,", " v1,", "whsec_", "1700000000\n", "msg_1\n"],
         "cidr": ["::ffff:", "/128", "/32", "/0"], "rate": ["pps", "rps", "bps", "b/s", "bit/s", "bits/s", "packets/s", "e-"],
         "rows": ['"%s":' % n for row in ROWS.values() for n in row] + ['"id":"%s"' % ROW_ID, '"webhook"', '"V"'],
         "message": ["{%s}" % n for n in "prefix target rate peak at since_at next mode number".split()] + ["[", "]", "\n"],
         "policy": ["Cfmt%s " % d for d in ("Mode", "Prefix", "Threshold", "Calm", "CalmMax", "OrphanAfter")]
                   + ["pps=", "bps=", "sustain=", "systems=", "name=", "calm=", "idle=calm", "\\\n",
                      "203.0.113.0/24", "kpps"],
         "time": ["+00:00", " +0000 UTC", "23:59:60", "T00:00:00Z"], "duration": ["ms", "min"]}


def write(out, name, inputs):
    directory = os.path.join(out, name)
    os.makedirs(directory, exist_ok=True)
    for old in os.listdir(directory):
        os.unlink(os.path.join(directory, old))
    inputs = list(dict.fromkeys(inputs))
    if len(inputs) < 30:
        sys.exit("%s: only %d seeds" % (name, len(inputs)))
    for i, data in enumerate(inputs):
        with open(os.path.join(directory, "%04d" % i), "wb") as f:
            f.write(data)
    with open(os.path.join(out, name + ".dict"), "w") as f:
        f.write("# What libFuzzer would take long to guess; it takes no empty one.\nnul=\"\\x00\"\n")
        for word in WORDS.get(name, []):
            f.write('"%s"\n' % word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\x0a"))


def recorded(directory):
    for path, _, names in sorted(os.walk(directory)):
        for name in sorted(n for n in names if n.endswith(".json")):
            with open(os.path.join(path, name), "rb") as f:
                data = f.read()
            yield data
            try:
                # Some hold only the inner part.
                yield doc(alert(name.split(".")[0], **json.loads(data)))
            except (ValueError, TypeError):
                pass


def main(out, bodies=None):
    for name, inputs in TARGETS.items():
        extra = recorded(bodies) if name == "delivery" and bodies else []
        write(out, name, itertools.chain(inputs(), extra))


main(*sys.argv[1:])
