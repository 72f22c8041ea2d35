#!/usr/bin/python3
"""How fast deliveries are stored, beside a handler that stores nothing; see --help."""
import argparse
import dataclasses
import json
import os
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import limits
from fill import fill
from load import Backlog, Broken, load, store, wrk
from servers import FEW_THREADS, Fleet

FIRST = 10000  # deliveries after which a child has its size


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    text: str
    connections: int = 16
    a: str = "null"     # the server compared with; "" = none
    b: str = "cfmt"
    mode: str = "fresh"  # bodies: fresh, same; wrong: fresh ones with a wrong secret
    tls: bool = False    # and a connection for each delivery
    kind: str = "ratio"  # or projection, memory


SCENARIOS = [
    Scenario("c1", "1 connection", 1),
    Scenario("c16", "16 connections", 16),
    Scenario("c64", "64 connections", 64),
    Scenario("c256", "256 connections", 256),
    Scenario("c1x4", "1 connection, 4 children", 1, "null4", "cfmt4"),
    Scenario("c16x4", "16 connections, 4 children", 16, "null4", "cfmt4"),
    Scenario("c64x4", "64 connections, 4 children", 64, "null4", "cfmt4"),
    Scenario("c256x4", "256 connections, 4 children", 256, "null4", "cfmt4"),
    Scenario("tls", "TLS, a connection each", tls=True),
    Scenario("wrong", "wrong secret", mode="wrong"),
    Scenario("same", "duplicates only", mode="same"),
    Scenario("million", "--million rows beside an empty file", a="empty", b="million"),
    Scenario("projection", "the projection under load and after it", 64, a="", b="empty",
             kind="projection"),
    Scenario("memory", "growth of a child", a="", b="memory", kind="memory"),
]
WARM = Scenario("warm", "every thread and page has been touched once", 64)
SEED = Scenario("seed", "a delivery to make a million of", 1)


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- runs -------------------------------------------------------------------------------------------

