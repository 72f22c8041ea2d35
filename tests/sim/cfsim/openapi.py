"""Validates requests and answers against the published OpenAPI subset, stricter than the document is.

Objects are closed: a property the schema does not name is a violation. In requests an empty object is one, too
(as a PATCH it changes nothing), and so are an unknown query parameter and a missing body. Where the document lies
outside the tree (../shared) and is absent, load() gives None and nothing is validated.
"""
import functools
import ipaddress
import json
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "cloudflare")
DOCUMENT = os.path.join(SHARED, "openapi-subset.json")

# What the re-publication of the document lost: (path, where in the answer) and what is also right there.
ALTERNATIVES = {
    ("/accounts/{account_id}/cni/interconnects/{icon}/status", "state"):
        {"type": "string", "enum": ["Pending", "Down", "Unhealthy", "Healthy"]},
    ("/accounts/{account_id}/alerting/v3/available_alerts", ""): {"type": "object", "properties": {
        "success": {"type": "boolean", "enum": [True]}, "errors": {"type": "array"}, "messages": {"type": "array"},
        "result": {"type": "object", "additionalProperties": {"type": "array", "items": {
            "type": "object", "required": ["type", "display_name"], "properties": {
                "type": {"type": "string"}, "display_name": {"type": "string"}, "description": {"type": "string"},
                "filter_options": {"type": "array"}}}}}}},
}
for _kind, _list in (("gre_tunnels",) * 2, ("ipsec_tunnels",) * 2, ("cf_interconnects", "interconnects")):
    # Without the header x-magic-new-hc-target the target is a string.
    ALTERNATIVES[("/accounts/{account_id}/magic/" + _kind, f"result.{_list}[].health_check.target")] = \
        {"type": "string"}

# Statuses of the envelope in front of every operation; some operations do not list them.
GENERAL = (401, 403, 429)

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}

DATE_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)"
                       r"(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


def _parses(make):
    def check(value):
        try:
            make(value)
        except ValueError:
            return False
        return True
    return check


FORMATS = {
    "date-time": lambda v: bool(DATE_TIME.match(v)),
    "uuid": lambda v: bool(UUID.match(v)),
    "ipv4": _parses(ipaddress.IPv4Address),
    "cidr": _parses(ipaddress.ip_network),
    "A.B.C.D/N": _parses(ipaddress.IPv4Interface),
    "int32": lambda v: -2**31 <= v < 2**31,
}


