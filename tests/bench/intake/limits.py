"""What the figures must be and what they aim at. Judged line by line; nothing is added up."""


class Limit:
    """value(results) and must(results), where must is no number; sense: '>=', '<=' or '<'."""

    def __init__(self, text, needs, value, sense, must, aim=None):
        self.text = text
        self.needs = needs
        self.value = value
        self.sense = sense
        self.must = must
        self.aim = aim

    def holds(self, value, bound):
        return {">=": value >= bound, "<=": value <= bound, "<": value < bound}[self.sense]

    def judge(self, results):
        """A line of the table; verdict: aim, must, MISS or - (not measured)."""
        line = {"text": self.text, "sense": self.sense, "value": None, "must": self.must, "aim": self.aim,
                "verdict": "-"}
        if callable(self.must):
            line["must"] = None
        if any(name not in results for name in self.needs):
            return line
        value = self.value(*(results[name] for name in self.needs))
        if value is None:
            return line
        must = self.must(*(results[name] for name in self.needs)) if callable(self.must) else self.must
        line.update(value=round(value, 3), must=round(must, 3))
        if not self.holds(value, must):
            line["verdict"] = "MISS"
        else:
            line["verdict"] = "aim" if self.aim is not None and self.holds(value, self.aim) else "must"
        return line


def one(name, text, key, sense, must, aim=None):
    return Limit(f"{name}: {text}", [name], lambda r: r[key], sense, must, aim)


def longest(name):
    return Limit(f"{name}: longest answer, ms; 150 + longest fdatasync of the probe", [name],
                 lambda r: r["max_ms"], "<=", lambda r: 150 + r["max_probe_ms"])


def quotient(four, single, text, key, sense, must):
    return Limit(f"{four}: {text}", [four, single], lambda a, b: a[key] / b[key] if b[key] else None, sense,
                 must)


# Which child gets a connection is the kernel's choice, and often one gets none: only the rows per connection
# tell whether the children share the commit lock fairly.
LIMITS = [
    one("c1", "ratio", "ratio", ">=", 0.18, 0.21),
    one("c1", "p50, ms", "p50_ms", "<=", 0.6),
    one("c1", "syncs per delivery", "syncs", "<=", 1.1),
    longest("c1"),
    one("c16", "ratio", "ratio", ">=", 0.28, 0.38),
    one("c16", "p99, ms", "p99_ms", "<=", 15, 6),
    one("c16", "syncs per delivery", "syncs", "<", 0.5),
    longest("c16"),
    one("c64", "ratio", "ratio", ">=", 0.32, 0.45),
    one("c64", "p99, ms", "p99_ms", "<=", 25, 13),
    longest("c64"),
    one("c256", "ratio", "ratio", ">=", 0.22),
    one("c256", "errors", "errors", "<=", 0),
    longest("c256"),
    quotient("c16x4", "c16", "stored/s, of one child's", "stored_per_s", ">=", 0.8),
    quotient("c16x4", "c16", "p99, of one child's", "p99_ms", "<=", 2),
    one("c16x4", "rows per connection of a child, most by fewest", "spread_each", "<=", 3),
    quotient("c64x4", "c64", "stored/s, of one child's", "stored_per_s", ">=", 0.8),
    quotient("c64x4", "c64", "p99, of one child's", "p99_ms", "<=", 2),
    one("c64x4", "rows per connection of a child, most by fewest", "spread_each", "<=", 3),
    one("tls", "ratio", "ratio", ">=", 0.55),
    one("wrong", "ratio", "ratio", ">=", 0.85),
    one("wrong", "rows, syncs and changes of the files", "touched", "<=", 0),
    one("same", "ratio", "ratio", ">=", 0.28),
    one("million", "stored/s, of the empty file's", "ratio", ">=", 0.65, 0.8),
    one("projection", "events/s, intake quiet", "quiet_per_s", ">=", 5000),
    one("projection", "events/s under load, slowest second", "loaded_per_s", ">=", 1000),
    one("memory", "growth of a child, MiB", "growth_mib", "<", 2),
]


def judge(results):
    return [limit.judge(results) for limit in LIMITS]
