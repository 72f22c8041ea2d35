"""CfmtNotify, CfmtMessage, CfmtTelegramUrl: what configtest says, what a start reads, what is published and shown;
and the example program that sends mail."""
import json
import os
import sqlite3
import subprocess

import pytest

import httpd
from httpd import wait_for
from receiver import SIGNING

TOKEN = "123456:AAbot-token-not-to-be-seen"
TELEGRAM = "CfmtNotify telegram name=ops token=file:{token} chat=-1001"


def put(s, name, text, mode=0o600):
    path = s.path(name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


@pytest.fixture(scope="module")
def conf(farm):
    """A server that is never started, and the files that its lines name."""
    s = farm.new()
    s.files = {"token": put(s, "bot", TOKEN + "\n"), "url": put(s, "url", "https://example.com/hook\n"),
               "text": put(s, "text", "ATTACK on {prefix}\n{no_such_field}\n"),
               "open": put(s, "open", "ATTACK on {prefix\n"), "none": s.path("nowhere")}
    yield s
    farm.end(s)


def configtest(s, *lines):
    s.cfmt = s.default_cfmt() + [line.format(**s.files) for line in lines]
    done = s.run("-t")
    return done.returncode, done.stdout


GOOD = [
    TELEGRAM,
    TELEGRAM + " topic=3 thread=edit quiet=22:00-07:00,max=high daily=08:00 lifecycle=on min=normal",
    "CfmtNotify webhook name=chat url=file:{url} types=attack-start,attack-end prefixes=203.0.113.0/24",
    "CfmtNotify webhook name=chat url=http://127.0.0.1:9/hook secret=file:{url}",
    "CfmtNotify command name=mail path=/bin/true",
    "CfmtNotify syslog name=log facility=local0",
    "CfmtTelegramUrl http://127.0.0.1:8081/",
]


@pytest.mark.parametrize("line", GOOD)
def test_good(conf, line):
    code, out = configtest(conf, line)
    assert code == 0 and "Syntax OK" in out and "CFMT10" not in out, out


# lines -> what is said; the last line is the wrong one
BAD = [
    (["CfmtNotify"], "the first word is the kind"),
    (["CfmtNotify pigeon name=x"], "telegram, webhook, command or syslog"),
    (["CfmtNotify telegram name=x chat=1"], "CfmtNotify: token= is missing"),
    (["CfmtNotify syslog name=x colour=red"], "'colour=' is not known"),
    (["CfmtNotify syslog name=x quiet=late"], "HH:MM-HH:MM"),
    (["CfmtNotify syslog name=x", "CfmtNotify command name=x path=/bin/true"], "the name 'x' stands already in line"),
    (["CfmtNotify webhook name=x url=http://example.com/"], "loopback"),
    (["CfmtMessage attack file:{text}"], "'attack' is no message"),
    (["CfmtMessage attack-start {text}"], "is not file:PATH"),
    (["CfmtTelegramUrl http://example.com"], "loopback"),
    (["CfmtTelegramUrl telegram"], "not an absolute URL"),
]


@pytest.mark.parametrize("lines, words", BAD, ids=[lines[-1] for lines, _ in BAD])
def test_bad_lines_are_errors_with_file_and_line(conf, lines, words):
    code, out = configtest(conf, *lines)
    assert code != 0 and words in out and "httpd.conf" in out and " line " in out, out


def number_of(s, line):
    with open(s.path("httpd.conf")) as f:
        return 1 + [each.strip() for each in f].index(line.format(**s.files))


LATER = [
    ("CfmtNotify syslog name=x fallback=y", "CFMT1045", "fallback=y names no channel"),
    ("CfmtMessage attack-start file:{none}", "CFMT1046", "No such file"),
    ("CfmtMessage attack-start file:{text}", "CFMT1046", "no_such_field"),
    ("CfmtMessage attack-start file:{open}", "CFMT1046", "line 1"),
]


@pytest.mark.parametrize("line, number, words", LATER)
def test_what_only_the_whole_shows_names_file_and_line_too(conf, line, number, words):
    code, out = configtest(conf, line)
    where = f"httpd.conf:{number_of(conf, line)})"
    assert code != 0 and number in out and words in out and where in out, out


WARNED = [
    ("CfmtNotify telegram name=x token=file:{none} chat=1", "CFMT1047: CfmtNotify name=x token=: "),
    ("CfmtNotify webhook name=x url=file:{none}", "CFMT1047: CfmtNotify name=x url=: "),
    ("CfmtNotify webhook name=x url=https://example.com/ secret=file:{none}", "CFMT1047: CfmtNotify name=x secret=: "),
    ("CfmtNotify command name=x path={none}", "CFMT1048: "),
]


@pytest.mark.parametrize("line, words", WARNED)
def test_what_may_change_until_the_start_is_a_warning(conf, line, words):
    code, out = configtest(conf, line)
    assert code == 0 and words in out, out


def test_two_may_be_each_others_fallback(conf):
    code, out = configtest(conf, "CfmtNotify syslog name=a fallback=b", "CfmtNotify syslog name=b fallback=a")
    assert code == 0, out


def test_a_demonstration_wakes_nobody(conf):
    demo, near = "CfmtDemoSpeed 60", "CfmtTelegramUrl http://127.0.0.1:9"
    code, out = configtest(conf, demo, TELEGRAM)
    assert code != 0 and "CFMT1051" in out and "channel ops" in out, out
    code, out = configtest(conf, demo, near, "CfmtNotify webhook name=x url=https://example.com/")
    assert code != 0 and "CFMT1051" in out and "channel x" in out, out
    code, out = configtest(conf, demo, near, TELEGRAM, "CfmtNotify syslog name=log")
    assert code == 0, out


def test_the_dump_masks_and_merges(conf):
    code, out = configtest(conf, TELEGRAM, "CfmtNotify webhook name=chat url=https://example.com/geheim?sig=geheim",
                           "CfmtTelegramUrl http://127.0.0.1:8081")
    assert code == 0, out
    out = conf.run("-t", "-D", "DUMP_CFMT").stdout
    assert f"CfmtNotify telegram name=ops min=low thread=reply token=file:{conf.files['token']} chat=-1001\n" in out
    assert "# CfmtNotify webhook name=chat min=low url=https://example.com/...\n" in out
    assert "CfmtTelegramUrl http://127.0.0.1:8081\n" in out
    assert "geheim" not in out and TOKEN not in out


def published(s):
    db = sqlite3.connect(s.db, timeout=10)
    rows = dict(db.execute("SELECT name, value FROM setting WHERE name LIKE 'Notify %'"))
    db.close()
    return rows


def test_routing_is_published_and_secrets_are_not(httpd_new):
    s = httpd_new()
    s.cfmt = s.default_cfmt() + [
        f"CfmtNotify telegram name=ops token=file:{put(s, 'bot', TOKEN)} chat=-1001 fallback=log min=high",
        "CfmtNotify webhook name=chat url=http://127.0.0.1:9/geheim types=hijack", "CfmtNotify syslog name=log",
        "CfmtTelegramUrl http://127.0.0.1:9"]
    s.log.allow(r"CFMT10[3-9]\d")  # nobody listens there
    s.start()
    wait_for(lambda: len(published(s)) == 3, 5, "the settings")
    assert published(s) == {
        "Notify ops": "telegram name=ops min=high fallback=log after=600s thread=reply",
        "Notify chat": "webhook name=chat min=low types=hijack",
        "Notify log": "syslog name=log min=low facility=daemon"}
    s.stop()
    with open(s.db, "rb") as f:
        stored = f.read()
    assert b"geheim" not in stored and TOKEN.encode() not in stored


def test_a_token_that_cannot_be_read_stops_nothing(httpd_new):
    s = httpd_new()
    s.cfmt = s.default_cfmt() + [
        f"CfmtNotify telegram name=ops token=file:{put(s, 'bot', '12/../34')} chat=-1001",
        f"CfmtNotify webhook name=chat url=file:{put(s, 'url', 'http://example.com/geheim')}"]
    s.log.allow(r"CFMT1049: CfmtNotify name=(ops token=|chat url=) cannot be used")
    s.log.allow(r"CFMT10[3-9]\d")
    s.start()
    with open(s.path("logs/error.log")) as f:
        log = f.read()
    assert log.count("CFMT1049") == 2 and "12/../34" not in log and "geheim" not in log


def test_an_address_and_a_key_from_files_work(receiver, httpd_new):
    """Without an account: the first message is that of the start. The receiver stays until the stop is told, too."""
    s = httpd_new()
    s.cfmt = s.default_cfmt() + [
        f"CfmtNotify webhook name=chat url=file:{put(s, 'url', receiver.url)} lifecycle=on"
        f" secret=file:{put(s, 'key', SIGNING)}"]
    s.start()
    wait_for(lambda: receiver.got, 10, "a message")
    assert receiver.url.endswith(receiver.got[0].path) and receiver.kinds() == ["start"]
    receiver.check_signed()


# ---- conf/notify-mail --------------------------------------------------------------------------------

MESSAGE = {"text": "ATTACK on 203.0.113.0/24\nUDP flood", "cfmt": {
    "id": "cfmt_17_00", "kind": "attack-start", "priority": "critical", "attack": "a1b2", "fields": {}}}


def mail(tmp_path, given, program="cat > mail; exit 0"):
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f"#!/bin/sh\ncd {tmp_path}\n{program}\n")
    sendmail.chmod(0o755)
    done = subprocess.run([os.path.join(httpd.SRCDIR, "conf", "notify-mail")], input=given, capture_output=True,
                          text=True, env={"PATH": os.environ["PATH"], "CFMT_SENDMAIL": str(sendmail)})
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_the_example_sends_mail(tmp_path):
    assert mail(tmp_path, json.dumps(MESSAGE) + "\n") == (0, "mail to root\n")
    sent = (tmp_path / "mail").read_text()
    assert "Subject: ATTACK on 203.0.113.0/24\n" in sent and sent.endswith("UDP flood\n")
    assert "In-Reply-To: <a1b2@mod-cfmt.invalid>\n" in sent and "X-Priority: 1\n" in sent


def test_the_example_tells_how_it_went(tmp_path):
    assert mail(tmp_path, json.dumps(MESSAGE), "cat >&2; echo no room; exit 75")[0] == 75
    assert mail(tmp_path, "{}")[0] == 65 and mail(tmp_path, "nothing")[0] == 65
