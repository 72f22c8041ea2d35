"""A hostile network beside genuine deliveries: dribbling connections, floods with wrong secrets."""
import http.client
import os
import selectors
import shutil
import socket
import subprocess
import threading
import time

import pytest

from client import WEBHOOK, attack, get, headers_of, post
from httpd import ASAN, SECRET, children_of, wait_for

RATE = 200      # genuine deliveries a second
FOREIGN = "198.51.100.7"


class Genuine:
    """Deliveries at a steady rate: half of the senders with a connection for each, where nothing may
    fail; half on keep-alive connections. Those send again when a connection that was used before
    ends without a byte: httpd may close an idle one at any moment, and does when it is busy."""

    def __init__(self, server, threads=16):
        self.server = server
        self.stored = self.resent = 0
        self.failed = []
        self.slowest = 0
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._send, args=(n % 2, threads / RATE), daemon=True)
                        for n in range(threads)]

    def _one(self, conn):
        conn.request("POST", WEBHOOK, attack(), headers_of())
        answer = conn.getresponse()
        return answer.status, answer.read()

    def _deliver(self, conn):
        reused = conn.sock is not None
        for _ in range(1 + reused):
            try:
                return self._one(conn)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as e:
                conn.close()
                word = repr(e), b""
            self.resent += reused
        return word

    def _send(self, keep, pause):
        conn = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        due = time.monotonic()
        while not self.ended.is_set():
            begin = time.monotonic()
            try:
                word = self._deliver(conn)
            except OSError as e:
                word = repr(e), b""
            if word[0] != 200 or not keep:
                conn.close()
            with self.lock:
                self.slowest = max(self.slowest, time.monotonic() - begin)
                self.stored += word[0] == 200
                if word[0] != 200:
                    self.failed.append(word)
            due = max(due + pause, time.monotonic() - 1)  # what was missed for long is not caught up
            self.ended.wait(max(0, due - time.monotonic()))
        conn.close()

    def rate(self, seconds):
        """Stored a second over that time; nothing may fail."""
        before, begin = self.stored, time.monotonic()
        self.ended.wait(seconds)
        took = time.monotonic() - begin
        assert not self.failed, self.failed[:5]
        return (self.stored - before) / took

    def __enter__(self):
        for t in self.threads:
            t.start()
        wait_for(lambda: self.stored > 20, 10, "the genuine deliveries to flow")
        return self

    def __exit__(self, *exc):
        self.ended.set()
        for t in self.threads:
            t.join(30)


def as_recommended(server, threads):
    """As docs/operations.md wants it: 64 threads a child, more of them than connections that somebody
    can hold. When all threads of a child are busy the event MPM closes its idle connections, and a
    delivery that is sent at that moment fails."""
    children = -(-threads // 64)
    server.log_level = "warn cfmt:info"
    server.mpm_lines = lambda: [
        f"ServerLimit {children}", f"StartServers {children}", "ThreadLimit 64", "ThreadsPerChild 64",
        f"MinSpareThreads {threads}", f"MaxSpareThreads {threads}",
        f"MaxRequestWorkers {children * 64}", "ListenBacklog 1024"]
    server.log.allow("AH10159: server is within MinSpareThreads of MaxRequestWorkers")
    return server


# ---- dribbling ----------------------------------------------------------------------------------------


class Dribblers:
    """Connections that send a byte now and then, and come again when they are cut. Half dribble the
    head; of the others each has sent the head of a delivery, without the secret, and dribbles its body."""

    HEAD = f"POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nX-Pad: "
    BODY = HEAD + "x\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{"

    def __init__(self, server, number):
        self.server = server
        self.number = number
        self.open = {}
        self.cut = 0
        self.began = 0
        self.selector = selectors.DefaultSelector()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _connect(self):
        sock = socket.socket()
        sock.settimeout(5)
        sock.connect(("127.0.0.1", self.server.port))
        self.began += 1
        sock.sendall((self.BODY if self.began % 2 else self.HEAD).encode())
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ)
        self.open[sock] = None

    def _drop(self, sock):
        self.selector.unregister(sock)
        del self.open[sock]
        sock.close()
        self.cut += 1

    def _dribble(self):
        for sock in list(self.open):
            try:
                sock.send(b"x")
            except OSError:
                self._drop(sock)

    def _run(self):
        due = time.monotonic()
        while not self.ended.is_set():
            while len(self.open) < self.number and not self.ended.is_set():
                try:
                    self._connect()
                except OSError:
                    break
            for key, _ in self.selector.select(0.05):
                try:
                    over = not key.fileobj.recv(4096)
                except OSError:
                    over = True
                if over:
                    self._drop(key.fileobj)
            if time.monotonic() >= due:
                due = time.monotonic() + 1
                self._dribble()

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: len(self.open) >= self.number, 60, f"{self.number} dribbling connections")
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join(30)
        for sock in list(self.open):
            sock.close()
        self.selector.close()


