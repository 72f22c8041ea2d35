"""Runs the simulator for a test: starts tools/simulator, reads its line of JSON, drives its control API."""
import json
import os
import select
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from .openapi import ROOT

PROGRAM = os.path.join(ROOT, "tools", "simulator")
START_LIMIT = 15


class Simulator:
    """with Simulator().start(scenario="single-attack", speed=60) as sim: sim.rest, sim.token(), sim.fault(...)"""

    def __init__(self):
        self.process = None
        self.line = {}

    def start(self, scenario=None, speed=1, **options):
        """Further options as of the program: hook=, hook_secret=, more_prefixes=, bind=, anchor=, verbose=True."""
        command = [PROGRAM, "--with-parent", "--speed", str(speed)]
        if scenario:
            command += ["--scenario", scenario]
        for name, value in options.items():
            command.append("--" + name.replace("_", "-"))
            if value is not True:
                command.append(str(value))
        # What the simulator has to say goes to the test's own stderr, which pytest shows when the test fails.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], START_LIMIT)
        first = self.process.stdout.readline() if ready else ""
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
        process.terminate()
        try:
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdout.close()
        return status
