"""configtest: what is wrong is an error with file, line, value and what is allowed; what only may be
wrong is a warning and never stops Apache."""
import os
import re

import pytest

import httpd
from client import attack, post
from httpd import SECRET, wait_for

LONG = "x" * 40


def configtest(server, *lines):
    server.cfmt = server.default_cfmt() + list(lines)
    done = server.run("-t")
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def conf(farm):
    """A server that is never started."""
    s = farm.new()
    yield s
    farm.end(s)


GOOD = [
    "CfmtMode observe", "CfmtMode enforce", "CfmtAuth secret", "CfmtAuth hmac", "CfmtAuth either",
    "CfmtRequireTLS on", "CfmtRequireTLS off", "CfmtMaxBody 1048576", "CfmtMaxBody 512k",
    "CfmtCommitTimeout 500ms", "CfmtCommitTimeout 2", "CfmtDedupe 24h", "CfmtDedupe 90min",
    "CfmtDedupe 1d", "CfmtAccountId 9035f53656c247e895c5a6939ae8a0e0",
    "CfmtPrefix 203.0.113.0/24", "CfmtPrefix * withdraw=propose",
    "CfmtPrefix 2001:db8::/32 name=v6 withdraw=auto advertise=auto",
    "CfmtRetention journal=400d rejected=30d", "CfmtRetention JOURNAL=400d",
    "CfmtPrefix 203.0.113.0/24 idle=CALM",
]


@pytest.mark.parametrize("line", GOOD)
def test_good(conf, line):
    if "CfmtSenders" in line:
        conf.cfmt = []
    code, out = configtest(conf, line)
    assert code == 0 and "Syntax OK" in out, out


# directive and value -> what the message must say besides file:line and the value
BAD = [
    ("CfmtMode sometimes", "observe", "enforce"),
    ("CfmtAuth basic", "secret", "hmac", "either"),
    ("CfmtRequireTLS perhaps", "on", "off"),
    ("CfmtMaxBody much",),
    ("CfmtMaxBody 0",),
    ("CfmtMaxBody -5",),
    ("CfmtMaxBody 99999999999999999999",),
    ("CfmtCommitTimeout 5x", "s"),
    ("CfmtCommitTimeout 0",),
    ("CfmtCommitTimeout -1s",),
    ("CfmtCommitTimeout 10d",),
    ("CfmtCommitTimeout 1.5s",),
    ("CfmtDedupe soon",),
    ("CfmtDedupe 900y",),
    ("CfmtAccountId not-an-account", "hex"),
    ("CfmtAccountId 9035f53656c247e895c5a6939ae8a0e", "32"),
    ("CfmtSenders 300.1.1.1/8",),
    ("CfmtSenders 192.0.2.0/33",),
    ("CfmtSenders everybody", "cloudflare"),
    ("CfmtPrefix 203.0.113.0/33",),
    ("CfmtPrefix hello",),
    ("CfmtPrefix 203.0.113.5/24", "203.0.113.0/24"),
    ("CfmtPrefix 203.0.113.0/24 withdraw=maybe", "auto", "propose", "manual"),
    ("CfmtPrefix 203.0.113.0/24 advertise=propose", "auto", "manual"),
    ("CfmtPrefix 203.0.113.0/24 colour=red", "colour"),
    ("CfmtRetention journal=never",),
    ("CfmtRetention bananas=3d", "bananas"),
    ("CfmtRetention journal", "="),
    ("CfmtGroup no-such-group-here",),
    ("CfmtDb",), ("CfmtDb .", "file name"), ("CfmtDb state/..", "file name"),
]


@pytest.mark.smoke
@pytest.mark.asan
@pytest.mark.parametrize("case", BAD, ids=lambda c: c[0])
def test_bad(conf, case):
    line, *words = case
    code, out = configtest(conf, line)
    assert code != 0, out
    number = conf.config().split("\n").index(line) + 1
    assert re.search(rf"line {number} of .*httpd\.conf", out) or f"httpd.conf:{number}" in out, out
    assert line.split()[0] in out
    value = line.split()[-1].split("=")[-1] if len(line.split()) > 1 else ""
    assert value in out, f"the value is not named: {out}"
    for word in words:
        assert word in out, f"does not say {word!r}: {out}"


