"""Signed deliveries (Standard Webhooks), the mode either, and rotation of secrets."""
import time

import pytest

from client import attack, post, sign, token
from httpd import wait_for
from test_webhook import head, rows_after

RAW_SECRET = "a-shared-raw-secret-of-the-relay-42"
WHSEC = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture(scope="module")
def signing(farm):
    """One server in mode hmac and one in mode either, each with a raw and a whsec_ secret."""
    made = {}
    for mode in ("hmac", "either"):
        s = farm.new(secrets=(RAW_SECRET, WHSEC))
        s.cfmt = [f"CfmtDb {s.db}", "CfmtSenders 127.0.0.0/8", f"CfmtAuth {mode}",
                  f"CfmtSecret file:{s.root}/secret/0 label=raw",
                  f"CfmtSecret file:{s.root}/secret/1 label=encoded"]
        made[mode] = s.start()
    yield made
    for s in made.values():
        farm.end(s)


@pytest.mark.asan
@pytest.mark.parametrize("mode", ["hmac", "either"])
@pytest.mark.parametrize("secret", [RAW_SECRET, WHSEC])
def test_a_signed_delivery(signing, mode, secret):
    body = attack()
    post(signing[mode], body, headers=sign(body, secret), secret=None).stored()


@pytest.mark.asan
def test_a_replayed_id_is_a_duplicate_whatever_its_body(signing):
    s, ident = signing["hmac"], "msg_" + token()
    body, other = attack(), attack()
    first = post(s, body, headers=sign(body, RAW_SECRET, ident), secret=None).stored()
    assert post(s, body, headers=sign(body, RAW_SECRET, ident),
                secret=None).stored("duplicate") == first
    assert post(s, other, headers=sign(other, RAW_SECRET, ident),
                secret=None).stored("duplicate") == first


def test_a_short_dedupe_does_not_open_a_replay(httpd_new):
    """A signature is good for ten minutes, so its id is remembered as long."""
    s = httpd_new(secrets=(RAW_SECRET,))
    s.cfmt = [f"CfmtDb {s.db}", "CfmtSenders 127.0.0.0/8", "CfmtAuth hmac", "CfmtDedupe 1s",
              f"CfmtSecret FILE:{s.root}/secret/0 LABEL=raw"]
    s.start()
    body = attack()
    h = sign(body, RAW_SECRET, "msg_" + token())
    first = post(s, body, headers=h, secret=None)
    first, at = first.stored(), time.monotonic()
    wait_for(lambda: time.monotonic() > at + 2.1, 5, "two windows of CfmtDedupe")
    assert post(s, body, headers=h, secret=None).stored("duplicate") == first


@pytest.mark.asan
def test_the_same_body_under_another_id_is_stored(signing):
    s, body = signing["hmac"], attack()
    first = post(s, body, headers=sign(body, WHSEC), secret=None).stored()
    assert post(s, body, headers=sign(body, WHSEC), secret=None).stored() > first


@pytest.mark.asan
@pytest.mark.parametrize("list_of", ["v1a,AAAA {}", "{} v2,xyz", "v1,AAAA {}", "v9,{b} {}"])
def test_unknown_versions_and_other_signatures_are_skipped(signing, list_of):
    s, body = signing["hmac"], attack()
    h = sign(body, RAW_SECRET)
    sig = h["webhook-signature"]
    h["webhook-signature"] = list_of.replace("{b}", sig[3:]).replace("{}", sig)
    post(s, body, headers=h, secret=None).stored()


