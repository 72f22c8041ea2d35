"""CfmtGeoDb: what configtest says of it, and the city of a source in cfmtctl traffic, by a database made here."""
import json
import os
import sqlite3
import struct
import time

import pytest

MICRO = 1000000
MINUTE = 60
CITY = {"city": {"names": {"en": "Zürich"}}, "country": {"iso_code": "CH"}}


def encode(value):
    """A value in MaxMind's data format; a number as (bits, value)."""
    if isinstance(value, str):
        data = value.encode()
        return bytes([0x40 | len(data)]) + data
    if isinstance(value, dict):
        return bytes([0xE0 | len(value)]) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return bytes([len(value), 4]) + b"".join(map(encode, value))
    bits, number = value
    return {16: b"\xa2", 32: b"\xc4", 64: b"\x08\x02"}[bits] + number.to_bytes(bits // 8, "big")


def database(octet, data, kind="Test-City"):
    """A database of IPv4 addresses in which octet.0.0.0/8 is there."""
    nodes = 8
    found = nodes + 16  # behind the tree and its 16 zero bytes
    tree = b""
    for i in range(nodes):
        pair = [nodes, nodes]  # nothing
        pair[octet >> (7 - i) & 1] = found if i == nodes - 1 else i + 1
        tree += b"".join(struct.pack(">I", n)[1:] for n in pair)
    facts = {"binary_format_major_version": (16, 2), "binary_format_minor_version": (16, 0),
             "build_epoch": (64, 1800000000), "database_type": kind, "description": {"en": "test"},
             "ip_version": (16, 4), "languages": ["en"], "node_count": (32, nodes), "record_size": (16, 24)}
    return tree + bytes(16) + encode(data) + b"\xab\xcd\xefMaxMind.com" + encode(facts)


def named(s, path):
    s.cfmt = [line for line in s.cfmt if not line.startswith("CfmtGeoDb")] + [f"CfmtGeoDb {path}"]
    return s.run("-t")


def make(s, name, content):
    path = s.path(name)
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, 0o644)
    return path


def put_row(s, source, country):
    """A minute of attack traffic, as the job would store it."""
    at = int(time.time()) // MINUTE * MINUTE * MICRO
    db = sqlite3.connect(s.db, timeout=10)
    with db:
        db.execute("INSERT INTO traffic_event(at, prefix, n, source, country, target, packets, bits)"
                   " VALUES(?, '203.0.113.0/24', 0, ?, ?, '203.0.113.7', 10000, 80000)", (at, source, country))
        for kind, name in ((0, ""), (3, source)):
            db.execute("INSERT INTO traffic_sum(at, prefix, kind, n, name, country, packets, bits)"
                       " VALUES(?, '203.0.113.0/24', ?, 0, ?, ?, 10000, 80000)", (at, kind, name, country))
    db.close()


def traffic(s, *words):
    done = s.ctl("traffic", *words, "--since", "10min", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_what_cannot_be_used_is_an_error_of_configtest(httpd_new):
    s = httpd_new()
    for path in (s.path("nowhere.mmdb"), make(s, "no.mmdb", b"nothing"), s.path("")):
        done = named(s, path)
        assert done.returncode != 0 and "CFMT0901: CfmtGeoDb: " in done.stdout, (path, done)
    if "--with-maxminddb" not in done.stdout:
        asn = named(s, make(s, "asn.mmdb", database(9, CITY, "Test-ASN")))
        assert asn.returncode != 0 and "'Test-ASN': it must be one of cities or countries" in asn.stdout


def test_the_city_of_a_source(httpd_new):
    s = httpd_new()
    path = make(s, "city.mmdb", database(9, CITY))
    done = named(s, path)
    if "--with-maxminddb" in done.stdout:
        pytest.skip("built without libmaxminddb (./configure --with-maxminddb)")
    assert done.returncode == 0, done
    s.start()
    put_row(s, "9.8.7.6", None)
    listed, said = traffic(s)
    assert (listed["traffic"][0]["city"], listed["traffic"][0]["country"]) == ("Zürich", "CH")
    assert "CFMT0902" not in said
    tops, _ = traffic(s, "--top")
    assert (tops["sources"][0]["city"], tops["sources"][0]["country"]) == ("Zürich", "CH")
    assert "CH, Zürich" in s.ctl("traffic").stdout
    os.unlink(path)
    listed, said = traffic(s)
    assert listed["traffic"][0]["city"] is None and "CFMT0902" in said


def test_an_address_that_is_not_in_it(httpd_new):
    s = httpd_new()
    done = named(s, make(s, "city.mmdb", database(10, CITY)))
    if "--with-maxminddb" in done.stdout:
        pytest.skip("built without libmaxminddb (./configure --with-maxminddb)")
    assert done.returncode == 0, done
    s.start()
    put_row(s, "2a00::1", "DE")
    listed, said = traffic(s)
    assert (listed["traffic"][0]["city"], listed["traffic"][0]["country"]) == (None, "DE")
    assert "CFMT0902" not in said
