"""Everything of the simulated account that has a state. Whoever reads or writes it holds world.lock."""
import collections
import random
import threading

from . import account
from .clock import Clock
from .prefixes import ADVERTISE_DELAY, WITHDRAW_DELAY, IpPrefix, Prefix
from .tokens import DAY, Limits, Refused, make_tokens

KEPT_REQUESTS = 100000


class World:
    """The account, its prefixes, tokens, tunnels, rules, notifications; the log of what happened.

    For the traffic model, the scenarios and the sender of webhooks:
    prefixes      Prefix: .cidr, .advertised(t), .history of (time, advertised)
    tunnels       account.Tunnel: .name .id .kind .active .health(t)
    attacks       a list that the traffic model owns
    hook_targets  account.Destination: .url .secret .id .last_success .last_failure
    events        what happened, in order: dicts with at, kind and more; written by log()
    violations    what broke the documented interface; written by violate()
    The server has authenticated and counted a GraphQL request before graphql.execute is called.
    """

    def __init__(self, clock=None, seed=1, more_prefixes=0):
        self.lock = threading.RLock()
        self.clock = clock or Clock()
        self.random = random.Random(seed)
        self.account = self.ident(32)
        self.created = self.clock.now() - 90 * DAY
        self.tokens = make_tokens(self.clock.now(), self.ident)
        self.bot_token = "1234567:" + "sim_bot_" + self.ident(27)
        self.limits = Limits()
        self.ip_prefixes, self.prefixes = [], []
        self._make_prefixes(more_prefixes)
        self.tunnels = account.make_tunnels(self.ident, self.created)
        self.rules = account.make_rules(self.ident)
        self.destinations = [account.Destination(
            self.ident(32), "mod_cfmt", "https://hook.invalid/cfmt/webhook", "", self.created, live=False)]
        self.policies = account.make_policies(self.ident, self.destinations[0].id, self.created)
        self.notifications = []  # as the history of the API lists them, oldest first
        self.ranges = {"ipv4": list(account.IPV4_RANGES), "ipv6": list(account.IPV6_RANGES)}
        self.attacks = []
        self.late = 0.0          # seconds by which analytics are later than they always are
        self.events = []
        self.violations = []
        self.requests = collections.deque(maxlen=KEPT_REQUESTS)
        self.messages = []  # what Telegram accepted

    def ident(self, digits):
        """That many hex digits, the same in every run."""
        return "".join(self.random.choice("0123456789abcdef") for _ in range(digits))

    # ---- prefixes ----

    def _make_prefixes(self, more):
        self.add_prefix("198.51.100.0/24", "web")
        self.add_prefix("192.0.2.0/24", "mail")
        block = self.add_prefix("203.0.113.0/24", "customers")
        self._add_bgp("203.0.113.128/25", block.parent, on_demand=False)
        self.add_prefix("2001:db8::/32", "v6")
        for number in range(more):  # 256 BGP prefixes to an IP prefix
            if number % 256 == 0:
                parent = self._add_ip(f"10.{number // 256}.0.0/16", "more")
            self._add_bgp(f"10.{number // 256}.{number % 256}.0/24", parent)

    def add_prefix(self, cidr, description="", on_demand=True):
        """A new IP prefix with one BGP prefix of the same size."""
        return self._add_bgp(cidr, self._add_ip(cidr, description), on_demand)

    def _add_ip(self, cidr, description):
        self.ip_prefixes.append(IpPrefix(self.ident(32), cidr, description, self.created))
        return self.ip_prefixes[-1]

    def _add_bgp(self, cidr, parent, on_demand=True):
        self.prefixes.append(Prefix(self.ident(32), cidr, parent, on_demand))
        return self.prefixes[-1]

    def prefix(self, cidr_or_id):
        """A BGP prefix by its CIDR or id; KeyError."""
        for prefix in self.prefixes:
            if cidr_or_id in (prefix.cidr, prefix.id):
                return prefix
        raise KeyError(cidr_or_id)

    def set_advertised(self, cidr_or_id, wish, by="api", delay=None):
        """Changes an announcement; True if it was a change. by: api (keeps the API's rules: raises ChangeRefused),
        dashboard, auto-advertise (both are always obeyed). delay: seconds until it takes effect."""
        with self.lock:
            prefix, now = self.prefix(cidr_or_id), self.clock.now()
            if by == "api":
                prefix.refuse(wish, now)
            if wish == prefix.wish:
                self.log("advertised", prefix=prefix.cidr, advertised=wish, by=by, changed=False)
                return False
            if delay is None:
                delay = self.random.uniform(*ADVERTISE_DELAY) if wish else WITHDRAW_DELAY
            prefix.change(wish, now, delay)
            self.log("advertised", prefix=prefix.cidr, advertised=wish, by=by, changed=True,
                     effective_at=prefix.effective_at)
            return True

    # ---- tokens and limits ----

    def admit(self, headers, upstream, permission):
        """Authenticates, counts and authorizes one request: (token, headers of the answer), or raises Refused.
        permission None lets every token in, an unknown one as None."""
        with self.lock:
            now = self.clock.now()
            token = self._token(headers)
            extra = self.limits.take(upstream, token.id if token else "unknown", now)
            if permission is None:
                return token, extra
            if token is None or token.status(now) != "active":
                raise Refused(401, 9109, "Invalid access token", extra)
            if permission not in token.permissions:
                raise Refused(403, 10000, "Authentication error", extra)
            return token, extra

    def _token(self, headers):
        given = headers.get("Authorization")
        if given is None:
            raise Refused(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        scheme, _, value = given.partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(400, 9106, "Invalid format for Authorization header")
        return next((t for t in self.tokens.values() if t.value == value.strip()), None)

    # ---- tunnels, notifications ----

    def tunnel(self, name_or_id):
        for tunnel in self.tunnels:
            if name_or_id in (tunnel.name, tunnel.id):
                return tunnel
        raise KeyError(name_or_id)

    def policy(self, alert_type):
        """The enabled policy that sends alerts of a type to a webhook; None if nobody would."""
        return next((p for p in self.policies if p["alert_type"] == alert_type and p["enabled"]
                     and p["mechanisms"].get("webhooks")), None)

    @property
    def hook_targets(self):
        return [d for d in self.destinations if d.live]

    def add_hook(self, url, secret):
        """Webhooks go there from now on. The first takes the place of the destination that listened nowhere."""
        with self.lock:
            target = self.destinations[0]
            if target.live:
                target = account.Destination(self.ident(32), f"mod_cfmt-{len(self.destinations)}", url, secret,
                                             self.clock.now(), live=True)
                self.destinations.append(target)
                for policy in self.policies:
                    policy["mechanisms"].setdefault("webhooks", []).append({"id": target.id})
            target.url, target.secret, target.live = url, secret, True
            return target

    def add_notification(self, alert_type, body, policy=None, destination=None, sent=None):
        """A line of the notification history; body is the text that was sent."""
        with self.lock:
            policy = policy or self.policy(alert_type) or {"id": self.ident(32), "name": alert_type}
            destination = destination or self.destinations[0]
            self.notifications.append({
                "id": self.ident(32), "name": policy["name"], "description": "", "alert_body": body,
                "alert_type": alert_type, "mechanism": destination.id, "mechanism_type": "webhook",
                "policy_id": policy["id"], "sent": self.clock.now() if sent is None else sent})

    # ---- the log ----

    def log(self, kind, **fields):
        with self.lock:
            self.events.append(dict(fields, at=self.clock.now(), kind=kind))

    def violate(self, side, where, what):
        """The documented interface was broken; side: request or answer."""
        with self.lock:
            self.violations.append({"side": side, "where": where, "what": what})
