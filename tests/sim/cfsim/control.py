"""The control API of tests and demonstrations: JSON below /_control."""
import json

from . import scenario
from .account import ranges_result
from .tokens import EVERYTHING
from .traffic import Attack


class Wrong(Exception):
    """The control request cannot be done: HTTP status, text."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Control:
    """One method for each first part of the path, by HTTP method: get_state, post_prefixes, ..."""

    def __init__(self, sim):
        self.sim, self.world = sim, sim.world

    def answer(self, method, path, body):
        """(status, bytes of the body) of a request."""
        status, made = self._answer(method, path, body)
        return status, made if isinstance(made, bytes) else json.dumps(made).encode()

    def _answer(self, method, path, body):
        name, _, rest = path[len("/_control"):].strip("/").partition("/")
        call = getattr(self, f"{method.lower()}_{name}", None)
        try:
            if call is None:
                raise Wrong(404, f"no {method} {path}")
            given = json.loads(body) if body else {}
            with self.world.lock:
                return 200, json.dumps(call(rest, given)).encode()  # under the lock: the state may change
        except Wrong as e:
            return e.status, {"error": e.message}
        except KeyError as e:
            return 404, {"error": f"unknown: {e.args[0]}"}
        except (ValueError, TypeError, AttributeError) as e:
            return 400, {"error": str(e)}

    @staticmethod
    def _only(given, *names):
        unknown = set(given) - set(names)
        if unknown:
            raise Wrong(400, "unknown: " + ", ".join(sorted(unknown)))

    # ---- the whole truth ----

    def get_state(self, rest, given):
        world, now = self.world, self.world.clock.now()
        return {
            "now": now, "speed": world.clock.speed, "account": world.account,
            "prefixes": {p.cidr: self._prefix(p, now) for p in world.prefixes},
            "tokens": self.get_tokens("", {}),
            "tunnels": {t.name: self._tunnel(t, now) for t in world.tunnels},
            "rules": world.rules, "policies": world.policies, "ranges": ranges_result(world.ranges),
            "destinations": [d.api() for d in world.destinations],
            "attacks": len(world.attacks), "events": world.events, "notifications": len(world.notifications),
            "messages": len(world.messages), "requests": len(world.requests),
            "violations": len(world.violations), "validated": self.sim.document is not None,
            "faults": self.sim.faults.describe(),
        }

    @staticmethod
    def _prefix(prefix, now):
        return dict(prefix.api(), parent=prefix.parent.id, approved=prefix.approved,
                    announced=prefix.advertised(now), effective_at=prefix.effective_at, history=prefix.history,
                    own_announcement=prefix.own_announcement)

    @staticmethod
    def _tunnel(tunnel, now):
        return {"id": tunnel.id, "kind": tunnel.kind, "active": tunnel.active, "health": tunnel.health(now)}

    # ---- prefixes ----

    def post_prefixes(self, cidr, given):
        """Changes a prefix as someone else would (by: dashboard); without a CIDR in the path adds one."""
        world, now = self.world, self.world.clock.now()
        if not cidr:
            self._only(given, "cidr", "on_demand", "description")
            added = world.add_prefix(given["cidr"], given.get("description", ""), given.get("on_demand", True))
            return self._prefix(added, now)
        self._only(given, "advertised", "by", "delay", "locked", "enabled", "approved", "bgp_control",
                   "auto_advertise_withdraw", "own_announcement")
        prefix = world.prefix(cidr)
        self._flags(prefix, given, now)
        if "advertised" in given:
            world.set_advertised(cidr, bool(given["advertised"]), by=given.get("by", "dashboard"),
                                 delay=given.get("delay"))
        return self._prefix(prefix, world.clock.now())

    def _flags(self, prefix, given, now):
        if "locked" in given:
            prefix.locked = bool(given["locked"])
        if "enabled" in given:
            prefix.enabled = bool(given["enabled"])
            prefix.advertised_modified_at = prefix.advertised_modified_at or now
        if "approved" in given:
            prefix.approved = "V" if given["approved"] in (True, "V") else "P"
        if "bgp_control" in given:
            prefix.bgp_control, prefix.bgp_control_modified_at = bool(given["bgp_control"]), now
        if "own_announcement" in given:
            prefix.own_announcement = bool(given["own_announcement"])
        if "auto_advertise_withdraw" in given:
            prefix.auto_advertise_withdraw = bool(given["auto_advertise_withdraw"])
        if set(given) - {"advertised", "by", "delay"}:
            prefix.modified_at = now
            self.world.log("prefix", prefix=prefix.cidr, **{k: v for k, v in given.items() if k != "by"})

    def delete_prefixes(self, cidr, given):
        prefix = self.world.prefix(cidr)
        self.world.prefixes.remove(prefix)
        prefix.parent.bgp.remove(prefix)
        if not prefix.parent.bgp:
            self.world.ip_prefixes.remove(prefix.parent)
        return {}

    # ---- tokens and limits ----

    def get_tokens(self, rest, given):
        now = self.world.clock.now()
        return {t.name: {"kind": t.kind, "status": t.status(now), "expires": t.expires,
                         "permissions": sorted(t.permissions), "rest": self.world.limits.used("rest", t.id),
                         "graphql": self.world.limits.used("graphql", t.id)} for t in self.world.tokens.values()}

    def post_tokens(self, name, given):
        self._only(given, "disabled", "expires_in", "lacking", "kind")
        token = self.world.tokens[name]
        token.disabled = bool(given.get("disabled", token.disabled))
        token.kind = given.get("kind", token.kind)
        if "expires_in" in given:
            token.expires = None if given["expires_in"] is None else self.world.clock.now() + given["expires_in"]
        if "lacking" in given:
            token.permissions = set(EVERYTHING) - set(given["lacking"])
        return self.get_tokens("", {})[name]

    def post_limits(self, rest, given):
        """New quotas (rest, graphql) for five minutes, rows of an answer about packets (page); every window begins anew."""
        self._only(given, "rest", "graphql", "page")
        self.world.limits.page = given.pop("page", self.world.limits.page)
        self.world.limits.quota.update(given)
        self.world.limits.reset()
        return self.world.limits.quota

    # ---- traffic ----

    def post_attacks(self, name, given):
        """Packets from now on: rate (0 stops them), and when it is new target, vector and what Attack takes."""
        world = self.world
        attack = next((a for a in world.attacks if a.name == name), None)
        rate = given.pop("rate")
        if attack is None:
            attack = Attack(name, given.pop("target"), given.pop("vector", "UDP Flood"), **given)
            world.attacks.append(attack)
        attack.set_rate(world.clock.now(), rate)
        return {"id": attack.id}

    def post_analytics(self, rest, given):
        """late: seconds by which they show packets later than always."""
        self._only(given, "late")
        self.world.late = float(given["late"])
        return {}

    # ---- faults, clock ----

    def get_faults(self, rest, given):
        return self.sim.faults.describe()

    def post_faults(self, rest, given):
        return self.sim.faults.add(given).describe()

    def delete_faults(self, rest, given):
        self._only(given, "upstream")
        self.sim.faults.clear(int(rest) if rest else None, given.get("upstream"))
        return {}

    def get_clock(self, rest, given):
        return {"now": self.world.clock.now(), "speed": self.world.clock.speed, "anchor": self.world.clock.anchor}

    def post_clock(self, rest, given):
        self._only(given, "advance", "speed")
        if "speed" in given:
            self.world.clock.set_speed(given["speed"])
        self.world.clock.advance(given.get("advance", 0))
        return self.get_clock("", {})

    # ---- what was seen ----

    def get_violations(self, rest, given):
        return self.world.violations

    def delete_violations(self, rest, given):
        self.world.violations.clear()
        return {}

    def get_requests(self, rest, given):
        return list(self.world.requests)

    def delete_requests(self, rest, given):
        self.world.requests.clear()
        return {}

    def get_events(self, rest, given):
        return self.world.events

    def get_messages(self, rest, given):
        return self.world.messages

    def delete_messages(self, rest, given):
        self.world.messages.clear()
        return {}

    # ---- the rest of the account ----

    def get_history(self, rest, given):
        return self.world.notifications

    def post_history(self, rest, given):
        """Adds a line: alert_type, body, sent (a time) or ago (seconds)."""
        self._only(given, "alert_type", "body", "sent", "ago")
        sent = given.get("sent", self.world.clock.now() - given.get("ago", 0))
        self.world.add_notification(given["alert_type"], given["body"], sent=sent)
        return self.world.notifications[-1]

    def delete_history(self, rest, given):
        self.world.notifications.clear()
        return {}

    def post_tunnels(self, name, given):
        self._only(given, "health", "active")
        tunnel, now = self.world.tunnel(name), self.world.clock.now()
        tunnel.active = bool(given.get("active", tunnel.active))
        if "health" in given:
            tunnel.set_health(given["health"], now)
        return self._tunnel(tunnel, now)

    def get_ranges(self, rest, given):
        return ranges_result(self.world.ranges)

    def post_ranges(self, rest, given):
        self._only(given, "ipv4", "ipv6")
        self.world.ranges.update(given)
        return ranges_result(self.world.ranges)

    def get_rules(self, rest, given):
        return self.world.rules

    def post_rules(self, rest, given):
        self.world.rules[:] = given
        return self.world.rules

    def get_policies(self, rest, given):
        return self.world.policies

    def post_policies(self, rest, given):
        self.world.policies[:] = given
        return self.world.policies

    def post_destinations(self, ident, given):
        """last_success, last_failure: times."""
        self._only(given, "last_success", "last_failure", "name")
        for destination in self.world.destinations:
            if ident in ("", destination.id):
                vars(destination).update(given)
        return [d.api() for d in self.world.destinations]

    def post_chats(self, chat, given):
        """kind: blocked, missing, migrated (with to); null makes it an ordinary chat again."""
        self._only(given, "kind", "to")
        self.sim.bot.chats.special[chat] = given
        return given

    # ---- webhooks and scenarios ----

    def get_hooks(self, rest, given):
        return [d.api() for d in self.world.hook_targets]

    def post_hooks(self, rest, given):
        self._only(given, "url", "secret")
        return self.world.add_hook(given["url"], given.get("secret", "")).api()

    def delete_hooks(self, rest, given):
        for destination in self.world.destinations:
            destination.live = False
        return {}

    def get_scenario(self, rest, given):
        return scenario.names()

    def post_scenario(self, rest, given):
        self._only(given, "name")
        scenario.start(self.world, self.world.clock, given["name"], self.sim.faults)
        return {}
