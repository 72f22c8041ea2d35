"""The transport on networks that are broken: black holes, a dead resolver, wrong certificates."""
import os
import re
import shutil
import subprocess
import time

import pytest
from conftest import FETCH, Result, sh

MODULES = "/usr/lib/apache2/modules"


@pytest.fixture
def fetch(far, tmp):
    def run(*words, ca="ca.pem", env=None):
        begin = time.monotonic()
        done = subprocess.run([FETCH, *(["-c", str(tmp / ca)] if ca else []), *words], capture_output=True,
                              text=True, timeout=60, env={**os.environ, **(env or {})})
        assert done.returncode == 0, done.stderr
        return Result(done.stdout, done.stderr, (time.monotonic() - begin) * 1000)
    return run


def test_tls_is_verified_against_our_ca(fetch):
    status, code, ms, detail = fetch("https://api.test/").of("https://api.test/")
    assert (status, code, detail) == ("ok", 200, "")


def test_an_unknown_ca_is_refused(fetch):
    status, code, _, detail = fetch("https://api.test/?q=1", ca=None).of("https://api.test/?q=1")
    assert (status, code) == ("net", 0)
    assert detail.startswith("certificate of api.test refused: "), detail


def test_a_certificate_of_another_name_is_refused(fetch):
    status, code, _, detail = fetch("https://other.test/").of("https://other.test/")
    assert (status, code) == ("net", 0)
    assert detail.startswith("certificate of other.test refused: "), detail


def test_a_ca_file_that_is_missing_is_named(fetch):
    status, _, _, detail = fetch("https://api.test/", ca="absent.pem").of("https://api.test/")
    assert status == "net" and "absent.pem cannot be used" in detail


def test_ipv6_is_used(fetch):
    assert fetch("https://six.test/").of("https://six.test/")[:2] == ("ok", 200)


def test_a_black_holed_ipv6_costs_less_than_half_a_second(fetch):
    first = sh("getent", "ahosts", "half.test").split()[0]
    assert first.startswith("fd98:"), "IPv6 is not tried first here: nothing is tested"
    result = fetch("https://half.test/")
    status, code, ms, _ = result.of("https://half.test/")
    assert (status, code) == ("ok", 200)
    assert 150 < ms < 500
    assert result.step <= 100


def test_a_black_hole_ends_at_the_limit(fetch):
    status, _, ms, detail = fetch("https://10.98.0.1/").of("https://10.98.0.1/")
    assert (status, detail) == ("net", "no connection to 10.98.0.1 within 5s")
    assert 4900 < ms < 5500


def test_a_dead_resolver_holds_up_only_its_own(fetch):
    result = fetch("https://dead.test/", "https://10.99.0.2/")
    status, code, ms, _ = result.of("https://10.99.0.2/")
    assert (status, code) == ("ok", 200) and ms < 1000
    status, code, ms, detail = result.of("https://dead.test/")
    assert (status, code) == ("net", 0) and 4900 < ms < 5500
    assert detail == "no address of dead.test: the name servers do not answer within 5s"
    assert result.step <= 100
    assert result.stop <= 50


def test_a_stop_does_not_wait_for_a_dead_resolver(fetch):
    result = fetch("-s", "300", "https://dead.test/", "https://dead2.test/", "https://10.99.0.2/hang",
                   "https://10.98.0.1/")
    assert result.transfers == []
    assert result.stop <= 50
    assert result.ms <= 1300
    assert result.step <= 100


def test_libcurl_looks_nothing_up_itself(fetch):
    """What it is given it says to have added; a look-up of its own would block the poll some day."""
    err = fetch("-v", "https://half.test/").err
    assert re.search(r"Added half\.test:443:fd98::\d,fd98::\d,10\.99\.0\.2 to DNS cache", err), err


def test_the_proxy_looks_the_name_up(fetch):
    url = "https://proxied.test/"
    assert fetch("-p", "http://api.test:3128", url).of(url)[:2] == ("ok", 200)


