#!/usr/bin/python3
"""Deliveries stored per second beside a handler that stores nothing; see --help."""
import argparse
import glob
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "httpd"))
import httpd  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
THREADS = 320


class BenchServer(httpd.Httpd):
    """Log levels of a production server; threads for every connection."""

    log_level = "warn"
    children = 1

    def mpm_lines(self):
        if self.mpm == "prefork":
            n = THREADS
            return [f"StartServers {n}", f"MinSpareServers {n}", f"MaxSpareServers {n}",
                    f"ServerLimit {n}", f"MaxRequestWorkers {n}", "MaxKeepAliveRequests 0"]
        per = THREADS // self.children
        return [f"ServerLimit {self.children}", f"StartServers {self.children}", f"ThreadLimit {per}",
                f"ThreadsPerChild {per}", f"MinSpareThreads {THREADS}", f"MaxSpareThreads {THREADS}",
                f"MaxRequestWorkers {THREADS}", "MaxKeepAliveRequests 0"]

    def cpu(self):
        """Seconds of CPU of all its processes so far."""
        ticks = 0
        for pid in self.members():
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def pss(self):
        """MiB of memory of all its processes."""
        kib = 0
        for pid in self.members():
            with open(f"/proc/{pid}/smaps_rollup") as f:
                kib += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        return kib / 1024


def null_module(workdir):
    """bench_null built with apxs's directories; the path of the DSO."""
    def ask(name):
        return subprocess.run([os.environ["APXS"], "-q", name], check=True, capture_output=True,
                              text=True).stdout.strip()
    flags = subprocess.run(["pkg-config", "--cflags", "apr-1", "apr-util-1"], check=True,
                           capture_output=True, text=True).stdout.split()
    out = os.path.join(workdir, "mod_bench_null.so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", out, f"-I{ask('INCLUDEDIR')}", *flags,
                    os.path.join(HERE, "..", "mod_bench_null.c")], check=True)
    return out


def make_servers(args):
    null = BenchServer(mpm=args.mpm, load_cfmt=False)
    null.extra = (f"LoadModule bench_null_module {null_module(null.root)}\n"
                  "<Location /webhook/cloudflare>\nSetHandler bench-null\n</Location>")
    cfmt = BenchServer(mpm=args.mpm)
    for server in (null, cfmt):
        server.children = args.children
    return null, cfmt


def wrk(server, connections, seconds):
    threads = min(connections, args_threads())
    done = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s",
         os.path.join(HERE, "deliveries.lua"), f"http://127.0.0.1:{server.port}", "--",
         secrets.token_hex(8), httpd.SECRET], capture_output=True, text=True,
        timeout=seconds + 60)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line[7:])
    raise SystemExit(f"wrk said nothing useful:\n{done.stdout}{done.stderr}")


