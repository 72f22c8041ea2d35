"""Senders: whole requests, raw bytes, signatures, realistic bodies, load."""
import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import random
import socket
import ssl
import threading
import time

from httpd import SECRET, SLOWER

WEBHOOK = "/webhook/cloudflare"
ACCOUNT = "9035f53656c247e895c5a6939ae8a0e0"
_serial = itertools.count(1)


def token():
    """Unique over all processes and runs: finds one delivery again."""
    return f"{os.getpid():08x}{time.time_ns():016x}{next(_serial):08x}"


def attack(event="START", attack_id=None, correlation=None, target="203.0.113.7", ts=None, **data):
    """A body as advanced_ddos_attack_l4_alert sends it."""
    attack_id = attack_id or token()
    body = {
        "account_id": ACCOUNT,
        "alert_correlation_id": correlation or token(),
        "alert_event": f"ALERT_STATE_EVENT_{event}",
        "alert_type": "advanced_ddos_attack_l4_alert",
        "data": {
            "account_name": "Example Networks", "account_tag": ACCOUNT, "action": "drop",
            "attack_id": attack_id, "attack_vector": "SYN Flood",
            "dashboard_link": "https://dash.cloudflare.com/" + ACCOUNT,
            "max_rate": "6.4Gb/s", "megabits_per_second": 6400, "mitigation": "drop",
            "packets_per_second": 1234567, "protocol": "TCP",
            "rule_description": "TCP SYN flood with high packet rates", "rule_id": "a" * 32,
            "rule_name": "tcp_syn_flood", "ruleset_id": "b" * 32, "ruleset_override_id": "c" * 32,
            "start_time": "2026-11-22T03:00:00.721192654Z", "target_id": "d" * 32,
            "target_ip": target, "target_port": 443, **data,
        },
        "name": "DDoS on Magic Transit", "policy_id": "749b911ea5d04344a58e45edd099b328",
        "policy_name": "DDoS on Magic Transit",
        "text": "Attack on 203.0.113.7", "ts": int(time.time()) if ts is None else ts,
    }
    return json.dumps(body).encode()


TEST_MESSAGE = json.dumps({
    "text": "Hello World! This is a test message sent from https://cloudflare.com. If you can see"
            " this, your webhook is configured properly."}).encode()


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def problem(self, status, name=None):
        """This is a refusal in the form of RFC 9457; its document."""
        assert self.status == status, (self.status, self.body[:300])
        assert self.headers.get("content-type", "").split(";")[0] == "application/problem+json"
        doc = self.json()
        assert doc["type"].startswith("urn:cfmt:problem:"), doc
        assert doc["status"] == status and doc["title"]
        if name:
            assert doc["type"] == f"urn:cfmt:problem:{name}", doc
        return doc

    def stored(self, word="stored"):
        assert self.status == 200, (self.status, self.body[:300])
        assert self.headers.get("content-type", "").split(";")[0] == "application/json"
        doc = self.json()
        assert doc["status"] == word and doc["id"] > 0, doc
        return doc["id"]


def headers_of(extra=None, secret=SECRET, ctype="application/json"):
    h = {}
    if ctype:
        h["Content-Type"] = ctype
    if secret:
        h["cf-webhook-auth"] = secret
    h.update(extra or {})
    return {k: v for k, v in h.items() if v is not None}


def request(server, method="POST", path=WEBHOOK, body=None, headers=None, host="127.0.0.1",
            port=None, tls=False, source=None, limit=10):
    """One request on its own connection; an Answer."""
    port = port or server.port
    if tls:
        context = ssl._create_unverified_context()
        conn = http.client.HTTPSConnection(host, port, timeout=limit * SLOWER, context=context)
    else:
        conn = http.client.HTTPConnection(host, port, timeout=limit * SLOWER, source_address=source)
    try:
        conn.request(method, path, body=body, headers=headers or {})
        r = conn.getresponse()
        return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
    finally:
        conn.close()


def post(server, body, headers=None, secret=SECRET, ctype="application/json", **kw):
    return request(server, body=body, headers=headers_of(headers, secret, ctype), **kw)


def get(server, path, **kw):
    return request(server, method="GET", path=path, **kw)