def is_type(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def same(a, b):
    """Equality of JSON: true is not 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


class Validator:
    """One validation of one value; found collects "where: what"."""

    def __init__(self, document, request, alternatives=()):
        self.document, self.request, self.alternatives = document, request, dict(alternatives)
        self.found = []

    def say(self, where, what):
        self.found.append(f"{where or 'body'}: {what}")

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.document.resolve(schema["$ref"])
        return schema

    def check(self, value, schema, where="", closed=True):
        schema = self.resolve(schema)
        other = self.alternatives.get(re.sub(r"\[\d+\]", "[]", where))
        if other is not None and not self._passes(value, schema, where):
            schema = other
        if value is None:
            if not schema.get("nullable") and None not in schema.get("enum", ()) and schema.get("type") is not None:
                self.say(where, "null is not allowed")
            return
        if "type" in schema and not is_type(value, schema["type"]):
            self.say(where, f"{json.dumps(value)[:40]} is not of type {schema['type']}")
            return
        if "enum" in schema and not any(same(value, e) for e in schema["enum"]):
            self.say(where, f"{json.dumps(value)[:40]} is none of {json.dumps(schema['enum'])[:120]}")
        self._combined(value, schema, where, closed)
        if isinstance(value, dict):
            self._object(value, schema, where, closed)
        elif isinstance(value, list):
            self._array(value, schema, where)
        elif isinstance(value, str):
            self._string(value, schema, where)
        elif not isinstance(value, bool):
            self._number(value, schema, where)

    def _passes(self, value, schema, where):
        trial = Validator(self.document, self.request)
        trial.check(value, schema, where)
        return not trial.found

    def _combined(self, value, schema, where, closed):
        for part in schema.get("allOf", ()):  # open: the properties of all parts together close the object
            self.check(value, part, where, closed=False)
        for key in ("oneOf", "anyOf"):
            if key in schema:
                passed = sum(self._passes(value, part, where) for part in schema[key])
                if passed == 0 or (key == "oneOf" and passed > 1):
                    self.say(where, f"{passed} alternatives of {key} fit")
        if "not" in schema and self._passes(value, schema["not"], where):
            self.say(where, "is what it must not be")

    def properties(self, schema):
        """Every property that a schema or one of the parts of its allOf names; None when any name is allowed."""
        schema = self.resolve(schema)
        names = dict(schema.get("properties", {}))
        is_open = schema.get("additionalProperties", False) is not False
        for part in schema.get("allOf", ()):
            inner = self.properties(part)
            if inner is None:
                is_open = True
            else:
                names.update(inner)
        return None if is_open else names

    def _object(self, value, schema, where, closed):
        known, further = schema.get("properties", {}), schema.get("additionalProperties")
        for name in schema.get("required", ()):
            if name not in value:
                self.say(where, f"property '{name}' is missing")
        if self.request and not value:
            self.say(where, "an empty object asks for nothing")
        names = self.properties(schema) if closed and not ("oneOf" in schema or "anyOf" in schema) else None
        for name, item in value.items():
            inner = f"{where}.{name}" if where else name
            if name in known:
                self._direction(known[name], inner)
                self.check(item, known[name], inner)
            elif isinstance(further, dict):
                self.check(item, further, inner)
            elif names is not None and name not in names:
                self.say(inner, "unknown property")

    def _direction(self, schema, where):
        schema = self.resolve(schema)
        if schema.get("readOnly") and self.request:
            self.say(where, "is read-only")
        if schema.get("writeOnly") and not self.request:
            self.say(where, "is write-only")

    def _array(self, value, schema, where):
        if len(value) < schema.get("minItems", 0):
            self.say(where, "has too few items")
        if len(value) > schema.get("maxItems", len(value)):
            self.say(where, "has too many items")
        if schema.get("uniqueItems") and len({json.dumps(v, sort_keys=True) for v in value}) < len(value):
            self.say(where, "has equal items")
        for number, item in enumerate(value):
            self.check(item, schema.get("items", {}), f"{where}[{number}]")

    def _string(self, value, schema, where):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            self.say(where, f"has a length of {len(value)}")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            self.say(where, f"does not match {schema['pattern']}")
        self._format(value, schema, where)

    def _number(self, value, schema, where):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            self.say(where, f"{value} is out of range")
        self._format(value, schema, where)

    def _format(self, value, schema, where):
        check = FORMATS.get(schema.get("format"))
        if check and not check(value):
            self.say(where, f"{value!r} is not of format {schema['format']}")


class Operation:
    """One method of one path."""

    def __init__(self, document, method, template, item):
        self.document, self.method, self.template = document, method, template
        self.spec = item[method.lower()]
        self.parameters = {(p["in"], p["name"]): p for p in map(
            document.part, item.get("parameters", []) + self.spec.get("parameters", []))}

    def check_request(self, params, query, headers, body):
        """Violations of a request; params: of the path, query: name to values, body: bytes."""
        found = self._parameters("path", params) + self._query(query)
        found += self._parameters("header", {name: headers[name] for place, name in self.parameters
                                             if place == "header" and headers.get(name) is not None})
        return found + self._body(body)

    def _query(self, query):
        found = [f"query parameter '{name}' is unknown" for name in query if ("query", name) not in self.parameters]
        found += [f"query parameter '{name}' is given twice" for name, values in query.items() if len(values) > 1]
        return found + self._parameters("query", {name: values[0] for name, values in query.items()
                                                  if ("query", name) in self.parameters})

    def _parameters(self, place, given):
        found = []
        for (where, name), parameter in self.parameters.items():
            if where != place:
                continue
            if name in given:
                found += self._parameter(f"{place} parameter '{name}'", given[name], parameter.get("schema", {}))
            elif parameter.get("required"):
                found.append(f"{place} parameter '{name}' is missing")
        return found

    def _parameter(self, where, text, schema):
        validator = Validator(self.document, request=True)
        kind, value = validator.resolve(schema).get("type"), text
        if kind in ("integer", "number", "boolean"):
            try:
                value = json.loads(text)
            except ValueError:
                pass
        validator.check(value, schema, where)
        return validator.found

    def _body(self, body):
        content = self.document.part(self.spec.get("requestBody", {})).get("content")
        if content is None:
            return ["there is a body"] if body else []
        if not body:
            return ["the body is missing"]
        try:
            value = json.loads(body)
        except ValueError as e:
            return [f"the body is not JSON: {e}"]
        validator = Validator(self.document, request=True)
        validator.check(value, content["application/json"]["schema"])
        return validator.found

    def check_answer(self, status, value):
        """Violations of an answer; value: the parsed body."""
        return list(self.check_text(status, json.dumps(value)))

    @functools.lru_cache(maxsize=256)  # most answers are the same as the one before
    def check_text(self, status, text):
        """The same of the text that is sent."""
        responses = self.spec["responses"]
        response = responses.get(str(status), responses.get(f"{status // 100}XX"))
        if response is None:
            return [] if status in GENERAL else [f"status {status} is not listed"]
        content = self.document.part(response).get("content", {})
        if "application/json" not in content:
            return []
        others = {where: schema for (path, where), schema in ALTERNATIVES.items() if path == self.template} \
            if status < 300 else {}
        validator = Validator(self.document, request=False, alternatives=others)
        validator.check(json.loads(text), content["application/json"]["schema"])
        return validator.found


class Document:
    """A parsed OpenAPI document."""

    def __init__(self, tree):
        self.tree = tree
        self.operations = {}  # those that were asked for, by (template, method)
        self.paths = [(template.strip("/").split("/"), template, item) for template, item in tree["paths"].items()]

    @functools.lru_cache(maxsize=None)
    def resolve(self, reference):
        node = self.tree
        for key in reference.lstrip("#/").split("/"):
            node = node[key.replace("~1", "/").replace("~0", "~")]
        return node

    def part(self, node):
        """A parameter, body or response that may be a reference."""
        return self.resolve(node["$ref"]) if "$ref" in node else node

    def find(self, method, path):
        """(Operation, parameters of the path), or (None, why)."""
        parts = path.strip("/").split("/")
        best = None
        for segments, template, item in self.paths:
            params = match(segments, parts)
            if params is not None and (best is None or len(params) < len(best[2])):
                best = (template, item, params)
        if best is None:
            return None, "the path is not listed"
        if method.lower() not in best[1]:
            return None, "the method is not listed for this path"
        key = (best[0], method)
        if key not in self.operations:
            self.operations[key] = Operation(self, method, best[0], best[1])
        return self.operations[key], best[2]


def match(segments, parts):
    if len(segments) != len(parts):
        return None
    params = {}
    for segment, part in zip(segments, parts):
        if segment.startswith("{"):
            params[segment[1:-1]] = part
        elif segment != part:
            return None
    return params


@functools.lru_cache(maxsize=None)
def load(path=DOCUMENT):
    """The document, read once, or None where it is absent."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return Document(json.load(f))
