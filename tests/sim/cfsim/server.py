"""The HTTP and TLS ports: reads requests, gives them to REST, GraphQL, bot or control, misbehaves on command."""
import http.server
import itertools
import json
import select
import socket
import socketserver
import struct
import sys
import threading
import time
import traceback
import urllib.parse
from email.utils import formatdate

from . import faults, graphql, rest
from .control import Control
from .telegram import Bot
from .tokens import Refused

BASE = "/client/v4"
MAX_BODY = 4 << 20
ENDLESS_LIMIT = 1 << 30
IDLE_LIMIT = 300


class Answer:
    """What is sent: status, further headers, type and bytes of the body."""

    def __init__(self, status, body, headers=None, kind="application/json"):
        self.status, self.headers, self.kind = status, dict(headers or {}), kind
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


class Simulator:
    """The parts of one simulator, and which of them answers a request."""

    def __init__(self, world, document, verbose=False):
        self.world, self.document, self.verbose = world, document, verbose
        self.faults = faults.Faults()
        self.bot = Bot(world)
        self.control = Control(self)

    @staticmethod
    def upstream(path):
        if path == BASE + "/graphql":
            return "graphql"
        if path.startswith(BASE + "/"):
            return "rest"
        return "telegram" if path.startswith("/bot") else None

    def answer(self, upstream, request, altering=()):
        """The honest answer, changed by the orders in altering."""
        if upstream == "rest":
            status, body, headers = rest.answer(self.world, self.document, request)
        elif upstream == "graphql":
            status, body, headers = self._graphql(request)
        elif upstream == "telegram":
            status, body = self.bot.answer(request.method, request.path, request.headers, request.body)
            headers = {}
        else:
            self.world.violate("request", f"{request.method} {request.path}", "the path is not listed")
            return Answer(404, b"not found\n", kind="text/plain")
        for fault in altering:
            if status < 300:
                body = faults.altered(fault, upstream, body)
        return Answer(status, body, headers)

    def _graphql(self, request):
        if request.method != "POST":
            return 405, {"data": None, "errors": [{"message": "method not allowed"}]}, {}
        try:
            _, headers = self.world.admit(request.headers, "graphql", "analytics:read")
        except Refused as e:
            return graphql.refused(e, self.world.clock.now())
        status, body, more = graphql.execute(self.world, self.world.clock, request.body, request.headers)
        return status, body, dict(headers, **more)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_LIMIT
    numbers = itertools.count(1)

    def setup(self):
        super().setup()
        self.number = next(Handler.numbers)
        self.sim = self.server.sim

    def version_string(self):
        return "cloudflare"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        if self.sim.verbose:
            print("simulator:", format % args, file=sys.stderr, flush=True)

    def serve(self):
        path, _, query = self.path.partition("?")
        body = self._body()
        if body is None:
            return
        if path.startswith("/_control"):
            status, made = self.sim.control.answer(self.command, urllib.parse.unquote(path), body)
            self._send(Answer(status, made), ())
            return
        upstream = self.sim.upstream(path)
        inner = path[len(BASE):] if upstream == "rest" else path
        request = rest.Request(self.command, inner, urllib.parse.parse_qs(query, keep_blank_values=True),
                               self.headers, body)
        orders = self.sim.faults.take(upstream, self.command, path)
        record = self._record(upstream, path, query, orders)
        try:
            self._answer(upstream, request, orders, record)
        except OSError:  # the client is gone, or was thrown out
            self.close_connection = True
        record["done"] = self.sim.world.clock.now()

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = serve

    def _body(self):
        """The body; None if it cannot be read: that was answered."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            self._send(Answer(411, b"a Content-Length is needed\n", kind="text/plain"), ())
            return None
        return self.rfile.read(int(length)) if length != "0" else b""

    def _record(self, upstream, path, query, orders):
        """Notes the request; of a bot's path the token is left out, of Authorization all but whether it is there."""
        world = self.sim.world
        if path.startswith("/bot"):
            path = "/bot***/" + path.partition("/bot")[2].partition("/")[2]
        given = self.headers.get("Authorization")
        value = given.partition(" ")[2].strip() if given else None
        record = {
            "at": world.clock.now(), "upstream": upstream, "method": self.command, "path": path, "query": query,
            "status": None, "done": None, "authorization": given is not None,
            "token": next((t.name for t in world.tokens.values() if t.value == value), None),
            "agent": self.headers.get("User-Agent"), "http": self.request_version, "connection": self.number,
            "tls": self.server.context is not None, "faults": [f.kind for f in orders]}
        with world.lock:
            world.requests.append(record)
        return record

    def _answer(self, upstream, request, orders, record):
        for fault in orders:
            if fault.kind == "slow":
                self._pause(fault, fault.values["ms"] / 1000)
        instead = next((f for f in orders if f.kind in faults.INSTEAD), None)
        made = None
        if instead is None or instead.executed or instead.values.get("sent", -1) >= 0:
            made = self._honest(upstream, request, orders)
        if instead is not None and instead.kind not in ("hang", "reset", "endless"):
            status, headers, kind, body = faults.replaced(instead, upstream)
            made = Answer(status, body, headers, kind)
        record["status"] = made.status if made else None
        self._send(made, orders)

    def _honest(self, upstream, request, orders):
        try:
            return self.sim.answer(upstream, request, orders)
        except Exception:  # a bug of the simulator: the test must see it
            text = traceback.format_exc()
            print(text, file=sys.stderr, flush=True)
            self.sim.world.violate("answer", f"{request.method} {request.path}", "the simulator failed: " + text)
            return Answer(500, b"the simulator failed\n", kind="text/plain")

    # ---- sending ----

    def _head(self, answer, length, orders=()):
        skew = sum(f.values["seconds"] for f in orders if f.kind == "date")
        phrase = self.responses.get(answer.status, ("Unknown",))[0]
        lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Date: {formatdate(self._now() + skew, usegmt=True)}",
                 "Server: cloudflare", f"Content-Type: {answer.kind}"]
        lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in answer.headers.items() if name != "Content-Type"]
        if self.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _now(self):
        return self.sim.world.clock.now()

    def _send(self, answer, orders):
        for fault in orders:
            send = getattr(self, "_send_" + fault.kind, None)
            if send is not None and (answer or fault.kind in faults.INSTEAD):  # another fault left none to spoil
                self.close_connection = True
                send(fault, answer, orders)
                return
        body = b"" if self.command == "HEAD" else answer.body
        self.wfile.write(self._head(answer, len(answer.body), orders) + body)
        self.log_request(answer.status, len(answer.body))

    def _send_truncated(self, fault, answer, orders):
        self.wfile.write(self._head(answer, len(answer.body), orders) + answer.body[:len(answer.body) // 2])

    def _send_length(self, fault, answer, orders):
        self.wfile.write(self._head(answer, max(0, len(answer.body) + fault.values["by"]), orders) + answer.body)

    def _send_drip(self, fault, answer, orders):
        self.wfile.write(self._head(answer, len(answer.body), orders))
        step = max(1, fault.values["bytes"])
        for at in range(0, len(answer.body), step):
            self.wfile.write(answer.body[at:at + step])
            self._pause(fault, fault.values["ms"] / 1000)

    def _send_endless(self, fault, answer, orders):
        self.wfile.write(self._head(Answer(200, b""), None, orders))
        chunk = b'{"id":"00000000000000000000000000000000","cidr":"192.0.2.0/24"},' * 256
        chunk = b"%x\r\n%s\r\n" % (len(chunk), chunk)
        start = b'{"success":true,"errors":[],"messages":[],"result":['
        self.wfile.write(b"%x\r\n%s\r\n" % (len(start), start))
        for _ in range(ENDLESS_LIMIT // len(chunk)):
            if fault.cleared.is_set():
                return
            self.wfile.write(chunk)

    def _send_reset(self, fault, answer, orders):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())

    def _send_hang(self, fault, answer, orders):
        sent = fault.values["sent"]
        if sent >= 0:
            self.wfile.write(self._head(answer, len(answer.body), orders) + answer.body[:sent])
        self._pause(fault, None)

    def _pause(self, fault, seconds):
        """Waits until the time is over, the order is cleared or the client is gone (then OSError)."""
        until = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP)
        while until is None or time.monotonic() < until:
            left = 0.2 if until is None else min(0.2, max(0.0, until - time.monotonic()))
            if fault.cleared.wait(left):
                return
            if poll.poll(0):
                raise ConnectionResetError("the client is gone")


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """One port; with a context it speaks TLS, the handshake made in the connection's thread."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address, sim, context=None):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sim, self.context = sim, context
        super().__init__(address, Handler)
        self.port = self.server_address[1]

    def url(self, host):
        return f"{'https' if self.context else 'http'}://{'[%s]' % host if ':' in host else host}:{self.port}"

    def start(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": None}, daemon=True).start()

    def finish_request(self, request, client_address):
        if self.context is None:
            Handler(request, client_address, self)
            return
        request.settimeout(10)
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except OSError as e:  # ssl.SSLError is one: a client that does not trust us
            self.sim.world.log("handshake-failed", port=self.port, why=str(e))
            return
        with wrapped:
            Handler(wrapped, client_address, self)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)) or self.sim.verbose:
            traceback.print_exc()
