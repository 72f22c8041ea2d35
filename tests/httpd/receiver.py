"""What a webhook channel posts to: a server of ours that keeps it all."""
import base64
import collections
import hashlib
import hmac
import http.server
import json
import threading
import time

SIGNING = "whsec_" + base64.b64encode(b"the key of the receiver, 32 byte").decode()

Post = collections.namedtuple("Post", "at path headers body")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.receiver.got.append(Post(time.time(), self.path, self.headers, body))
        self.send_response(self.server.receiver.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64


class Receiver:
    """status: what it answers."""

    def __init__(self):
        self.got, self.status = [], 200
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.receiver = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks/T024-B5X-t0ken-in-the-path"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()

    def bodies(self):
        return [json.loads(post.body) for post in self.got]

    def kinds(self):
        return [b["cfmt"]["kind"] for b in self.bodies()]

    def check_signed(self, secret=SIGNING):
        """As standardwebhooks.com says, by Python's own hmac."""
        key = base64.b64decode(secret[len("whsec_"):])
        for post in self.got:
            stamp, ident = post.headers["webhook-timestamp"], post.headers["webhook-id"]
            made = hmac.new(key, f"{ident}.{stamp}.".encode() + post.body, hashlib.sha256).digest()
            assert post.headers["webhook-signature"].split() == ["v1," + base64.b64encode(made).decode()], post
            assert abs(int(stamp) - post.at) < 60 and ident == json.loads(post.body)["cfmt"]["id"], post
            assert post.headers["content-type"] == "application/json"
