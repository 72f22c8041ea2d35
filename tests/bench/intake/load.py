"""One run of wrk against one server, and what is looked at beside it."""
import json
import os
import secrets
import subprocess
import threading
import time

from servers import HERE, httpd

ERRORS = ("connect", "read", "write", "timeout")


class Broken(Exception):
    """A figure that must not be believed: the sentence says why."""


class Probe(threading.Thread):
    """Writes 4 KiB and calls fdatasync 20 times a second: the longest is what this disk does to anybody."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.path = os.path.join(directory, "probe")
        self.ended = threading.Event()
        self.longest = 0.0

    def run(self):
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not self.ended.wait(0.05):
                os.pwrite(fd, os.urandom(4096), 0)
                begin = time.monotonic()
                os.fdatasync(fd)
                self.longest = max(self.longest, (time.monotonic() - begin) * 1000)
        finally:
            os.close(fd)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join(10)


class Backlog(threading.Thread):
    """The projection as /mt-health shows it: (time of reading, cursor, rows behind) again and again."""

    def __init__(self, server, interval=0.05):
        super().__init__(daemon=True)
        self.server = server
        self.interval = interval
        self.ended = threading.Event()
        self.samples = []
        self.failure = None

    def run(self):
        try:
            while not self.ended.wait(self.interval):
                h = self.server.health()
                p = h["projection"]
                self.samples.append((time.monotonic() - h["read_age_s"], p["cursor"], p["lag_rows"]))
        except Exception as e:  # the main thread judges
            self.failure = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join(20)


def wrk(server, scenario, seconds):
    threads = min(scenario.connections, max(1, (os.cpu_count() or 2) // 2))
    secret = "wrong-" + secrets.token_hex(8) if scenario.mode == "wrong" else httpd.SECRET
    done = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{scenario.connections}", f"-d{seconds}s", "--timeout", "10s", "-s",
         os.path.join(HERE, "deliveries.lua"), server.url(scenario.tls), "--", secrets.token_hex(8), secret,
         "same" if scenario.mode == "same" else "fresh", "close" if scenario.tls else "keep"],
        capture_output=True, text=True, timeout=seconds + 60)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line[7:])
    raise Broken(f"wrk said nothing useful:\n{done.stdout}{done.stderr}")


def load(server, scenario, seconds):
    """wrk, with what the server's side says about it."""
    log, cpu = server.access_size(), server.cpu()
    r = wrk(server, scenario, seconds)
    r["cpu"] = (server.cpu() - cpu) / max(1, r["requests"])
    r["refused"] = scenario.mode == "wrong" and server.stores
    r["ok"] = r["status"] if r["refused"] else r["requests"] - r["status"]
    r["rate"] = r["ok"] * 1e6 / r["us"]
    r["errors"] = sum(r[k] for k in ERRORS) + r["requests"] - r["ok"]
    by_child(r, server.served(log, r["requests"]))
    return r


def by_child(r, lines):
    """served: {pid: [answers, connections]}; others: answers that are not what was expected."""
    want = "401" if r["refused"] else "200"
    r["served"], r["others"] = {}, 0
    for (pid, status, _), n in lines.items():
        if status == want:
            child = r["served"].setdefault(int(pid), [0, 0])
            child[0] += n
            child[1] += 1
        else:
            r["others"] += n


def store(server, scenario, seconds):
    """load(), with rows, syncs and a probe of the disk beside it."""
    head, files = server.head(), server.files()
    server.syncs.reset()
    with Probe(server.root) as probe:
        r = load(server, scenario, seconds)
    r["sync_calls"], r["sync_ms"] = server.syncs.read()
    r["probe_ms"] = probe.longest
    r["kinds"] = server.rows_after(head)
    r["rows"] = sum(r["kinds"].values())
    r["touched"] = r["rows"] + r["sync_calls"] + (server.files() != files)
    check(r, scenario)
    return r


def check(r, scenario):
    """
    What may differ: requests that wrk cut off at its end may have been stored without an answer, one a
    connection.
    """
    c = scenario.connections
    if scenario.mode == "wrong":
        wrong = r["others"] and f"{r['others']} answers other than 401"
    elif r["errors"]:
        wrong = f"{r['errors']} errors: " + ", ".join(f"{k} {r[k]}" for k in (*ERRORS, "status"))
    elif not r["ok"] <= r["rows"] <= r["ok"] + c:
        wrong = f"{r['ok']} answers of 200 but {r['rows']} rows"
    elif r["kinds"].get("delivery", 0) != 1 if scenario.mode == "same" else "duplicate" in r["kinds"]:
        wrong = f"unexpected rows {r['kinds']}"
    elif c == 1 and r["sync_calls"] < r["ok"]:
        wrong = f"{r['ok']} answers of 200 one after the other, but {r['sync_calls']} syncs"
    else:
        wrong = None
    if wrong:
        raise Broken(wrong)