def test_the_environment_has_no_say(fetch):
    env = dict.fromkeys(("https_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://10.98.0.1:3128")
    assert fetch("https://api.test/", env=env).of("https://api.test/")[:2] == ("ok", 200)


def test_a_connection_is_used_again(fetch):
    result = fetch("-v", "-r", "3", "-g", "100", "https://api.test/")
    assert [t[1] for t in result.transfers] == ["ok"] * 3
    assert len(re.findall("Re-using existing connection", result.err, re.I)) == 2, result.err


# ---- HTTP/2, by Apache's ----

CONF = """
ServerRoot {tmp}
ServerName api.test
PidFile {tmp}/h2.pid
Mutex file:{tmp}
ErrorLog {tmp}/h2.log
Listen 8443
{load}
Protocols h2 http/1.1
DocumentRoot {tmp}/root
SSLEngine on
SSLCertificateFile {tmp}/cert
SSLCertificateKeyFile {tmp}/key
"""


@pytest.fixture(scope="module")
def h2(far, tmp):
    binary = shutil.which("apache2") or "/usr/sbin/apache2"
    names = ("mpm_event", "authz_core", "ssl", "http2")
    if not os.path.exists(binary) or not all(os.path.exists(f"{MODULES}/mod_{n}.so") for n in names):
        pytest.skip("no apache2 with mod_http2 and mod_ssl (Debian package apache2-bin)")
    (tmp / "root").mkdir()
    (tmp / "root" / "index.html").write_text("fine")
    load = "\n".join(f"LoadModule {n}_module {MODULES}/mod_{n}.so" for n in names)
    conf = tmp / "h2.conf"
    conf.write_text(CONF.format(tmp=tmp, load=load))
    server = far.spawn(binary, "-f", str(conf), "-DFOREGROUND")
    yield "https://api.test:8443/index.html"
    server.terminate()


@pytest.fixture
def h2_up(h2, fetch):
    end = time.monotonic() + 10
    while fetch(h2).of(h2)[0] != "ok":
        assert time.monotonic() < end, "apache2 does not start"
        time.sleep(0.1)
    return h2


def test_http2_is_spoken_where_offered(fetch, h2_up):
    result = fetch("-v", "-r", "2", h2_up)
    assert [t[1] for t in result.transfers] == ["ok", "ok"]
    assert len(re.findall(r"< HTTP/2 ", result.err)) == 2, result.err
    assert len(re.findall("Re-using existing", result.err, re.I)) == 1


def test_traces_of_http2_show_no_secret(fetch, h2_up):
    """libcurl prints each header of HTTP/2 once more, in words of its own that change."""
    result = fetch("-v", "-t", "s3cret-t0ken", h2_up)
    assert result.transfers[0][1] == "ok"
    assert "s3cret" not in result.err and "t0ken" not in result.err, result.err
    assert re.search(r"> Authorization: \*\*\*$", result.err, re.I | re.M), result.err


def test_a_connection_whose_path_died_is_replaced(far, tmp, h2_up):
    """No acknowledgement comes back to it: it ends after 8 s, and the transfer goes on by a new one."""
    child = subprocess.Popen([FETCH, "-c", str(tmp / "ca.pem"), "-r", "3", "-g", "1000", h2_up],
                             stdout=subprocess.PIPE, text=True)
    line = child.stdout.readline()
    near = sh("ss", "-Htn", "state", "established", "dport", "=", ":8443").split()
    far.sh("ip", "rule", "add", "pref", "5", "ipproto", "tcp", "dport", near[2].rsplit(":", 1)[1], "blackhole")
    first, second, third = Result(line + child.communicate(timeout=60)[0], "", 0).transfers
    assert first[1] == "ok"
    assert second[1] == "ok" and 7000 < second[3] < 10500, second
    assert third[1] == "ok" and third[3] < 1000, third
