"""The API token: whose it is, when it ends, what it may do, and what happens when it is no good."""
import os
import signal

from client import attack, post
from httpd import IS_ROOT, wait_for
from pair import ALL, DAY, JOBS, Scene, scenes

REFUSED = r"cfmt:error\].*CFMT0852: job {}: .+; changed\? put the new one into the " \
          r"file that CfmtApiToken names and reload Apache; tried again in \S+"
EXPIRES = r"cfmt:warn\].*CFMT0863: the API token expires at \S+, in {}: make a new one in the dashboard, put it " \
          r"into the file that CfmtApiToken names and reload Apache"


def verified(pair):
    return [c["path"].split("/")[3] for c in pair.calls("rest", "/tokens/verify")]


def of_an_account(pair):
    """Found out at the first try, remembered from then on."""
    pair.start()
    pair.succeed()
    assert "token: active, of the account, never expires" in pair.server.ctl("jobs").stdout
    assert verified(pair)[:2] == ["user", "accounts"] and set(verified(pair)[2:]) == {"accounts"}
    assert pair.health()["api"]["token"]["form"] == "account"


def about_to_expire(pair):
    """Told once when 30, 7 and 1 days are left."""
    log, left = pair.server.log, 31
    pair.sim.control("POST", "/tokens/valid", {"expires_in": left * DAY})
    pair.start()
    for days, words in ((31, None), (29, r"2[89]d\S*"), (8, None), (6, r"[56]d\S*"), (2, None), (0.5, r"1[12]h\S*")):
        if days < left:
            pair.park()
            pair.jump(int((left - days) * DAY))
            left = days
        mark = log.size()
        if words:
            log.expect(EXPIRES.format(words))
        pair.succeed("token")
        pair.succeed("token")
        if words:
            wait_for(lambda: log.count("CFMT0863", mark), 5, "the line, which comes behind the job's result")
        assert log.count("CFMT0863", mark) == (1 if words else 0), days
    pair.park()
    pair.jump(DAY)
    for name in ALL:
        log.allow(REFUSED.format(name))
    log.expect(REFUSED.format("token").replace(".+", "Cloudflare says it is expired"))
    # the other jobs may have been refused, and stopped all calls for a while, before it runs
    wait_for(lambda: pair.run("token")[0]["result"] == "auth: Cloudflare says it is expired", 30, "the token's end")
    assert pair.health()["api"]["token"]["status"] == "expired" and log.count("CFMT0863") == 3


def no_good(pair, status):
    """From the start. What needs no token goes on, deliveries are stored, and the other calls stop."""
    log = pair.server.log
    log.expect(REFUSED.format("token").replace(".+", "Cloudflare says it is " + status))
    for name in set(ALL) - {"token", "ranges"}:
        log.allow(REFUSED.format(name))
    pair.start(ready=False)
    wait_for(lambda: all(j["last_at"] for j in pair.jobs()), 20, "the first tries")
    for job in pair.jobs():
        assert job["fails"] == (0 if job["name"] == "ranges" else 1), job
        assert job["result"].split(":")[0] in ("auth", "breaker", "22 ranges"), job
    post(pair.server, attack()).stored()
    calls = len(pair.calls("rest"))
    pair.succeed("ranges")
    assert len(pair.calls("rest")) == calls + 1


def without_analytics(pair):
    """Only what needs it fails: tunnels are listed, their health is unknown."""
    log = pair.server.log
    log.expect(r"cfmt:warn\].*CFMT0850: job tunnels failed \(refused\): .*not authorized.*; tried again in 15s")
    log.expect(r"cfmt:warn\].*CFMT0850: job limits failed \(refused\): .*not authorized.*")
    pair.start(ready=False)
    wait_for(lambda: all(j["last_at"] for j in pair.jobs(ALL)), 20, "the first tries")
    assert [j["name"] for j in pair.jobs() if j["fails"]] == ["tunnels"], pair.words()
    pair.server.wait_projected()
    assert {t["state"] for t in pair.ctl("tunnels")["tunnels"]} == {"unknown"}
    assert pair.health()["api"]["upstreams"]["graphql"]["breaker"] == "closed"


