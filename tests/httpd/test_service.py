"""conf/systemd: httpd with only the paths of the drop-in writable; the units as systemd reads them."""
import collections
import importlib.machinery
import importlib.util
import os
import shutil
import stat
import subprocess

import pytest

import httpd
from client import attack, get, post
from httpd import HTTPD, IS_ROOT, SRCDIR, ErrorLog, Httpd, grp_of, wait_for

SYSTEMD = os.path.join(SRCDIR, "conf", "systemd")
DROP_IN = os.path.join(SYSTEMD, "apache2-cfmt.conf")
TMPFILES = os.path.join(SYSTEMD, "cfmt.tmpfiles.conf")
STATE = "/var/lib/cfmt"
API_FILE_SYSTEMS = ("/dev", "/proc", "/sys")  # ProtectSystem=strict leaves these alone

# What systemd does with the drop-in, as near as a shell comes: $1 is the server's root, the other
# words up to -- are the writable paths, each of which lies below $1/rw. Read-only last: mount points
# must be made first. A proof that it is read-only precedes the server.
SANDBOX = r"""
root=$1; shift
while [ "$1" != -- ]; do
    dir=$(dirname "$1")
    mountpoint -q "$dir" && [ -e "$dir/.ours" ] || { mkdir -p "$dir"; mount -t tmpfs tmpfs "$dir" && : >"$dir/.ours"; }
    mkdir -p "$1" && mount --bind "$root/rw$1" "$1" || exit 91
    writable="$writable $1 "
    shift
done
shift
for home in /home /root /run/user; do
    case $root/ in "$home"/*) continue ;; esac
    [ -d "$home" ] && mount -t tmpfs -o mode=000 tmpfs "$home"
done
while read -r _ _ _ _ at _; do
    at=$(printf %b "$at")
    case "$at/" in /dev/* | /proc/* | /sys/*) continue ;; esac
    case "$writable" in *" $at "*) continue ;; esac
    mount -o remount,bind,ro "$at" 2>/dev/null
done </proc/self/mountinfo
for place in / /etc /tmp /var /var/lib /run "$root"; do
    if touch "$place/.proof" 2>/dev/null; then
        echo "$place can be written" >&2
        exit 92
    fi
done
umask "$CFMT_UMASK"
exec setpriv --no-new-privs -- "$@"
"""


def settings(path=DROP_IN):
    """{section: {key: [values]}} of a unit file."""
    found, section = {}, None
    with open(path) as f:
        for line in f.read().splitlines():
            if line.startswith("["):
                section = found.setdefault(line.strip("[]"), collections.defaultdict(list))
            elif line.strip() and not line.startswith("#"):
                key, value = line.split("=", 1)
                section[key].append(value)
    return found


def writable_paths():
    service = settings()["Service"]
    assert service["ProtectSystem"] == ["strict"]
    return [p.lstrip("-") for value in service["ReadWritePaths"] for p in value.split()]


def tmpfiles():
    """{path: (mode, user, group)}."""
    with open(TMPFILES) as f:
        lines = [x.split() for x in f if x.strip() and not x.startswith("#")]
    assert all(kind == "d" and age == "-" for kind, _, _, _, _, age in lines)
    return {path: (int(mode, 8), user, group) for _, path, mode, user, group, _ in lines}


class Service(Httpd):
    """At Debian's places, in a mount namespace where only the drop-in's paths can be written."""

    def __init__(self, paths, **kw):
        super().__init__(**kw)
        self.paths = paths
        for p in paths:
            os.makedirs(self.outside(p), exist_ok=True)
        self.db = self.outside(STATE + "/cfmt.db")
        self.pidfile = "/run/apache2/apache2.pid"
        self.cfmt[0] = f"CfmtDb {STATE}/cfmt.db"
        self.module = shutil.copy(httpd.MODULE, self.path("mod_cfmt.so"))
        os.makedirs(self.outside("/var/log/apache2"), exist_ok=True)
        self.log = ErrorLog(self.outside("/var/log/apache2/error.log"))

    def outside(self, path):
        return self.root + "/rw" + path

    def make_state(self):
        """As systemd-tmpfiles makes it, for the user and group of this server."""
        shutil.chown(self.outside(STATE), self.user, grp_of(self.user))
        os.chmod(self.outside(STATE), tmpfiles()[STATE][0])

    def config(self):
        text = super().config()
        for ours, debian in (("PidFile run/httpd.pid", f"PidFile {self.pidfile}"),
                             ("DefaultRuntimeDir run", "DefaultRuntimeDir /run/apache2"),
                             ("ErrorLog logs/", "ErrorLog /var/log/apache2/"),
                             ("CustomLog logs/", "CustomLog /var/log/apache2/")):
            assert ours in text
            text = text.replace(ours, debian)
        return text

    def command(self, *args):
        script = self.write("sandbox", SANDBOX)
        return ["unshare", "--mount", "--propagation", "private", "/bin/sh", script, self.root,
                *self.paths, "--", *super().command(*args)]

    def env(self):
        return {**super().env(), "CFMT_UMASK": settings()["Service"]["UMask"][0]}