class Bench:
    def __init__(self, args, scenarios):
        self.args = args
        self.scenarios = scenarios
        self.fleet = Fleet(args.mpm)
        self.runs = {s.name: ([], []) for s in scenarios}
        self.broken = []
        self.notes = {}

    def prepare_million(self, server):
        """The server itself makes the file and one delivery."""
        begin = time.monotonic()
        server.start()
        wrk(server, SEED, 1)
        server.quiet()
        server.stop()
        fill(server, self.args.million)
        self.notes["fill_s"] = round(time.monotonic() - begin, 1)
        self.notes["million_mib"] = round(os.path.getsize(server.db) / 2**20)
        say(f"filled: {self.args.million} rows, {self.notes['million_mib']} MiB, {self.notes['fill_s']} s")

    def server(self, name):
        known = name in self.fleet.servers
        server = self.fleet.get(name, self.prepare_million if name == "million" else None)
        if not known:
            wrk(server, dataclasses.replace(WARM, connections=min(WARM.connections, server.threads // 2)), 1)
            if server.stores:
                server.quiet()
        return server

    def ratio(self, s):
        a, b = self.runs[s.name]
        server = self.server(s.a)
        a.append((store if server.stores else load)(server, s, self.args.seconds))
        if server.stores:
            server.quiet()
        server = self.server(s.b)
        b.append(store(server, s, self.args.seconds))
        server.quiet()
        return f"{a[-1]['rate']:.0f}/s, {b[-1]['rate']:.0f}/s"

    def projection(self, s):
        """Under load the slowest window with a backlog; then until nothing is left."""
        server = self.server(s.b)
        with Backlog(server) as backlog:
            r = store(server, s, self.args.seconds)
            end = time.monotonic()
            server.quiet()
            time.sleep(0.2)
        if backlog.failure:
            raise Broken(f"health: {backlog.failure}")
        r["loaded"] = slowest([x for x in backlog.samples if x[0] < end - 0.1],
                              min(1.0, self.args.seconds / 2))
        r["quiet"] = until_empty([x for x in backlog.samples if x[0] > end + 0.05])
        r["backlog"] = max(lag for _, _, lag in backlog.samples)
        self.runs[s.name][1].append(r)
        return f"{r['loaded']} events/s under load, {r['quiet']} after it, backlog {r['backlog']}"

    def memory(self, s):
        server = self.server(s.b)
        target = 1000000 if self.args.long else self.args.memory
        # httpd's threads have worked: their stacks and pools are no growth of ours
        store(server, dataclasses.replace(s, connections=FEW_THREADS // 2), self.args.seconds)
        stored, first = server.head(), None
        while not first or stored < target:
            r = store(server, s, self.args.seconds)
            stored = server.head()
            server.quiet()
            if not first and stored >= FIRST:
                first, first_at = server.memory(), stored
        last = server.memory()
        if set(first) != set(last):
            raise Broken("a child was replaced while its memory was measured")
        growth = {pid: last[pid][0] - first[pid][0] for pid in last}
        pid = max(growth, key=growth.get)
        r.update(growth=growth[pid], first_at=first_at, last_at=stored, rss=last[pid][0], pss=last[pid][1])
        self.runs[s.name][1].append(r)
        return f"{r['growth']:.2f} MiB from delivery {first_at} to {stored}"

    def run(self, s):
        try:
            return getattr(self, s.kind)(s)
        except (Broken, AssertionError) as e:
            self.broken.append(f"{s.name}: {e}")
            return f"BROKEN: {e}"

    def all(self):
        for s in self.scenarios:  # before the first figure: starting and filling take both cores
            for name in filter(None, (s.a, s.b)):
                self.server(name)
        for n in range(self.args.rounds):
            for s in self.scenarios:
                if s.kind != "memory":
                    say(f"round {n + 1}, {s.text}: {self.run(s)}")
        for s in self.scenarios:
            if s.kind == "memory":
                say(f"{s.text}: {self.run(s)}")
        self.broken += self.fleet.complaints()


def slowest(samples, window):
    """Events/s of the slowest window; only those that begin with a backlog: else the intake limits."""
    found = []
    for i, (at, cursor, lag) in enumerate(samples):
        later = next((x for x in samples[i:] if x[0] - at >= window), None)
        if later and lag > 1000:
            found.append((later[1] - cursor) / (later[0] - at))
    return round(min(found)) if found else None


def until_empty(samples):
    """Events/s until nothing is left; None when too little was left to tell."""
    empty = next((x for x in samples if x[2] == 0), None)
    if not empty or samples[0][2] < 1000:
        return None
    return round((empty[1] - samples[0][1]) / (empty[0] - samples[0][0]))


# ---- results ----------------------------------------------------------------------------------------

def median(runs, key):
    values = [r[key] for r in runs if r.get(key) is not None]
    return statistics.median(values) if values else None


def per_child(runs, children):
    """[answers, connections] of each child over all rounds, the busiest first."""
    total = {}
    for r in runs:
        for pid, (n, connections) in r["served"].items():
            child = total.setdefault(pid, [0, 0])
            child[0] += n
            child[1] += connections
    idle = [[0, 0]] * (children - len(total))
    return sorted(total.values(), reverse=True) + idle


def spread(values):
    return round(max(values) / max(1, min(values)), 2)


def summarize(s, a, b, children):
    served = per_child(b, children)
    worst = max(b, key=lambda r: r["max"] / 1000 - r["probe_ms"])
    out = {
        "scenario": s.name, "text": s.text, "connections": s.connections, "rounds": len(b),
        "stored_per_s": round(median(b, "rate")),
        "p50_ms": round(median(b, "p50") / 1000, 3), "p99_ms": round(median(b, "p99") / 1000, 3),
        "max_ms": round(worst["max"] / 1000, 1), "max_probe_ms": round(worst["probe_ms"], 1),
        "sync_ms": round(max(r["sync_ms"] for r in b), 1),
        "syncs": round(sum(r["sync_calls"] for r in b) / max(1, sum(r["ok"] for r in b)), 3),
        "cpu_us": round(median(b, "cpu") * 1e6),
        "ok": sum(r["ok"] for r in b), "rows": sum(r["rows"] for r in b),
        "errors": sum(r["others"] if r["refused"] else r["errors"] for r in b),
        "rows_per_child": [n for n, _ in served], "connections_per_child": [c for _, c in served],
        "spread": spread([n for n, _ in served]),
        "spread_each": spread([n / max(1, c) for n, c in served if c]),
        "touched": sum(r["touched"] for r in b),
    }
    if a:
        out.update(base_per_s=round(median(a, "rate")),
                   ratio=round(median(b, "rate") / max(1, median(a, "rate")), 3),
                   base_p99_ms=round(median(a, "p99") / 1000, 3), base_cpu_us=round(median(a, "cpu") * 1e6))
    return out


def more(s, b):
    if s.kind == "projection":
        loaded = [r["loaded"] for r in b if r["loaded"] is not None]
        return {"loaded_per_s": min(loaded) if loaded else None, "quiet_per_s": median(b, "quiet"),
                "backlog": max(r["backlog"] for r in b)}
    if s.kind == "memory":
        r = b[-1]
        return {"growth_mib": round(r["growth"], 2), "first_at": r["first_at"], "last_at": r["last_at"],
                "rss_mib": round(r["rss"], 1), "pss_mib": round(r["pss"], 1)}
    return {}


def results_of(bench):
    found = {}
    for s in bench.scenarios:
        a, b = bench.runs[s.name]
        if b and (a or not s.a):
            server = bench.fleet.servers[s.b]
            found[s.name] = {**summarize(s, a, b, server.children), **more(s, b)}
    return found


COLUMNS = [
    ("scenario", "SCENARIO"), ("base_per_s", "BASE/S"), ("stored_per_s", "STORED/S"), ("ratio", "RATIO"),
    ("p50_ms", "P50_MS"), ("p99_ms", "P99_MS"), ("max_ms", "MAX_MS"), ("max_probe_ms", "PROBE_MS"),
    ("sync_ms", "SYNC_MS"), ("base_p99_ms", "BASE_P99"), ("syncs", "SYNCS"), ("cpu_us", "CPU_US"),
    ("base_cpu_us", "BASE_CPU"), ("ok", "ANSWERS"), ("rows", "ROWS"), ("rows_per_child", "PER_CHILD"),
    ("connections_per_child", "CONNS"), ("errors", "ERRORS"),
]


def print_table(lines, left=0):
    """Lines of cells; the first `left` columns begin at the left."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(c.ljust(w) if i < left else c.rjust(w)
                        for i, (c, w) in enumerate(zip(line, widths))).rstrip())
    print()


def cell(value):
    if isinstance(value, list):
        return "/".join(map(str, value[:4])) + ("/..." if len(value) > 4 else "")
    return "-" if value is None else str(value)


def print_results(doc):
    print_table([[head for _, head in COLUMNS]]
                + [[cell(r.get(key)) for key, _ in COLUMNS] for r in doc["results"].values()], 1)
    for r in doc["results"].values():
        if "quiet_per_s" in r:
            print(f"projection: {cell(r['loaded_per_s'])} events/s under load (slowest second),"
                  f" {cell(r['quiet_per_s'])} when quiet, backlog up to {r['backlog']} rows in /mt-health")
        if "growth_mib" in r:
            print(f"memory: a child grew by {r['growth_mib']} MiB from delivery {r['first_at']} to"
                  f" {r['last_at']}; RSS {r['rss_mib']} MiB, PSS {r['pss_mib']} MiB")
    print()
    print_table([["LINE", "VALUE", "", "MUST", "AIM", "VERDICT"]]
                + [[x["text"], cell(x["value"]), x["sense"], cell(x["must"]), cell(x["aim"]), x["verdict"]]
                   for x in doc["limits"]], 1)
    for sentence in doc["broken"]:
        print(f"BROKEN: {sentence}")


def document(bench, begin):
    args = bench.args
    results = results_of(bench)
    return {"version": 2, "mpm": args.mpm, "rounds": args.rounds, "seconds": args.seconds,
            "cores": os.cpu_count(), "load_average": os.getloadavg()[0], "kernel": platform.release(),
            "sqlite_of_python": sqlite3.sqlite_version, "directory_type": filesystem(tempfile.gettempdir()),
            "body_bytes": 1536, "million_rows": args.million, "took_s": round(time.time() - begin),
            **bench.notes, "results": results, "limits": limits.judge(results), "broken": bench.broken}


# ---- arguments and life -----------------------------------------------------------------------------

def names(text):
    known = {s.name for s in SCENARIOS}
    wanted = text.split(",")
    for name in wanted:
        if name not in known:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(sorted(known))}")
    return wanted


def parse():
    p = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Stored deliveries per second of mod_cfmt beside a handler that reads the body and\n"
        "answers 200, interleaved in one run; medians of the rounds. Then what must be reached.\n"
        "Exit status 0: measured, whatever the figures; 1: a run was broken (an error, or rows that do\n"
        "not fit the answers).",
        epilog="scenarios:\n" + "\n".join(f"  {s.name:11} {s.text}" for s in SCENARIOS))
    p.add_argument("--only", type=names, metavar="NAME[,NAME]", help="these scenarios (default: all)")
    p.add_argument("--rounds", type=int, default=3, help="default 3")
    p.add_argument("--seconds", type=int, default=2, help="of each run of wrk (default 2)")
    p.add_argument("--dir", help="a directory on a real disk for the stores (default: TMPDIR or /tmp)")
    p.add_argument("--mpm", default="event", choices=["event", "worker", "prefork"])
    p.add_argument("--million", type=int, default=1000000, metavar="ROWS", help="of scenario million")
    p.add_argument("--memory", type=int, default=60000, metavar="DELIVERIES",
                   help="of scenario memory (default 60000)")
    p.add_argument("--long", action="store_true", help="scenario memory up to the millionth delivery")
    p.add_argument("--json", metavar="FILE", help="write the results there, too ('-': standard output)")
    return p.parse_args()


def filesystem(directory):
    return subprocess.run(["stat", "-f", "-c", "%T", directory], check=True, capture_output=True,
                          text=True).stdout.strip()


def choose_directory(args):
    if args.dir:
        tempfile.tempdir = os.path.realpath(args.dir)
    kind = filesystem(tempfile.gettempdir())
    if kind in ("tmpfs", "ramfs"):
        sys.exit(f"bench: {tempfile.gettempdir()} is {kind}, where a sync costs nothing:"
                 " give --dir on a disk")


def chosen(args):
    """prefork has as many children as connections: nothing to compare there."""
    return [s for s in SCENARIOS if (not args.only or s.name in args.only)
            and not (args.mpm == "prefork" and (s.b.endswith("4") or s.kind == "memory"))]


def on_signals(action):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, action)


def stop(number, _):
    sys.exit(f"bench: ended by {signal.Signals(number).name}")  # through the finally of main()


def write(doc, path):
    if path == "-":
        print(json.dumps(doc, indent=1))
    elif path:
        with open(path, "w") as f:
            json.dump(doc, f, indent=1)


def main():
    args = parse()
    choose_directory(args)
    scenarios = chosen(args)
    on_signals(stop)
    signal.alarm(600 + len(scenarios) * args.rounds * args.seconds * 10 + 3600 * args.long)
    begin = time.time()
    bench = Bench(args, scenarios)
    try:
        bench.all()
        doc = document(bench, begin)
    finally:
        on_signals(signal.SIG_IGN)
        bench.fleet.cleanup()
    print_results(doc)
    write(doc, args.json)
    return 1 if doc["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