@pytest.mark.parametrize("first,second", [
    ("203.0.113.0/24", "203.0.113.0/24"), ("2001:db8::/32", "2001:0db8:0::/32"), ("*", "*")])
def test_a_prefix_twice_is_an_error(conf, first, second):
    code, out = configtest(conf, f"CfmtPrefix {first}", f"CfmtPrefix {second} name=again")
    number = conf.config().split("\n").index(f"CfmtPrefix {second} name=again") + 1
    assert code != 0 and str(number) in out and "CfmtPrefix" in out, out


def test_nested_prefixes_are_normal(conf):
    code, out = configtest(conf, "CfmtPrefix 203.0.112.0/20", "CfmtPrefix 203.0.113.0/24")
    assert code == 0 and "warn" not in out, out


@pytest.mark.parametrize("line", ["CfmtPrefix 203.0.113.128/25", "CfmtPrefix 2001:db8::/49",
                                  "CfmtPrefix 203.0.113.0"])
def test_a_prefix_too_long_for_cloudflare_is_a_warning(conf, line):
    code, out = configtest(conf, line)
    assert code == 0 and re.search(r"\[cfmt:warn\]|CFMT01\d\d", out), out
    assert line.split()[1] in out


@pytest.mark.parametrize("lines,needs", [
    (("CfmtAnalyticsInterval 10min",), "17min"), (("CfmtBlindAfter 7min", "CfmtAnalyticsLag 6min"), "9min"),
    (("CfmtBlindAfter 8min",), None), (("CfmtAnalyticsInterval 8min",), None)])
def test_a_blindness_that_is_sure_to_come_is_a_warning(conf, lines, needs):
    code, out = configtest(conf, *lines)
    assert code == 0 and ("CFMT0119" in out) == (needs is not None), out
    assert needs is None or f"it needs {needs}" in out, out


@pytest.mark.parametrize("line", [
    "CfmtSecret too-public-inline-secret-1 label=", f"CfmtSecret {LONG} colour=red",
    "CfmtSecret whsec_%%%not-base64-secret%%%", f"CfmtSecret {LONG * 40}",
    'CfmtSecret ""', 'CfmtSecret " blank-before-the-secret"'])
def test_a_bad_secret_is_an_error_that_does_not_print_it(conf, line):
    code, out = configtest(conf, line)
    secret = line.split(None, 1)[1].strip('" ').split(" ")[0]
    assert code != 0 and "CfmtSecret" in out, out
    assert len(secret) < 5 or secret[:30] not in out, "the secret was printed"


def test_an_inline_secret_works_with_a_warning(httpd_new):
    s = httpd_new(secrets=(SECRET,))
    s.cfmt[1] = f"CfmtSecret {SECRET} label=inline"
    done = s.run("-t")
    assert done.returncode == 0 and SECRET not in done.stdout
    assert re.search(r"warn.*CFMT01\d\d|CFMT01\d\d.*file:", done.stdout), done.stdout
    s.log.allow(r"CFMT01\d\d.*CfmtSecret")
    s.start()
    post(s, attack()).stored()


@pytest.mark.parametrize("what", ["missing", "directory", "empty", "world-readable"])
def test_an_unusable_secret_file_only_warns(httpd_new, what):
    s = httpd_new()
    path = s.path("secret/other")
    if what == "directory":
        os.mkdir(path)
    elif what != "missing":
        s.write("secret/other", "" if what == "empty" else "another-secret-0123456789\n",
                0o644 if what == "world-readable" else 0o600)
    s.cfmt.append(f"CfmtSecret file:{path} label=other")
    done = s.run("-t")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\[cfmt:warn\].*secret/other", done.stdout), done.stdout
    assert "another-secret-0123456789" not in done.stdout
    s.log.expect(r"CFMT0[12]\d\d.*(secret/other|other)")
    s.log.allow(r"CFMT0[12]\d\d")
    s.start()
    post(s, attack()).stored()


def test_exec_is_checked_but_not_run_by_configtest(httpd_new):
    s = httpd_new()
    mark = s.path("run/was-run")
    s.write("secret/tool", f"#!/bin/sh\ntouch {mark} 2>/dev/null\necho from-the-tool-0123456789\n", 0o700)
    s.cfmt.append(f"CfmtSecret exec:{s.root}/secret/tool label=tool")
    assert s.run("-t").returncode == 0
    assert not os.path.exists(mark)
    s.secrets.append("from-the-tool-0123456789")
    s.start()
    post(s, attack(), secret="from-the-tool-0123456789").stored()
    assert os.path.exists(mark)


