"""Scenarios: small text files that say what happens when, and the thread that makes it happen.

A file begins with comment lines that say what it shows. Then one action a line:

    WHEN    ACTION            what it does
    +3m     attack A start target=198.51.100.7 vector="UDP Flood" rate=1.2M [port= length= sources=botnet|spoofed|mixed
                              system=dosd|flowtrackd|magic-firewall dropped=0.98 floor=80k rise=20s]
    +9m     attack A rate 300k          another rate from now on
    +12m    attack A stop
    +4m     alert A START [type=dos_attack_l4] [lost] [copies=2] [ago=40s] [omit=target_ip,attack_id] [KEY=VALUE...]
    +4m     notify TYPE [START|END] [lost] [copies=2] [ago=] [KEY=VALUE...]      an alert without an attack
    +5m     prefix 192.0.2.0/24 advertise|withdraw|lock|unlock [by=dashboard|auto-advertise] [delay=3m]
    +6m     announcement 192.0.2.0/24 present|absent     the network's own, of which Cloudflare knows nothing
    +6m     tunnel cf-gre-zrh up|degraded|down
    +7m     fault NAME on upstream=graphql kind=5xx [KEY=VALUE...]
    +8m     fault NAME off
    +60m    end                         only keeps the scenario running until then

WHEN is an offset from the start, as in +90s, +3m, +3m40s, +1h; of the past, as in -2h, for `prefix` and `attack`.
"""
import os
import re
import shlex
import threading

from . import traffic, webhook
from .faults import Fault

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "scenarios")
SUFFIX = ".txt"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MULTIPLES = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
HEALTH = {"up": 1, "degraded": 0.5, "down": 0}


class Bad(Exception):
    """A scenario that cannot be read; the message names file and line."""


def span(text):
    """Seconds of '3m40s', '90s', '2h'; a sign in front is obeyed."""
    if not re.match(r"[+-]?(\d+[smhd])+$", text):
        raise ValueError(f"'{text}' is not a duration (examples: +90s, 3m40s)")
    total = sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))
    return -total if text.startswith("-") else total


def amount(text):
    """A number as in 1.2M, 300k, 0.98."""
    match = re.match(r"(\d+(?:\.\d+)?)([kMG]?)$", text)
    if not match:
        raise ValueError(f"'{text}' is not a number (examples: 800, 300k, 1.2M)")
    return float(match.group(1)) * MULTIPLES[match.group(2)]


def whole(text):
    return int(amount(text))


class Action:
    """One line: .at (offset), .verb, .words (without KEY=VALUE), .options, .where for messages."""

    def __init__(self, line, where):
        when, self.verb, *rest = shlex.split(line) + ([] if " " in line.strip() else [""])
        self.at, self.line, self.where = span(when), line.strip(), where
        self.words = [word for word in rest if "=" not in word]
        self.options = dict(word.split("=", 1) for word in rest if "=" in word)

    def take(self, name, convert=str, default=None):
        """An option, removed, so that what is left over is known to be none of ours."""
        text = self.options.pop(name, None)
        return default if text is None else convert(text)


class Scenario:
    """A scenario as read: .name, .about (the comment), .actions in the order of the file, which is that of time."""

    def __init__(self, name, text):
        self.name, self.about, self.actions = name, "", []
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("#"):
                self.about += line[1:].strip() + "\n"
            elif line.strip():
                self.actions.append(self.action(line, f"{name}:{number}"))
                if self.actions[-1].at < self.length:
                    raise Bad(f"{name}:{number}: earlier than the line before it: {line.strip()}")

    @staticmethod
    def action(line, where):
        try:
            action = Action(line, where)
            prepare(action)
            return action
        except (ValueError, KeyError, IndexError) as problem:
            raise Bad(f"{where}: {problem}: {line.strip()}")

    @property
    def length(self):
        """Seconds from the start to the latest action."""
        return max(action.at for action in self.actions)


def names():
    """The names of all scenarios."""
    return sorted(name[:-len(SUFFIX)] for name in os.listdir(FOLDER) if name.endswith(SUFFIX))


def load(name):
    """Reads a scenario by its name; raises Bad."""
    if not re.match(r"[a-z0-9-]+$", name) or name not in names():
        raise Bad(f"scenario '{name}' is none of {', '.join(names())}")
    with open(os.path.join(FOLDER, name + SUFFIX), encoding="utf-8") as source:
        return Scenario(name, source.read())


# ---- reading a line into something that can be done: prepare() sets action.do(player) ----

def prepare(action):
    make = ACTIONS.get(action.verb)
    if make is None:
        raise ValueError(f"no action '{action.verb}'")
    action.do = make(action)
    if action.options:
        raise ValueError(f"unknown {', '.join(sorted(action.options))}")


def prepare_attack(action):
    name, change = action.words[:2]
    if change == "stop":
        return lambda player: player.attacks[name].set_rate(player.time(action), 0)
    if change == "rate":
        pps = amount(action.words[2])
        return lambda player: player.attacks[name].set_rate(player.time(action), pps)
    if change != "start":
        raise ValueError(f"'{change}' is none of start, rate, stop")
    kinds = {"port": whole, "length": whole, "dropped": amount, "floor": amount, "rise": span,
             "system": str, "sources": str}
    how = {key: action.take(key, kind) for key, kind in kinds.items() if key in action.options}
    target, rate = action.take("target"), action.take("rate", amount)
    vector = action.take("vector", str, "UDP Flood")
    if target is None or rate is None:
        raise ValueError("an attack needs target= and rate=")
    traffic.Attack(name, target, vector, **how)  # so that a wrong option is told when the file is read

    def start(player):
        attack = player.attacks.get(name)
        if attack is None:
            ident = "%032x" % (traffic.key_of(player.scenario.name, name) << 64 | traffic.key_of(name))
            attack = player.attacks[name] = traffic.Attack(name, target, vector, ident, **how)
            player.world.attacks.append(attack)
        attack.set_rate(player.time(action), rate)
    return start


