"""Command lines that are wrong, by the hundred: exit status 2, one sentence, nothing on stdout, nothing done."""
import concurrent.futures
import os
import random
import re
import subprocess

import pytest

from ctlcases import CASES, HEAD, table, words
from ctlrows import ENV
from httpd import SLOWER, cfmtctl_path

SENTENCE_MAX = 4500  # with all of a word that was typed
GOES_ON = ("follow", "watch")  # would not end

# A value of each option that is right, and some that are wrong. Options that stand in neither take none.
RIGHT = {"db": "x", "since": "2h", "limit": "5", "reason": "r", "wait": None, "for": "2h", "anchor": HEAD,
         "from": "30d", "to": "1d", "policy": "/dev/null", "output": "table", "out": "/nowhere",
         "url": "http://127.0.0.1:1/", "secret-file": "/dev/null"}
WRONG = {"since": ("", "x", "2 weeks", "2026-11-22T20:00:00", "-1h", "99999999999999999999h", "2026-13-01T00:00:00Z"),
         "from": ("", "yesterday", "1e3s"), "to": ("", "now!", "25:00"),
         "limit": ("", "x", "-1", "1.5", "1000001", "99999999999999999999", "0x10", " 5"),
         "reason": ("r" * 501, b"\xff\xfe", "ü" * 251), "wait": ("=", "=x", "=2d", "=-1s"),
         "for": ("", "0", "x", "-2h", "20000d"),
         "anchor": ("", "x", "3:", "3:abc", ":" + "0" * 64, "0:" + "0" * 64, HEAD + "0"),
         "policy": ("/nowhere/policy", "/"), "output": ("", "xml", "JSON", "table,wide"), "db": ("",)}
PREFIXES = ("nonsense", "999.1.1.1", "203.0.113.0/33", "::/129", "", " ", "203.0.113.0/24 ", "203.0.113.0/", "/24",
            "wbe", "x" * 5000, "\x1b[31mred\x07\n", b"\xff\xfe", "10.9.9.9", "203.0.112.0/23", "203.0.113.0/024",
            "%s%n", "a'; --")
IDS = ("x", "0", "1.5", "", " 1", "1x", "0x1", "99999999999999999999", "１", "\x1b", b"\xff", "1,2", "+1", "null")
BY_NUMBER = ("window remove", "approve", "deny", "cancel", "ack", "outbox show", "outbox retry", "outbox drop")


@pytest.fixture(scope="module")
def place(places):
    return places.copy("small")


def run(place, args):
    return args, subprocess.run(place.command(*args), env=ENV, capture_output=True, stdin=subprocess.DEVNULL,
                                timeout=30 * SLOWER)


def run_all(place, lines):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda args: run(place, args), lines))


def one_sentence(done):
    """What is wrong with the call as a refusal; None: nothing."""
    err = done.stderr.decode("utf-8", "backslashreplace")
    if done.stdout:
        return "something on stdout"
    if not re.fullmatch(r"cfmtctl: [^\n]+ \(CFMT\d{4}\)\n", err):
        return "not one sentence"
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f]|\\x[0-9a-f]{2}(?=\udc80)", err) or len(err) > SENTENCE_MAX:
        return "control characters, or too long"
    return None


def refused(place, lines):
    """All of them are; hundreds at a time."""
    bad = [(args, done.returncode, done.stdout[:80], done.stderr[:300], one_sentence(done))
           for args, done in run_all(place, lines) if done.returncode != 2 or one_sentence(done)]
    assert not bad, f"{len(bad)} of {len(lines)}:\n" + "\n".join(map(str, bad[:12]))


@pytest.fixture(autouse=True)
def nothing_done(place):
    before = place.one("SELECT max(id) FROM journal")
    yield
    assert place.one("SELECT max(id) FROM journal") == before


def first_line(name):
    return words(name, CASES[name].lines[0][0])


def value_of(option):
    return [] if RIGHT.get(option) is None else [RIGHT[option]]


def test_options_that_a_command_has_not(place):
    known = sorted({o for c in table().values() for o in c["options"]})
    lines = [first_line(name) + [f"--{o}"] + value_of(o)
             for name, c in table().items() for o in known if o not in c["options"]]
    assert len(lines) > 600
    refused(place, lines[::5] if len(known) % 5 else lines[::4])  # another option each time


