"""The far side: one TLS server, one CONNECT proxy, run in the namespace that the tests make for it.

usage: server.py CERT KEY; says "ready" when both listen (443 and 3128) and ends with its stdin.
"""
import http.server
import select
import socket
import ssl
import sys
import threading
import time


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/hang":
            time.sleep(60)
        body = b"fine"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Proxy(http.server.BaseHTTPRequestHandler):
    """Connects whatever it is asked for to the TLS server: it, not we, looks names up."""

    def do_CONNECT(self):
        far = socket.create_connection(("127.0.0.1", 443))
        self.send_response(200)
        self.end_headers()
        pair = {self.connection: far, far: self.connection}
        while True:
            for ready in select.select(list(pair), [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                pair[ready].sendall(data)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6  # both families

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def finish_request(self, request, client_address):
        if isinstance(request, ssl.SSLSocket):
            request.do_handshake()  # in the connection's thread
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # clients that refuse our certificate are expected


def main(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    tls = Server(("::", 443), Answer)
    tls.socket = context.wrap_socket(tls.socket, server_side=True, do_handshake_on_connect=False)
    for server in (tls, Server(("::", 3128), Proxy)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
