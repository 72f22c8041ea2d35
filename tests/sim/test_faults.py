"""Misbehaviour on command, as a client sees it on the wire."""
import http.client
import json
import socket
import ssl
import time
import urllib.parse
from email.utils import parsedate_to_datetime

import pytest

RULES = "/client/v4/accounts/{a}/mnm/rules"
TRAFFIC = "{viewer{accounts(filter:{accountTag:\"%s\"}){magicTransitNetworkAnalyticsAdaptiveGroups(limit:1," \
    "filter:{datetime_geq:\"%s\",datetime_lt:\"%s\"}){sum{packets}}}}}"


class Client:
    """Plain requests to the simulator; everything is checked by the caller."""

    def __init__(self, sim, timeout=3):
        self.sim, self.timeout = sim, timeout
        address = urllib.parse.urlsplit(sim.rest)
        self.address = (address.hostname, address.port)

    def __call__(self, path=RULES, method="GET", body=None, connection=None):
        connection = connection or http.client.HTTPConnection(*self.address, timeout=self.timeout)
        headers = {"Authorization": "Bearer " + self.sim.tokens["valid"]}
        connection.request(method, path.replace("{a}", self.sim.account), body=body, headers=headers)
        answer = connection.getresponse()
        answer.text = answer.read()
        return answer

    def graphql(self):
        now = time.time()
        span = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - s)) for s in (3600, 600)]
        query = TRAFFIC % (self.sim.account, *span)
        return self("/client/v4/graphql", "POST", json.dumps({"query": query}))

    def message(self):
        return self(f"/bot{self.sim.bot_token}/getMe", "POST", "{}")


@pytest.fixture
def client(sim):
    return Client(sim)


# ---- which requests ----

def test_so_many_requests_then_none(sim, client):
    order = sim.fault("rest", "5xx", count=2, skip=1, status=500)
    assert [client().status for _ in range(5)] == [200, 500, 500, 200, 200]
    assert sim.control("GET", "/faults")[0] == dict(order, left=0, skip=0, hits=2)
    assert [r["faults"] for r in sim.requests()] == [[], ["5xx"], ["5xx"], [], []]


def test_only_a_path_and_a_method(sim, client):
    sim.fault("rest", "5xx", path="/mnm/", method="GET")
    assert client().status == 503
    assert client("/client/v4/ips").status == 200
    sim.fault("rest", "5xx", path="/ips", method="PATCH")
    assert client("/client/v4/ips").status == 200
    assert client.message().status == client.graphql().status == 200
    sim.clear()
    assert client().status == 200


def test_one_order_is_cleared_by_its_number(sim, client):
    first, second = sim.fault("rest", "5xx", status=500), sim.fault("rest", "html")
    assert client().status == 500
    sim.control("DELETE", f"/faults/{first['id']}")
    assert client().status == 502
    sim.control("DELETE", f"/faults/{second['id']}")
    assert client().status == 200


@pytest.mark.parametrize("order, word", [
    (("mail", "slow"), "upstream"), (("rest", "sleepy"), "kind"), (("rest", "slow"), "knows no")])
def test_wrong_orders(sim, order, word):
    with pytest.raises(RuntimeError, match=word):
        sim.fault(*order, seconds=1)


# ---- instead of the answer ----

@pytest.mark.parametrize("kind, values, status", [
    ("5xx", {}, 503), ("5xx", {"status": 500}, 500), ("401", {}, 401), ("403", {}, 403), ("429", {}, 429)])
def test_statuses_in_the_form_of_each_upstream(sim, client, kind, values, status):
    for upstream in ("rest", "graphql", "telegram"):
        sim.fault(upstream, kind, **values)
    rest, graphql, message = client(), client.graphql(), client.message()
    assert rest.status == graphql.status == message.status == status
    assert json.loads(rest.text)["success"] is False and json.loads(rest.text)["errors"][0]["code"] >= 1000
    assert json.loads(graphql.text)["errors"][0]["message"]
    assert json.loads(message.text)["error_code"] == status
    if status == 429:
        assert rest.headers["retry-after"] == graphql.headers["retry-after"] == "5"
        assert json.loads(message.text)["parameters"] == {"retry_after": 5}


def test_html_and_garbage(sim, client):
    sim.fault("rest", "html", status=200, count=1)
    answer = client()
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith(b"<html>")
    sim.fault("rest", "garbage", count=1)
    answer = client()
    assert answer.status == 200
    with pytest.raises(ValueError):
        json.loads(answer.text)


def patched(sim, client, cidr):
    prefix = sim.state()["prefixes"][cidr]
    path = f"/client/v4/accounts/{{a}}/addressing/prefixes/{prefix['parent']}/bgp/prefixes/{prefix['id']}"
    wish = not prefix["on_demand"]["advertised"]
    with pytest.raises((http.client.HTTPException, OSError)):
        client(path, "PATCH", json.dumps({"on_demand": {"advertised": wish}}))
    return sim.state()["prefixes"][cidr]["on_demand"]["advertised"] == wish


def test_a_lost_answer_to_an_executed_change(new_sim):
    sim = new_sim()
    client = Client(sim)
    sim.fault("rest", "reset", method="PATCH", count=1)
    assert patched(sim, client, "192.0.2.0/24") is False
    sim.fault("rest", "reset", method="PATCH", count=1, executed=True)
    assert patched(sim, client, "192.0.2.0/24") is True


# ---- the wire ----

def test_slow(sim, client):
    sim.fault("rest", "slow", ms=150)
    begin = time.monotonic()
    assert client().status == 200 and time.monotonic() - begin >= 0.15


