"""Who may send: addresses, mod_remoteip, IPv6, TLS."""
import re
import shutil
import socket
import subprocess

import pytest

from client import WEBHOOK, attack, get, post, request
from httpd import SECRET, free_port

REMOTEIP = "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1"


@pytest.fixture(scope="module")
def proxied(farm):
    """Behind a proxy on loopback, with Cloudflare's ranges and two networks more."""
    s = farm.new(modules=["remoteip"], extra=REMOTEIP)
    s.cfmt[2] = "CfmtSenders cloudflare 198.51.100.0/24 2001:db8:1::/48"
    yield s.start()
    farm.end(s)


def sent_by(server, address):
    return post(server, attack(), headers={"X-Forwarded-For": address})


@pytest.mark.asan
@pytest.mark.parametrize("address", [
    "173.245.48.1", "173.245.63.254", "103.21.244.9", "104.16.0.1", "104.27.255.255", "172.64.0.1",
    "131.0.72.1", "198.51.100.200", "2400:cb00::1", "2606:4700::6810:1", "2a06:98c0::1",
    "2c0f:f248:ffff::1", "2001:db8:1::25", "::ffff:173.245.48.1", "::ffff:198.51.100.7"])
def test_allowed(proxied, address):
    ident = sent_by(proxied, address).stored()
    origin = proxied.query("SELECT origin FROM journal WHERE id = ?", ident)[0][0]
    assert origin == address.replace("::ffff:", "")


@pytest.mark.asan
@pytest.mark.parametrize("address", [
    "173.245.64.0", "173.245.47.255", "104.15.255.255", "104.28.0.0", "198.51.101.1", "8.8.8.8",
    "2400:caff::1", "2001:db8:2::1", "::ffff:8.8.8.8", "192.0.2.1"])
def test_refused_and_the_log_names_the_remedy(proxied, address):
    mark, rows = proxied.log.size(), proxied.query("SELECT count(*) FROM journal")
    sent_by(proxied, address).problem(403, "sender")
    line = proxied.log.wait(r".*CFMT\d{4}.*CfmtSenders.*", 5, mark).group(0)
    assert address.replace("::ffff:", "") in line
    assert "[cfmt:info]" in line or "[cfmt:notice]" in line
    assert proxied.query("SELECT count(*) FROM journal") == rows


@pytest.mark.asan
def test_loopback_only_when_named(proxied, httpd_new):
    post(proxied, attack()).problem(403, "sender")  # no X-Forwarded-For: the client is 127.0.0.1
    s = httpd_new()
    s.cfmt = s.cfmt[:2]  # the default: cloudflare
    s.start()
    post(s, attack()).problem(403, "sender")


@pytest.mark.asan
def test_any(httpd_new):
    s = httpd_new(modules=["remoteip"], extra=REMOTEIP)
    s.cfmt[2] = "CfmtSenders any"
    s.start()
    for address in ("8.8.8.8", "2001:db8:ffff::1", "127.0.0.1"):
        sent_by(s, address).stored()


@pytest.mark.asan
def test_over_ipv6(httpd_new):
    try:
        port = free_port("::1")
    except OSError:
        pytest.skip("no IPv6 on loopback")
    s = httpd_new(listen=[f"[::1]:{port}"]).start()
    ident = post(s, attack(), host="::1", port=port).stored()
    assert s.query("SELECT origin FROM journal WHERE id = ?", ident) == [("::1",)]


# ---- TLS -------------------------------------------------------------------------------------------


def own_address():
    """An address of this machine that is not loopback, or None; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            address = s.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


def certificate(server):
    if not shutil.which("openssl", path="/usr/bin"):
        pytest.skip("no openssl")
    key, cert = server.path("secret/key.pem"), server.path("secret/cert.pem")
    subprocess.run(
        ["/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", key, "-out", cert], check=True, capture_output=True)
    return key, cert


def tls_server(farm_new, host, plain_host, require=None):
    s = farm_new(modules=["socache_shmcb", "ssl", "http2"])
    port, plain = free_port(host), free_port(plain_host)
    key, cert = certificate(s)
    s.listen = [f"{host}:{port}", f"{plain_host}:{plain}"]
    s.extra = f"SSLSessionCache shmcb:{s.root}/run/tls(512000)"
    s.vhost = (f"<VirtualHost {host}:{port}>\nServerName localhost\nSSLEngine on\n"
               f"Protocols h2 http/1.1\nSSLCertificateFile {cert}\nSSLCertificateKeyFile {key}\n"
               + "\n".join(s.routes()) + "\n</VirtualHost>")
    s.cfmt[2] = "CfmtSenders any"
    if require:
        s.cfmt.append(f"CfmtRequireTLS {require}")
    return s.start(), port, plain


@pytest.mark.asan
def test_tls_is_required_but_on_loopback(httpd_new):
    host = own_address()
    if not host:
        pytest.skip("this machine has no address but loopback")
    s, port, plain = tls_server(httpd_new, host, host)
    post(s, attack(), host=host, port=port, tls=True).stored()
    post(s, attack(), host=host, port=plain).problem(403, "tls")
    # before the method, after the sender
    request(s, method="PUT", path=WEBHOOK, host=host, port=plain).problem(403, "tls")
    post(s, attack()).stored()  # the listener on 127.0.0.1 is exempt


@pytest.mark.asan
def test_tls_not_required_when_switched_off(httpd_new):
    host = own_address()
    if not host:
        pytest.skip("this machine has no address but loopback")
    s, _, plain = tls_server(httpd_new, host, host, require="off")
    post(s, attack(), host=host, port=plain).stored()


@pytest.mark.asan
def test_http2_over_tls(httpd_new, tmp_path):
    curl = shutil.which("curl", path="/usr/bin")
    if not curl or "HTTP2" not in subprocess.run([curl, "--version"], capture_output=True,
                                                 text=True).stdout:
        pytest.skip("no curl with HTTP/2")
    s, port, _ = tls_server(httpd_new, "127.0.0.1", "127.0.0.1")
    (tmp_path / "body").write_bytes(attack())
    out = subprocess.run(
        [curl, "-sSk", "--http2", "-m", "20", "-w", "\n%{http_version} %{response_code}",
         "-H", "Content-Type: application/json", "-H", f"cf-webhook-auth: {SECRET}",
         "--data-binary", f"@{tmp_path}/body", f"https://127.0.0.1:{port}{WEBHOOK}"],
        capture_output=True, text=True, timeout=60)
    assert re.fullmatch(r'\{"status": ?"stored", ?"id": ?\d+\}\s*2 200', out.stdout), out


def test_mod_cfmt_leaves_other_urls_alone(proxied):
    assert get(proxied, "/alive.txt").status == 200
    assert get(proxied, "/nothing").status == 404
