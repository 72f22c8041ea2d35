"""Each job and each way in which Cloudflare, or what is between, can misbehave: one server a fault, all jobs in it."""
import re

import pytest

from httpd import wait_for
from pair import JOBS, KNOWN, MICRO, Scene, scenes

SPEED = 60  # a retry after 15 s is one after 250 ms
RETRY = 15 * MICRO
HOUR = 3600

# name -> what is ordered of the simulator (kind and values), the word of the result for each job while REST does it,
# and for the job "tunnels" while only GraphQL does. None: that is no failure.
FAULTS = {
    "slow": ("slow", {"ms": 700}, None, None),
    "drip": ("drip", {"ms": 5, "bytes": 100}, None, None),
    "date": ("date", {"seconds": 3600}, None, None),
    "reset": ("reset", {}, "net", "net"),
    "truncated": ("truncated", {}, "net", "net"),
    "too short": ("length", {"by": -10}, "answer", "answer"),
    "too long": ("length", {"by": 10}, "net", "net"),
    "endless": ("endless", {}, "answer", "answer"),
    "html 502": ("html", {}, "server", "server"),
    "html 200": ("html", {"status": 200}, "answer", "answer"),
    "garbage": ("garbage", {}, "answer", "answer"),
    "5xx": ("5xx", {}, "server", "server"),
    "429": ("429", {"retry_after": 240}, "limit", "limit"),
    "401": ("401", {}, "auth", "auth"),
    "403": ("403", {}, "auth", "refused"),
    "errors": ("errors", {}, "refused", "server"),
}
# Ended by the limits of a transfer: 15 s without a byte, 30 s in all.
HANGING = {"hang": ("hang", {}, "net"), "hang in the body": ("hang", {"sent": 40}, "net")}
SLOWEST = {"drop by drop": ("drip", {"ms": 500, "bytes": 1}, "net", "net"),
           "hang": ("hang", {}, "net", "net")}
ONLY_GRAPHQL = {"partial": ("partial", {}, "server"), "no-accounts": ("no-accounts", {}, "answer")}


def line_of(name, word):
    """The one line that this failure of this job may leave."""
    if word == "auth":
        return (rf"cfmt:error\].*CFMT0852: job {name}: .+; changed\? put the new one "
                r"into the file that CfmtApiToken names and reload Apache; tried again in \S+")
    return rf"cfmt:warn\].*CFMT0850: job {name} failed \({word}\): .+; tried again in \S+"


def retries(job, word, values):
    """Whether the job is tried again when it should be; word: of what was ordered."""
    wait, doubled = job["due_at"] - job["last_at"], max(0, job["fails"] - 1)
    if word == "limit":
        return (values["retry_after"] - 60) * MICRO < wait <= values["retry_after"] * MICRO
    if wait in (RETRY << doubled, RETRY << job["fails"]):  # the latter where the breaker stood before a second try
        return True
    # by the breaker's probe: after 10 s, then 20 s (whoever's answer took long), and 60 s when it is the token
    return 0 < wait <= (60 if word == "auth" else 20) * MICRO << doubled


def check_rows(rows, word, values, slow=False):
    """What the rows of the jobs say; a fast second try may find the breaker open already. slow: so may a first one,
    where each failure takes a connection and a handshake."""
    for job in rows:
        got, _, detail = job["result"].partition(": ")
        behind = slow or job["fails"] or (job["name"], word) == ("token", "auth")  # its second place was not asked
        assert detail and (job["fails"] and got == word or behind and got == "breaker"), (job, word)
        assert retries(job, word, values), (job, word)


def check_recovery(pair, told, mark):
    """By itself, with one line for each job that had complained."""
    log = pair.server.log
    pair.sim.clear()
    pair.wait_ok(limit=30)
    for name in told:
        wait_for(lambda n=name: log.count(rf"cfmt:notice\].*CFMT0851: job {n} works again after \S+", mark) == 1, 10,
                 f"the line that {name} works again")


def fail(pair, upstream, names, kind, values, word):
    """These jobs fail, are told once, and change nothing."""
    log = pair.server.log
    pair.park()
    before, mark = pair.known(), log.size()
    for name in names:
        log.allow(line_of(name, word))
    pair.sim.fault(upstream, kind, **values)
    check_rows(pair.run(*names, limit=40), word, values)
    pair.sleep(30)  # it is tried again meanwhile, in vain, and nothing more is said
    told = [n for n in names if log.count(line_of(n, word), mark)]
    assert set(names) - set(told) <= ({"token"} if word == "auth" else set()), (told, log.text(mark))
    assert log.count("CFMT085[02]", mark) == len(told), log.text(mark)
    assert pair.known() == before
    return told, mark, before


