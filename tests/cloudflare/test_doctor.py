"""cfmtctl doctor: everything in place is said to be so, and each fault of the tables turns exactly its line."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import time

from acts import ENFORCE
from client import post
from httpd import IS_ROOT, SECRET, SLOWER, cfmtctl_path, free_port, grp_of
from pair import DAY, MICRO, Scene, scenes
from receiver import Receiver
from telling import GROUP, add, program, telegram, webhook
from truth import V6, WEB

ROOM = "/webhook/cloudflare"
LIMIT = 12  # seconds: five for whoever is asked, and a busy machine; a call without our limit may take 30


# ---- the pair --------------------------------------------------------------------------------------------

def certificate(pair, name, days=None):
    """Files of the simulator's CA; with days a new one that ends then."""
    place = os.path.dirname(pair.sim.ca)
    made = pair.server.path(f"secret/{name}.pem")
    if days is None:
        shutil.copy(f"{place}/{name}.pem", made)
        return f"SSLCertificateFile {made}\nSSLCertificateKeyFile {place}/{name}.key"
    subprocess.run(["openssl", "x509", "-req", "-in", f"{place}/right.csr", "-days", str(days), "-sha256",
                    "-CA", f"{place}/ca.pem", "-CAkey", f"{place}/ca.key", "-set_serial", "7",
                    "-extfile", f"{place}/right.cnf", "-extensions", "server", "-out", made],
                   check=True, capture_output=True)
    return f"SSLCertificateFile {made}\nSSLCertificateKeyFile {place}/right.key"


def tls_hosts(pair):
    """The public address, and two that are as they should not be: name -> port."""
    server, ports = pair.server, {"right": free_port(), "soon": free_port(), "name": free_port()}
    server.modules += ["socache_shmcb", "ssl"]
    server.log.allow(r"AH01909: .*server certificate does NOT include an ID|AH0190[69]|AH02217|AH01873")
    hosts = [f"<VirtualHost *:{port}>\nSSLEngine on\n{certificate(pair, name, 5 if name == 'soon' else None)}\n"
             "</VirtualHost>" for name, port in ports.items()]
    server.listen += [f"127.0.0.1:{port}" for port in ports.values()]
    server.vhost = "\n".join(hosts)
    return ports


def healthy(pair):
    """Everything is in place: then no line is warn or fail."""
    server = pair.server
    pair.ports = tls_hosts(pair)
    telegram(pair)
    program(pair)
    pair.url = f"https://localhost:{pair.ports['right']}{ROOM}"
    pair.own += [ENFORCE, "CfmtPrefix * withdraw=auto advertise=auto", f"CfmtPublicUrl {pair.url}"]
    pair.configure()
    for path in (pair.token, server.path("secret/bot")):
        os.chmod(path, 0o640)
        if IS_ROOT:
            shutil.chown(path, "root", grp_of(server.user))
    pair.sim.control("POST", "/hooks", {"url": pair.url, "secret": SECRET})
    pair.start()
    post(server, json.dumps({"text": "Hello World! This is a test message sent from https://cloudflare.com. If you "
                             "can see this, your webhook is configured properly."}))
    server.wait_projected()
    pair.park()
    setting(pair, "Senders", "cloudflare")
    lines = doctor(pair)
    assert {x["check"] for x in lines} == checks_of_the_manual(), "docs/doctor.md names other checks"
    assert not bad(lines), bad(lines)


def checks_of_the_manual():
    path = os.path.join(os.environ.get("srcdir", "."), "docs", "doctor.md")
    with open(path, encoding="utf-8") as f:
        return set(re.findall(r"^\| `([a-z0-9 ]+)` \|", f.read(), re.M))


# ---- what it says ----------------------------------------------------------------------------------------

def doctor(pair, *args, code=None, run=None):
    begin = time.monotonic()
    command = [cfmtctl_path(), "--db", pair.server.db, "doctor", "--json", *args]
    done = (run or subprocess.run)(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})
    assert time.monotonic() - begin < LIMIT * SLOWER
    for secret in pair.server.secrets:
        assert secret not in done.stdout + done.stderr
    lines = json.loads(done.stdout)["checks"]
    failed = any(x["status"] == "fail" for x in lines)
    assert done.returncode == (int(failed) if code is None else code), (done.returncode, done.stderr)
    for x in lines:
        assert bool(x["remedy"]) or x["status"] in ("ok", "skip"), x
    return lines


