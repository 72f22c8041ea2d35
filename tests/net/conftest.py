"""Two hosts on a wire: this process (in a namespace made by tests/net/run) and a child in another.

    here 10.99.0.1, fd99::1  ---- veth ----  10.99.0.2, fd99::2  server.py
                                             10.98.0.0/24, fd98::/64: routed there, dropped
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
FETCH = os.environ["FETCH"]
HOSTS = """127.0.0.1 localhost
10.99.0.2 api.test
10.99.0.2 other.test
fd98::1 half.test
fd98::2 half.test
10.99.0.2 half.test
fd99::2 six.test
"""


def pytest_collection_modifyitems(config, items):
    if os.environ.get("CFMT_TIER") == "smoke":  # of make distcheck
        config.hook.pytest_deselected(items=items[1:])
        del items[1:]


def sh(*words, **kw):
    return subprocess.run(words, check=True, capture_output=True, text=True, **kw).stdout


class Result:
    """What fetch said."""

    def __init__(self, out, err, ms):
        rows = [line.split("\t") for line in out.splitlines()]
        self.err, self.ms = err, ms
        self.transfers = [(r[1], r[2], int(r[3]), int(r[4]), r[5]) for r in rows if r[0] == "transfer"]
        self.step, = (int(r[1]) for r in rows if r[0] == "step")
        self.stop, = (int(r[1]) for r in rows if r[0] == "stop")

    def of(self, url):
        found, = (t for t in self.transfers if t[0] == url)
        return found[1:]


class Far:
    """The other host: a process in a network namespace of its own; its commands run there."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.keeper.stdin.write("up\n")
        self.keeper.stdin.flush()
        assert self.keeper.stdout.readline() == "up\n"  # cat runs, so the namespace is there
        self.children = [self.keeper]

    def enter(self, *words):
        return ["nsenter", "-t", str(self.keeper.pid), "-n", *words]

    def sh(self, *words):
        return sh(*self.enter(*words))

    def spawn(self, *words):
        child = subprocess.Popen(self.enter(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        return child

    def end(self):
        for child in reversed(self.children):
            child.stdin.close()
            child.wait(10)


def wire(far):
    sh("ip", "link", "set", "lo", "up")
    far.sh("ip", "link", "set", "lo", "up")
    sh("ip", "link", "add", "name", "near", "type", "veth", "peer", "name", "far", "netns", str(far.keeper.pid))
    for run, dev, last in ((sh, "near", 1), (far.sh, "far", 2)):
        run("ip", "addr", "add", f"10.99.0.{last}/24", "dev", dev)
        run("ip", "addr", "add", f"fd99::{last}/64", "dev", dev, "nodad")
        run("ip", "link", "set", dev, "up")
    sh("ip", "route", "add", "10.98.0.0/24", "via", "10.99.0.2")
    sh("ip", "route", "add", "fd98::/64", "via", "fd99::2")
    far.sh("sysctl", "-qw", "net.ipv4.ip_forward=0")
    # Without a route back it would answer "unreachable": what is not ours is dropped in silence.
    far.sh("ip", "route", "add", "blackhole", "10.98.0.0/24")
    far.sh("ip", "route", "add", "blackhole", "fd98::/64")


def names(tmp):
    """hosts, resolv.conf and nsswitch.conf of ours, in this mount namespace only."""
    for name, text in (("hosts", HOSTS), ("nsswitch.conf", "hosts: files dns\n"),
                       ("resolv.conf", "nameserver 10.98.0.53\n")):
        path = tmp / name
        path.write_text(text)
        sh("mount", "--bind", str(path), os.path.realpath(f"/etc/{name}"))


def certificates(tmp):
    ext = tmp / "ext"
    ext.write_text("subjectAltName=DNS:api.test,DNS:half.test,DNS:six.test,DNS:proxied.test,IP:10.99.0.2\n")
    new = ("-newkey", "rsa:2048", "-nodes")
    sh("openssl", "req", "-x509", *new, "-days", "2", "-subj", "/CN=test CA", "-keyout", str(tmp / "ca.key"),
       "-out", str(tmp / "ca.pem"))
    sh("openssl", "req", *new, "-subj", "/CN=api.test", "-keyout", str(tmp / "key"), "-out", str(tmp / "csr"))
    sh("openssl", "x509", "-req", "-days", "2", "-in", str(tmp / "csr"), "-CA", str(tmp / "ca.pem"), "-CAkey",
       str(tmp / "ca.key"), "-CAcreateserial", "-extfile", str(ext), "-out", str(tmp / "cert"))


@pytest.fixture(scope="session")
def tmp():
    with tempfile.TemporaryDirectory(prefix="cfmt-net-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


@pytest.fixture(scope="session")
def far(tmp):
    host = Far()
    try:
        wire(host)
        names(tmp)
        certificates(tmp)
        server = host.spawn(sys.executable, os.path.join(HERE, "server.py"), str(tmp / "cert"), str(tmp / "key"))
        assert server.stdout.readline() == "ready\n"
        yield host
    finally:
        host.end()