def check_pause(pair, upstream, retry_after):
    """Nothing is asked from the last 429 until its time is over, and then at once. Simulated seconds."""
    slack = 0.2 * SPEED  # real ones that a message takes
    refused = [r for r in pair.calls(upstream) if r["status"] == 429]
    end = max(r["done"] for r in refused)
    assert len(refused) <= 10, refused  # all of one round
    later = wait_for(lambda: [r for r in pair.calls(upstream) if r["at"] > end], 10, "the next call")
    assert retry_after - slack / 2 < later[0]["at"] - end < retry_after + 3 * slack, (later[0], end)


def misbehave(pair, kind, values, rest, graphql):
    pair.start()
    pair.succeed()
    for upstream, names, word in (("rest", JOBS, rest), ("graphql", ("tunnels",), graphql)):
        if word is None:
            pair.park()
            before = pair.known()
            pair.sim.fault(upstream, kind, **values)
            pair.succeed(*names, limit=40)
            assert pair.known() == before
            pair.sim.clear()
            continue
        told, mark, before = fail(pair, upstream, names, kind, values, word)
        if kind == "429":
            check_pause(pair, upstream, values["retry_after"])
        check_recovery(pair, told, mark)
        assert pair.known() == before


def only_one(pair, upstream, names, kind, values, word):
    pair.start()
    pair.succeed()
    told, mark, before = fail(pair, upstream, names, kind, values, word)
    check_recovery(pair, told, mark)
    assert pair.known() == before


def certificate(pair, which):
    """A certificate of another name or issuer, that the reload brings and takes away."""
    log = pair.server.log
    pair.start()
    pair.succeed()
    pair.park()
    learned = [k for k in KNOWN if k != "journal"]  # there a changed configuration leaves its own row
    before, mark = pair.known(*learned), log.size()
    for name in JOBS:
        log.allow(line_of(name, "net"))
    pair.urls = which
    pair.reload()
    rows = pair.run(limit=40)
    check_rows(rows, "net", {}, slow=True)
    assert any(job["result"].startswith("net: ") for job in rows)
    assert re.search("certificate|SSL|subject name", pair.job("prefixes")["result"])
    assert not pair.calls(since=pair.now() - 1), "something was asked of a stranger"
    pair.urls = "tls"
    pair.park()
    pair.reload()
    pair.succeed(limit=30)
    assert pair.known(*learned) == before
    assert 0 < log.count("CFMT0850", mark) <= len(JOBS)


def hours(pair):
    """A failure that lasts is told once an hour, by whichever job tries; and its end is told, with how long it took."""
    log, lasting = pair.server.log, 4
    pair.start()
    pair.succeed()
    pair.park()
    for name in JOBS:
        log.allow(line_of(name, "server"))
    for upstream in ("rest", "graphql"):
        pair.sim.fault(upstream, "5xx")
    begin, before = pair.now(), pair.known("prefix", "tunnel", "rule")
    pair.run()
    assert log.count(line_of(".*", "server")) == len(JOBS)
    while pair.now() < begin + (lasting + 0.5) * HOUR:
        pair.sleep(60)
    text = log.text()
    most = 1 + int((pair.now() - begin) / HOUR)
    assert len(re.findall(line_of(".*", "server"), text)) >= len(JOBS) + lasting - 1, text
    for name in JOBS:  # any of them may be the one that tries after a pause of the breaker
        assert len(re.findall(line_of(name, "server"), text)) <= most, text
    pair.sim.clear()
    pair.wait_ok(limit=20)
    log.wait(r"cfmt:notice\].*CFMT0851: job token works again after [4-9]h\S*", 10)
    pair.succeed("prefixes", "tunnels", "rules")
    assert pair.known("prefix", "tunnel", "rule") == before  # what was not asked is not missing


@scenes(*(Scene(misbehave, *case, name=name, takes=9 if name == "429" else 5, speed=SPEED)
          for name, case in FAULTS.items()),
        *(Scene(only_one, "rest", JOBS, *case, name=name, takes=20, speed=SPEED) for name, case in HANGING.items()),
        *(Scene(only_one, "graphql", ("tunnels",), *case, name=name, speed=SPEED)
          for name, case in ONLY_GRAPHQL.items()),
        *(Scene(certificate, which, name="certificate of another " + which, speed=SPEED, urls="tls")
          for which in ("name", "issuer")),
        Scene(hours, takes=12, speed=1200))
def test_each_job_and_each_fault(scene):
    scene()


@pytest.mark.long
@scenes(*(Scene(misbehave, *case, name=name, takes=70, speed=SPEED) for name, case in SLOWEST.items()))
def test_the_slowest_faults(scene):
    scene()
