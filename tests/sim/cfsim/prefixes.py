"""IP prefixes, their BGP prefixes, and how an announcement changes: the wish, its refusals, its propagation."""
from .clock import stamp

WITHDRAW_DELAY = 15 * 60
ADVERTISE_DELAY = (2 * 60, 7 * 60)
MIN_BETWEEN = 15 * 60  # observed, not documented: a change within this time of the last one is refused


class ChangeRefused(Exception):
    """The API does not take a change of an announcement: HTTP status, error code, text."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class IpPrefix:
    """What the customer brought: one IP prefix with one or more BGP prefixes."""

    def __init__(self, ident, cidr, description, created, asn=64500):
        self.id, self.cidr, self.description, self.asn = ident, cidr, description, asn
        self.approved = "V"  # "P" until Cloudflare has approved it
        self.created_at = self.modified_at = created
        self.bgp = []

    def api(self, account):
        """The object of the REST API. Its advertised is always false, whatever is announced."""
        first = self.bgp[0]
        return {
            "id": self.id, "account_id": account, "cidr": self.cidr, "asn": self.asn,
            "description": self.description, "approved": self.approved,
            "created_at": stamp(self.created_at), "modified_at": stamp(self.modified_at),
            "advertised": False, "advertised_modified_at": None,
            "on_demand_enabled": first.enabled, "on_demand_locked": first.locked,
            "loa_document_id": None, "delegate_loa_creation": False,
            "irr_validation_state": "valid", "rpki_validation_state": "valid",
            "ownership_validation_state": "valid", "ownership_validation_token": "",
        }


class Prefix:
    """One BGP prefix. `wish` is what the API tells; advertised(t) is what the Internet sees at t."""

    def __init__(self, ident, cidr, parent, on_demand=True):
        self.id, self.cidr, self.parent = ident, cidr, parent
        self.enabled, self.locked = on_demand, False
        self.bgp_control, self.bgp_control_modified_at = False, None
        self.auto_advertise_withdraw = False
        self.prepend = 0
        self.own_announcement = True  # the network announces it itself
        self.wish = False
        self.advertised_modified_at = parent.created_at if on_demand else None
        self.created_at = self.modified_at = parent.created_at
        self.history = [(parent.created_at, False)]  # (time it took effect, announced by Cloudflare)
        parent.bgp.append(self)

    @property
    def approved(self):
        return self.parent.approved

    @approved.setter
    def approved(self, value):
        self.parent.approved = value

    @property
    def effective_at(self):
        """When the newest wish takes or took effect."""
        return self.history[-1][0]

    def advertised(self, at):
        """Whether Cloudflare announces it at that time."""
        state = False
        for when, value in self.history:
            if when > at:
                break
            state = value
        return state

    def refuse(self, wish, now):
        """Raises ChangeRefused when the API would. Texts and most codes are not documented."""
        if not self.enabled:
            raise ChangeRefused(400, 1001, "on demand advertisement is not enabled for this prefix")
        if self.approved != "V":
            raise ChangeRefused(400, 1001, "the prefix is not approved")
        if self.bgp_control:
            raise ChangeRefused(400, 1001, "the prefix is under BGP control")
        if wish == self.wish:
            return
        if self.locked:
            raise ChangeRefused(400, 1001, "the prefix is locked")
        if now - self.advertised_modified_at < MIN_BETWEEN:
            done = "advertised" if self.wish else "withdrawn"
            raise ChangeRefused(429, 1002, f"Prefix was {done} less than 15 minutes ago")

    def change(self, wish, now, delay):
        """Takes the wish; what was still propagating is superseded."""
        self.wish = wish
        self.advertised_modified_at = self.modified_at = now
        settled = [entry for entry in self.history if entry[0] <= now]
        if not settled or settled[-1][1] != wish:
            settled.append((now + delay, wish))
        self.history = settled

    def api(self):
        """The object of the REST API."""
        return {
            "id": self.id, "cidr": self.cidr, "asn": self.parent.asn, "asn_prepend_count": self.prepend,
            "auto_advertise_withdraw": self.auto_advertise_withdraw,
            "created_at": stamp(self.created_at), "modified_at": stamp(self.modified_at),
            "bgp_signal_opts": {"enabled": self.bgp_control, "modified_at": stamp(self.bgp_control_modified_at)},
            "on_demand": {
                "advertised": self.wish if self.enabled else None,
                "advertised_modified_at": stamp(self.advertised_modified_at) if self.enabled else None,
                "on_demand_enabled": self.enabled, "on_demand_locked": self.locked,
            },
        }
