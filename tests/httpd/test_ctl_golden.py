"""What cfmtctl prints, byte by byte: tests/httpd/golden/COMMAND.txt has each of the command's cases in each format.

The store is ctlrows.small() at a time that never changes (fixed_clock.c), nobody leads, and what differs from host to
host is replaced. After a change that is wanted: CFMT_GOLDEN=write tests/httpd/run -k golden, and read the diff.
"""
import json
import os
import re
import subprocess

import pytest

from ctlcases import CASES, words
from ctlrows import ENV, small
from httpd import BUILDDIR, SRCDIR
from test_world_cli import SECOND

GOLDEN = os.path.join(SRCDIR, "tests", "httpd", "golden")
WRITE = os.environ.get("CFMT_GOLDEN") == "write"
CLOCK = os.path.abspath(os.path.join(BUILDDIR, "tests", "httpd", ".libs", "fixed_clock.so"))
NOW = 1795348800 * SECOND  # 2026-11-22T12:00:00Z
FORMATS = ("table", "wide", "json", "jsonl", "csv")
UNLIKE = ("help", "version", "completion")  # of each version another one; guards compare help with the manual
HOSTS = ((r'("\w*bytes": ?)\d{4,}', r"\1NUMBER"), (r'("?\bschema\b[": ]+)\d+', r"\1NUMBER"),
         (r"\b\d+(\.\d+)? ([KMGT]iB|bytes)\b", "SIZE"), (r"(\b0?[0-7]{3,4}) [\w-]+:[\w-]+", r"\1 USER:GROUP"),
         (r"(closed by )[\w-]+", r"\1NAME"), (r"(user )[\w-]+( via [\w-]+)?(?=$|[\"',])", r"\1NAME"))


@pytest.fixture(scope="module")
def pattern(places):
    place = places.copy("empty")
    place.change(lambda db: small(db, NOW))
    with open(place.db + ".leader", "w") as f:
        f.write(f"999999999 {NOW - 3600 * SECOND} 42 {NOW - 12 * SECOND}".ljust(95) + "\n")
    return place


def plain(place, text):
    """Without what this host has put into it."""
    text = text.replace(place.root, "/var/lib/cfmt")
    for pattern_, word in HOSTS:
        text = re.sub(pattern_, word, text)
    return text


def show(args, done, place):
    """As a terminal has it: the command, its answer, what it said on stderr, its exit status when it is not 0."""
    out = done.stdout
    if args[-1] == "json" and out:
        out = json.dumps(json.loads(out), indent=1, ensure_ascii=False) + "\n"
    text = f"$ cfmtctl {' '.join(args)}\n{out}"
    text += "".join(f"stderr: {line}\n" for line in done.stderr.splitlines())
    return plain(place, text) + (f"exit status {done.returncode}\n" if done.returncode else "") + "\n"


def played(places, pattern, name):
    """The first case in each format that it has, the others as table and JSON."""
    text = ""
    for n, (line, _) in enumerate(CASES[name].lines):
        for form in FORMATS if n == 0 and not CASES[name].changes else ("table", "json"):
            place = places.copy_of(pattern) if CASES[name].changes else pattern
            args = words(name, line, place) + ([] if form == "table" else ["-o", form])
            done = subprocess.run(place.command(*args), env={**ENV, "LD_PRELOAD": CLOCK, "CFMT_TEST_NOW": str(NOW)},
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            if done.returncode != 2 or form == "table":
                text += show(args, done, place)
    return text


@pytest.mark.parametrize("name", [n for n in sorted(CASES) if n not in UNLIKE])
def test_golden(places, pattern, name):
    if not os.path.exists(CLOCK):
        pytest.skip(f"{CLOCK} is not built (make check does)")
    path = os.path.join(GOLDEN, name.replace(" ", "-") + ".txt")
    text = played(places, pattern, name)
    if WRITE:
        os.makedirs(GOLDEN, exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    with open(path, encoding="utf-8") as f:
        assert text.splitlines() == f.read().splitlines(), f"other than {path}"


@pytest.mark.smoke
def test_no_file_is_left_over():
    """Of a command that is no more."""
    assert sorted(os.listdir(GOLDEN)) == sorted(n.replace(" ", "-") + ".txt" for n in CASES if n not in UNLIKE)
