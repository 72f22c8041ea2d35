"""Notifications sent as Cloudflare sends them: the bodies of each alert type, one POST per destination.

Names and forms of the fields follow what is documented or was observed; where neither is known
the names are those that public receivers read. What an END carries is not documented: here it
carries what its START did, less what the scenario omits. Nothing is sent twice unless it is asked
for, and a refused delivery is not repeated: whether the service does is not documented.
"""
import datetime
import http.client
import json
import queue
import ssl
import threading
import time
import urllib.parse
import weakref

TIMEOUT = 10  # real seconds; that of the service is not documented
LOOPBACK = ("localhost", "::1")
_senders = weakref.WeakKeyDictionary()


# ---- bodies ----

def when(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def target_text(network):
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def attack_facts(attack, now):
    """What an alert can tell of an attack: rates are the greatest so far."""
    pps = attack.peak(now)
    return {"pps": int(pps), "mbps": int(pps * attack.length * 8 / 1e6), "start": attack.started or now,
            "target": target_text(attack.target), "port": attack.port or 0, "vector": attack.vector,
            "protocol": attack.protocol, "attack_id": attack.id, "rule": attack.rule}


def l4_advanced(world, facts):
    """advanced_ddos_attack_l4_alert, as documented: rates are numbers."""
    return {
        "account_name": "Example account", "account_tag": world.account, "action": "block",
        "attack_id": facts["attack_id"], "attack_vector": facts["vector"],
        "dashboard_link": f"dash.cloudflare.com/{world.account}/networking/analytics",
        "max_rate": f"{facts['pps']:.2f} pps", "megabits_per_second": facts["mbps"], "mitigation": "block",
        "packets_per_second": facts["pps"], "protocol": facts["protocol"],
        "rule_description": facts["vector"], "rule_id": facts["rule"], "rule_name": facts["vector"],
        "ruleset_id": "", "ruleset_override_id": "", "severity": "INFO", "start_time": when(facts["start"]),
        "target_id": "", "target_ip": facts["target"], "target_port": facts["port"]}


def l4(world, facts):
    """dos_attack_l4, as observed: rates are texts, the target may carry a length."""
    length = "" if "/" in facts["target"] else "/128" if ":" in facts["target"] else "/32"
    return {
        "attack_id": facts["attack_id"], "attack_vector": facts["vector"], "target_ip": facts["target"] + length,
        "target_port": facts["port"], "protocol": facts["protocol"], "max_rate": f"{facts['pps']:.2f} pps",
        "megabits_per_second": str(facts["mbps"]), "packets_per_second": str(facts["pps"]),
        "rule_name": facts["vector"], "severity": "INFO", "start_time": when(facts["start"])}


def l7(world, facts):
    """advanced_ddos_attack_l7_alert and dos_attack_l7: on a host name."""
    return {
        "account_name": "Example account", "account_tag": world.account, "action": "managed-challenge",
        "attack_id": facts["attack_id"], "attack_type": "http-flood", "dashboard_link": "dash.cloudflare.com",
        "max_rate": "25000.00 rps", "mitigation": "managed-challenge", "requests_per_second": 25000,
        "rule_description": "HTTP flood", "rule_id": facts["rule"], "rule_link": "", "ruleset_id": "",
        "ruleset_override_id": "", "start_time": when(facts["start"]),
        "target_hostname": facts.get("host", "www.example.com"), "zone_name": "example.com", "zone_tag": ""}


def advertise_status(facts):
    return [{"prefix": prefix, "status": facts.get("status", "Advertised")}
            for prefix in facts.get("prefix", "").split(",") if prefix]


def fbm_dosd(world, facts):
    return {
        "target_ip": facts["target"], "target_port": facts["port"], "attack_type": facts["vector"],
        "protocol": facts["protocol"], "packets_per_second": facts["pps"], "megabits_per_second": facts["mbps"],
        "max_rate": f"{facts['pps']:.2f} pps", "rule_name": facts.get("rule_name", "volumetric-v4"),
        "start_time": when(facts["start"]), "auto_advertised": "prefix" in facts,
        "advertise_status": advertise_status(facts), "severity": "INFO"}


def fbm_volumetric(world, facts):
    return {
        "rule_name": facts.get("rule_name", "volumetric-v4"), "rule_threshold": "100000 packets",
        "rule_duration": "1m0s", "packets_per_second": facts["pps"], "packets_per_second_string": f"{facts['pps']} pps",
        "bits_per_second": f"{facts['mbps'] / 1000:.1f}Gb/s", "start_time": when(facts["start"]),
        "auto_advertised": "prefix" in facts, "severity": "INFO"}


def fbm_auto(world, facts):
    return {"rule_name": facts.get("rule_name", "volumetric-v4"), "advertise_status": advertise_status(facts),
            "attack_type": facts.get("vector", "volumetric"), "start_time": when(facts["start"])}


def tunnel(world, facts):
    """magic_tunnel_health_check_event; facts: tunnel (name), state (UP or DOWN)."""
    found, state = world.tunnel(facts["tunnel"]), facts.get("state", "DOWN")
    other = "UP" if state == "DOWN" else "DOWN"
    return {"tunnel_name": found.name, "tunnel_id": found.id, "new_status": "MAGIC_TUNNEL_STATUS_" + state,
            "previous_status": "MAGIC_TUNNEL_STATUS_" + other, "pop_names": "ZRH, FRA", "slo": "98.0",
            "observed_slo": "85.5" if state == "DOWN" else "99.9", "mwan_site_name": "",
            "event_ts": when(facts["start"]), "severity": "INFO"}


def hijack(world, facts):
    prefix = facts.get("prefix", "198.51.100.0/24")
    return {"ASNs_seen": ["64500", "13335"], "account_name": "Example account", "additional_info": "",
            "alert_priority_level": "CRITICAL", "alert_start_time": when(facts["start"]),
            "alert_title": "Possible route leak", "alert_type": "bgp_hijack_notification",
            "dashboard_link": "dash.cloudflare.com", "hijack_as": facts.get("as", "13335"),
            "prefix_configured": prefix, "prefix_hijacked": prefix}


def incident(world, facts):
    ident, status = facts.get("id", "sim1incident"), "INCIDENT_STATUS_" + facts.get("status", "INVESTIGATING")
    return {"affected_components": [{"id": "sim1component", "name": "Magic Transit"}],
            "created_at": when(facts["start"]), "id": ident + "-" + str(int(facts["start"])),
            "incident_created_at": when(facts["start"]), "incident_id": ident,
            "incident_impact": "INCIDENT_IMPACT_" + facts.get("impact", "MINOR"),
            "incident_name": "Simulated incident", "incident_status": status, "message": "Simulated.", "status": status}


def maintenance(world, facts):
    return {"airport_code": "ZRH", "event_type": "MAINTENANCE_EVENT_TYPE_" + facts.get("event", "SCHEDULED"),
            "maintenance_id": facts.get("id", "11111111111"), "scheduled_start": when(facts["start"] + 86400),
            "scheduled_end": when(facts["start"] + 90000)}


def health_check(world, facts):
    """health_check_status_notification in the form recorded from deliveries."""
    status = facts.get("status", "Unhealthy")
    return {"actual_code": 0 if status == "Unhealthy" else 200, "expected_codes": "[2xx 302]",
            "health_check_id": "sim1healthcheck", "name": "origin", "preview": False,
            "reason": "TCP connection timed out" if status == "Unhealthy" else "No failures", "status": status,
            "time": "1970-01-01 00:00:00 +0000 UTC"}


DATA = {
    "advanced_ddos_attack_l4_alert": l4_advanced, "dos_attack_l4": l4, "advanced_ddos_attack_l7_alert": l7,
    "dos_attack_l7": l7, "fbm_dosd_attack": fbm_dosd, "fbm_volumetric_attack": fbm_volumetric,
    "fbm_auto_advertisement": fbm_auto, "magic_tunnel_health_check_event": tunnel, "bgp_hijack_notification": hijack,
    "incident_alert": incident, "maintenance_event_notification": maintenance,
    "health_check_status_notification": health_check,
}
NO_ATTACK = {"pps": 0, "mbps": 0, "target": "", "port": 0, "vector": "", "protocol": "", "attack_id": "", "rule": ""}


class Alert:
    """One notification to send.

    kind: alert type; event: START, END or None; attack: a traffic.Attack or None; facts: what else
    the type wants; copies: times it is delivered (0: lost on the way, the history has it all the same);
    ago: seconds by which its ts is older than the sending; omit: fields left out of data or the envelope."""

    def __init__(self, kind, event=None, attack=None, facts=None, copies=1, ago=0, omit=()):
        self.kind, self.event, self.attack = kind, event, attack
        self.facts, self.copies, self.ago, self.omit = facts or {}, copies, ago, omit


def build(world, alert, now, policy):
    """The body as a dict."""
    at = round(now - alert.ago, 3)
    facts = dict(NO_ATTACK, start=at)
    if alert.attack:
        facts.update(attack_facts(alert.attack, now))
    facts.update(alert.facts)
    make = DATA.get(alert.kind, lambda world, facts: dict(alert.facts))
    body = {"name": policy["name"], "text": f"Simulated {policy['name']}.", "ts": int(at), "account_id": world.account,
            "policy_id": policy["id"], "policy_name": policy["name"], "alert_type": alert.kind,
            "data": {k: v for k, v in make(world, facts).items() if k not in alert.omit}}
    if alert.event:
        body["alert_event"] = "ALERT_STATE_EVENT_" + alert.event
    if alert.attack:
        body["alert_correlation_id"] = alert.attack.correlation
    return {k: v for k, v in body.items() if k not in alert.omit}


def test_message():
    """What a destination gets when it is saved."""
    return {"text": "Hello World! This is a test message sent from https://cloudflare.com. "
                    "If you can see this, your webhook is configured properly."}


# ---- sending ----

def deliver(world, clock, alert, due=None):
    """Sends an alert to every destination of its policy, in order, from a thread. due: the time that it tells, if that
    is not the clock's now. Gives the text of the body, or None when no policy would send this type: then nothing
    leaves, as it would not at Cloudflare."""
    with world.lock:
        now, policy = clock.now(), world.policy(alert.kind)
        if policy is None:
            world.log("alert-unsent", alert_type=alert.kind, why="no policy sends this type")
            return None
        text = encode(build(world, alert, now if due is None else due, policy))
        ids = {entry["id"] for entry in policy["mechanisms"]["webhooks"]}
        targets = [target for target in world.hook_targets if target.id in ids]
        for target in targets or [None]:
            world.add_notification(alert.kind, text, policy, target, now)
        world.log("alert", alert_type=alert.kind, event=alert.event, copies=alert.copies, body=text)
    for target in targets:
        for _ in range(alert.copies):
            sender(world).put(clock, target, text)
    return text


def send_test(target):
    """The test message, at once: the HTTP status, or the text of the failure."""
    return post(target.url, target.secret, encode(test_message()))


def encode(body):
    """JSON as Go writes it: no blanks, keys sorted, the three characters of HTML escaped."""
    text = json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class Sender:
    """One thread that sends a world's deliveries in the order they were put."""

    def __init__(self, world):
        self.world = weakref.ref(world)
        self.queue = queue.Queue()
        threading.Thread(target=self.run, name="webhooks", daemon=True).start()

    def put(self, clock, target, text):
        self.queue.put((clock, target, text))

    def run(self):
        while True:
            clock, target, text = self.queue.get()
            outcome = post(target.url, target.secret, text)
            world = self.world()
            if world is not None:
                note(world, clock, target, outcome)
            self.queue.task_done()
            del world

    def drain(self, seconds):
        """Waits until all is sent; False when it took longer (real seconds)."""
        end = time.monotonic() + seconds
        while self.queue.unfinished_tasks:
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True


def sender(world):
    with world.lock:
        if world not in _senders:
            _senders[world] = Sender(world)
        return _senders[world]


def drain(world, seconds=10):
    """Waits until everything put so far was sent or failed."""
    return sender(world).drain(seconds)


def note(world, clock, target, outcome):
    """Keeps what came of a delivery: a status, or the text of a failure."""
    with world.lock:
        good = isinstance(outcome, int) and 200 <= outcome < 300
        setattr(target, "last_success" if good else "last_failure", clock.now())
        world.log("delivered" if good else "delivery-failed", destination=target.id, outcome=outcome)


def post(url, secret, text):
    """One POST: the HTTP status, or the text of what failed. No redirect is followed."""
    parts = urllib.parse.urlsplit(url)
    try:
        connection = connect(parts)
    except (ValueError, OSError) as problem:
        return str(problem)
    headers = {"User-Agent": "Go-http-client/2.0", "Content-Type": "application/json", "Accept-Encoding": "gzip, br"}
    if secret:
        headers["cf-webhook-auth"] = secret
    try:
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        connection.request("POST", path, text.encode("utf-8"), headers)
        answer = connection.getresponse()
        answer.read(65536)
        return answer.status
    except (OSError, http.client.HTTPException) as problem:
        return f"{type(problem).__name__}: {problem}"
    finally:
        connection.close()


def connect(parts):
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT)
    context = ssl.create_default_context()
    if parts.hostname in LOOPBACK or (parts.hostname or "").startswith("127."):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=TIMEOUT, context=context)
