"""The servers that are measured: mod_cfmt, and the handler that stores nothing; what /proc says of them."""
import collections
import json
import mmap
import os
import struct
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "httpd"))
import httpd  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
THREADS = 320
READINGS = 5
FEW_THREADS = 64  # httpd's own default: what a child needs to grow up to is there soon
COUNTERS = struct.Struct("=QQQ")  # counters_t of ../bench_syncs.c


def compile_shared(source, out, *flags):
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", out, *flags,
                    os.path.join(HERE, "..", source), "-ldl"], check=True)
    return out


def null_module(workdir):
    """bench_null built with apxs's directories; the path of the DSO."""
    include = subprocess.run([os.environ["APXS"], "-q", "INCLUDEDIR"], check=True, capture_output=True,
                             text=True).stdout.strip()
    flags = subprocess.run(["pkg-config", "--cflags", "apr-1", "apr-util-1"], check=True,
                           capture_output=True, text=True).stdout.split()
    return compile_shared("mod_bench_null.c", os.path.join(workdir, "mod_bench_null.so"),
                          f"-I{include}", *flags)


def certificate(server):
    """A key of P-256; wrk resumes sessions, too. The cheaper handshakes are, the more the module weighs."""
    key, cert = server.path("run/key.pem"), server.path("run/cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost",
                    "-addext", "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
    return [f"SSLCertificateFile {cert}", f"SSLCertificateKeyFile {key}"]


class Syncs:
    """fdatasync and fsync of all processes of one server, counted by the preloaded library."""

    def __init__(self, workdir):
        self.shim = compile_shared("bench_syncs.c", os.path.join(workdir, "bench_syncs.so"))
        self.path = os.path.join(workdir, "syncs")
        with open(self.path, "w+b") as f:
            f.truncate(mmap.PAGESIZE)
            self.map = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        os.chmod(self.path, 0o666)

    def reset(self):
        self.map[:COUNTERS.size] = bytes(COUNTERS.size)

    def read(self):
        """Calls, and the longest in milliseconds."""
        calls, _, longest = COUNTERS.unpack(self.map[:COUNTERS.size])
        return calls, longest / 1e6


class BenchServer(httpd.Httpd):
    """Log levels of a production server; a thread for every connection; plain HTTP and TLS."""

    log_level = "warn"

    def __init__(self, mpm, children, stores, threads=THREADS):
        super().__init__(mpm=mpm, load_cfmt=stores, modules=("socache_shmcb", "ssl"))
        self.children = children
        self.threads = threads
        self.stores = stores
        self.tls_port = httpd.free_port()
        self.listen = [f"127.0.0.1:{self.tls_port}"]
        self.vhost = "\n".join([f"<VirtualHost 127.0.0.1:{self.tls_port}>", "SSLEngine on",
                                *certificate(self), "</VirtualHost>"])
        # The later definition of the name counts. Who served which connection, and how.
        self.extra = ("SSLSessionCache shmcb:run/sessions(512000)\n"
                      'LogFormat "%P %>s %{remote}p" cfmt\n')
        self.syncs = Syncs(self.root) if stores else None
        if not stores:
            self.extra += (f"LoadModule bench_null_module {null_module(self.root)}\n"
                           "<Location /webhook/cloudflare>\nSetHandler bench-null\n</Location>")

    def mpm_lines(self):
        if self.mpm == "prefork":
            n = self.threads
            return [f"StartServers {n}", f"MinSpareServers {n}", f"MaxSpareServers {n}",
                    f"ServerLimit {n}", f"MaxRequestWorkers {n}", "MaxKeepAliveRequests 0"]
        # In each child: it may get all connections, and event closes idle ones when its threads are busy.
        n = self.threads * self.children
        return [f"ServerLimit {self.children}", f"StartServers {self.children}", f"ThreadLimit {self.threads}",
                f"ThreadsPerChild {self.threads}", f"MinSpareThreads {n}", f"MaxSpareThreads {n}",
                f"MaxRequestWorkers {n}", "MaxKeepAliveRequests 0"]

    def env(self):
        env = super().env()
        if self.syncs:
            env.update(LD_PRELOAD=self.syncs.shim, BENCH_SYNCS=self.syncs.path)
        return env

    def url(self, tls=False):
        return f"https://127.0.0.1:{self.tls_port}" if tls else f"http://127.0.0.1:{self.port}"

    # ---- /proc ----------------------------------------------------------------------------------

    def cpu(self):
        """Seconds of CPU of all its processes so far."""
        ticks = 0
        for pid in self.members():
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def memory(self):
        """{pid: (RSS, PSS)} of the children, MiB; the smallest of some readings: a round's work comes and goes."""
        readings = []
        for _ in range(READINGS):
            readings.append(self.memory_now())
            time.sleep(0.2)
        return {pid: tuple(min(r[pid][i] for r in readings if pid in r) for i in (0, 1)) for pid in readings[-1]}

    def memory_now(self):
        found = {}
        for pid in httpd.children_of(self.proc.pid):
            with open(f"/proc/{pid}/smaps_rollup") as f:
                kib = {line.split(":")[0]: int(line.split()[1]) for line in f if " kB" in line}
            found[pid] = (kib["Rss"] / 1024, kib["Pss"] / 1024)
        return found

    # ---- what it did ----------------------------------------------------------------------------

    def access_size(self):
        path = self.path("logs/access.log")
        return os.path.getsize(path) if os.path.exists(path) else 0

    def served(self, start, at_least):
        """Requests by (pid, status, client's port) in the access log behind start; waits for so many."""
        def read():
            with open(self.path("logs/access.log")) as f:
                f.seek(start)
                lines = f.read().splitlines()
            return lines if len(lines) >= at_least else None
        lines = httpd.wait_for(read, 10, f"{at_least} lines in the access log")
        return collections.Counter(tuple(line.split()) for line in lines)

    def head(self):
        return self.query("SELECT coalesce(max(id), 0) FROM journal")[0][0]

    def rows_after(self, head):
        """{kind: rows} of the journal behind row head."""
        return dict(self.query("SELECT kind, count(*) FROM journal WHERE id > ? GROUP BY kind", head))

    def files(self):
        """What any write to the store changes: size and time of database and log."""
        return [(s.st_size, s.st_mtime_ns) for s in map(os.stat, (self.db, self.db + "-wal"))]

    def health(self):
        with urllib.request.urlopen(self.url() + "/mt-health", timeout=10) as answer:
            return json.load(answer)

    def quiet(self):
        """Waits until the projection has caught up, so that rounds are alike. Says when it does not. Asks the
        store: each question to /mt-health costs a thread's memory something, once, and this is about deliveries."""
        lag = self.query("SELECT coalesce(max(id), 0) - (SELECT value FROM meta WHERE name = 'cursor') FROM journal")
        self.wait_projected(60 + lag[0][0] / 1000)


class Fleet:
    """Servers by name, made and started when first asked for: null, null4, cfmt, cfmt4, empty, ..."""

    def __init__(self, mpm):
        self.mpm = mpm
        self.servers = {}

    def get(self, name, prepare=None):
        """prepare(server): before it is started."""
        if name not in self.servers:
            server = BenchServer(self.mpm, 4 if name.endswith("4") else 1, not name.startswith("null"),
                                 FEW_THREADS if name == "memory" else THREADS)
            self.servers[name] = server
            server.log.allow("AH10159: server is within MinSpareThreads")  # as meant: none is ever idle
            if prepare:
                prepare(server)
            server.start()
        return self.servers[name]

    def complaints(self):
        return [f"{name}: {line}" for name, server in self.servers.items() if server.proc
                for line in server.verdict()]

    def cleanup(self):
        for server in self.servers.values():
            server.cleanup()