def bad(lines):
    return {(x["status"], x["check"], x["subject"]) for x in lines if x["status"] in ("warn", "fail")}


# ---- faults ----------------------------------------------------------------------------------------------

def setting(pair, name, value):
    """As published; None = not. What it was before."""
    old = pair.server.query("SELECT value FROM setting WHERE name = ?", name)
    pair.write("DELETE FROM setting WHERE name = ?", [(name,)])
    if value is not None:
        pair.write("INSERT INTO setting(name, value) VALUES(?, ?)", [(name, value)])
    return old[0][0] if old else None


@contextlib.contextmanager
def published(pair, **values):
    old = {name.replace("_", " "): setting(pair, name.replace("_", " "), value) for name, value in values.items()}
    yield
    for name, value in old.items():
        setting(pair, name, value)


@contextlib.contextmanager
def mode(path, bits):
    old = os.stat(path).st_mode & 0o7777
    os.chmod(path, bits)
    yield
    os.chmod(path, old)


@contextlib.contextmanager
def away(path):
    os.rename(path, path + ".away")
    yield
    os.rename(path + ".away", path)


@contextlib.contextmanager
def controlled(pair, path, order, undo, method="POST"):
    pair.sim.control(method, path, order)
    yield
    pair.sim.control("POST", path, undo)


@contextlib.contextmanager
def misbehaving(pair, upstream, kind, **values):
    pair.sim.fault(upstream, kind, **values)
    yield
    pair.sim.clear()


@contextlib.contextmanager
def public(pair, url):
    """Both sides know it by that address."""
    def both(value):
        pair.sim.control("DELETE", "/hooks")
        pair.sim.control("POST", "/hooks", {"url": value, "secret": SECRET})
    both(url)
    with published(pair, PublicUrl=url):
        yield
    both(pair.url)


def never_delivered(pair):
    name = "last_delivery_at"
    old = pair.server.query("SELECT value FROM meta WHERE name = ?", name)[0][0]

    @contextlib.contextmanager
    def put():
        pair.write("UPDATE meta SET value = 0 WHERE name = ?", [(name,)])
        yield
        pair.write("UPDATE meta SET value = ? WHERE name = ?", [(old, name)])
    return put()


def play(pair, faults):
    """Each turns its lines and no other, and is over when it is over."""
    for what, fault, *expected in faults:
        with fault:
            found = bad(doctor(pair))
        assert found == set(expected), f"{what}: {sorted(found, key=str)}"
    assert not bad(doctor(pair)), "something stayed"


