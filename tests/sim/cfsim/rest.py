"""The REST operations that mod_cfmt uses, answered in the documented envelope and from the state of the world."""
import json
import re

from .account import available_alerts, ranges_result
from .clock import parse, stamp
from .openapi import match
from .prefixes import ChangeRefused
from .tokens import Refused

ROUTES = {}  # (method, template) -> (permission, function)


class ApiError(Exception):
    """An operation answers with an error: HTTP status, error code, text."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Request:
    """A request as the operations see it: path below /client/v4, query as name to values."""

    def __init__(self, method, path, query, headers, body):
        self.method, self.path, self.query, self.headers, self.body = method, path, query, headers, body
        self.params = {}

    def one(self, name, default=None):
        return self.query.get(name, [default])[0]


class Bare(dict):
    """A result that is the whole body: the interconnect API has no envelope."""


def envelope(result, messages=(), info=None):
    body = {"success": True, "errors": [], "messages": list(messages), "result": result}
    if info:
        body["result_info"] = info
    return body


def failure(path, code, message):
    """The envelope of an error; the alerting API's has no result."""
    body = {"success": False, "errors": [{"code": code, "message": message}], "messages": []}
    if "/alerting/" not in path:
        body["result"] = None
    return body


def route(method, template, permission=None):
    def enter(function):
        ROUTES[(method, template)] = (permission, function)
        return function
    return enter


def find_route(method, path):
    """(permission, function, parameters of the path) or None."""
    parts = path.strip("/").split("/")
    for (verb, template), (permission, function) in ROUTES.items():
        params = match(template.strip("/").split("/"), parts) if verb == method else None
        if params is not None:
            return permission, function, params
    return None


def answer(world, document, request):
    """(status, body, headers) of one request; what breaks the documented interface is noted in the world."""
    operation, unlisted = None, None
    if document is not None:
        operation, found = document.find(request.method, request.path)
        unlisted = found if operation is None else None
    with world.lock:
        status, body, headers = _answer(world, request, operation, unlisted)
    if operation is not None:
        for what in operation.check_answer(status, body):
            world.violate("answer", f"{request.method} {request.path} {status}", what)
    return status, body, headers


def _answer(world, request, operation, unlisted):
    where = f"{request.method} {request.path}"
    found = find_route(request.method, request.path)
    if unlisted or found is None:
        world.violate("request", where, unlisted or "not simulated")
        return 404, failure(request.path, 7003, f"Could not route to {request.path}, perhaps your object "
                                                "identifier is invalid?"), {}
    permission, function, request.params = found
    wrong = []
    if operation is not None:
        wrong = operation.check_request(request.params, request.query, request.headers, request.body)
        for what in wrong:
            world.violate("request", where, what)
    headers = {}
    try:
        if request.path != "/ips":
            request.token, headers = world.admit(request.headers, "rest", permission)
        _check_account(world, request)
        if wrong:
            raise ApiError(400, 1001, "invalid request: " + "; ".join(wrong))
        return 200, _whole(function(world, request)), headers
    except Refused as e:
        return e.status, failure(request.path, e.code, e.message), e.headers
    except (ApiError, ChangeRefused) as e:
        return e.status, failure(request.path, e.code, e.message), headers


def _whole(result):
    if isinstance(result, Bare) or (isinstance(result, dict) and "success" in result):
        return result
    return envelope(result)


def _check_account(world, request):
    given = request.params.get("account_id")
    if given is None or given == world.account:
        return
    if not re.match(r"[0-9a-f]{32}\Z", given):
        raise ApiError(404, 7003, f"Could not route to {request.path}, perhaps your object identifier is invalid?")
    raise ApiError(403, 9109, "Unauthorized to access requested resource")


# ---- tokens, ranges ----

ACTIVE = {"code": 10000, "message": "This API Token is valid and active"}


def _verify(world, request, kind):
    token = request.token
    if token is None or token.kind != kind:  # an account's token is not valid at the user's path
        raise ApiError(401, 1000, "Invalid API Token")
    now = world.clock.now()
    return envelope(token.api(now), [ACTIVE] if token.status(now) == "active" else ())


@route("GET", "/user/tokens/verify")
def verify_user(world, request):
    return _verify(world, request, "user")


@route("GET", "/accounts/{account_id}/tokens/verify")
def verify_account(world, request):
    return _verify(world, request, "account")


@route("GET", "/ips")
def ips(world, request):
    return ranges_result(world.ranges)


# ---- prefixes ----

PREFIXES = "/accounts/{account_id}/addressing/prefixes"


def _ip_prefix(world, request):
    for prefix in world.ip_prefixes:
        if prefix.id == request.params["prefix_id"]:
            return prefix
    raise ApiError(404, 1000, "not_found")


def _bgp_prefix(world, request):
    for prefix in _ip_prefix(world, request).bgp:
        if prefix.id == request.params["bgp_prefix_id"]:
            return prefix
    raise ApiError(404, 1002, "BGP prefix not found")


@route("GET", PREFIXES, "prefixes:read")
def list_prefixes(world, request):
    return [p.api(world.account) for p in world.ip_prefixes]


