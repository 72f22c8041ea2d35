"""A small GraphQL query parser: text in, plain Python values out.

The simulator executes what this returns. It is deliberately independent of python3-graphql-core,
which (where it is installed) judges the same text against the published schema in sdl.py: two
readers that disagree are noticed, and without the package the simulator still works.

Only what an analytics client needs is read: operations, variables, aliases, arguments, and
selection sets. Fragments, directives and block strings are refused with a clear word.
"""

import json
import re

TOKEN = re.compile(r'''
    (?P<skip>[\s,\ufeff]+|\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
  | (?P<name>[_A-Za-z][_0-9A-Za-z]*)
  | (?P<punct>\.\.\.|[!$()\[\]{}:=@|&])
''', re.X | re.S)

MAX_DEPTH = 40


class SyntaxProblem(Exception):
    """The text is not a query this parser reads; the message says where."""


class Enum(str):
    """A bare word used as a value, as in orderBy: [datetime_DESC]."""


class Variable(str):
    """$name used as a value, replaced by bind()."""


class Field:
    """One selected field: .name, .key (alias or name), .args, .children (None without braces)."""

    def __init__(self, name, key, args, children):
        self.name, self.key, self.args, self.children = name, key, args, children

    def child(self, name):
        """The first selected child of that name, or None."""
        return next((c for c in self.children or [] if c.name == name), None)


class Operation:
    """One operation: .kind (query, mutation, subscription), .name, .variables, .fields."""

    def __init__(self, kind, name, variables, fields):
        self.kind, self.name, self.variables, self.fields = kind, name, variables, fields


def tokens(text):
    """The tokens of a query as (kind, text) pairs, ended by ('end', '')."""
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise SyntaxProblem("unexpected character %r at offset %d" % (text[at], at))
        if match.lastgroup != "skip":
            found.append((match.lastgroup, match.group()))
        at = match.end()
    return found + [("end", "")]


class Parser:
    """Recursive descent over the tokens, bounded in depth."""

    def __init__(self, text):
        self.tokens, self.at, self.depth = tokens(text), 0, 0

    def peek(self):
        return self.tokens[self.at]

    def take(self):
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def accept(self, text):
        kind, found = self.peek()
        if kind == "punct" and found == text:
            self.take()
            return True
        return False

    def expect(self, text):
        if not self.accept(text):
            raise SyntaxProblem("expected %r, found %r" % (text, self.peek()[1] or "the end"))

    def name(self):
        kind, found = self.take()
        if kind != "name":
            raise SyntaxProblem("expected a name, found %r" % (found or "the end"))
        return found

    def document(self):
        operations = []
        while self.peek()[0] != "end":
            operations.append(self.operation())
        if not operations:
            raise SyntaxProblem("no operation")
        return operations

    def operation(self):
        if self.peek() == ("punct", "{"):
            return Operation("query", None, {}, self.selection())
        kind = self.name()
        if kind not in ("query", "mutation", "subscription"):
            raise SyntaxProblem("%r is not read here" % kind)
        name = self.name() if self.peek()[0] == "name" else None
        variables = self.variables() if self.accept("(") else {}
        return Operation(kind, name, variables, self.selection())

    def variables(self):
        found = {}
        while not self.accept(")"):
            self.expect("$")
            name = self.name()
            self.expect(":")
            declared = self.type_name()
            found[name] = (declared, self.value() if self.accept("=") else None)
        return found

    def type_name(self):
        if self.accept("["):
            text = "[" + self.type_name()
            self.expect("]")
            text += "]"
        else:
            text = self.name()
        return text + ("!" if self.accept("!") else "")

    def nest(self):
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise SyntaxProblem("nested deeper than %d" % MAX_DEPTH)

    def selection(self):
        self.expect("{")
        self.nest()
        fields = []
        while not self.accept("}"):
            fields.append(self.field())
        self.depth -= 1
        if not fields:
            raise SyntaxProblem("an empty selection")
        return fields

    def field(self):
        if self.peek()[1] in ("...", "@"):
            raise SyntaxProblem("fragments and directives are not read here")
        key = name = self.name()
        if self.accept(":"):
            name = self.name()
        args = self.arguments() if self.accept("(") else {}
        children = self.selection() if self.peek() == ("punct", "{") else None
        return Field(name, key, args, children)

    def arguments(self):
        return self.pairs(")")

    def pairs(self, closing):
        found = {}
        while not self.accept(closing):
            name = self.name()
            self.expect(":")
            if name in found:
                raise SyntaxProblem("%r is given twice" % name)
            found[name] = self.value()
        return found

    def value(self):
        self.nest()
        value = self.any_value()
        self.depth -= 1
        return value

    def any_value(self):
        if self.accept("$"):
            return Variable(self.name())
        if self.accept("["):
            return self.items()
        if self.accept("{"):
            return self.pairs("}")
        return self.scalar()

    def items(self):
        found = []
        while not self.accept("]"):
            found.append(self.value())
        return found

    def scalar(self):
        kind, text = self.take()
        if kind == "string":
            return unquote(text)
        if kind == "number":
            return int(text) if re.match(r"-?\d+$", text) else float(text)
        if kind == "name":
            return {"true": True, "false": False, "null": None}.get(text, Enum(text))
        raise SyntaxProblem("expected a value, found %r" % (text or "the end"))


def unquote(text):
    """A GraphQL string literal is a JSON one but for control characters, which JSON refuses."""
    try:
        return json.loads(text, strict=False)
    except ValueError:
        raise SyntaxProblem("bad string %s" % text[:40])


def parse(text):
    """All operations of a query text."""
    return Parser(text).document()


def bind(value, values):
    """The value with every $variable replaced; an absent one becomes None."""
    if isinstance(value, Variable):
        return values.get(str(value))
    if isinstance(value, list):
        return [bind(item, values) for item in value]
    if isinstance(value, dict):
        return {key: bind(item, values) for key, item in value.items()}
    return value
