"""Nobody reads what cfmtctl prints, it cannot be written, or the standard descriptors are closed."""
import os
import subprocess

import pytest

from ctlcases import CASES, REPORTS, each, table, words
from ctlrows import ENV


def run(place, args, **kw):
    return subprocess.run(place.command(*args), env=ENV, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=60, **kw)


def fresh(places, name):
    return places.copy("small") if CASES[name].changes else places.of("small")


@each()
def test_the_disk_is_full(places, name, line, code):
    """That is a failure, and said; what the command did is done."""
    place = fresh(places, name)
    args = words(name, line, place) + (["--json"] if "json" in table()[name]["formats"] else [])
    with open("/dev/full", "w") as full:
        done = run(place, args, stdout=full)
    if code == 0 or name in REPORTS:
        assert done.returncode == 1 and "cannot write to standard output" in done.stderr.splitlines()[-1], done
    else:
        assert done.returncode in (1, code), done


@each()
def test_nobody_reads_it(places, name, line, code):
    """Quiet: not a word about a pipe, and no signal."""
    place = fresh(places, name)
    reader, writer = os.pipe()
    os.close(reader)
    done = run(place, words(name, line, place), stdout=writer)
    os.close(writer)
    assert done.returncode == code and "standard output" not in done.stderr and "ipe" not in done.stderr, done


def files_of(place):
    found = {}
    for name in sorted(os.listdir(place.root)):
        with open(os.path.join(place.root, name), "rb") as f:
            found[name] = f.read()
    return found


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(places, closed):
    """No file of the store becomes one of them: what is printed would be written into it."""
    place = places.copy("small")
    for name, c in CASES.items():
        line, code = c.lines[0]
        done = subprocess.run(["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *place.command(*words(name, line, place))],
                              env=ENV, capture_output=True, text=True, timeout=60)
        assert 0 <= done.returncode <= 8, (name, done)
        if closed == ">&-" and code == 0 and not c.changes:
            assert done.returncode == 1 and "standard output" in done.stderr, (name, done)
    files = files_of(place)
    assert files["cfmt.db.lock"] == b"" and len(files["cfmt.db.leader"]) <= 96, files["cfmt.db.leader"]
    assert not any(b"cfmtctl: " in data for data in files.values())
    assert place.one("PRAGMA integrity_check") == ("ok",)
