"""API tokens and the limits on how often they may call."""
from .clock import stamp

WINDOW = 5 * 60
QUOTA = {"rest": 1200, "graphql": 300}
DAY = 86400

EVERYTHING = frozenset((
    "prefixes:read", "prefixes:write", "magic:read", "cni:read", "mnm:read", "alerting:read", "analytics:read"))


class Refused(Exception):
    """A request that is not let in: HTTP status, error code, text, further headers."""

    def __init__(self, status, code, message, headers=()):
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers)


class Token:
    """One API token; kind is user or account."""

    def __init__(self, name, value, ident, created, kind="user", lacking=(), expires=None):
        self.name, self.value, self.id, self.kind = name, value, ident, kind
        self.created, self.expires, self.disabled = created, expires, False
        self.permissions = set(EVERYTHING) - set(lacking)

    def status(self, now):
        if self.disabled:
            return "disabled"
        if self.expires is not None and now >= self.expires:
            return "expired"
        return "active"

    def api(self, now):
        """The result of tokens/verify."""
        result = {"id": self.id, "status": self.status(now), "not_before": stamp(self.created)}
        if self.expires is not None:
            result["expires_on"] = stamp(self.expires)
        return result


def make_tokens(now, ident):
    """The tokens of the account, by name. `ident(n)` makes n hex digits."""
    month_ago = now - 30 * DAY

    def token(name, **kw):
        return Token(name, ("sim_" + name.replace("-", "_") + "_" + ident(40))[:40], ident(32), month_ago, **kw)

    made = [
        token("valid"),
        token("account", kind="account"),
        token("expiring", expires=now + 5 * DAY),
        token("expired", expires=now - DAY),
        token("revoked"),
        token("read-only", lacking=("prefixes:write",)),
        token("no-analytics", lacking=("analytics:read",)),
        token("nothing", lacking=EVERYTHING),
    ]
    tokens = {t.name: t for t in made}
    tokens["revoked"].disabled = True
    return tokens


class Limits:
    """Fixed windows of five minutes by token; whoever exceeds one is refused for five minutes."""

    def __init__(self):
        self.quota = dict(QUOTA)
        self.page = None    # rows of an answer about packets at most; None: as the dataset says
        self._windows = {}  # (upstream, token id): [begin, used, refused until]

    def take(self, upstream, who, now):
        """Counts one call and gives the headers of its answer; raises Refused."""
        quota = self.quota[upstream]
        window = self._windows.setdefault((upstream, who), [now, 0, 0.0])
        if now < window[2]:
            raise self._refusal(upstream, quota, window[2] - now)
        if now - window[0] >= WINDOW or window[2]:
            window[:] = [now, 0, 0.0]
        window[1] += 1
        if window[1] > quota:
            window[2] = now + WINDOW
            raise self._refusal(upstream, quota, WINDOW)
        return self._headers(upstream, quota, quota - window[1], WINDOW - (now - window[0]))

    def used(self, upstream, who):
        return self._windows.get((upstream, who), (0, 0))[1]

    def reset(self):
        self._windows.clear()

    @staticmethod
    def _headers(upstream, quota, left, seconds):
        # That GraphQL answers carry these headers is documented nowhere.
        if upstream != "rest":
            return {}
        return {"Ratelimit": f'"default";r={left};t={int(seconds + 0.999)}',
                "Ratelimit-Policy": f'"default";q={quota};w={WINDOW}'}

    def _refusal(self, upstream, quota, seconds):
        headers = self._headers(upstream, quota, 0, seconds)
        headers["retry-after"] = str(int(seconds + 0.999))
        text = "rate limiter budget depleted, try again after 5 minutes" if upstream == "graphql" \
            else "Please wait and consider throttling your request speed"
        return Refused(429, 1015, text, headers)