def without_permissions(pair):
    """Each job fails for itself; that the token as such is good is known, so nothing is held back."""
    log = pair.server.log
    for name in set(JOBS) - {"token", "ranges", "tunnels"}:
        log.expect(REFUSED.format(name))
    # it asks both upstreams, and tells whose refusal came first
    log.expect(REFUSED.format("tunnels") + r"|CFMT0850: job tunnels failed \(refused\): .*not authorized")
    log.expect(r"cfmt:warn\].*CFMT0850: job limits failed \(refused\): .*not authorized.*")
    pair.start(ready=False)
    wait_for(lambda: all(j["last_at"] for j in pair.jobs(ALL)), 20, "the first tries")
    assert [j["name"] for j in pair.jobs() if not j["fails"]] == ["token", "ranges"], pair.words()
    assert pair.health()["api"]["upstreams"]["rest"]["breaker"] == "closed"


def refused_later(pair):
    """Rolled in the dashboard: told, nothing is forgotten, and the new token works soon after the reload."""
    pair.start()
    pair.succeed()
    pair.park()
    learned = [k for k in pair.known() if k != "journal"]
    before, log = pair.known(*learned), pair.server.log
    for name in ALL:
        log.allow(REFUSED.format(name))
    pair.sim.control("POST", "/tokens/valid", {"disabled": True})
    mark = log.size()
    rows = {j["name"]: j for j in pair.run("prefixes", "rules")}
    assert all(j["fails"] and j["result"].startswith("auth: ") for j in rows.values()), rows
    assert log.count(REFUSED.format("prefixes"), mark) == 1 and log.count(REFUSED.format("rules"), mark) == 1
    assert pair.known(*learned) == before
    pair.use_token("read-only")
    pair.reload()
    pair.wait_ok(("prefixes", "rules"), 10)  # and not only when the breaker would have asked, after a minute
    pair.succeed()
    assert {c["token"] for c in pair.calls("rest", "/addressing/prefixes")[-5:]} == {"read-only"}
    assert pair.known(*learned) == before


def of_a_program(pair):
    script = pair.server.write("secret/print-token", f"#!/bin/sh\ncat {pair.token}\n", 0o700)
    pair.own.append(f"CfmtApiToken exec:{script}")
    pair.token = None
    pair.configure()
    pair.start()


def missing(pair):
    """httpd starts all the same; the reload finds the file."""
    log = pair.server.log
    os.rename(pair.token, pair.token + ".away")
    log.expect(r"cfmt:warn\].*CFMT0114: CfmtApiToken: .*/secret/token: No such file or directory")
    log.expect(r"cfmt:error\].*CFMT0113: CfmtApiToken .*cannot be used: ")
    pair.start(ready=False)
    post(pair.server, attack()).stored()
    assert pair.health()["api"]["token_readable"] is False
    assert not pair.calls()
    os.rename(pair.token + ".away", pair.token)
    pair.reload()
    pair.settled()
    assert pair.health()["api"]["token_readable"] is True


def whoever_begins_to_lead(pair):
    """Verifies it at once, though the last one did less than an hour ago: it may be another one since."""
    log = pair.server.log
    pair.start()
    for begin in (lambda: os.kill(pair.server.leaders()[0], signal.SIGKILL), pair.reload, pair.reload):
        log.allow(r"exit signal Killed")
        pair.succeed("token")  # so that it is due in an hour
        before, mark = len(verified(pair)), log.size()
        begin()
        log.wait("CFMT0405", 15, mark)
        wait_for(lambda: len(verified(pair)) > before, 10, "the verification")
        wait_for(lambda: not pair.job("token")["owner"], 10, "its end")
        assert len(verified(pair)) == before + 1 and not pair.job("token")["fails"]


SCENES = [
    Scene(whoever_begins_to_lead, takes=8),
    Scene(of_an_account, token="account"), Scene(about_to_expire, speed=2),
    Scene(without_analytics, token="no-analytics"), Scene(without_permissions, token="nothing"),
    Scene(refused_later), Scene(missing),
    Scene(no_good, "expired", name="expired", token="expired"),
    Scene(no_good, "disabled", name="revoked", token="revoked")]
if IS_ROOT:  # the program must belong to root then, and be writable by nobody else
    SCENES.append(Scene(of_a_program))


@scenes(*SCENES)
def test_tokens(scene):
    scene()
