"""What each command of cfmtctl is tried with; a command of its table that does not stand here is a failure.

Prefixes, attacks and ids are those of ctlrows.small(). Nobody leads there, and Cloudflare cannot be asked.
"""
import collections
import functools
import json
import shlex
import subprocess

import pytest

from ctlmany import BIG
from httpd import cfmtctl_path

HEAD = "3:" + "0" * 64
DENIED = 4  # nobody leads, and there is no token
FILES = ("secret new", "db backup", "import")  # what they change are files of their own
REPORTS = ("db check", "doctor")  # say line by line what is wrong, and nothing on stderr

# lines: operands and options, with the exit status in the small store; empty, many: where it is another one in that
# store. changes: it writes. store: it needs the database. whole: why it may take as long as the database is large.
Case = collections.namedtuple("Case", "lines empty many changes store whole")


def case(*lines, empty=None, many=None, changes=False, store=True, whole=None):
    pairs = [line if isinstance(line, tuple) else (line, 0) for line in lines]
    return Case(pairs, empty, many, changes, store, whole)


def verb(*lines, **kw):
    return case(*lines, changes=True, **kw)


CASES = {
    "status": case("", "web", "203.0.113.7 2001:db8::/32", empty=(0, 0, 2)),
    "explain": case("203.0.113.0/24", "198.51.100.0/24", empty=(0, 2)),
    "timers": case(""),
    "advertise": verb(("2001:db8::/32 --yes", DENIED), "2001:db8::/32 --dry-run", empty=(2, 2)),
    "withdraw": verb(("web --yes", DENIED), "--all --dry-run", empty=(DENIED, 1)),
    "hold": verb("web --reason fibre --for 2h", "web --reason fibre --dry-run"),
    "release": verb("203.0.113.0/24"),
    "adopt": verb("192.0.2.0/24 --reason ours", empty=(2,)),
    "window add": verb("web 2099-01-01T00:00:00Z +2h --reason router"),
    "window list": case(""),
    "window remove": verb("1", empty=(1,)),
    "proposals": case("", "-n 1"),
    "approve": verb(("1", DENIED)),
    "deny": verb("1 --reason 'not now'", empty=(1,), many=(3,)),
    "cancel": verb("2", empty=(1,), many=(3,)),
    "audit": case("", "-n 2", "--imported"),
    "audit verify": case("", (f"--anchor {HEAD}", 1)),
    "ack": verb("", "6", empty=(0, 1)),
    "outbox": case(""),
    "outbox list": case("ops", "-n 2", empty=(2, 0)),
    "outbox show": case("1", empty=(1,)),
    "outbox retry": verb("2", empty=(1,), many=(3,)),
    "outbox drop": verb("4", empty=(1,), many=(3,)),
    "notify test": verb(("", 8)),
    "events": case("", "--since 400d -n 20", "--imported"),
    "attacks": case("", "--since 400d -n 20", "--imported"),
    "journal": case("", "--since 400d -n 20"),
    "attack": case(BIG, "cloudflare-2", empty=(1, 1)),
    "attack close": verb("cloudflare-1 --reason 'by hand'", empty=(1,)),
    "prefixes": case("", "--all"),
    "tunnels": case("", "--all"),
    "evidence": case("203.0.113.0/24", "203.0.113.0/24 --since 31d"),
    "traffic": case("", "203.0.113.0/24", f"attack {BIG}", "--top --since 90d", f"attack {BIG} --top", "--imported",
                    empty=(0, 0, 1, 0, 1, 0)),
    "jobs": case(""),
    "ranges": case(""),
    "replay": case("", whole="the journal goes through the policy once more"),
    "import": verb(("{root}/nothing", 2), store=False),
    "doctor": case(("--offline", 1), whole="it checks the database, too"),
    "deliveries": case(""),
    "deliveries list": case("", "--since 400d -n 20"),
    "deliveries show": case("2", empty=(1,)),
    "deliveries redeliver": verb("7", empty=(1,), many=(1,)),
    "deliveries trigger": verb(("dos_attack_l4 --yes", 2)),
    "drill": verb(("", 2)),
    "secret new": verb("{root}/secret next", store=False),
    "secret list": case(""),
    "secret retire": case(("first", 3)),
    "db info": case(""),
    "db backup": verb("{root}/backup.db", whole="it copies the file"),
    "db restore": verb(("{root}/nothing.db --yes", 1), store=False),
    "db prune": verb(("", 8)),
    "completion": case("bash", "zsh", store=False),
    "db check": case("", "--full", whole="it reads the file from end to end"),
    "version": case("", store=False),
    "help": case("", "hold", "attack close", store=False),
}


@functools.lru_cache(maxsize=None)
def table():
    """cfmtctl's own table of commands."""
    done = subprocess.run([cfmtctl_path(), "help", "--json"], capture_output=True, text=True, check=True, timeout=20)
    return {c["name"]: c for c in json.loads(done.stdout)["commands"]}


def words(name, line, place=None):
    """{root} in a line is the place's directory."""
    return name.split() + shlex.split(line.replace("{root}", place.root if place else "/nowhere"))


def every(**want):
    """(command, line, its exit status in the small store) of all cases that are so: every(changes=False)."""
    return [(name, line, code) for name, c in CASES.items() for line, code in c.lines
            if all(bool(getattr(c, k)) == v for k, v in want.items())]


def each(**want):
    """The same for a test that has these three."""
    rows = every(**want)
    return pytest.mark.parametrize("name,line,code", rows, ids=[f"{r[0]} {r[1]}".strip() for r in rows])