@pytest.mark.parametrize("script,word", [("exit 3", "3"), ("sleep 60", None), ("true", None)])
def test_an_exec_that_fails_never_stops_apache(httpd_new, script, word):
    s = httpd_new()
    s.write("secret/tool", f"#!/bin/sh\n{script}\n", 0o700)
    s.cfmt.append(f"CfmtSecret exec:{s.root}/secret/tool label=tool")
    s.log.expect(r"CFMT0[12]\d\d")
    s.log.allow(r"CFMT0[12]\d\d")
    s.start()
    post(s, attack()).stored()


def test_a_state_directory_that_cannot_work_only_warns(httpd_new):
    s = httpd_new()
    s.cfmt[0] = "CfmtDb /proc/no/such/place/cfmt.db"
    done = s.run("-t")
    assert done.returncode == 0 and re.search(r"\[cfmt:warn\].*CFMT01\d\d", done.stdout), done.stdout


@pytest.mark.parametrize("container", ["<VirtualHost *:1>\n{}\n</VirtualHost>",
                                       "<Location /x>\n{}\n</Location>",
                                       "<Directory /x>\n{}\n</Directory>"])
@pytest.mark.parametrize("line", ["CfmtMode observe", "CfmtSecret file:/x", "CfmtPrefix *"])
def test_directives_are_server_wide(conf, container, line):
    code, out = configtest(conf, *container.format(line).split("\n"))
    assert code != 0 and line.split()[0] in out, out


def test_dump_shows_the_effective_configuration_masked(conf):
    conf.cfmt = conf.default_cfmt() + [
        "CfmtPrefix 203.0.113.0/24 name=web withdraw=propose", "CfmtMaxBody 128k",
        "CfmtSecret inline-secret-not-to-be-seen-77 label=inline", "CfmtRetention rejected=7d"]
    done = conf.run("-t", "-D", "DUMP_CFMT")
    assert done.returncode == 0, done.stdout
    for word in ("CfmtMode", "observe", "CfmtDb", conf.db, "CfmtSenders", "127.0.0.0/8",
                 "CfmtRequireTLS", "CfmtCommitTimeout", "3s", "CfmtDedupe", "CfmtMaxBody", "CfmtAuth",
                 "203.0.113.0/24", "name=web", "withdraw=propose", "first", "inline", "rejected="):
        assert word in done.stdout, f"{word} is not in:\n{done.stdout}"
    assert "inline-secret-not-to-be-seen-77" not in done.stdout
    assert SECRET not in done.stdout


def test_the_shipped_configuration_works_as_it_is(httpd_new):
    path = os.path.join(httpd.SRCDIR, "conf", "cfmt.conf")
    s = httpd_new(modules=["authz_host"])
    s.routes = list
    s.cfmt = [f"Include {path}", f"CfmtDb {s.db}", "CfmtSenders 127.0.0.0/8"]
    with open(path) as f:
        shipped = f.read()
    if not re.search(r"^\s*CfmtSecret ", shipped, re.M):
        s.cfmt.append(f"CfmtSecret file:{s.root}/secret/0 label=first")
    done = s.run("-t")
    assert done.returncode == 0 and "Syntax OK" in done.stdout, done.stdout
    s.log.allow(r"CFMT0[12]\d\d")
    s.start()
    if not re.search(r"^\s*CfmtSecret ", shipped, re.M):
        post(s, attack()).stored()
    from client import get
    assert get(s, "/mt-health").status in (200, 503)


def test_a_bare_module_serves_nothing_and_harms_nothing(httpd_new):
    """LoadModule alone, as after a2enmod on a machine that is not set up yet."""
    s = httpd_new()
    s.cfmt = [f"CfmtDb {s.db}"]
    s.routes = list
    s.log.allow(r"CFMT\d{4}")
    s.start(ready=False)
    wait_for(s.answers, 5, "the other pages")


def test_mod_info_shows_no_file_secret(httpd_new):
    s = httpd_new(modules=["info"],
                  extra="<Location /info>\nSetHandler server-info\n</Location>").start()
    from client import get
    body = get(s, "/info").body.decode()
    assert "CfmtSecret" in body or "cfmt" in body
    assert SECRET not in body