@route("GET", PREFIXES + "/{prefix_id}", "prefixes:read")
def get_prefix(world, request):
    return _ip_prefix(world, request).api(world.account)


@route("PATCH", PREFIXES + "/{prefix_id}", "prefixes:write")
def describe_prefix(world, request):
    prefix = _ip_prefix(world, request)
    description = _body(request).get("description")
    if not isinstance(description, str):
        raise ApiError(400, 1001, "invalid_description")
    prefix.description, prefix.modified_at = description, world.clock.now()
    return prefix.api(world.account)


@route("GET", PREFIXES + "/{prefix_id}/bgp/prefixes", "prefixes:read")
def list_bgp(world, request):
    return [p.api() for p in _ip_prefix(world, request).bgp]


@route("GET", PREFIXES + "/{prefix_id}/bgp/prefixes/{bgp_prefix_id}", "prefixes:read")
def get_bgp(world, request):
    return _bgp_prefix(world, request).api()


@route("PATCH", PREFIXES + "/{prefix_id}/bgp/prefixes/{bgp_prefix_id}", "prefixes:write")
def change_bgp(world, request):
    prefix, body = _bgp_prefix(world, request), _body(request)
    on_demand = body.get("on_demand", {})
    if not isinstance(on_demand, dict) or not isinstance(on_demand.get("advertised", False), bool):
        raise ApiError(400, 1001, "invalid_on_demand")
    if "advertised" in on_demand:
        world.set_advertised(prefix.id, on_demand["advertised"], by="api")
    if "auto_advertise_withdraw" in body:
        prefix.auto_advertise_withdraw = body["auto_advertise_withdraw"]
    if "asn_prepend_count" in body:
        prefix.prepend = body["asn_prepend_count"]
    return prefix.api()


def _body(request):
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, 1001, "invalid_json")
    return body


# ---- tunnels, interconnects, monitoring rules ----

def _tunnels(world, request, kind):
    new_target = request.headers.get("x-magic-new-hc-target") == "true"
    return [t.api(new_target) for t in world.tunnels if t.kind == kind]


@route("GET", "/accounts/{account_id}/magic/gre_tunnels", "magic:read")
def gre_tunnels(world, request):
    return {"gre_tunnels": _tunnels(world, request, "gre")}


@route("GET", "/accounts/{account_id}/magic/ipsec_tunnels", "magic:read")
def ipsec_tunnels(world, request):
    return {"ipsec_tunnels": _tunnels(world, request, "ipsec")}


@route("GET", "/accounts/{account_id}/magic/cf_interconnects", "magic:read")
def cf_interconnects(world, request):
    return {"interconnects": _tunnels(world, request, "cni")}


@route("GET", "/accounts/{account_id}/cni/interconnects", "cni:read")
def interconnects(world, request):
    limit, cursor = int(request.one("limit", 100)), int(request.one("cursor", 0))
    found = [t for t in world.tunnels if t.kind == "cni"]
    after = cursor + limit
    items = [{"account": world.account, "name": t.name, "type": "nni", "site": "ZRH", "speed": "10G",
              "facility": {"name": "simulated", "address": ["Main Street 1", "Zurich"]}}
             for t in found[cursor:after]]
    return Bare(items=items, next=after if after < len(found) else None)


@route("GET", "/accounts/{account_id}/cni/interconnects/{icon}/status", "cni:read")
def interconnect_status(world, request):
    for tunnel in world.tunnels:
        if tunnel.kind == "cni" and tunnel.name == request.params["icon"]:
            health = tunnel.health(world.clock.now())
            state = "Healthy" if health == 1 else "Unhealthy" if health else "Down"
            return Bare(state=state, reason=None if health == 1 else "simulated")
    raise ApiError(404, 1000, "not_found")


@route("GET", "/accounts/{account_id}/mnm/rules", "mnm:read")
def rules(world, request):
    count = len(world.rules)
    return envelope(world.rules, info={"page": 1, "per_page": 100, "count": count, "total_count": count})


# ---- notifications ----

ALERTING = "/accounts/{account_id}/alerting/v3"


@route("GET", ALERTING + "/available_alerts", "alerting:read")
def alerts(world, request):
    return available_alerts()


@route("GET", ALERTING + "/policies", "alerting:read")
def policies(world, request):
    return world.policies


@route("GET", ALERTING + "/destinations/webhooks", "alerting:read")
def destinations(world, request):
    return [d.api() for d in world.destinations]


@route("GET", ALERTING + "/history", "alerting:read")
def history(world, request):
    """Newest first, in pages."""
    page, size = int(request.one("page", 1)), int(request.one("per_page", 25))
    since, before = request.one("since"), request.one("before")
    if page < 1 or not 5 <= size <= 1000:
        raise ApiError(400, 1001, "page or per_page is out of range")
    found = [n for n in sorted(world.notifications, key=lambda n: -n["sent"])
             if (since is None or n["sent"] > parse(since)) and (before is None or n["sent"] < parse(before))]
    part = [dict(n, sent=stamp(n["sent"])) for n in found[(page - 1) * size:page * size]]
    return envelope(part, info={"page": page, "per_page": size, "count": len(part), "total_count": len(found)})