def alert_options(action):
    """(copies, ago, omit) of an alert line."""
    lost = "lost" in action.words
    copies = action.take("copies", whole, 0 if lost else 1)
    return copies, action.take("ago", span, 0), tuple(action.take("omit", str, "").split(","))


def prepare_alert(action):
    name, event = action.words[:2]
    if event not in ("START", "END", "NONE"):
        raise ValueError(f"'{event}' is none of START, END, NONE")
    kind = action.take("type", str, "advanced_ddos_attack_l4_alert")
    copies, ago, omit = alert_options(action)
    facts, action.options = action.options, {}

    def send(player):
        player.deliver(action, webhook.Alert(kind, None if event == "NONE" else event, player.attacks[name], facts,
                                             copies, ago, omit))
    return send


def prepare_notify(action):
    kind = action.words[0]
    event = next((word for word in action.words[1:] if word in ("START", "END")), None)
    copies, ago, omit = alert_options(action)
    facts, action.options = action.options, {}
    return lambda player: player.deliver(action, webhook.Alert(kind, event, None, facts, copies, ago, omit))


def prepare_prefix(action):
    cidr, change = action.words[:2]
    if change in ("lock", "unlock"):
        return lambda player: setattr(player.world.prefix(cidr), "locked", change == "lock")
    if change not in ("advertise", "withdraw"):
        raise ValueError(f"'{change}' is none of advertise, withdraw, lock, unlock")
    by, delay = action.take("by", str, "dashboard"), action.take("delay", span)
    return lambda player: player.announce(action, cidr, change == "advertise", by, delay)


def prepare_announcement(action):
    cidr, state = action.words[:2]
    if state not in ("present", "absent"):
        raise ValueError(f"'{state}' is none of present, absent")
    return lambda player: player.own(cidr, state == "present")


def prepare_tunnel(action):
    name, value = action.words[0], HEALTH[action.words[1]]
    return lambda player: player.world.tunnel(name).set_health(value, player.time(action))


def prepare_fault(action):
    name, change = action.words[:2]
    if change == "off":
        return lambda player: player.clear_fault(name)
    if change != "on":
        raise ValueError(f"'{change}' is none of on, off")
    order = {key: int(text) if re.match(r"-?\d+$", text) else text for key, text in action.options.items()}
    action.options = {}
    Fault(**order)  # so that a wrong one is told when the file is read
    return lambda player: player.add_fault(name, order)


ACTIONS = {"attack": prepare_attack, "alert": prepare_alert, "notify": prepare_notify, "prefix": prepare_prefix,
           "announcement": prepare_announcement, "tunnel": prepare_tunnel, "fault": prepare_fault,
           "end": lambda action: lambda player: None}


# ---- playing ----

class Player:
    """Plays a scenario in a thread, driven by the clock. done is set at its end; failure holds what went wrong."""

    def __init__(self, world, clock, scenario, faults=None):
        self.world, self.clock, self.scenario = world, clock, scenario
        self.faults = faults
        self.begin, self.attacks, self.orders = clock.now(), {}, {}
        self.done, self.stopping, self.failure = threading.Event(), False, None
        self.thread = threading.Thread(target=self.run, name="scenario", daemon=True)

    def run(self):
        try:
            for action in self.scenario.actions:
                if not self.clock.sleep_until(self.time(action)) or self.stopping:
                    return
                with self.world.lock:
                    self.world.log("scenario", line=action.line)
                    action.do(self)
        except Exception as problem:  # a test must see it, whatever it is
            self.failure = f"{action.where}: {type(problem).__name__}: {problem}"
            self.world.violate("scenario", action.where, self.failure)
        finally:
            self.done.set()

    def time(self, action):
        return self.begin + action.at

    def stop(self):
        """Ends it; a sleeping player ends with the clock or at its next action."""
        self.stopping = True

    def wait(self, seconds):
        """Waits (real seconds) for the end; raises what went wrong."""
        ended = self.done.wait(seconds)
        if self.failure:
            raise RuntimeError(self.failure)
        return ended

    def deliver(self, action, alert):
        # A thread that wakes late does not change what is sent.
        webhook.deliver(self.world, self.clock, alert, due=self.time(action))

    def announce(self, action, cidr, wish, by, delay):
        if action.at >= 0:
            self.world.set_advertised(cidr, wish, by=by, delay=delay)
        else:
            self.world.prefix(cidr).change(wish, self.time(action), delay or 0)

    def own(self, cidr, present):
        self.world.prefix(cidr).own_announcement = present
        self.world.log("own-announcement", prefix=cidr, present=present)

    def add_fault(self, name, order):
        if self.faults is None:
            raise ValueError("this scenario needs the server's faults")
        self.orders[name] = self.faults.add(dict(order))

    def clear_fault(self, name):
        self.faults.clear(ident=self.orders.pop(name).id)


def start(world, clock, name, faults=None):
    """Begins a scenario now: the Player. faults: the faults.Faults of the server that answers for this world."""
    player = Player(world, clock, load(name) if isinstance(name, str) else name, faults)
    player.thread.start()
    return player
