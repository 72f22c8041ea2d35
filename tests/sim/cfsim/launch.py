"""Runs the simulator for a test: starts tools/simulator, or a copy of it in a nursery, reads its line of JSON, drives
its control API."""
import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from .openapi import ROOT

PROGRAM = os.path.join(ROOT, "tools", "simulator")
START_LIMIT = 15
END_LIMIT = 30


class Program:
    """A process; .out is what it says. Its errors go to the test's own stderr, which pytest shows when it fails."""

    def __init__(self, arguments):
        self.process = subprocess.Popen([PROGRAM] + arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        text=True)
        self.out = self.process.stdout

    def end(self, limit):
        """Its exit status."""
        self.process.terminate()
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.out.close()
        return status


class Copy:
    """The same of a simulator that a nursery forked."""

    def __init__(self, control, arguments):
        (out, out_end), (status, status_end) = os.pipe(), os.pipe()
        try:
            socket.send_fds(control, [json.dumps(arguments).encode()], [out_end, 2, status_end])
        finally:
            os.close(out_end)
            os.close(status_end)
        self.out, self.status = os.fdopen(out), os.fdopen(status)
        self.pid = int(self.status.readline())

    def end(self, limit):
        """Its exit status."""
        for number, seconds in ((signal.SIGTERM, limit), (signal.SIGKILL, limit)):
            if not select.select([self.status], [], [], 0)[0]:
                with contextlib.suppress(ProcessLookupError):  # the nursery has seen its end, and will say it
                    os.kill(self.pid, number)
                select.select([self.status], [], [], seconds)
        with self.out, self.status:
            return int(self.status.readline())


class Nursery:
    """Makes simulators for little, see nursery.py. Begins with the first of them, ends with this process."""

    def __init__(self):
        self.process, self.control, self.lock = None, None, threading.Lock()

    def copy(self, arguments):
        with self.lock:
            if self.process is None:
                self.begin()
        return Copy(self.control, arguments)

    def begin(self):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = os.path.join(ROOT, "tests", "sim")
        with theirs:
            self.process = subprocess.Popen([sys.executable, "-m", "cfsim.nursery"], stdin=theirs,
                                            env=dict(os.environ, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1"))
        atexit.register(self.end)

    def end(self):
        self.control.close()
        self.process.wait(END_LIMIT)


class Simulator:
    """with Simulator().start(scenario="single-attack", speed=60) as sim: sim.rest, sim.token(), sim.fault(...)"""

    def __init__(self, nursery=None):
        self.nursery = nursery  # None: the program itself is started
        self.process = None
        self.line = {}

    def start(self, scenario=None, speed=1, **options):
        """Further options as of the program: hook=, hook_secret=, more_prefixes=, bind=, anchor=, verbose=True."""
        command = ["--with-parent", "--speed", str(speed)]
        if scenario:
            command += ["--scenario", scenario]
        for name, value in options.items():
            command.append("--" + name.replace("_", "-"))
            if value is not True:
                command.append(str(value))
        self.process = self.nursery.copy(command) if self.nursery else Program(command)
        ready, _, _ = select.select([self.process.out], [], [], START_LIMIT)
        first = self.process.out.readline() if ready else ""
        if not first:
            self.stop()
            raise RuntimeError("the simulator did not start")
        self.line = json.loads(first)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def __getattr__(self, name):
        """Whatever the line of JSON names: rest, graphql, telegram, tls, wrong_tls, ca, account, tokens, ..."""
        line = self.__dict__.get("line", {})
        if name == "control_url":
            return line["control"]
        if name in line:
            return line[name]
        raise AttributeError(name)

    def control(self, method, path, body=None):
        """One request to the control API: control("POST", "/prefixes/192.0.2.0/24", {"locked": True})."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.line["control"] + urllib.parse.quote(path), data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            with e:
                raise RuntimeError(f"{method} {path}: {e.code} {json.load(e).get('error')}") from None

    def fault(self, upstream, kind, **values):
        """Orders misbehaviour, see faults.py; the answer holds its id."""
        return self.control("POST", "/faults", dict(values, upstream=upstream, kind=kind))

    def clear(self):
        """Ends all misbehaviour."""
        self.control("DELETE", "/faults")

    def state(self):
        return self.control("GET", "/state")

    def prefix(self, cidr, **changes):
        """Changes a prefix as the dashboard would: advertised=, locked=, enabled=, approved=, bgp_control=."""
        return self.control("POST", "/prefixes/" + cidr, changes)

    def advance(self, seconds):
        return self.control("POST", "/clock", {"advance": seconds})

    def requests(self):
        return self.control("GET", "/requests")

    def violations(self):
        return self.control("GET", "/violations")

    def messages(self):
        return self.control("GET", "/messages")

    def wait_for(self, what, limit=10):
        """Asks `what(self)` until it is true and gives it back."""
        until = time.monotonic() + limit
        while True:
            value = what(self)
            if value:
                return value
            if time.monotonic() > until:
                raise AssertionError(f"{what} did not become true in {limit} s")
            time.sleep(0.02)

    def stop(self):
        """Ends it; its exit status."""
        process, self.process = self.process, None
        if process is None:
            return None
        return process.end(END_LIMIT)