def test_hang_until_cleared(sim, client):
    client.timeout = 0.2
    sim.fault("rest", "hang", count=1)
    with pytest.raises(socket.timeout):
        client()
    assert sim.requests()[0]["status"] is None
    sim.wait_for(lambda s: s.requests()[0]["done"])  # the client's end ends it, too
    connection = http.client.HTTPConnection(*client.address, timeout=3)
    sim.fault("rest", "hang", count=1)
    connection.request("GET", "/client/v4/ips")
    sim.wait_for(lambda s: len(s.requests()) == 2)
    sim.clear()
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()


def test_hang_in_the_middle(sim, client):
    client.timeout = 0.2
    sim.fault("rest", "hang", sent=10)
    connection = http.client.HTTPConnection(*client.address, timeout=0.2)
    connection.request("GET", "/client/v4/ips")
    answer = connection.getresponse()
    assert answer.status == 200 and len(answer.read(10)) == 10
    with pytest.raises(socket.timeout):
        answer.read(1)


def test_reset(sim, client):
    sim.fault("rest", "reset")
    with pytest.raises(ConnectionResetError) as ended:
        client()
    assert not isinstance(ended.value, http.client.RemoteDisconnected)  # that would be an orderly end


def test_truncated_and_wrong_length(sim, client):
    sim.fault("rest", "truncated", count=1)
    with pytest.raises(http.client.IncompleteRead):
        client()
    sim.fault("rest", "length", by=7, count=1)
    with pytest.raises(http.client.IncompleteRead) as wrong:
        client()
    assert wrong.value.expected == 7
    sim.fault("rest", "length", count=1)
    with pytest.raises(ValueError):
        json.loads(client().text)


def test_endless(sim, client):
    sim.fault("rest", "endless")
    connection = http.client.HTTPConnection(*client.address, timeout=3)
    connection.request("GET", "/client/v4/ips")
    answer = connection.getresponse()
    assert sum(len(answer.read(1 << 20)) for _ in range(8)) == 8 << 20
    answer.close()
    connection.close()
    sim.wait_for(lambda s: s.requests()[0]["done"])


def test_drip(sim, client):
    sim.fault("rest", "drip", ms=10, bytes=20)
    begin = time.monotonic()
    answer = client("/client/v4/user/tokens/verify")
    assert json.loads(answer.text)["success"] and time.monotonic() - begin >= 0.1


def test_date(sim, client):
    sim.fault("rest", "date", seconds=-90, count=1)
    skewed, right = (parsedate_to_datetime(client().headers["Date"]).timestamp() for _ in range(2))
    assert -92 <= skewed - right <= -88 and abs(right - time.time()) < 5


# ---- the content ----

def test_empty_and_errors_with_status_200(sim, client):
    sim.fault("rest", "empty", count=1)
    assert json.loads(client().text)["result"] == []
    sim.fault("rest", "errors", count=1, message="odd", code=1012)
    answer = client()
    assert answer.status == 200 and json.loads(answer.text)["errors"] == [{"code": 1012, "message": "odd"}]
    assert json.loads(client().text)["result"] != []


@pytest.mark.parametrize("kind, accounts, errors", [
    ("empty", 1, False), ("no-accounts", 0, False), ("partial", 1, True), ("errors", None, True)])
def test_graphql_content(sim, client, kind, accounts, errors):
    sim.fault("graphql", kind)
    answer = client.graphql()
    body = json.loads(answer.text)
    assert answer.status == 200 and bool(body.get("errors")) == errors
    if accounts is None:
        assert body["data"] is None
    else:
        assert len(body["data"]["viewer"]["accounts"]) == accounts


# ---- TLS ----

def test_the_certificates(sim):
    def handshake(url, context):
        address = urllib.parse.urlsplit(url)
        with socket.create_connection((address.hostname, address.port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname=address.hostname) as secured:
                return secured.version()

    context = ssl.create_default_context(cafile=sim.ca)
    assert handshake(sim.tls["rest"], context).startswith("TLS")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch|doesn't match"):
        handshake(sim.wrong_tls["name"]["rest"], context)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(sim.wrong_tls["issuer"]["rest"], context)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(sim.tls["rest"], ssl.create_default_context())


def test_faults_over_tls(sim, client):
    context = ssl.create_default_context(cafile=sim.ca)
    address = urllib.parse.urlsplit(sim.tls["rest"])

    def connect():
        return http.client.HTTPSConnection(address.hostname, address.port, timeout=3, context=context)

    connection = connect()
    assert client(connection=connection).status == client(connection=connection).status == 200
    assert len({r["connection"] for r in sim.requests()}) == 1 and all(r["tls"] for r in sim.requests())
    sim.fault("rest", "reset", count=1)
    with pytest.raises(OSError):
        client(connection=connect())
    sim.fault("rest", "truncated", count=1)
    with pytest.raises((http.client.IncompleteRead, OSError)):
        client(connection=connect())
    assert client(connection=connect()).status == 200


# ---- the end ----

def test_it_ends_with_a_request_in_flight(new_sim):
    sim = new_sim()
    sim.fault("rest", "hang")
    client = Client(sim)
    connection = http.client.HTTPConnection(*client.address, timeout=3)
    connection.request("GET", "/client/v4/ips")
    sim.wait_for(lambda s: s.requests())
    begin = time.monotonic()
    sim.control("DELETE", "/violations")
    assert sim.stop() == 0 and time.monotonic() - begin < 2
    sim.control = lambda *_: []  # it is gone: nothing is left to be judged
