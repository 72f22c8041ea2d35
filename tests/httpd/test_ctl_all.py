"""Every command of cfmtctl with a store that is empty, one with some of everything, and one of a million rows."""
import contextlib
import json
import os
import time

import pytest

from ctlcases import CASES, REPORTS, each, table, words

LIMIT = 0.3  # seconds, whatever the store holds
TRIES = 8    # the best of so many: on a machine that is busy with other things one of them is quick enough
WHOLE = 20   # for what reads all of it


@pytest.mark.smoke
def test_every_command_is_tried():
    assert sorted(table()) == sorted(CASES), "tests/httpd/ctlcases.py has a case for each command"


def expected(kind, name, line, code):
    """The exit status in that store."""
    case = CASES[name]
    codes = getattr(case, kind, None)
    return codes[[c[0] for c in case.lines].index(line)] if codes else code


def check(done, name, code):
    """What holds for each call, whatever it is: a failure has its sentence, and no control character gets through."""
    assert done.returncode == code, done
    assert code == 0 or done.stderr or name in REPORTS, done
    assert not [c for c in done.stdout + done.stderr if ord(c) < 32 and c != "\n"], done
    assert all(line.startswith("cfmtctl: ") and line.endswith(")") for line in done.stderr.splitlines()), done


@each()
@pytest.mark.parametrize("kind", ["empty", "small"])
def test_as_text_and_as_data(places, kind, name, line, code):
    place = places.copy(kind) if CASES[name].changes else places.of(kind)
    code = expected(kind, name, line, code)
    check(place.ctl(*words(name, line, place)), name, code)
    if "json" not in table()[name]["formats"]:
        return
    place = places.copy(kind) if CASES[name].changes else place
    done = place.ctl(*words(name, line, place), "--json")
    check(done, name, code)
    if done.stdout:
        assert json.loads(done.stdout)["version"] == 1 and done.stdout.endswith("}\n")
    else:
        assert code != 0, "data where nothing is wrong"


def fastest(place, tries, *args):
    """(seconds, the call) of the best try, or of the first that is quick enough."""
    took = []
    for _ in range(tries):
        begin = time.monotonic()
        done = place.ctl(*args, limit=60)
        took.append((time.monotonic() - begin, done))
        if took[-1][0] <= LIMIT:
            break
    return min(took, key=lambda t: t[0])


@each(whole=False)
def test_a_million_rows(places, name, line, code):
    place = places.of("many")
    took, done = fastest(place, TRIES, *words(name, line, place))
    check(done, name, expected("many", name, line, code))
    assert took <= LIMIT, f"{took:.3f} s"


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.whole])
def test_what_reads_a_million_rows_from_end_to_end(places, name):
    place, (line, code) = places.of("many"), CASES[name].lines[0]
    took, done = fastest(place, 1, *words(name, line, place))
    check(done, name, expected("many", name, line, code))
    assert took <= WHOLE, f"{took:.3f} s, though {CASES[name].whole}"
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(place.root, "backup.db"))  # hundreds of megabytes
