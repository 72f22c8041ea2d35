"""cloudflare-prefix-manager, the command of the system before, as another name of cfmtctl."""
import os
import shlex
import subprocess

import pytest

from httpd import cfmtctl_path


@pytest.fixture(scope="module")
def place(places):
    """A store with some of everything, and the old name beside it."""
    p = places.copy("small")
    p.old = os.path.join(p.root + "-bin", "cloudflare-prefix-manager")
    os.mkdir(os.path.dirname(p.old))
    os.symlink(cfmtctl_path(), p.old)
    return p


def old(place, *args):
    return subprocess.run([place.old, *args], text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "CFMT_DB": place.db})


@pytest.mark.parametrize("args,now", [
    (["status"], "status"), (["status", "203.0.113.0/24"], "status 203.0.113.0/24"), (["list"], "prefixes"),
    (["advertise", "203.0.113.0/24"], "advertise 203.0.113.0/24"), (["withdraw", "--all"], "withdraw --all"),
    (["withdraw", "nobody's", "--force"], "withdraw " + shlex.quote("nobody's") + " --yes"),
    (["withdraw", "--force"], "withdraw --yes")])
def test_it_is_the_new_command_and_says_so_once(place, args, now):
    """The same words and exit status, behind one line; without --force there is the question as ever."""
    done = old(place, *args)
    new = subprocess.run(f"{cfmtctl_path()} --db {place.db} {now}", shell=True, text=True, capture_output=True,
                         check=False, stdin=subprocess.DEVNULL, timeout=60)
    first, _, rest = done.stderr.partition("\n")
    assert first == f"cfmtctl: cloudflare-prefix-manager is now: cfmtctl {now} (CFMT1161)"
    assert done.returncode == new.returncode
    assert rest.replace(f" --db {place.db}", "") == new.stderr.replace(f" --db {place.db}", "")
    assert done.stdout.splitlines()[:1] == new.stdout.splitlines()[:1]


@pytest.mark.parametrize("args", [
    [], ["explain", "203.0.113.0/24"], ["withdraw", "203.0.113.0/24", "--override"], ["status", "--force"],
    ["list", "all"],
    ["withdraw", "203.0.113.0/24", "-y"], ["advertise", "--force=yes", "--all"]])
def test_it_does_no_more_than_the_old_one(place, args):
    done = old(place, *args)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done
    assert "cloudflare-prefix-manager" in done.stderr


def test_help(place):
    for word in ("help", "--help", "-h"):
        done = old(place, word)
        assert done.returncode == 0 and done.stderr == ""
        for line in ("status", "advertise", "withdraw", "list", "now: cfmtctl prefixes", "--force is --yes now"):
            assert line in done.stdout


def test_the_name_alone_counts(place):
    """A directory of that name, or cfmtctl itself with such words, is nothing special."""
    done = subprocess.run([cfmtctl_path(), "list"], text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2 and "unknown command 'list'" in done.stderr
