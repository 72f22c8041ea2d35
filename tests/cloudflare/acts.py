"""Acting, as the tests see it: what the simulator was asked to change, what the store says of it, and what must hold
whatever happened: no change without need, none too early, none while there is an attack, each with its one cause."""
import json
import re
import time

from client import post
from httpd import SECRET, SLOWER
from pair import MICRO
from truth import HALF, LIKE, MAIL, MINUTE, V6, WEB, asked, stamp, verdict

FIVE = (WEB, MAIL, HALF, V6)           # on demand; the fifth is not
RULE = 15 * MINUTE                     # Cloudflare's, between two changes
ENFORCE = "CfmtMode enforce"
AUTO = (ENFORCE, "CfmtPrefix * withdraw=auto advertise=auto")
SHORT = "CfmtCalm 5min"  # then it is withdrawn a quarter of an hour after it was advertised, as Cloudflare's rule is
MOMENT = 1                             # real second in which another's change may cross ours
KILLED = 10                            # the same where who read the state is gone: so old may be what it wrote of it
OPEN = ("requested", "sent", "accepted", "propagating", "unknown")
# What is told of acting at warning or above, and by whom it must be announced.
ACTED = r"cfmt:warn\].*CFMT0963: (advertising|withdrawing) "
PAGE = r"cfmt:error\].*CFMT0966: attack \S+ open, {} is NOT PROTECTED: "
ORPHAN = r"cfmt:warn\].*CFMT0968: {} is advertised for a cause that is not the policy's \(({})\) and stays so: "
WOULD = r"cfmt:warn\].*CFMT0967: would withdraw {} now, and CfmtMode observe does nothing: "
PROPOSED = r"cfmt:warn\].*CFMT0964: proposal \d+: {} {}; "
CANCELLED = r"cfmt:warn\].*CFMT0965: intent \d+ \({} {}\) is cancelled before it was sent: "
REVERSED = r"cfmt:error\].*CFMT0962: attack \S+ began while {} was being withdrawn: it is advertised again at "
FAILING = r"cfmt:error\].*CFMT0973: (advertise|withdraw) \S+ does not succeed \(intent \d+, call (\d+)\): "
UNSURE = r"cfmt:warn\].*CFMT0945: (advertise|withdraw) \S+ \(intent \d+, call \d+\): nobody knows "
BLIND = r"CFMT0920: blind: "  # for a quarter of an hour: a few seconds here
BY_TRAFFIC = r"cfmt:warn\].*CFMT093[67]: (an attack that no alert told of|attack \S+ is back, by traffic)"
BY_CALM = r"CFMT0938: "
CHANGE = "SELECT id, at, what, prefix, who, why, ref FROM audit WHERE what LIKE 'change.%' ORDER BY id"


# ---- going -----------------------------------------------------------------------------------------------

def start(pair, *allowed):
    """Webhooks are really delivered."""
    for line in (ACTED, BLIND) + allowed:
        pair.server.log.allow(line)
    pair.start()
    pair.sim.control("POST", "/hooks", {"url": f"http://127.0.0.1:{pair.server.port}/webhook/cloudflare",
                                        "secret": SECRET})
    pair.begin = pair.now()


def scenario(pair, name):
    pair.begin = pair.now()
    pair.sim.control("POST", "/scenario", {"name": name})


def minutes(pair, at=None):
    """Since the beginning."""
    return ((pair.now() if at is None else at) - pair.begin) / MINUTE


def wait(condition, what, limit=60):
    """As wait_for, and easy on a machine that plays many scenes."""
    end = time.monotonic() + limit * SLOWER
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit * SLOWER} s for {what}")
        time.sleep(0.1)


def wait_minute(pair, minute):
    wait(lambda: minutes(pair) >= minute, f"minute {minute}", 300)


def late(pair):
    """Minutes of the simulated time by which this machine may be late: thrice the longest pause between two looks at
    traffic, which is one minute by itself."""
    at = sorted(r["at"] for r in pair.calls("graphql"))
    return 3 * max([b - a for a, b in zip(at, at[1:])] + [MINUTE]) / MINUTE


# ---- what is so ------------------------------------------------------------------------------------------