BAD_SIGNATURES = {
    "expired": lambda b: sign(b, RAW_SECRET, when=int(time.time()) - 320),
    "of the future": lambda b: sign(b, RAW_SECRET, when=int(time.time()) + 320),
    "other secret": lambda b: sign(b, "another-secret-altogether"),
    "other body": lambda b: sign(b + b" ", RAW_SECRET),
    "only an unknown version": lambda b: sign(b, RAW_SECRET, prefix="v2,"),
    "no version": lambda b: sign(b, RAW_SECRET, prefix=""),
    "cut": lambda b: {k: v[:-4] if k == "webhook-signature" else v
                      for k, v in sign(b, RAW_SECRET).items()},
    "no id": lambda b: {k: v for k, v in sign(b, RAW_SECRET).items() if k != "webhook-id"},
    "no time": lambda b: {k: v for k, v in sign(b, RAW_SECRET).items()
                          if k != "webhook-timestamp"},
    "no signature": lambda b: {k: v for k, v in sign(b, RAW_SECRET).items()
                               if k != "webhook-signature"},
    "empty signature": lambda b: {**sign(b, RAW_SECRET), "webhook-signature": ""},
    "other id": lambda b: {**sign(b, RAW_SECRET), "webhook-id": "msg_other"},
    "time with a letter": lambda b: {**sign(b, RAW_SECRET), "webhook-timestamp": "17x"},
    "time of 30 digits": lambda b: sign(b, RAW_SECRET, when=10 ** 30),
    "time below zero": lambda b: sign(b, RAW_SECRET, when=-5),
    "nothing": lambda b: {},
}


@pytest.mark.asan
@pytest.mark.parametrize("what", list(BAD_SIGNATURES))
def test_a_bad_signature_is_401(signing, what):
    s, body = signing["hmac"], attack()
    mark = head(s)
    answer = post(s, body, headers=BAD_SIGNATURES[what](body), secret=None)
    answer.problem(401, "signature")
    assert answer.headers["www-authenticate"]
    assert not rows_after(s, mark)


@pytest.mark.asan
@pytest.mark.parametrize("off", [-280, 280])
def test_five_minutes_of_skew_are_allowed(signing, off):
    s, body = signing["hmac"], attack()
    post(s, body, headers=sign(body, RAW_SECRET, when=int(time.time()) + off),
         secret=None).stored()


@pytest.mark.asan
def test_hmac_mode_takes_no_static_secret(signing):
    post(signing["hmac"], attack(), secret=RAW_SECRET).problem(401)


@pytest.mark.asan
def test_either_takes_both_and_never_falls_back(signing):
    s, body = signing["either"], attack()
    post(s, attack(), secret=RAW_SECRET).stored()
    post(s, attack(), secret=WHSEC).stored()
    post(s, body, headers=sign(body, WHSEC), secret=None).stored()
    post(s, attack(), secret=None).problem(401)
    # a bad signature beside a good secret, in whole and in part, and a bad secret beside a good one
    for what in ("expired", "other secret", "no id", "no time", "no signature", "empty signature"):
        post(s, body, headers=BAD_SIGNATURES[what](body), secret=RAW_SECRET).problem(401)
    fresh = attack()
    post(s, fresh, headers=sign(fresh, RAW_SECRET), secret="wrong").problem(401)


@pytest.mark.asan
def test_a_signed_body_that_is_bad_json_is_kept_as_rejected(signing):
    s = signing["hmac"]
    mark = head(s)
    post(s, b"{bad", headers=sign(b"{bad", WHSEC), secret=None).problem(400)
    assert [r[1] for r in rows_after(s, mark)] == ["rejected"]


# ---- rotation --------------------------------------------------------------------------------------


@pytest.mark.asan
def test_rotation_two_secrets_at_once_then_one(httpd_new):
    old, new = "the-old-secret-0123456789", "the-new-secret-9876543210"
    s = httpd_new(secrets=(old, new))
    base = [f"CfmtDb {s.db}", "CfmtSenders 127.0.0.0/8"]
    first = f"CfmtSecret file:{s.root}/secret/0 label=spring"
    second = f"CfmtSecret file:{s.root}/secret/1 label=autumn"
    s.cfmt = base + [first, second]
    s.start()
    for secret, label in ((old, "spring"), (new, "autumn")):
        mark = s.log.size()
        post(s, attack(), secret=secret).stored()
        s.log.wait(rf"\[cfmt:info\].*{label}", 5, mark)
    s.cfmt = base + [second]
    s.write_config()
    s.graceful()
    wait_for(lambda: post(s, attack(), secret=old).status == 401, 10, "the old secret to be refused")
    post(s, attack(), secret=new).stored()
