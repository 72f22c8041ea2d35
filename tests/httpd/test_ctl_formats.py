"""What cfmtctl prints, in each of its formats: the same rows as a table, wide, as JSON, a row a line, as CSV."""
import csv
import io
import json
import os
import pty
import re
import select
import subprocess

import pytest

from ctlcases import every, table, words
from ctlrows import ENV

MOVING = re.compile(r"(_seconds|^duration|^seconds|^at|^until|^since)$")  # what another second changes
TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"
LISTS = [(name, line) for name, line, code in every(changes=False, store=True) if code == 0 and "--top" not in line
         and "csv" in table()[name]["formats"]]


def run(place, name, line, *more):
    return place.ctl(*words(name, line, place), *more)


def rows_of(document):
    """The list that a document is about is its last member."""
    rows = list(document.values())[-1]
    assert isinstance(rows, list), document
    return rows


def steady(row):
    return {k: v for k, v in row.items() if not MOVING.search(k) and " ago" not in str(v)}


@pytest.mark.parametrize("name,line", LISTS)
def test_a_row_a_line_is_the_same_rows(places, name, line):
    place = places.of("small")
    want = rows_of(json.loads(run(place, name, line, "--json").stdout))
    done = run(place, name, line, "-o", "jsonl")
    got = [json.loads(row) for row in done.stdout.splitlines()]
    assert done.returncode == 0 and [steady(r) for r in got] == [steady(r) for r in want]


def as_csv(value):
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("name,line", LISTS)
def test_csv_is_the_same_rows(places, name, line):
    place = places.of("small")
    want = [steady(r) for r in rows_of(json.loads(run(place, name, line, "--json").stdout))]
    done = subprocess.run(place.command(*words(name, line, place), "-o", "csv"), env=ENV, capture_output=True, check=True,
                          timeout=20)
    text = done.stdout.decode()
    assert text.endswith("\r\n") and text.count("\n") == text.count("\r\n") == len(want) + 1
    got = [steady(r) for r in csv.DictReader(io.StringIO(text, newline=""), strict=True)]
    for csv_row, row in zip(got, want):
        as_text = row.pop("body_base64", None)  # JSON's way to have bytes that are no text
        assert list(csv_row) == list(row)
        for key, value in row.items():
            if key == "body" and as_text:
                assert csv_row[key] and csv_row[key].isprintable()
                continue
            if key != "body" and not isinstance(value, (float, dict, list)) and "\\" not in csv_row[key]:
                assert csv_row[key] == as_csv(value), key
            elif isinstance(value, (dict, list)) or key == "body":
                assert json.loads(csv_row[key] or "null") == value, key


@pytest.mark.parametrize("name", sorted(n for n, c in table().items() if "csv" not in c["formats"]))
def test_what_is_no_list_is_no_csv(places, name):
    operands = ["x"] * len([w for w in table()[name]["operands"].split() if not w.startswith("[")])
    done = places.of("small").ctl(*name.split(), *operands, "-o", "csv")
    assert done.returncode == 2 and "CFMT1101" in done.stderr and not done.stdout
    assert "-o json has all of it" in done.stderr


def test_wide_has_times_where_the_table_has_ages(places):
    place = places.of("small")
    narrow, wide = (place.ctl("status", "-o", how).stdout for how in ("table", "wide"))
    assert re.search(r"^PREFIX .* SINCE ", narrow, re.M) and "SINCE_AT" not in narrow
    assert re.search(r"^PREFIX .* SINCE_AT ", wide, re.M) and not re.search(r" SINCE ", wide)
    assert len(re.findall(TIME, wide)) > len(re.findall(TIME, narrow))
    ages = place.ctl("prefixes", "-o", "table").stdout
    assert re.search(r" \d+(d\d+h|h\d+m|m\d+s|d|h|m|s) ", ages), "3m12s"
    rest, again = (re.sub(r" \d+[dhms]\w* +", " ", x.partition("\n")[2]) for x in (narrow, place.ctl("status").stdout))
    assert rest == again, "but for ages, which may be a second older"


def test_the_last_format_counts(places):
    place = places.of("small")
    assert place.ctl("attacks", "--json", "-o", "table").stdout.startswith("ID ")
    assert place.ctl("attacks", "-o", "csv", "--json").stdout.startswith("{")
    done = place.ctl("attacks", "-o", "yaml")
    assert done.returncode == 2 and "CFMT1100" in done.stderr and "table, wide, json, jsonl, csv" in done.stderr


def on_terminal(place, *args, env=None):
    """What comes out on a terminal."""
    control, end = pty.openpty()
    with subprocess.Popen(place.command(*args), env=dict(ENV, TERM="xterm", **env or {}), stdin=end, stdout=end,
                          stderr=end) as child:
        os.close(end)
        text = b""
        while select.select([control], [], [], 10)[0]:
            try:
                text += os.read(control, 65536)
            except OSError:  # Linux says so that the other end is closed
                break
        child.wait(timeout=10)
    os.close(control)
    return text.decode()


def test_colours_only_where_they_are_wanted(places):
    place = places.of("small")
    assert "\x1b[" in on_terminal(place, "attacks")
    assert "\x1b[" in on_terminal(place, "attacks", env={"NO_COLOR": ""})
    assert "\x1b[" not in on_terminal(place, "attacks", env={"NO_COLOR": "1"})
    assert "\x1b[" not in on_terminal(place, "attacks", "--json")
    assert "\x1b[" not in place.ctl("attacks").stdout


def test_a_mistyped_prefix_is_suggested_the_one_way(places):
    place = places.copy("small")
    for name in ("status", "explain", "evidence", "traffic", "hold", "release", "adopt", "advertise", "withdraw"):
        more = ("--reason", "fibre") if name == "hold" else ()
        done = place.ctl(name, "wbe", *more)
        assert (done.returncode, done.stdout) == (2, "") and "did you mean 'web'?" in done.stderr, name
        done = place.ctl(name, "203.0.112.0/24", *more)
        assert done.returncode == 2 and "did you mean '203.0.113.0/24'?" in done.stderr, name
        done = place.ctl(name, "nothing-like-it", *more)
        assert done.returncode == 2 and "'cfmtctl prefixes' lists them" in done.stderr, name


@pytest.mark.parametrize("name", ["status", "explain", "evidence", "traffic"])
def test_a_prefix_by_each_of_its_names(places, name):
    place = places.of("small")
    said = [json.loads(place.ctl(name, typed, "--json").stdout) for typed in ("203.0.113.0/24", "203.0.113.7", "web", "WEB")]
    keys = [json.dumps(steady(d)["prefix"] if "prefix" in d else list(d.values())[-1], sort_keys=True) for d in said]
    assert len({re.sub(r"\d+", "", k) for k in keys}) == 1