def here(pair):
    healthy(pair)
    server, port = pair.server, pair.sim.tls["rest"].split(":")[2].split("/")[0]
    rest, state = "https://{}/client/v4", os.path.dirname(server.db)
    play(pair, [
        ("a warning of configtest", published(pair, Warnings="CFMT0104: CfmtSecret label=old: no such file"),
         ("warn", "configuration", "CFMT0104")),
        ("no account", published(pair, AccountId=None), ("warn", "configuration", "CfmtAccountId")),
        ("no token", published(pair, ApiToken=None), ("warn", "configuration", "CfmtApiToken")),
        ("no public URL", published(pair, PublicUrl=None), ("warn", "configuration", "CfmtPublicUrl")),
        ("another version", published(pair, GeneratedBy="0.0.9"), ("warn", "version", None)),
        ("observe", published(pair, Mode="observe"), ("warn", "mode", None)),
        ("enforce nothing", published(pair, **{"Prefix_*": "withdraw=manual"}), ("warn", "mode", None)),
        ("an open directory", mode(state, 0o2777), ("fail", "database", "directory")),
        ("a directory with another mode", mode(state, 0o2750), ("warn", "database", "directory")),
        ("an open database", mode(server.db, 0o666), ("fail", "database", "database")),
        ("nothing came yet", never_delivered(pair), ("warn", "deliveries", None)),
        ("a token for everybody", mode(pair.token, 0o644), ("fail", "token file", pair.token)),
        ("no token file", away(pair.token), ("fail", "token file", pair.token)),
        ("a secret for everybody", mode(server.path("secret/0"), 0o644), ("fail", "secret file", "first")),
        ("a secret that is gone", away(server.path("secret/0")), ("fail", "secret file", "first")),
        ("a bot for everybody", mode(server.path("secret/bot"), 0o644), ("fail", "channel", "ops")),
        ("no such name", published(pair, ApiUrl=rest.format("no-such-host.invalid")),
         ("fail", "dns", "no-such-host.invalid")),
        ("nobody listens", published(pair, ApiUrl=rest.format("127.0.0.1:9")), ("fail", "ipv4", "127.0.0.1:9")),
        ("IPv6 leads nowhere", published(pair, ApiUrl=rest.format("localhost:" + port)),
         ("warn", "ipv6", "localhost:" + port)),
        ("a foreign certificate", published(pair, ApiUrl=pair.sim.wrong_tls["name"]["rest"]),
         ("fail", "tls", pair.sim.wrong_tls["name"]["rest"].split("/")[2])),
        ("an unknown CA", published(pair, ApiUrl=pair.sim.wrong_tls["issuer"]["rest"]),
         ("fail", "tls", pair.sim.wrong_tls["issuer"]["rest"].split("/")[2])),
        ("a certificate that ends", public(pair, f"https://localhost:{pair.ports['soon']}{ROOM}"),
         ("warn", "certificate", f"localhost:{pair.ports['soon']}")),
        ("a certificate of another", public(pair, f"https://localhost:{pair.ports['name']}{ROOM}"),
         ("fail", "certificate", f"localhost:{pair.ports['name']}")),
        ("another handler", public(pair, f"https://localhost:{pair.ports['right']}/alive.txt"),
         ("fail", "webhook", f"localhost:{pair.ports['right']}")),
        ("nothing there", public(pair, "https://127.0.0.1:9" + ROOM), ("warn", "webhook", "127.0.0.1:9")),
    ])
    unreadable(pair)
    offline(pair)
    old_system(pair)
    without_httpd(pair)


def unreadable(pair):
    """Whoever may not read the token is told how; what needs it is left out."""
    if not IS_ROOT:
        return
    with mode(pair.token, 0o600):
        lines = doctor(pair)
    assert not bad(lines)
    remedy = f"let cfmtctl read it: chown root:{grp_of(pair.server.user)} {pair.token}; chmod 0640 {pair.token}"
    assert [x["remedy"] for x in lines if x["check"] == "token file"] == [remedy]
    assert {x["status"] for x in lines if x["check"] in ("token", "permission", "prefixes", "policies")} == {"skip"}


def offline(pair):
    """Nobody is asked."""
    calls = len(pair.calls())
    lines = doctor(pair, "--offline")
    assert not bad(lines) and len(pair.calls()) == calls
    assert {x["status"] for x in lines if x["check"] in ("dns", "tls", "token", "webhook", "destination")} == {"skip"}


UNIT, CRON, IDLE = "cloudflare-autowithdraw.service", "cloudflare-mt-withdrawals", "cloudflare-dashboard.service"


