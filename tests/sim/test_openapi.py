"""The validator: what it must let pass, and what the plain schema lets pass though it is wrong."""
import json

import pytest

from cfsim.openapi import DATE_TIME, Document, Validator

BGP = "/accounts/a/addressing/prefixes/b/bgp/prefixes/c"


def small(schema):
    return Document({"paths": {}, "components": {"schemas": {"it": schema, "id": {"type": "string", "maxLength": 3}}}})


def check(schema, value, request=False):
    validator = Validator(small(schema), request)
    validator.check(value, {"$ref": "#/components/schemas/it"})
    return validator.found


def plain(schema, value, document):
    """What the schema itself says of a body: properties and types, objects open."""
    while "$ref" in schema:
        schema = document.resolve(schema["$ref"])
    return isinstance(value, dict) and set(schema.get("required", ())) <= set(value)


# ---- the PATCH ----

def patch_errors(document, body):
    operation, params = document.find("PATCH", BGP)
    return operation.check_request(params, {}, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("body", [{}, {"advertised": True}, {"on_demand": {"advertized": True}}])
def test_wrong_patch_bodies_pass_the_plain_schema_and_are_refused(document, body):
    operation, _ = document.find("PATCH", BGP)
    assert plain(operation.spec["requestBody"]["content"]["application/json"]["schema"], body, document)
    assert patch_errors(document, body)


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", {"on_demand": {}}, {"on_demand": None}, {"on_demand": {"advertised": None}},
    {"on_demand": {"advertised": 1}}, {"on_demand": {"advertised": "true"}}, {"asn_prepend_count": 4},
    {"on_demand": {"advertised": True}, "cidr": "192.0.2.0/24"}])
def test_other_wrong_patch_bodies(document, body):
    assert patch_errors(document, body)


@pytest.mark.parametrize("advertised", [True, False])
def test_the_right_patch_body(document, advertised):
    assert patch_errors(document, {"on_demand": {"advertised": advertised}}) == []


# ---- paths and parameters ----

def test_unlisted_paths_and_methods(document):
    assert document.find("GET", "/accounts/a/addressing/prefix")[0] is None
    assert document.find("PUT", BGP)[0] is None
    assert document.find("GET", "/accounts/a/alerting/v3/destinations/webhooks")[0].template.endswith("/webhooks")


@pytest.mark.parametrize("query, wrong", [
    ({}, False), ({"per_page": ["25"], "page": ["2"]}, False), ({"since": ["2026-01-02T03:04:05Z"]}, False),
    ({"per_page": ["4"]}, True), ({"per_page": ["x"]}, True), ({"page": ["0"]}, True), ({"pages": ["1"]}, True),
    ({"page": ["1", "2"]}, True), ({"since": ["yesterday"]}, True)])
def test_query_parameters(document, query, wrong):
    operation, params = document.find("GET", "/accounts/a/alerting/v3/history")
    assert bool(operation.check_request(params, query, {}, b"")) == wrong


def test_a_body_where_none_belongs(document):
    operation, params = document.find("GET", "/ips")
    assert operation.check_request(params, {}, {}, b"{}")


def test_a_header_of_the_wrong_type(document):
    operation, params = document.find("GET", "/accounts/a/magic/gre_tunnels")
    assert operation.check_request(params, {}, {"x-magic-new-hc-target": "true"}, b"") == []
    assert operation.check_request(params, {}, {"x-magic-new-hc-target": "yes"}, b"")


# ---- answers ----

def test_answers(document):
    operation, _ = document.find("GET", "/ips")
    good = {"success": True, "errors": [], "messages": [], "result": {"etag": "x", "ipv4_cidrs": ["192.0.2.0/24"]}}
    bad = {"success": False, "errors": [{"code": 1000, "message": "m"}], "messages": [], "result": None}
    assert operation.check_answer(200, good) == []
    assert operation.check_answer(404, bad) == []
    assert operation.check_answer(200, bad)
    assert operation.check_answer(200, dict(good, extra=1))
    assert operation.check_answer(200, {k: v for k, v in good.items() if k != "errors"})
    assert operation.check_answer(302, good)
    bad["errors"][0]["code"] = 999
    assert operation.check_answer(404, bad)


def test_write_only_and_read_only():
    schema = {"type": "object", "properties": {"secret": {"type": "string", "writeOnly": True},
                                               "made": {"type": "string", "readOnly": True}}}
    assert check(schema, {"secret": "x"}, request=True) == []
    assert check(schema, {"secret": "x"})
    assert check(schema, {"made": "x"}, request=True)
    assert check(schema, {"made": "x"}) == []


# ---- the schema language ----

@pytest.mark.parametrize("schema, good, bad", [
    ({"type": "string", "nullable": True}, None, 1),
    ({"type": "string"}, "", None),
    ({"type": "array", "enum": [None]}, None, []),
    ({"type": "boolean"}, True, 1),
    ({"type": "integer"}, 1, True),
    ({"type": "integer"}, 1.0, 1.5),
    ({"type": "number", "minimum": 1, "maximum": 3}, 3, 3.1),
    ({"type": "integer", "format": "int32"}, 2**31 - 1, 2**31),
    ({"type": "string", "minLength": 2, "maxLength": 3}, "ab", "a"),
    ({"type": "string", "maxLength": 3}, "abc", "abcd"),
    ({"type": "string", "pattern": "^a+$"}, "aa", "ab"),
    ({"type": "string", "enum": ["a", "b"]}, "a", "c"),
    ({"enum": [1]}, 1, True),
    ({"type": "string", "format": "uuid"}, "00000000-0000-0000-0000-000000000000", "0000"),
    ({"type": "string", "format": "ipv4"}, "192.0.2.1", "192.0.2.256"),
    ({"type": "string", "format": "cidr"}, "2001:db8::/32", "2001:db8::1/32"),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": True}, [1], [1, 1]),
    ({"type": "array", "minItems": 1}, [1], []),
    ({"type": "array", "maxItems": 1}, [1], [1, 2]),
    ({"type": "array", "items": {"$ref": "#/components/schemas/id"}}, ["abc"], ["abcd"]),
    ({"type": "object", "properties": {"a": {}}}, {"a": 1}, {"b": 1}),
    ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, {"a": 1}, {}),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"x": 1}, {"x": "1"}),
    ({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}, {"a": 1, "b": 1}, {"a": 1, "c": 1}),
    ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "x", 1.5),
    ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, 1.5, 1),
    ({"anyOf": [{"type": "number"}, {"type": "integer"}]}, 1, "x"),
    ({"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "string"}]}, {"a": 1}, {"b": 1}),
    ({"not": {"type": "string"}}, 1, "x")])
def test_keywords(schema, good, bad):
    assert check(schema, good) == []
    assert check(schema, bad)


@pytest.mark.parametrize("text, right", [
    ("2026-01-02T03:04:05Z", True), ("2026-01-02T03:04:05.123456789Z", True), ("2026-01-02T03:04:05+01:00", True),
    ("2026-01-02 03:04:05Z", False), ("2026-13-02T03:04:05Z", False), ("2026-01-02T03:04:05", False)])
def test_date_time(text, right):
    assert bool(DATE_TIME.match(text)) == right
