"""The tables of mutants (mutants.d/*.txt): what they say, where in the sources it applies, what they leave out.

A table is of one source file:

    source src/policy/calm.c         the file
    suites calm calm_spans           unit suites that should see them, in this order
    except NAME: WHY                 a function of it that has no mutant, and why it needs none

    mutant NAME                      one change of behaviour, by a name of its own
    gate ID                          (of a gate) which: those of gate_names in src/policy/gates.c; "advertise:" and
                                     a word of the tables in cfmt_advertise_name() and blocked_text() there
    in FUNCTION                      (where the text stands elsewhere, too) the function meant
    suites NAME...                   (where it differs) those that should see this one
    - TEXT                           what the source says, once; indentation does not matter
    + TEXT                           what the mutant says in its place
"""
import collections
import glob
import os
import re

# Each function of these files stands for a guard: it has a mutant, or its table says why not.
GUARDED = ("src/engine/act*.c", "src/policy/attack.c", "src/policy/calm.c", "src/policy/traffic.c",
           "src/policy/withdraw*.c", "src/policy/advertise.c", "src/policy/cause.c", "src/store/commit.c",
           "src/store/outbox*.c", "src/notify/plan.c", "src/notify/route.c", "src/engine/tell*.c")
GATES = "src/policy/gates.c"
ADVERTISE = "src/policy/advertise.c"

FUNCTION = re.compile(r"^(?:\w[\w \t*]*[ \t*])?(\w+)\((?:[^;{}]*)\)\n\{\n.*?^\}", re.M | re.S)


class Broken(Exception):
    """A table that cannot be used, in one sentence."""


class Mutant:
    def __init__(self, name, table, line):
        self.name, self.table, self.line = name, table, line
        self.gate = self.function = None
        self.suites = table.suites
        self.before, self.after = [], []

    def span(self, text):
        """Where in the text of its source it applies."""
        start, end = 0, len(text)
        if self.function:
            places = [m.span() for m in FUNCTION.finditer(text) if m.group(1) == self.function]
            if len(places) != 1:
                raise Broken(f"mutant {self.name}: no function {self.function} in {self.table.source}: update it")
            start, end = places[0]
        pattern = r"[ \t]*\n[ \t]*".join(re.escape(part) for part in self.before)
        found = [m.span() for m in re.finditer(pattern, text) if start <= m.start() and m.end() <= end]
        if len(found) != 1:
            many = "no longer" if not found else f"{len(found)} times"
            raise Broken(f"mutant {self.name}: its text is {many} in {self.table.source}: update it")
        return found[0]

    def apply(self, text):
        start, end = self.span(text)
        return text[:start] + "\n".join(self.after) + text[end:]

    def guard(self, text):
        """The function in which it is; what is defined beside functions by its name."""
        start = self.span(text)[0]
        for m in FUNCTION.finditer(text):
            if m.start() <= start < m.end():
                return m.group(1)
        line = text[text.rfind("\n", 0, start) + 1:].split("\n", 1)[0]
        m = re.match(r"#define (\w+)", line)
        return m.group(1) if m else "-"


class Table:
    """One file of mutants.d."""

    def __init__(self, path):
        self.path, self.source, self.suites = path, None, []
        self.excepted, self.mutants = {}, []
        with open(path, encoding="utf-8") as f:
            for n, line in enumerate(f, 1):
                self.take(line.rstrip("\n"), n)
        for m in self.mutants:
            if not m.before or not m.after or m.before == m.after:
                raise Broken(f"{path}:{m.line}: mutant {m.name} changes nothing")

    def take(self, line, n):
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        last = self.mutants[-1] if self.mutants else None
        if not line or word.startswith("#"):
            return
        if word == "mutant" and rest:
            self.mutants.append(Mutant(rest, self, n))
        elif word == "except" and ": " in rest:
            name, why = rest.split(": ", 1)
            self.excepted[name] = why
        elif word == "source" and not last:
            self.source = rest
        elif word == "suites":
            if last:
                last.suites = rest.split()
            else:
                self.suites = rest.split()
        elif last and word in ("gate", "in") and not last.before:
            setattr(last, {"gate": "gate", "in": "function"}[word], rest)
        elif last and word == "-" and not last.after:
            last.before.append(rest)
        elif last and word == "+" and last.before:
            last.after.append(rest)
        else:
            raise Broken(f"{self.path}:{n}: not understood: {line}")


class Tables:
    """All of them, and the sources that they are about."""

    def __init__(self, here, srcdir):
        self.srcdir = srcdir
        self.tables = [Table(path) for path in sorted(glob.glob(os.path.join(here, "mutants.d", "*.txt")))]
        self.mutants = [m for t in self.tables for m in t.mutants]
        names = collections.Counter(m.name for m in self.mutants)
        for name, count in names.items():
            if count > 1:
                raise Broken(f"there are {count} mutants {name}")

    def text(self, path):
        with open(os.path.join(self.srcdir, path), encoding="utf-8") as f:
            return f.read()

    def by_name(self, name):
        found = [m for m in self.mutants if m.name == name]
        if not found:
            raise Broken(f"there is no mutant {name}")
        return found[0]

    def gates(self):
        """Ids of gates, from the code's own tables."""
        ids = []
        for path, table, prefix, entry in (
                (GATES, "gate_names[CFMT_GATES]", "", r'\] = "(\w+)"'),
                (ADVERTISE, "names[]", "advertise:", r'\] = "(\w+)"'),
                (GATES, "sentence_t texts[]", "advertise:", r'\{ ("\w+"|NULL),')):
            m = re.search(re.escape(table) + r" = \{(.*?)^[ ]*\};", self.text(path), re.M | re.S)
            words = re.findall(entry, m.group(1)) if m else []
            if not words:
                raise Broken(f"{path}: the table {table} is not found")
            ids += [prefix + ("unknown" if w == "NULL" else w.strip('"')) for w in words]
        return ids

    def guards(self):
        """(file, function) of all that is to have a mutant."""
        for pattern in GUARDED:
            paths = sorted(glob.glob(os.path.join(self.srcdir, pattern)))
            if not paths:
                raise Broken(f"there is no {pattern}")
            for path in paths:
                name = os.path.relpath(path, self.srcdir)
                for m in FUNCTION.finditer(self.text(name)):
                    yield name, m.group(1)

    def findings(self):
        """What is missing or out of date, one sentence each."""
        there, gates = set(), set()
        for m in self.mutants:
            try:
                there.add((m.table.source, m.guard(self.text(m.table.source))))
            except Broken as e:
                yield str(e)
            gates.add(m.gate)
        known = self.gates()
        for gate in sorted(gates - {None} - set(known)):
            yield f"there is no gate {gate}"
        for gate in known:
            if gate not in gates:
                yield f"gate {gate} has no mutant"
        excepted = {(t.source, name) for t in self.tables for name in t.excepted}
        guards = list(self.guards())
        for guard in guards:
            if guard not in there | excepted:
                yield "{}: {}() has no mutant, and no exception says why".format(*guard)
        for guard in sorted(excepted & there):
            yield "{}: {}() has a mutant and an exception".format(*guard)
        for guard in sorted(excepted - set(guards)):
            yield "{}: there is no {}() to be excepted".format(*guard)