def dribble(server, number, seconds):
    server.start()
    with Genuine(server) as genuine:
        alone = genuine.rate(1.5)
        with Dribblers(server, number) as dribblers:
            beside = genuine.rate(seconds)
        assert get(server, "/mt-health").json()["status"] == "ok"
    print(f"{alone:.0f}/s alone, {beside:.0f}/s beside {number} dribbling connections "
          f"({dribblers.cut} cut, {dribblers.began} begun), slowest {genuine.slowest:.3f} s, "
          f"{genuine.resent} sent again")
    assert beside > 0.9 * alone, (alone, beside)
    assert dribblers.cut, "mod_reqtimeout cut nobody"


def reqtimeout():
    """The line that docs/operations.md recommends."""
    path = os.path.join(os.environ.get("srcdir", "."), "docs", "operations.md")
    with open(path) as f:
        return next(line.strip() for line in f if line.strip().startswith("RequestReadTimeout "))


@pytest.mark.parametrize("number,threads,seconds", [
    (300, 640, 7), pytest.param(2000, 2304, 30, marks=pytest.mark.long)])
def test_dribbling_connections(httpd_new, number, threads, seconds):
    """There are more threads than connections that dribble."""
    server = httpd_new(modules=["reqtimeout"], extra=reqtimeout())
    dribble(as_recommended(server, threads), number, seconds)


# ---- floods -------------------------------------------------------------------------------------------


class Flood:
    """wrk at full speed; every one of its requests is to be refused."""

    def __init__(self, server, seconds, *headers):
        script = server.write("flood.lua", 'wrk.method = "POST"\nwrk.body = string.rep("x", 1500)\n'
                              'wrk.headers["Content-Type"] = "application/json"\n')
        extra = [w for h in headers for w in ("-H", h)]
        self.proc = subprocess.Popen(
            ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", script, *extra,
             f"http://127.0.0.1:{server.port}{WEBHOOK}"], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def requests(self):
        """How many were answered, all of them refused."""
        out = self.proc.communicate(timeout=60)[0]
        words = dict(line.strip().split(":", 1) for line in out.splitlines() if ":" in line)
        total = next(int(x.split()[0]) for x in out.splitlines() if "requests in" in x)
        refused = int(words.get("Non-2xx or 3xx responses", "0"))
        assert total == refused, out
        return total


FLOODS = {"wrong secret": ["cf-webhook-auth: wrong-" + "0" * 30],
          "foreign sender": [f"cf-webhook-auth: {SECRET}", f"X-Forwarded-For: {FOREIGN}"]}


@pytest.mark.skipif(not shutil.which("wrk"), reason="no wrk (Debian package wrk)")
@pytest.mark.skipif(ASAN, reason="rates are for a plain build")
@pytest.mark.parametrize("kind", list(FLOODS))
def test_a_flood_of_refused_requests(httpd_new, kind):
    s = as_recommended(httpd_new(modules=["remoteip"], extra="RemoteIPHeader X-Forwarded-For\n"
                                 "RemoteIPTrustedProxy 127.0.0.1"), 128)
    s.start()
    seconds = 4
    with Genuine(s) as genuine:
        alone = genuine.rate(1.5)
        begin, rows = time.monotonic(), len(s.journal("rejected"))
        flood = Flood(s, seconds, *FLOODS[kind])
        time.sleep(0.3)
        beside = genuine.rate(seconds - 0.6)
        refused = flood.requests()
        took = time.monotonic() - begin
    print(f"{kind}: {alone:.0f}/s alone, {beside:.0f}/s beside {refused / took:.0f} refusals/s, "
          f"slowest {genuine.slowest:.3f} s, "
          f"{genuine.resent} sent again")
    assert refused > 1000
    assert beside > 0.9 * alone, (alone, beside)
    assert len(s.journal("rejected")) == rows, "a refused request was stored"
    judge_log(s, took)


def judge_log(server, took):
    """Ten lines a second and child, one more for those that were left out; and nobody else's lines."""
    lines = server.log.text().splitlines()
    refusals = [x for x in lines if "CFMT0220" in x or "CFMT0221" in x]
    others = [x for x in lines if "CFMT022" not in x]
    children = len(children_of(server.proc.pid))
    assert 0 < len(refusals) <= children * 11 * (took + 2), (len(refusals), took)
    assert any("CFMT0221" in x for x in refusals), "nobody says how many were left out"
    assert len(others) < 30, others[-5:]