def may_unshare():
    return IS_ROOT and subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True).returncode == 0


@pytest.fixture
def service_new(farm, httpd_new):
    if not may_unshare():
        pytest.skip("needs the right to make a mount namespace")
    mine = []

    def new(*args, **kw):
        mine.append(Service(*args, **kw))
        farm.servers.append(mine[-1])
        return mine[-1]

    yield new
    for server in mine:
        farm.end(server)


def test_a_round_trip_with_only_these_paths_writable(service_new):
    s = service_new(writable_paths())
    s.make_state()
    s.start()
    ident = post(s, attack()).stored()
    wait_for(lambda: s.query("SELECT 1 FROM event WHERE id = ?", ident), 10, "the projection")
    s.graceful()
    wait_for(lambda: post(s, attack()).status == 200, 10, "a delivery after the reload")
    assert get(s, "/mt-health").json()["status"] == "ok"
    for name in os.listdir(os.path.dirname(s.db)):
        assert stat.S_IMODE(os.stat(os.path.join(os.path.dirname(s.db), name)).st_mode) == 0o660, name
    assert stat.S_IMODE(os.stat(s.outside(STATE)).st_mode) == 0o2770
    assert s.ctl("db", "check").returncode == 0  # from outside, as root does it


def test_without_the_state_directory_httpd_serves_the_rest(service_new):
    """Forgotten ReadWritePaths or tmpfiles.d: a clear message, and no harm to other hosts."""
    s = service_new([p for p in writable_paths() if p != STATE])
    s.log.expect(r"CFMT0\d\d\d: .*/var/lib")
    s.log.allow(r"CFMT0[1-5]\d\d")
    s.start(ready=False)
    assert get(s, "/alive.txt").status == 200
    post(s, attack()).problem(503, "store")


def test_the_snippets_speak_of_the_same_directories():
    assert set(tmpfiles()) <= set(writable_paths())
    assert tmpfiles()[STATE] == (0o2770, "www-data", "www-data")


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="no systemd-tmpfiles")
def test_systemd_tmpfiles_makes_the_directory(tmp_path):
    if not IS_ROOT:
        pytest.skip("needs root")
    (tmp_path / "etc").mkdir()
    for directory in ("var/lib", "run/lock"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\nwww-data:x:33:\n")
    done = subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}", TMPFILES],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and not done.stderr, done
    ids = {"root": 0, "www-data": 33}
    for path, (mode, user, group) in tmpfiles().items():
        made = os.stat(str(tmp_path) + path)
        assert (stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid) == (mode, ids[user], ids[group])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_systemd_understands_the_drop_in(tmp_path):
    (tmp_path / "apache2.service").write_text(
        "[Unit]\nDescription=The Apache HTTP Server\n[Service]\nType=forking\n"
        f"ExecStart={HTTPD} -k start\nPrivateTmp=true\nRestart=on-abort\n")
    (tmp_path / "apache2.service.d").mkdir()
    there = shutil.copy(DROP_IN, tmp_path / "apache2.service.d" / "cfmt.conf")

    def verify():
        done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                               str(tmp_path / "apache2.service")], capture_output=True, text=True,
                              env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, timeout=60)
        return [x for x in (done.stdout + done.stderr).splitlines() if "cfmt.conf" in x]

    assert verify() == []
    with open(there, "a") as f:
        f.write("StartLimitIntervalsec=1\n")
    assert len(verify()) == 1, "systemd-analyze does not read the drop-in"


# ---- what it costs when nothing comes (tests/bench) --------------------------------------------------------


def bench(name):
    path = os.path.join(SRCDIR, "tests", "bench", name)
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.mark.long
def test_an_idle_prefork_server_costs_less_than_a_percent_of_a_core():
    without, with_it = bench("idle").both(20)
    print(without, with_it)
    assert with_it["percent"] - without["percent"] < 1, (without, with_it)
    assert with_it["child_fds"] < 20 and with_it["parent_fds"] <= without["parent_fds"] + 2, with_it


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("wrk"), reason="no wrk (Debian package wrk)")
def test_the_memory_of_two_children_after_a_hundred_thousand_deliveries():
    r = bench("memory").measure(100000)
    print(r)
    assert r["late"] - r["bare"] < 64, r
    assert r["growth"] < 2, r
