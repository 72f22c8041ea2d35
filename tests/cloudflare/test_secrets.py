"""The token is nowhere to be seen: logs at the highest level, store, process lists, outputs, dump."""
import glob
import os

from client import get
from pair import ALL, Scene, scenes


def readable(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def of_processes(server):
    return {p: readable(p) for pid in server.members() for p in (f"/proc/{pid}/cmdline", f"/proc/{pid}/environ")}


def printed(pair):
    commands = [["prefixes"], ["tunnels"], ["jobs"], ["ranges"], ["status"], ["attacks"], ["journal"], ["health"]]
    found = {}
    for command in commands + [c + ["--json"] for c in commands]:
        done = pair.server.ctl(*command)
        found["cfmtctl " + " ".join(command)] = (done.stdout + done.stderr).encode()
    return found


def nowhere(pair):
    """Also not while it is refused, and Cloudflare's own words quote it."""
    server, secret = pair.server, pair.sim.tokens["valid"]
    server.log_level = "trace8 cfmt:trace8"
    server.modules += ["info", "status"]
    server.extra = "<Location /server-info>\nSetHandler server-info\n</Location>"
    pair.start()
    for name in ALL:
        server.log.allow(rf"CFMT085[02].*job {name}")
    pair.sim.fault("rest", "errors", path="/accounts/", message=f"the tokens {secret} and {secret[:20]} are no good")
    pair.sim.fault("graphql", "errors", message=f"the token {secret} is no good")
    pair.park()
    pair.run()
    pair.sim.clear()
    pair.sim.control("POST", "/tokens/valid", {"disabled": True})
    pair.park()
    pair.run()
    seen = {**of_processes(server), **printed(pair)}
    for path in ("/mt-health", "/server-info", "/server-info?config"):
        seen[path] = get(server, path).body
    seen["dump"] = server.run("-t", "-D", "DUMP_CFMT", "-D", "DUMP_CONFIG").stdout.encode()
    for path in glob.glob(server.path("logs/*")) + glob.glob(server.db + "*") + [server.path("httpd.conf")]:
        seen[path] = readable(path)
    assert len(seen) > 20 and b"trace" in seen[server.path("logs/error.log")]
    assert b"CfmtApiToken" in seen["dump"] and b"no good" in seen[server.path("logs/error.log")]
    found = [k for k, v in seen.items() if secret.encode() in v]
    assert not found, found
    for name, text in seen.items():  # not even a part of it, but where all bytes of an answer are shown
        lines = [line for line in text.splitlines() if secret[:20].encode() in line and b":trace" not in line]
        assert not lines, (name, lines[0])
    assert secret.encode() in readable(pair.token), "the test looks for something else"
    assert os.stat(pair.token).st_mode & 0o777 == 0o600


@scenes(Scene(nowhere))
def test_the_token_appears(scene):
    scene()