def old_system(pair):
    """A service that starts at boot and a cron job are two more withdrawers; one that is only there is a warning."""
    if not IS_ROOT or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        return
    place = pair.server.path("old")
    for path, text in ((f"systemd/system/{UNIT}", "[Service]\n"), (f"systemd/system/{IDLE}", "[Service]\n"),
                       (f"cron.d/{CRON}", "# every five minutes\n*/5 * * * * root /opt/old/withdraw\n"),
                       ("cron.d/cloudflare-services-watchdog", "# */5 * * * * root /opt/old/watchdog\n")):
        os.makedirs(os.path.dirname(f"{place}/{path}"), exist_ok=True)
        with open(f"{place}/{path}", "w", encoding="ascii") as f:
            f.write(text)
    os.makedirs(f"{place}/systemd/system/multi-user.target.wants")
    os.symlink(f"/etc/systemd/system/{UNIT}", f"{place}/systemd/system/multi-user.target.wants/{UNIT}")

    def beside(command, **kw):
        script = (f"mkdir -p {place}/new /etc/systemd /etc/cron.d; for d in systemd cron.d; do"
                  f" mount --bind {place}/$d /etc/$d || exit 9; done; exec \"$@\"")
        return subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *command], check=False, **kw)

    lines = doctor(pair, "--offline", run=beside)
    assert bad(lines) == {("fail", "old system", UNIT), ("warn", "old system", IDLE), ("fail", "old system", CRON),
                          ("warn", "old system", "cloudflare-services-watchdog")}
    remedies = {x["subject"]: x["remedy"] for x in lines if x["check"] == "old system"}
    assert remedies[UNIT] == f"systemctl disable --now {UNIT}" and remedies[CRON] == f"rm /etc/cron.d/{CRON}"


def without_httpd(pair):
    pair.server.stop()
    own = f"localhost:{pair.ports['right']}"
    assert bad(doctor(pair)) == {("warn", "database", "leader"), ("warn", "webhook", own)}
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(pair.server.db + suffix)
    with open(pair.server.db, "r+b") as f:
        f.write(b"no database any more".ljust(4096))
    lines = doctor(pair, "--offline")
    assert ("fail", "database", "open") in bad(lines) and ("fail", "configuration", None) in bad(lines)
    shutil.rmtree(os.path.dirname(pair.server.db))
    done = pair.server.ctl("doctor")
    assert done.returncode == 8 and "there is no such database" in done.stderr and not done.stdout


PERMISSIONS = {"prefixes:read": "prefixes read", "prefixes:write": "prefixes write", "magic:read": "tunnels read",
               "analytics:read": "analytics read", "alerting:read": "notifications read",
               "mnm:read": "monitoring read"}
TYPE = "fbm_auto_advertisement"