class Raw:
    """A connection on which a test writes bytes and reads answers as it likes."""

    def __init__(self, server, limit=10):
        self.sock = socket.create_connection(("127.0.0.1", server.port), limit * SLOWER)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def head(self, *headers, method="POST", path=WEBHOOK):
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]))
        return self

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def chunk(self, data):
        return self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def answer(self):
        """Status, headers and body of the next answer; a body needs a Content-Length or chunks."""
        line = self.file.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers = {}
        while True:
            line = self.file.readline().decode().strip()
            if not line:
                break
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if status == 100:
            return Answer(100, headers, b"")
        if "content-length" in headers:
            body = self.file.read(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.file.readline(), 16)
                body += self.file.read(size)
                self.file.readline()
                if not size:
                    break
        else:
            body = self.file.read() if status != 204 else b""
        return Answer(status, headers, body)

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def sign(body, secret, ident=None, when=None, prefix="v1,", suffix=""):
    """Standard Webhooks headers, made by Python's own hmac: the second opinion on ours."""
    ident = ident if ident is not None else "msg_" + token()
    when = str(int(time.time()) if when is None else when)
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.new(key, f"{ident}.{when}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": ident, "webhook-timestamp": when,
            "webhook-signature": prefix + base64.b64encode(mac).decode() + suffix}


class Load:
    """Keep-alive senders in threads. Each body is used once: a 200 names the row it must be in."""

    def __init__(self, server, threads=4, make=None):
        self.server = server
        self.answered = []   # (id, token) of every 200
        self.refused = []    # (status, body) of everything else that was answered
        self.broken = 0      # connections that ended without an answer
        self.unanswered = set()
        self.ended = threading.Event()
        self.make = make or (lambda tok: attack(attack_id=tok))
        self.threads = [threading.Thread(target=self._send, daemon=True) for _ in range(threads)]

    def _send(self):
        conn, head = None, (f"POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in headers_of().items()) + "Content-Length: ").encode()
        pause = random.Random()
        while not self.ended.is_set():
            tok = token()
            try:
                if conn is None:
                    conn = http.client.HTTPConnection("127.0.0.1", self.server.port,
                                                      timeout=15 * SLOWER)
                    conn.connect()
            except OSError:
                conn = None
                self.ended.wait(0.005 + pause.random() / 100)  # nobody listens: the server restarts
                continue
            try:
                body = self.make(tok)
                # In one piece, as Cloudflare's small deliveries come.
                conn.sock.sendall(head + b"%d\r\n\r\n" % len(body) + body)
                r = http.client.HTTPResponse(conn.sock, method="POST")
                r.begin()
                body = r.read()
            except (OSError, http.client.HTTPException):
                self.broken += 1
                self.unanswered.add(tok)
                conn.close()
                conn = None
                continue
            if r.status == 200:
                self.answered.append((json.loads(body)["id"], tok))
            else:
                self.refused.append((r.status, body))
            if r.will_close:
                conn.close()
                conn = None
        if conn:
            conn.close()

    def __enter__(self):
        self.first = self.server.query("SELECT coalesce(max(id), 0) FROM journal")[0][0]
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        self.ended.set()
        for t in self.threads:
            t.join(30)

    def count(self):
        return len(self.answered)

    def audit(self, whole=True):
        """Every answered delivery stands in the journal exactly once, under the id it was told.
        whole: and nothing else does, but what was sent and never answered."""
        rows = {}
        twice = []
        for ident, body in self.server.query(
                "SELECT id, body FROM journal WHERE kind = 'delivery' AND id > ?", self.first):
            tok = json.loads(body)["data"]["attack_id"]
            if tok in rows:
                twice.append(tok)
            rows[tok] = ident
        assert not twice, f"stored twice: {twice[:5]}"
        wrong = [(i, t, rows.get(t)) for i, t in self.answered if rows.get(t) != i]
        assert not wrong, f"{len(wrong)} of {len(self.answered)} answered are lost: {wrong[:5]}"
        if whole:
            extra = set(rows) - {t for _, t in self.answered} - self.unanswered
            assert not extra, f"{len(extra)} rows that nobody sent: {list(extra)[:5]}"
        return rows