def test_values_that_are_none(place):
    lines = []
    for name, c in table().items():
        for option in [o for o in c["options"] if o in WRONG]:
            for value in WRONG[option]:
                joined = isinstance(value, str) and value.startswith("=")
                lines.append(first_line(name) + ([f"--{option}{value}"] if joined else [f"--{option}", value]))
            if option != "wait":
                lines.append(first_line(name) + [f"--{option}"])  # the last word: its value is missing
    lines += [["status", o, v] for o in ("-o", "--output") for v in WRONG["output"]] + [["status", "--db", ""], ["-o"]]
    assert len(lines) > 150
    refused(place, lines)


def test_options_that_nobody_knows(place):
    lines = [first_line(name) + [o] for name in table()
             for o in ("--nope", "--json=yes")]
    odd = ("-Z", "--\x1b", "--limitless", "---", b"--\xff", "--n=5", "-nn", "-Vx", "--jsonl")
    refused(place, lines + [["status", o] for o in odd])


def test_too_few_and_too_many_operands(place):
    lines = []
    for name, c in table().items():
        if c["operands"] and not c["operands"].startswith("["):
            lines.append(name.split())
        if "..." not in c["operands"]:
            lines.append(first_line(name) + ["surplus"] * 4)
    assert len(lines) > 40
    refused(place, lines)


def test_prefixes_that_are_none(place):
    lines = []
    for name, c in table().items():
        if re.search(r"\bPREFIX\b", c["operands"]) and name != "traffic":
            rest = [w for w in first_line(name)[len(name.split()):] if not re.search(r"^web$|/\d+$", w)]
            lines += [name.split() + [bad] + rest for bad in PREFIXES]
    assert len(lines) > 100
    refused(place, lines)


def test_ids_that_are_none(place):
    refused(place, [name.split() + [bad] for name in BY_NUMBER for bad in IDS])


def typos(word):
    """One mistake each: a letter is missing, doubled, another one, or two changed places."""
    found = set()
    for i in range(len(word)):
        before, rest = word[:i], word[i:]
        found.add((before + rest[1:], before + rest[:2][::-1] + rest[2:], before + rest[0] + rest,
                   before + "q" + rest[1:])[(i + len(word)) % 4])
    return sorted(found - {word})


def test_commands_that_are_none(place):
    lines = [[t] for name in table() for t in typos(name.split()[0]) if t not in table()]
    lines += [[a, b] for name in table() if " " in name for a, last in [name.split()] for b in typos(last)
              if a not in ("attack", "help") and f"{a} {b}" not in table()]
    lines = sorted(map(list, set(map(tuple, lines))))
    assert len(lines) > 200
    refused(place, lines + [[], [""], [" "], ["\x1b[31m"], [b"\xff"], ["x" * 5000], ["--", "--"], ["help", "x"]])
    first = sorted({name.split()[0] for name in table() if len(name.split()[0]) > 4})
    named = [t for word in first for t in typos(word) if [t] in lines][::5]
    for args, done in run_all(place, [[t] for t in named]):
        assert b"did you mean '" in done.stderr, (args, done)


@pytest.mark.asan
def test_anything_at_all(place):
    """Words in any order: whatever that is, it ends, and as the manual says."""
    rng = random.Random(9)
    options = sorted({o for c in table().values() for o in c["options"]} - set(GOES_ON) - {"db"})
    pool = [w for name in table() for w in name.split()] + [f"--{o}" for o in options] + \
        list(PREFIXES[:12]) + list(IDS[:6]) + "web 203.0.113.7 1 2 -n 2 --since 2h -- now +1h ops".split()
    lines = [[rng.choice(pool) for _ in range(rng.randrange(1, 7))] for _ in range(400)]
    changing = {w for name, c in CASES.items() if c.changes for w in name.split()}
    lines = [x for x in lines if not changing & {w for w in x if isinstance(w, str)} or "--dry-run" in x]
    for args, done in run_all(place, lines):
        assert 0 <= done.returncode <= 8, (args, done)
        assert done.returncode != 2 or one_sentence(done) is None, (args, done, one_sentence(done))
        assert done.returncode == 0 or done.stderr, (args, done)


def test_a_name_in_the_environment(place):
    """CFMT_DB is no better than --db."""
    for value in ("/nowhere/x.db", "\x1b[31m", "x" * 300):
        done = subprocess.run([cfmtctl_path(), "status"], env={**ENV, "CFMT_DB": value}, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=20)
        assert done.returncode in (4, 8) and not done.stdout and one_sentence(done) is None, done
    assert os.path.exists(place.db)
