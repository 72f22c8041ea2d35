"""The published GraphQL schema as judge of every request and every answer.

python3-graphql-core reads graphql-datasets.graphql (../shared/cloudflare beside the checkout) and
validates queries. Debian 12 has its version 2.3, Ubuntu 24.04 has 3.x; both are used through the
few names they share. Without the file or the package load() gives None and `why_not` says why.
The values in a request and an answer are judged here: the package lets any literal pass for
scalars the schema names itself (uint64, Time ...).
"""

import functools
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
SDL = os.path.join(HERE, "..", "..", "..", "..", "shared", "cloudflare", "graphql-datasets.graphql")

# Cloudflare's own tutorials declare "$accountTag: string" and pass it where string! is wanted:
# the service takes that, so a validator stricter than the service would be dishonest.
NULLABLE_VARIABLE = re.compile(r'''of type ['"]?(\w+)['"]? used in position expecting '''
                               r'''type ['"]?\1!['"]?''')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
DATE = re.compile(r"\d{4}-\d\d-\d\d$")

why_not = None
_loaded = {}


def is_uint(bits):
    def check(value):
        return type(value) is int and 0 <= value < 1 << bits
    return check


def is_number(value):
    return type(value) in (int, float)


SCALARS = {
    "uint8": is_uint(8), "uint16": is_uint(16), "uint32": is_uint(32), "uint64": is_uint(64),
    "int64": lambda v: type(v) is int and -(1 << 63) <= v < 1 << 63,
    "float32": is_number, "float64": is_number,
    "string": lambda v: isinstance(v, str), "bool": lambda v: type(v) is bool,
    "bytes": lambda v: isinstance(v, str),
    "Time": lambda v: isinstance(v, str) and bool(TIME.match(v)),
    "Date": lambda v: isinstance(v, str) and bool(DATE.match(v)),
    "String": lambda v: isinstance(v, str),
}


class Schema:
    """What the published schema says, in plain types written as in the SDL ('[string!]!')."""

    def __init__(self, package, text):
        self.package = package
        self.schema = package.build_ast_schema(package.parse(text))
        self.types = {}

    def fields(self, type_name):
        """Field name -> type text of an object or input type; empty for any other type."""
        if type_name not in self.types:
            kind = self.schema.get_type(type_name)
            fields = getattr(kind, "fields", None) or {}
            self.types[type_name] = {name: str(field.type) for name, field in fields.items()}
        return self.types[type_name]

    def arguments(self, type_name, field):
        """Argument name -> type text of a field."""
        found = self.schema.get_type(type_name).fields[field].args
        return {name: str(arg.type) for name, arg in found.items()}

    @functools.lru_cache(maxsize=64)  # clients ask the same again and again, and this takes longer than all else
    def query_problems(self, text):
        """What is wrong with a query text, () if nothing."""
        try:
            document = self.package.parse(text)
        except Exception as problem:  # 2.3 and 3.x raise different classes
            return (str(problem).split("\n")[0],)
        found = [error.message for error in self.package.validate(self.schema, document)]
        return tuple(text for text in found if not NULLABLE_VARIABLE.search(text))

    def value_problem(self, value, type_text, where):
        """What is wrong with an argument's value, None if nothing."""
        if type_text.endswith("!"):
            if value is None:
                return "%s must not be null" % where
            type_text = type_text[:-1]
        if value is None:
            return None
        if type_text.startswith("["):
            return self.list_problem(value, type_text[1:-1], where)
        if isinstance(value, dict):
            return self.object_problem(value, type_text, where)
        if type_text in SCALARS and not SCALARS[type_text](value):
            return "%s: %r is not a %s" % (where, value, type_text)
        return None

    def list_problem(self, value, item_type, where):
        items = value if isinstance(value, list) else [value]
        for item in items:
            problem = self.value_problem(item, item_type, where)
            if problem:
                return problem
        return None

    def object_problem(self, value, type_text, where):
        fields = self.fields(type_text)
        for name, item in value.items():
            if name not in fields:
                return "%s: unknown field %s" % (where, name)
            problem = self.value_problem(item, fields[name], where + "." + name)
            if problem:
                return problem
        return None

    def arguments_problem(self, type_name, field, where):
        """What is wrong with the (bound) argument values of a gqlparse Field."""
        declared = self.arguments(type_name, field.name)
        for name, type_text in declared.items():
            problem = self.value_problem(field.args.get(name), type_text, where + "." + name)
            if problem:
                return problem
        return None

    def answer_problem(self, value, fields, type_text, where="data"):
        """What is wrong with an answer to the selected fields, None if nothing."""
        if type_text.endswith("!"):
            if value is None:
                return "%s is null" % where
            type_text = type_text[:-1]
        if value is None:
            return None
        if type_text.startswith("["):
            return self.rows_problem(value, fields, type_text[1:-1], where)
        if fields is None:
            check = SCALARS.get(type_text)
            return None if check and check(value) else "%s: %r is no %s" % (where, value, type_text)
        return self.row_problem(value, fields, type_text, where)

    def rows_problem(self, rows, fields, item_type, where):
        if not isinstance(rows, list):
            return "%s is no list" % where
        for row in rows:
            problem = self.answer_problem(row, fields, item_type, where + "[]")
            if problem:
                return problem
        return None

    def row_problem(self, row, fields, type_text, where):
        if not isinstance(row, dict) or len(row) != len(fields):
            return "%s: not the selected fields" % where
        known = self.fields(type_text)
        for field in fields:
            # By far most are right values; the rest of this says what is wrong with the others.
            check = field.children is None and SCALARS.get(known[field.name].rstrip("!"))
            if check and row.get(field.key) is not None and check(row[field.key]):
                continue
            if field.key not in row:
                return "%s: %s is missing" % (where, field.key)
            problem = self.answer_problem(row[field.key], field.children, known[field.name],
                                          where + "." + field.key)
            if problem:
                return problem
        return None


def package():
    """The functions of python3-graphql-core, whichever version it is."""
    import graphql
    for name in ("build_ast_schema", "parse", "validate"):
        if not hasattr(graphql, name):
            raise ImportError("the graphql module found has no %s" % name)
    return graphql


def load(path=None):
    """The schema, read once; None with `why_not` set when it cannot be judged by."""
    global why_not
    path = os.path.abspath(path or SDL)
    if path not in _loaded:
        try:
            with open(path, encoding="utf-8") as source:
                _loaded[path] = Schema(package(), source.read())
        except (OSError, ImportError) as problem:
            why_not = "GraphQL is not validated: %s" % problem
            _loaded[path] = None
    return _loaded[path]