def dicts(pair, sql, *args):
    names = [n.split(".")[-1] for n in re.sub(r"SELECT (.*?) FROM.*", r"\1", sql).split(", ")]
    return [dict(zip(names, row)) for row in pair.server.query(sql, *args)]


def intents(pair, cidr=None):
    rows = dicts(pair, "SELECT id, prefix, want, cause, who, reason, attack, proposal, override, created_at,"
                       " not_before, state, sent_at, answered_at, settled_at, attempts, answer FROM intent ORDER BY id")
    return [r for r in rows if cidr in (None, r["prefix"])]


def the_intent(pair, cidr=WEB, **want):
    """The newest of the prefix, when it is so."""
    def there():
        rows = intents(pair, cidr)
        return rows[-1] if rows and all(rows[-1][k] in (v if isinstance(v, tuple) else (v,))
                                        for k, v in want.items()) else None

    try:
        return wait(there, f"an intent for {cidr} with {want}")
    except AssertionError as e:
        raise AssertionError(f"{e}: {intents(pair, cidr)}; {decided(pair, cidr)}") from None


def decided(pair, cidr=WEB):
    found = pair.server.query("SELECT verdict, red, gates FROM decision WHERE prefix = ?", cidr)
    return (found[0][0], found[0][1], json.loads(found[0][2])["text"]) if found else None


def audit(pair, what=None, cidr=None):
    rows = dicts(pair, "SELECT id, at, what, prefix, who, why, ref FROM audit ORDER BY id")
    return [r for r in rows if what in (None, r["what"]) and cidr in (None, r["prefix"])]


def proposals(pair, cidr=WEB):
    return dicts(pair, "SELECT id, want, attack, state, made_at, decided_at, decided_by FROM proposal"
                       " WHERE prefix = ? ORDER BY id", cidr)


def attacks(pair):
    return dicts(pair, "SELECT id, state, ended_by, alert_types FROM attack ORDER BY number")


def cause(pair, cidr=WEB):
    return (pair.server.query("SELECT cause FROM standing WHERE prefix = ?", cidr) or [(None,)])[0][0]


# ---- the truth -------------------------------------------------------------------------------------------

def patches(pair):
    """What the simulator was sent: its notes with the prefix."""
    names = {p["id"]: cidr for cidr, p in pair.sim.state()["prefixes"].items()}
    return [dict(r, cidr=names[r["path"].rpartition("/")[2]]) for r in pair.calls("rest") if r["method"] == "PATCH"]


def changes(pair, by=None):
    """[(minute, prefix, wanted, by, whether it changed anything)] of all wishes that it took."""
    return [(minutes(pair, e["at"]), e["prefix"], e["advertised"], e["by"], e["changed"])
            for e in pair.sim.control("GET", "/events") if e["kind"] == "advertised" and by in (None, e["by"])]


def ours(pair):
    """[(minute, prefix, wanted)]"""
    return [c[:3] for c in changes(pair, "api")]


def wait_ours(pair, count, limit=60):
    wait(lambda: len(ours(pair)) >= count, f"{count} changes of ours", limit)
    return ours(pair)


def real(pair, cidr=WEB):
    return pair.sim.state()["prefixes"][cidr]


def is_advertised(pair, cidr=WEB):
    return real(pair, cidr)["on_demand"]["advertised"]


# ---- what always holds -----------------------------------------------------------------------------------

def check_calm(pair, minute, cidr, calm):
    """Analytics, as they read in the end, have no attack within so many minutes before it was withdrawn."""
    end = int(pair.begin + minute * MINUTE) // MINUTE * MINUTE
    for at, found in asked(pair, LIKE[cidr], end - calm * MINUTE, end).items():
        assert verdict(found) != "attack", (cidr, f"withdrawn at {minute:.1f}", f"attack at {stamp(at)}", found)


def check_apart(pair, moment):
    """No call within the rule that Cloudflare keeps, and none for what was so already, unless somebody else made it so
    while the call was on its way."""
    last = {}
    for minute, cidr, _, by, changed in changes(pair):
        before = minute - last.get(cidr, -1e9)
        if by == "api" and changed:
            assert before >= RULE / MINUTE - 0.1, ("too early", minute, cidr, before)
        elif by == "api":
            assert before * MINUTE < moment * pair.speed, ("a call without need", minute, cidr, before)
        if changed:
            last[cidr] = minute