def account(pair):
    healthy(pair)
    sim, token, chat = pair.sim, "/tokens/valid", f"/chats/{GROUP}"
    told = len(sim.messages())
    policies = sim.control("GET", "/policies")
    one = sim.control("POST", "/destinations/", {})[0]["id"]
    ranges = sim.control("GET", "/ranges")["ipv4_cidrs"]
    bot = pair.server.path("secret/bot")
    faults = [
        ("a revoked token", controlled(pair, token, {"disabled": True}, {"disabled": False}), ("fail", "token", None)),
        ("an expired token", controlled(pair, token, {"expires_in": -DAY}, {"expires_in": None}),
         ("fail", "token", None)),
        ("a token that ends", controlled(pair, token, {"expires_in": 5 * DAY}, {"expires_in": None}),
         ("warn", "token", None)),
        ("a token that nobody verifies", misbehaving(pair, "rest", "403", path="/tokens/verify")),
        ("another's clock", misbehaving(pair, "rest", "date", seconds=300), ("warn", "clock", None)),
        ("another account", misbehaving(pair, "rest", "errors", path="/magic/", code=1012, message="not onboarded"),
         ("fail", "magic transit", None)),
        ("a locked prefix", controlled(pair, f"/prefixes/{WEB}", {"locked": True}, {"locked": False}),
         ("warn", "prefixes", WEB)),
        ("a prefix by BGP", controlled(pair, f"/prefixes/{V6}", {"bgp_control": True}, {"bgp_control": False}),
         ("warn", "prefixes", V6)),
        ("a prefix not approved", controlled(pair, f"/prefixes/{WEB}", {"approved": "P"}, {"approved": "V"}),
         ("warn", "prefixes", WEB)),
        ("a long prefix", published(pair, **{"Prefix_203.0.113.128/25": "withdraw=auto"}),
         ("warn", "prefixes", "203.0.113.128/25")),
        ("a foreign prefix", published(pair, **{"Prefix_100.64.0.0/24": "withdraw=auto"}),
         ("warn", "prefixes", "100.64.0.0/24")),
        ("a missing policy", controlled(pair, "/policies", [p for p in policies if p["alert_type"] != TYPE], policies),
         ("warn", "policies", TYPE)),
        ("another destination", published(pair, PublicUrl=f"https://localhost:{pair.ports['right']}{ROOM}?"),
         ("fail", "destination", None)),
        ("a failed delivery", controlled(pair, f"/destinations/{one}", {"last_failure": pair.now()},
                                         {"last_failure": None}), ("warn", "destination", "mod_cfmt")),
        ("a new range", controlled(pair, "/ranges", {"ipv4": ranges + ["198.18.0.0/15"]}, {"ipv4": ranges}),
         ("warn", "ranges", None)),
        ("a chat that is gone", controlled(pair, chat, {"kind": "missing"}, {}), ("fail", "channel", "ops")),
        ("a bot thrown out", controlled(pair, chat, {"kind": "blocked"}, {}), ("fail", "channel", "ops")),
        ("no program", away(pair.server.path("program-prog")), ("fail", "channel", "prog")),
        ("no answer", misbehaving(pair, "rest", "hang", path="/mnm/rules"), ("warn", "permission", "monitoring read")),
    ]
    for lacking, name in PERMISSIONS.items():
        faults.append((name, controlled(pair, token, {"lacking": [lacking]}, {"lacking": []}),
                       ("fail", "permission", name)))
    play(pair, faults)
    with published(pair, Mode="observe"), controlled(pair, token, {"lacking": ["prefixes:write"]}, {"lacking": []}):
        assert bad(doctor(pair)) == {("warn", "mode", None), ("warn", "permission", "prefixes write")}
    with open(bot, "w", encoding="ascii") as f:
        f.write("1234567:another\n")
    assert bad(doctor(pair)) == {("fail", "channel", "ops")}
    pair.write("INSERT OR REPLACE INTO channel(name, state, since, ok_at, next_at, fails, error)"
               " VALUES(?, ?, ?, 0, ?, 1, ?)", [("prog", "broken", int(pair.now() * MICRO),
                                                int((pair.now() + DAY) * MICRO), "exit status 1")])
    assert bad(doctor(pair)) == {("fail", "channel", "ops"), ("fail", "channel", "prog")}
    assert len(sim.messages()) == told, "it has sent something"
    changes = [r for r in pair.calls("rest") if r["method"] != "GET"]  # tried in vain
    assert changes and {r["path"].count("0" * 32) for r in changes} == {2}, "it has changed something"


def published_at_start(pair):
    """What httpd itself publishes: the warnings of its start, and where channels go, without what is secret. In a
    demonstration, whose clock is its own."""
    server = pair.server
    with Receiver() as receiver:
        webhook(pair, receiver)
        add(pair, "syslog name=log facility=local0")
        pair.own.append("CfmtPrefix 203.0.113.128/25 name=half")
        pair.configure()
        server.log.expect(r"cfmt:warn\].*CFMT0106: CfmtPrefix 203.0.113.128/25 ")
        server.log.allow(r"cfmt:warn\].*CFMT0866: ")
        os.chmod(pair.token, 0o640)
        if IS_ROOT:
            shutil.chown(pair.token, "root", grp_of(server.user))
        pair.start()
        assert server.query("SELECT value FROM setting WHERE name = 'Channel hook'")[0][0] == \
            "webhook url=" + receiver.url.partition("/hooks")[0]
        lines = doctor(pair)
        found = {(x["status"], x["check"], x["subject"]) for x in lines}
        assert bad(lines) >= {("warn", "configuration", "CFMT0106"), ("warn", "configuration", "CfmtPublicUrl"),
                              ("warn", "mode", None), ("warn", "prefixes", "203.0.113.128/25")}
        assert found >= {("ok", "channel", "hook"), ("ok", "channel", "log"), ("ok", "clock", None),
                         ("ok", "token", None), ("skip", "destination", None), ("skip", "certificate", None)}
    assert ("warn", "channel", "hook") in bad(doctor(pair))


@scenes(Scene(published_at_start, speed=60, takes=5), Scene(here, urls="tls", takes=20),
        Scene(account, urls="tls", takes=20))
def test_doctor(scene):
    scene()