def args_threads():
    return max(1, (os.cpu_count() or 2) // 2)


def one_run(server, stores, connections, seconds):
    rows = count(server) if stores else 0
    cpu = server.cpu()
    r = wrk(server, connections, seconds)
    r["cpu"] = (server.cpu() - cpu) / max(1, r["requests"])
    r["ok"] = r["requests"] - r["status"]
    r["rate"] = r["ok"] * 1e6 / r["us"]
    r["errors"] = sum(r[k] for k in ("status", "connect", "read", "write", "timeout"))
    # Requests that wrk cut off at its end may have been stored without an answer: one a connection.
    r["rows"] = count(server) - rows if stores else None
    if stores and not r["ok"] <= r["rows"] <= r["ok"] + connections:
        raise SystemExit(f"{r['ok']} answers of 200 but {r['rows']} rows")
    return r


def count(server):
    return server.query("SELECT count(*) FROM journal WHERE kind = 'delivery'")[0][0]


def quiet(server):
    """Waits until the projection has caught up, so that rounds are alike."""
    try:
        server.wait_projected(60)
    except AssertionError:
        print("the projection did not catch up within a minute", file=sys.stderr)


def median(runs, key):
    return statistics.median(r[key] for r in runs)


def summarize(connections, null, cfmt):
    return {
        "connections": connections,
        "null_per_s": round(median(null, "rate")), "stored_per_s": round(median(cfmt, "rate")),
        "ratio": round(median(cfmt, "rate") / median(null, "rate"), 3),
        "p50_ms": round(median(cfmt, "p50") / 1000, 3), "p99_ms": round(median(cfmt, "p99") / 1000, 3),
        "max_ms": round(max(r["max"] for r in cfmt) / 1000, 1),
        "null_p99_ms": round(median(null, "p99") / 1000, 3),
        "cpu_us": round(median(cfmt, "cpu") * 1e6), "null_cpu_us": round(median(null, "cpu") * 1e6),
        "ok": sum(r["ok"] for r in cfmt), "rows": sum(r["rows"] for r in cfmt),
        "errors": sum(r["errors"] for r in cfmt),
    }


COLUMNS = [("connections", "CONN"), ("null_per_s", "NULL/S"), ("stored_per_s", "STORED/S"),
           ("ratio", "RATIO"), ("p50_ms", "P50_MS"), ("p99_ms", "P99_MS"), ("max_ms", "MAX_MS"),
           ("null_p99_ms", "NULL_P99"), ("cpu_us", "CPU_US"), ("null_cpu_us", "NULL_CPU"),
           ("ok", "200S"), ("rows", "ROWS"), ("errors", "ERRORS")]


def print_table(results):
    lines = [[head for _, head in COLUMNS]] + [[str(r[key]) for key, _ in COLUMNS] for r in results]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    for line in lines:
        print("  ".join(cell.rjust(w) for cell, w in zip(line, widths)))


def bench(args, null, cfmt):
    null.start()
    cfmt.start()
    for server in (null, cfmt):  # every thread and page has been touched once
        wrk(server, 16, 1)
    quiet(cfmt)
    runs = {n: ([], []) for n in args.connections}
    for n in range(args.rounds):
        for connections in args.connections:
            runs[connections][0].append(one_run(null, False, connections, args.seconds))
            runs[connections][1].append(one_run(cfmt, True, connections, args.seconds))
            print(f"round {n + 1}, {connections} connections: "
                  f"{runs[connections][0][-1]['rate']:.0f}/s null, "
                  f"{runs[connections][1][-1]['rate']:.0f}/s stored", file=sys.stderr)
            quiet(cfmt)
    return [summarize(n, *runs[n]) for n in args.connections]


def parse():
    p = argparse.ArgumentParser(description="Stored deliveries per second of mod_cfmt beside a handler that reads"
                                " the body and answers 200, interleaved in one run. Medians of the rounds.")
    p.add_argument("--connections", default="1,16,64",
                   type=lambda s: [int(x) for x in s.split(",")], help="default 1,16,64")
    p.add_argument("--rounds", type=int, default=3, help="default 3")
    p.add_argument("--seconds", type=int, default=4, help="of each run (default 4)")
    p.add_argument("--mpm", default="event", choices=["event", "worker", "prefork"])
    p.add_argument("--children", type=int, default=1, help="processes of event or worker (default 1)")
    p.add_argument("--json", metavar="FILE", help="write the results there, too ('-': standard output)")
    return p.parse_args()


def main():
    args = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through the finally below
    begin = time.time()
    null, cfmt = make_servers(args)
    try:
        results = bench(args, null, cfmt)
        doc = {"version": 1, "mpm": args.mpm, "children": args.children, "rounds": args.rounds,
               "seconds": args.seconds, "cores": os.cpu_count(), "body_bytes": 1536,
               "pss_mib": round(cfmt.pss(), 1),
               "wal_mib": round(max([0] + [os.path.getsize(f) for f in glob.glob(cfmt.db + "-wal")]) / 2**20, 1),
               "took_s": round(time.time() - begin), "results": results}
        print_table(results)
        if args.json == "-":
            print(json.dumps(doc, indent=1))
        elif args.json:
            with open(args.json, "w") as f:
                json.dump(doc, f, indent=1)
    finally:
        null.cleanup()
        cfmt.cleanup()
    return 0


if __name__ == "__main__":
    sys.exit(main())
