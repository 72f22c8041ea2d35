"""For the programs beside it: where build and test harness are, and a server with production's log level."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "httpd"))
os.environ.setdefault("srcdir", os.path.dirname(os.path.dirname(HERE)))
CHECK = os.path.join(os.environ["srcdir"], "build", "check")
os.environ["builddir"] = os.path.abspath(
    os.environ.get("builddir") or (CHECK if os.path.exists(CHECK) else os.environ["srcdir"]))
if not os.path.exists(os.path.join(os.environ["builddir"], ".libs", "mod_cfmt.so")):
    sys.exit(f"mod_cfmt.so is not built in {os.environ['builddir']}; set builddir")

import httpd  # noqa: E402


class Server(httpd.Httpd):
    log_level = "warn"

    def memory(self, key):
        """MiB of one sort of memory of each process."""
        sizes = {}
        for pid in self.members():
            with open(f"/proc/{pid}/smaps_rollup") as f:
                sizes[pid] = sum(int(x.split()[1]) for x in f if x.startswith(key + ":")) / 1024
        return sizes
