"""Misbehaviour on command: which requests get it, and what it makes of an answer."""
import copy
import itertools
import json
import threading

from . import graphql

UPSTREAMS = ("rest", "graphql", "telegram")

# kind -> its values and their defaults
KINDS = {
    "slow": {"ms": 1000},        # waits that many real milliseconds, then goes on
    "hang": {"sent": -1},        # says nothing until cleared; sent: after the head and so many bytes of the body
    "reset": {},                 # ends the connection with a TCP reset
    "truncated": {},             # half of the body, then the connection ends
    "length": {"by": -10},       # Content-Length is wrong by that many bytes
    "endless": {},               # a body that never ends
    "drip": {"ms": 50, "bytes": 1},
    "html": {"status": 502},     # a proxy's error page
    "garbage": {},               # status 200 and half a JSON text of the right length
    "5xx": {"status": 503},
    "429": {"retry_after": 5},
    "401": {},
    "403": {},
    "empty": {},                 # the lists of the result are empty
    "errors": {"message": "", "code": 10001},  # errors with status 200, no data; code: of REST
    "partial": {"message": ""},  # GraphQL: errors with status 200 and half of the rows
    "no-accounts": {},           # GraphQL: the list of accounts is empty
    "date": {"seconds": 3600},   # the Date header is wrong by that much
}

# These replace the answer; the request is executed first only with "executed": true.
INSTEAD = ("hang", "reset", "html", "garbage", "5xx", "429", "401", "403", "endless")

HTML = b"<html>\n<head><title>%d</title></head>\n<body><center><h1>%d</h1></center><hr>cloudflare</body>\n</html>\n"


class Fault:
    """One order: for requests of an upstream, whose path holds a text and whose method is that one."""

    numbers = itertools.count(1)

    def __init__(self, upstream, kind, path="", method=None, count=None, skip=0, executed=False, **values):
        if upstream not in UPSTREAMS:
            raise ValueError(f"upstream '{upstream}' is none of {', '.join(UPSTREAMS)}")
        if kind not in KINDS:
            raise ValueError(f"kind '{kind}' is none of {', '.join(KINDS)}")
        unknown = set(values) - set(KINDS[kind])
        if unknown:
            raise ValueError(f"'{kind}' knows no {', '.join(sorted(unknown))}")
        self.id = next(Fault.numbers)
        self.upstream, self.kind, self.path, self.method = upstream, kind, path, method
        self.left, self.skip, self.executed = count, skip, executed
        self.values = dict(KINDS[kind], **values)
        self.hits = 0
        self.cleared = threading.Event()

    def matches(self, upstream, method, path):
        return upstream == self.upstream and self.path in path and self.method in (None, method)

    def describe(self):
        return dict(self.values, id=self.id, upstream=self.upstream, kind=self.kind, path=self.path,
                    method=self.method, left=self.left, skip=self.skip, executed=self.executed, hits=self.hits)


class Faults:
    """All orders, in the sequence they were given."""

    def __init__(self):
        self._lock = threading.Lock()
        self._orders = []

    def add(self, order):
        """A new order from a dict; raises ValueError, TypeError."""
        fault = Fault(**order)
        with self._lock:
            self._orders.append(fault)
        return fault

    def describe(self):
        with self._lock:
            return [f.describe() for f in self._orders]

    def clear(self, ident=None, upstream=None):
        """Ends orders, and whatever hangs because of them."""
        with self._lock:
            ended = [f for f in self._orders if ident in (None, f.id) and upstream in (None, f.upstream)]
            self._orders = [f for f in self._orders if f not in ended]
        for fault in ended:
            fault.cleared.set()

    def take(self, upstream, method, path):
        """The orders that this request gets, each counted."""
        taken = []
        with self._lock:
            for fault in self._orders:
                if fault.left == 0 or not fault.matches(upstream, method, path):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.left is not None:
                    fault.left -= 1
                fault.hits += 1
                taken.append(fault)
        return taken


def replaced(fault, upstream):
    """(status, headers, content type, body) that stand in for the answer."""
    kind, values, headers = fault.kind, fault.values, {}
    if kind == "html":
        status = values["status"]
        return status, headers, "text/html; charset=UTF-8", HTML % (status, status)
    if kind == "garbage":
        return 200, headers, "application/json", b'{"success":true,"errors":[],"messages":[],"result":[{"id":"'
    status = {"5xx": values.get("status"), "429": 429, "401": 401, "403": 403}.get(kind, 200)
    if kind == "429" and values["retry_after"] is not None and upstream != "telegram":
        headers["retry-after"] = str(values["retry_after"])
    body = {"rest": _rest, "graphql": _graphql, "telegram": _telegram}[upstream](status, values)
    return status, headers, "application/json", json.dumps(body).encode()


WORDS = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 500: "Internal Server Error",
         502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
CODES = {401: (9109, "Invalid access token"), 403: (10000, "Authentication error"),
         429: (1015, "Please wait and consider throttling your request speed")}


def _rest(status, values):
    code, message = CODES.get(status, (10001, "Internal error"))
    return {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}


def _graphql(status, values):
    message = {401: "Unauthorized", 403: "not authorized for that account",
               429: "rate limiter budget depleted, try again after 5 minutes",
               503: "unable to execute query, please try again later"}.get(status, "Internal server error")
    return graphql.refusal(message)


def _telegram(status, values):
    word = WORDS.get(status, "Internal Server Error")
    body = {"ok": False, "error_code": status, "description": word}
    if status == 429 and values["retry_after"] is not None:
        body["description"] = f"Too Many Requests: retry after {values['retry_after']}"
        body["parameters"] = {"retry_after": values["retry_after"]}
    return body


def altered(fault, upstream, body):
    """The body after empty, errors, partial or no-accounts; a new object."""
    if fault.kind not in ("empty", "errors", "partial", "no-accounts") or not isinstance(body, dict):
        return body
    message = fault.values.get("message") or "Internal server error"
    if upstream == "graphql":
        return _altered_graphql(fault.kind, body, message)
    if fault.kind == "errors":
        return {"success": False, "errors": [{"code": fault.values.get("code", 10001), "message": message}], "messages": [], "result": None}
    if fault.kind == "empty":
        key = "items" if "items" in body else "result"
        return dict(body, **{key: _emptied(body.get(key))})
    return body


def _altered_graphql(kind, body, message):
    if kind == "errors":
        return graphql.refusal(message)
    body = copy.deepcopy(body)
    viewer = (body.get("data") or {}).get("viewer") or {}
    if kind == "no-accounts":
        viewer["accounts"] = []
        return body
    for account in viewer.get("accounts") or ():
        for name, rows in account.items():
            if isinstance(rows, list):
                account[name] = [] if kind == "empty" else rows[:len(rows) // 2]
    if kind == "partial":
        body["errors"] = [graphql.error(message, path=["viewer", "accounts", 0])]
    return body


def _emptied(value):
    if isinstance(value, list):
        return []
    if isinstance(value, dict):
        return {k: [] if isinstance(v, list) else v for k, v in value.items()}
    return value