def check_always(pair, refused=(), calm=19, moment=MOMENT):
    """refused: statuses that calls may have got. calm: minutes before each withdrawal of ours, those of CfmtCalm and
    nearly five of lag."""
    pair.server.wait_projected()
    check_apart(pair, moment)
    wait(lambda: sum(r["attempts"] for r in intents(pair)) == len(patches(pair)), "calls that are on their way", 10)
    sent = patches(pair)
    assert not [p for p in sent if p["status"] != 200 and p["status"] not in refused], sent
    rows = intents(pair)
    open_ = [r["prefix"] for r in rows if r["state"] in OPEN]
    assert len(open_) == len(set(open_)), rows
    for minute, cidr, want in ours(pair):
        if not want and calm:
            check_calm(pair, minute, cidr, calm)
    check_audit(pair)


def check_audit(pair):
    """Verifies; every call is announced by its link; no change has two causes."""
    done = pair.server.ctl("audit", "verify")
    assert done.returncode == 0, (done.stdout, done.stderr)
    refs = [(r["what"], r["prefix"], r["ref"]) for r in audit(pair)]
    for r in intents(pair):
        what = "advertise" if r["want"] else "withdraw"
        assert refs.count((what, r["prefix"], f"intent {r['id']}")) == 1, (r, refs)
    seen = [(r["what"], r["prefix"], r["ref"]) for r in audit(pair) if r["what"].startswith("change.") and r["ref"]
            and r["ref"].startswith("intent")]
    assert len(seen) == len(set(seen)), seen


def check_ours(pair, *expected):
    """expected: (prefix, wanted, not before this minute, not behind that one); these and no others, in this order for
    each prefix."""
    found, more = ours(pair), late(pair)
    for cidr in FIVE:
        mine = [f for f in found if f[1] == cidr]
        want = [e for e in expected if e[0] == cidr]
        assert [f[2] for f in mine] == [e[1] for e in want], (cidr, found, decided(pair, cidr), intents(pair))
        for (minute, _, _), (_, _, low, high) in zip(mine, want):
            assert low <= minute <= high + more, (cidr, minute, low, high, more, found)


def settle(pair):
    """Until no intent is open; as a change propagates for a quarter of an hour."""
    wait(lambda: not [r for r in intents(pair) if r["state"] in OPEN], "all intents to be settled")
    return intents(pair)


# ---- an attack by hand -----------------------------------------------------------------------------------

def flood(pair, rate, target="198.51.100.7", name="flood"):
    """Packets from now on."""
    body = {"rate": rate}
    if not any(f[0] == name for f in getattr(pair, "floods", [])):
        pair.floods = getattr(pair, "floods", []) + [(name, target)]
        body["target"] = target
    pair.sim.control("POST", "/attacks/" + name, body)


def alert(pair, event, ident="a" * 32, target="198.51.100.7"):
    """A webhook of ours, stored when this returns; the real time at which it was sent."""
    at = time.time()
    post(pair.server, json.dumps({
        "alert_type": "dos_attack_l4", "alert_event": "ALERT_STATE_EVENT_" + event, "account_id": pair.sim.account,
        "ts": int(pair.now()), "data": {"attack_id": ident, "target_ip": target}}).encode()).stored()
    return at


def struck(pair, stop=4, ident="a" * 32):
    """Cloudflare announces the prefix for an attack, which is over at that minute."""
    pair.server.log.allow(PROPOSED.format("advertise", WEB))
    pair.server.log.allow(PAGE.format(WEB))  # two minutes are a moment here
    flood(pair, 600000)
    alert(pair, "START", ident)
    pair.sim.prefix(WEB, advertised=True, by="auto-advertise", delay=0)
    wait_minute(pair, stop)
    flood(pair, 0)
    alert(pair, "END", ident)


def command(pair, *words, code=0):
    """What cfmtctl says."""
    done = pair.server.ctl(*words)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def micro(pair, at):
    """A time of the store in minutes since the beginning."""
    return minutes(pair, at / MICRO)
