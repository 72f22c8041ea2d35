"""What else the account holds: tunnels, monitoring rules, notification policies, destinations, address ranges."""
import hashlib
import json

from .clock import stamp

IPV4_RANGES = (
    "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18", "108.162.192.0/18",
    "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13",
    "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22")
IPV6_RANGES = (
    "2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32", "2a06:98c0::/29",
    "2c0f:f248::/32")

ALERT_TYPES = (
    ("advanced_ddos_attack_l4_alert", "Advanced Layer 3/4 DDoS Attack Alert", "DDoS Protection"),
    ("dos_attack_l4", "Layer 3/4 DDoS Attack Alert", "DDoS Protection"),
    ("fbm_dosd_attack", "Magic Network Monitoring: DDoS Attack", "Magic Transit"),
    ("fbm_volumetric_attack", "Magic Network Monitoring: Volumetric Attack", "Magic Transit"),
    ("fbm_auto_advertisement", "Magic Network Monitoring: Auto Advertisement", "Magic Transit"),
    ("magic_tunnel_health_check_event", "Tunnel Health Check Alert", "Magic Transit"),
    ("bgp_hijack_notification", "Route Leak Detection Alert", "Magic Transit"),
    ("incident_alert", "Incident Alert", "Cloudflare Status"),
    ("maintenance_event_notification", "Maintenance Notification", "Cloudflare Status"),
)


class Tunnel:
    """A GRE or IPsec tunnel or an interconnect; `active` when it carried traffic within six hours."""

    def __init__(self, name, ident, kind, number, created, active=True):
        self.name, self.id, self.kind, self.active = name, ident, kind, active
        self.number, self.created = number, created
        self.remote = f"203.0.113.{200 + number}"
        self.history = [(created, 1)]  # (time, health): 0 down, 0.5 degraded, 1 healthy

    def health(self, at):
        state = self.history[0][1]
        for when, value in self.history:
            if when > at:
                break
            state = value
        return state

    def set_health(self, value, now):
        self.history = [entry for entry in self.history if entry[0] < now] + [(now, value)]

    def api(self, new_target):
        """The object of the magic API; new_target: the newer form of health_check.target was asked for."""
        target = {"saved": self.remote, "effective": self.remote} if new_target else self.remote
        made = {
            "id": self.id, "name": self.name, "description": f"simulated {self.kind} {self.number}",
            "interface_address": f"10.213.0.{2 * self.number}/31",
            "created_on": stamp(self.created), "modified_on": stamp(self.created),
            "health_check": {"enabled": True, "rate": "mid", "type": "reply", "target": target},
        }
        made.update(getattr(self, "_" + self.kind)())
        if self.kind != "cni":
            made["health_check"]["direction"] = "unidirectional"
        return made

    def _gre(self):
        return {"cloudflare_gre_endpoint": "162.158.0.1", "customer_gre_endpoint": self.remote, "ttl": 64,
                "mtu": 1476}

    def _ipsec(self):
        return {"cloudflare_endpoint": "162.158.0.2", "customer_endpoint": self.remote, "allow_null_cipher": False}

    def _cni(self):
        return {"colo_name": self.name, "gre": {"cloudflare_endpoint": "162.158.0.3"}, "mtu": 1476}


class Destination:
    """A webhook destination; live when something really listens there."""

    def __init__(self, ident, name, url, secret, created, live):
        self.id, self.name, self.url, self.secret = ident, name, url, secret
        self.created, self.live = created, live
        self.last_success = self.last_failure = None

    def api(self):
        made = {"id": self.id, "name": self.name, "url": self.url, "type": "generic",
                "created_at": stamp(self.created)}
        if self.last_success is not None:
            made["last_success"] = stamp(self.last_success)
        if self.last_failure is not None:
            made["last_failure"] = stamp(self.last_failure)
        return made


def make_tunnels(ident, created):
    return [
        Tunnel("cf-gre-zrh", ident(32), "gre", 1, created),
        Tunnel("cf-gre-mxp", ident(32), "gre", 2, created),
        Tunnel("cf-ipsec-fra", ident(32), "ipsec", 3, created, active=False),
        Tunnel("cf-cni-zrh", ident(32), "cni", 4, created),
    ]


def make_rules(ident):
    """Two monitoring rules: one with thresholds, one that measures deviations."""
    return [
        {"id": ident(32), "name": "volumetric-v4", "type": "threshold", "automatic_advertisement": False,
         "prefixes": ["198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24"],
         "bandwidth_threshold": 500000000, "packet_threshold": 100000, "duration": "1m"},
        {"id": ident(32), "name": "zscore-v6", "type": "zscore", "automatic_advertisement": None,
         "prefixes": ["2001:db8::/32"], "zscore_sensitivity": "medium", "zscore_target": "packets"},
    ]


def make_policies(ident, destination, created):
    return [{
        "id": ident(32), "name": title, "description": "", "enabled": True, "alert_type": kind, "filters": {},
        "mechanisms": {"webhooks": [{"id": destination}], "email": [], "pagerduty": []},
        "created": stamp(created), "modified": stamp(created),
    } for kind, title, _ in ALERT_TYPES]


def available_alerts():
    """Product name to its alert types."""
    products = {}
    for kind, title, product in ALERT_TYPES:
        products.setdefault(product, []).append(
            {"type": kind, "display_name": title, "description": title + ".", "filter_options": []})
    return products


def ranges_result(ranges):
    """The result of /ips; its etag follows the content."""
    content = {"ipv4_cidrs": list(ranges["ipv4"]), "ipv6_cidrs": list(ranges["ipv6"])}
    digest = hashlib.md5(json.dumps(content).encode()).hexdigest()  # a fingerprint, nothing secret
    return dict(content, etag=digest)
