"""Every command of cfmtctl with a database that it cannot use: the documented exit status and one sentence."""
import concurrent.futures
import contextlib
import os
import shutil
import sqlite3
import subprocess

import pytest

import locks
from ctlcases import CASES, FILES, REPORTS, words
from ctlrows import ENV
from httpd import IS_ROOT, SLOWER, cfmtctl_path

USERS = [name for name, c in CASES.items() if c.store]  # of the database
READING = [name for name in USERS if not CASES[name].changes]
WRITING = [name for name in USERS if CASES[name].changes and CASES[name].lines[0][1] == 0 and name not in FILES]


def calls(place, names, exe=None, prefix=()):
    """(name, the call) of each command's first line, side by side: some of them wait."""
    def call(name):
        cmd = [*prefix, exe or cfmtctl_path(), "--db", place.db, *words(name, CASES[name].lines[0][0], place)]
        return name, subprocess.run(cmd, env=ENV, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                    timeout=60 * SLOWER)

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        return list(pool.map(call, names))


def refused(found, code, place, report=None):
    """All of them ended so, with one sentence that names the file."""
    for name, done in found:
        if report is not None and name in REPORTS:
            assert done.returncode == report and "fail" in done.stdout and not done.stderr, (name, done)
            continue
        assert done.returncode in ((code, 1) if name in FILES else (code,)) and done.stdout == "", (name, done)
        assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("cfmtctl: "), (name, done)
        assert place.root in done.stderr, (name, done)


def as_usual(found):
    for name, done in found:
        assert done.returncode == CASES[name].lines[0][1], (name, done)


# ---- a file that is not ours --------------------------------------------------------------------------

def remove(place):
    os.remove(place.db)


def remove_all(place):
    shutil.rmtree(place.root)


def overwrite(text):
    def spoil(place):
        with open(place.db, "wb") as f:
            f.write(text)
    return spoil


def foreign(place):
    os.remove(place.db)
    db = sqlite3.connect(place.db)
    db.executescript("CREATE TABLE x(y); PRAGMA user_version = 8;")
    db.close()
    place.own()


def version(n, code):
    def spoil(place):
        place.change(lambda db: db.executescript(f"PRAGMA user_version = {n}; UPDATE meta SET value = {code}"
                                                 " WHERE name = 'min_code';"))
    return spoil


def link(place):
    os.rename(place.db, place.db + ".real")
    os.symlink(place.db + ".real", place.db)


def second_name(place):
    os.link(place.db, place.db + ".too")


def a_directory(place):
    os.remove(place.db)
    os.mkdir(place.db)
    if IS_ROOT:
        shutil.chown(place.db, place.user)


# What was done to it, the exit status, and that of a report.
SPOILT = {"missing": (remove, 8, None), "no directory": (remove_all, 8, None), "empty": (overwrite(b""), 8, 1),
          "garbage": (overwrite(b"no database at all\n" * 300), 8, 1), "foreign": (foreign, 8, 1),
          "older": (version(2, 1), 8, 1), "a link": (link, 4, None),
          "two names": (second_name, 4, None), "a directory": (a_directory, 8, 1)}


@pytest.mark.parametrize("kind", SPOILT)
def test_it_is_no_store(places, kind):
    spoil, code, report = SPOILT[kind]
    place = places.copy("small")
    spoil(place)
    there = sorted(os.listdir(place.root)) if os.path.isdir(place.root) else None
    refused(calls(place, USERS), code, place, report)
    if kind != "older":
        assert there == (sorted(os.listdir(place.root)) if os.path.isdir(place.root) else None), "nothing is made"


@pytest.mark.asan
@pytest.mark.parametrize("page", ["schema", "all but the first", "the last half"])
def test_it_is_damaged(places, page):
    """Whatever can still be read is; the rest is refused as damaged, and db check says so. Nothing crashes."""
    place = places.copy("small")
    size = os.path.getsize(place.db)
    begin, end = {"schema": (100, 4096), "all but the first": (4096, size), "the last half": (size // 2, size)}[page]
    with open(place.db, "r+b") as f:
        f.seek(begin)
        f.write(b"\xa5" * (end - begin))
    found = calls(place, USERS)
    for name, done in found:
        assert done.returncode in (0, 1, 8), (name, done)
        assert done.returncode == 0 or "damaged" in done.stderr or name in REPORTS or done.returncode == 1, (name, done)
    assert dict(found)["db check"].returncode == 1
    assert sum(done.returncode == 8 for _, done in found) > (len(found) // 2 if page != "the last half" else 0)


def test_of_a_later_version(places):
    """Code of this one goes on with it as long as it may, and reads it in any case."""
    place = places.copy("small")
    schema = place.one("PRAGMA user_version")[0]
    version(schema + 1, schema)(place)
    as_usual(calls(place, READING + WRITING))
    version(999, 999)(place)
    as_usual([x for x in calls(place, READING) if x[0] not in REPORTS])
    refused(calls(place, WRITING), 8, place)
    assert {place.ctl(*words(name, CASES[name].lines[0][0])).returncode for name in REPORTS} == {1}


# ---- a file that somebody else has --------------------------------------------------------------------

def test_strangers_may_not(places):
    if not IS_ROOT:
        pytest.skip("needs root to become somebody else")
    place = places.copy("small")
    exe = shutil.copy(cfmtctl_path(), os.path.join(os.path.dirname(place.root), "cfmtctl"))
    os.chmod(exe, 0o755)
    nobody = ["/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    refused(calls(place, USERS, exe, nobody), 4, place)


def test_another_owner_is_refused(places):
    if not IS_ROOT:
        pytest.skip("needs root to give it away")
    place = places.copy("small")
    shutil.chown(place.db, "nobody")
    refused(calls(place, USERS), 4, place)


@contextlib.contextmanager
def alone(place):
    """A program that lets nobody else read: an old sqlite3 in its exclusive mode."""
    db = sqlite3.connect(place.db, isolation_level=None)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        db.close()


def beside(place, lock):
    """What is said meanwhile, and how many journal rows came of it."""
    before = place.one("SELECT count(*) FROM journal")[0]
    with lock(place):
        found = calls(place, USERS)
    return dict(found), place.one("SELECT count(*) FROM journal")[0] - before


def test_locked(places):
    """Readers do not wait for a writer. Whoever cannot go on says after seconds that it is locked, and did nothing."""
    kinds = (alone, locks.commit_lock, locks.foreign_writer)
    stores = [places.copy("small") for _ in kinds]
    with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
        results = list(pool.map(beside, stores, kinds))
    for kind, place, (found, rows) in zip(kinds, stores, results):
        assert rows == 0, kind
        stopped = USERS if kind is alone else WRITING
        refused([(n, found[n]) for n in stopped], 8, place, report=1)
        as_usual([(n, found[n]) for n in READING if n not in stopped])
