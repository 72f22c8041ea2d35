"""Telling, as the tests see it: channels of a pair, what the simulator's Telegram and a receiver of ours got, and what
must hold whatever happened: each message once, those of one attack in their order, and no secret anywhere."""
import json
import os
import socket

from acts import alert, dicts, wait
from httpd import IS_ROOT
from pair import MICRO
from receiver import SIGNING

GROUP, PERSON = "-1001234567890", "4711"
MAYBE = r"cfmt:warn\].*CFMT1034: message \d+ \(\S+\) may have been told through \S+, it is not repeated: "
ORPHANED = r"cfmt:warn\].*CFMT1037: \d+ messages? may have been told"
FAILING = r"cfmt:warn\].*CFMT1031: messages through {} fail, they wait: "
BROKEN = r"cfmt:error\].*CFMT1030: channel {} refuses us"
REFUSED = r"cfmt:warn\].*CFMT1035: message \d+ \(\S+\) was refused by "
UNACKED = r"cfmt:warn\].*CFMT1036: nobody has acknowledged "


# ---- channels --------------------------------------------------------------------------------------------

def add(pair, *lines):
    """CfmtNotify lines, before the start or a reload."""
    pair.own += ["CfmtNotify " + line for line in lines]
    pair.configure()


def telegram(pair, name="ops", chat=GROUP, words=""):
    """The bot of the simulator; its token is looked for in all that the server left."""
    if pair.sim.bot_token not in pair.server.secrets:
        pair.server.secrets.append(pair.sim.bot_token)
        pair.own.append(f"CfmtTelegramUrl {pair.sim.line['telegram']}")
    token = pair.server.write("secret/bot", pair.sim.bot_token + "\n", 0o600)
    add(pair, f"telegram name={name} token=file:{token} chat={chat} {words}")


def webhook(pair, receiver, name="hook", words=""):
    """Signed; neither key nor address may be found anywhere. A demonstration must show where it goes to."""
    pair.server.log.allow(FAILING.format(name))  # it ends before the server does
    pair.server.secrets += [SIGNING, receiver.url.rpartition("/")[2]]
    key = pair.server.write("secret/signing", SIGNING + "\n", 0o600)
    url = pair.server.write("secret/url-" + name, receiver.url + "\n", 0o600)
    add(pair, f"webhook name={name} url={receiver.url if pair.speed > 1 else 'file:' + url} secret=file:{key} {words}")


PROGRAM = """#!/usr/bin/python3 -I
import json, os, sys
given = json.load(sys.stdin)
given["environ"], given["fds"] = dict(os.environ), sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
given["uid"] = os.geteuid()
with open("{out}", "a") as f:
    f.write(json.dumps(given) + "\\n")
print("taken by the program")
print("and a second line")
"""


def program(pair, name="prog", text=PROGRAM, words=""):
    """A command channel; what it gets is read by programmed()."""
    out = pair.server.write("out-" + name, "", 0o666)
    path = pair.server.write("program-" + name, text.replace("{out}", out), 0o755)
    add(pair, f"command name={name} path={path} {words}")


def programmed(pair, name="prog"):
    with open(pair.server.path("out-" + name)) as f:
        return [json.loads(line) for line in f]


def own_syslog(pair):
    """This server alone sees a /dev/log, which is ours: a socket that has all lines. None: that needs root."""
    if not IS_ROOT:
        return None
    place = pair.server.path("dev")
    script = (f"cd {place} && for f in null zero random urandom; do : >$f && mount --bind /dev/$f $f || exit 1; done &&"
              f" mount --rbind {place} /dev && cd / && exec \"$@\"")
    command = pair.server.command
    pair.server.command = lambda *args: ["unshare", "-m", "sh", "-c", script, "sh", *command(*args)]
    os.makedirs(place, exist_ok=True)
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(f"{place}/log")
    os.chmod(f"{place}/log", 0o666)
    log.setblocking(False)
    return log


def logged(log):
    lines = []
    while True:
        try:
            lines.append(log.recv(65536).decode())
        except BlockingIOError:
            return lines


# ---- going -----------------------------------------------------------------------------------------------

def hit(pair, number, event="START"):
    """An alert of an attack of its own on an address that is none of ours: nothing but its telling follows from it."""
    alert(pair, event, f"{number:032x}", f"100.64.{number // 250}.{number % 250 + 1}")


def rows(pair, **want):
    """Rows of the outbox that are so."""
    found = dicts(pair, "SELECT id, channel, kind, dedupe, attack, prefix, priority, state, attempts, made_at, next_at,"
                        " sent_at, ref, text, answer, folded_into, fallback_of, fallback, acked_at, acked_by, at"
                        " FROM outbox ORDER BY id")
    return [r for r in found if all(r[k] in (v if isinstance(v, (tuple, set)) else (v,)) for k, v in want.items())]


def quiet(pair, limit=60, **want):
    """When nothing waits any more."""
    def over():
        pair.server.wait_projected()
        return not rows(pair, state=("queued", "sending"), **want)

    try:
        wait(over, "the outbox to be empty", limit)
    except AssertionError as e:
        raise AssertionError(f"{e}: {rows(pair, state=('queued', 'sending'))}; {channels(pair)}") from None


def channels(pair):
    return {r["name"]: r for r in dicts(pair, "SELECT name, state, since, ok_at, next_at, fails, error, chat"
                                              " FROM channel ORDER BY name")}


def texts(pair, chat=None):
    """Of the messages that Telegram has, in their order."""
    return [m["plain"] for m in pair.sim.messages() if chat in (None, str(m["chat_id"]))]


def first_lines(pair, chat=None):
    return [t.partition("\n")[0] for t in texts(pair, chat)]


# ---- what always holds -----------------------------------------------------------------------------------

def check_told(pair, name="ops", chat=GROUP, edits=False):
    """Telegram has what the outbox says that it has: each message that was sent, once, and besides only those of which
    nobody knows; in the order in which they were sent, and within an attack in that in which things happened."""
    sent, maybe = rows(pair, channel=name, state="sent"), rows(pair, channel=name, state="maybe")
    there = [m for m in pair.sim.messages() if str(m["chat_id"]) == str(chat)]
    ids = [str(m["message_id"]) for m in there]
    refs = [r["ref"] for r in sent if r["ref"]]
    assert len(set(refs)) == len(refs) or edits, refs
    assert set(refs) <= set(ids), (refs, ids)
    assert len(ids) - len(set(refs)) <= len(maybe), (ids, refs, maybe)
    order = [r["ref"] for r in sorted(sent, key=lambda r: (r["sent_at"], int(r["ref"])))]
    assert order == sorted(order, key=int) or edits, order
    check_order(pair, sent)
    keys = [(r["channel"], r["dedupe"]) for r in rows(pair)]
    assert len(keys) == len(set(keys))
    for r in rows(pair, channel=name, state="folded"):
        into = [c for c in rows(pair, id=r["folded_into"])]
        assert into and into[0]["channel"] == name and into[0]["state"] != "folded", (r, into)


def check_order(pair, sent):
    last = {}
    for r in sorted(sent, key=lambda r: (r["sent_at"], r["id"])):
        if r["attack"]:
            assert last.get(r["attack"], 0) < r["id"], (r, sent)
            last[r["attack"]] = r["id"]


def seconds(row):
    """From its making to the answer, in the store's time."""
    return (row["sent_at"] - row["made_at"]) / MICRO
