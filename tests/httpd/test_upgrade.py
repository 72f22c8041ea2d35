"""Two builds of the module, this one and one of the next schema, change places under load."""
import concurrent.futures
import glob
import hashlib
import os
import re
import shutil
import subprocess

import pytest

from client import Load, attack, get, post
from faults import Newer
from httpd import ASAN, BUILDDIR, SRCDIR, wait_for
from test_life import enough
from test_store import STORE_LINES, health, wait_health

ADDITIVE = ("ALTER TABLE journal ADD COLUMN later TEXT; CREATE TABLE later(x);"
            " INSERT INTO later VALUES(1);")


def replace(path, pattern, by):
    with open(path) as f:
        text = f.read()
    text, n = re.subn(pattern, by, text)
    assert n == 1, f"{path}: {pattern} was found {n} times"
    with open(path, "w") as f:
        f.write(text)


def schema():
    with open(os.path.join(SRCDIR, "include", "cfmt_store.h")) as f:
        return int(re.search(r"#define CFMT_SCHEMA (\d+)", f.read()).group(1))


def make_variables(*names):
    """Words of the configured build directory's flags."""
    lines = subprocess.run(
        ["make", "-s", "-C", BUILDDIR, "--eval",
         "cfmt-flags:;@" + ";".join(f"printf '%s\\n' '$(subst ','\\'',$({n}))'" for n in names),
         "cfmt-flags"], capture_output=True, text=True, check=True,
        env={"PATH": os.environ["PATH"]}).stdout
    return subprocess.run(["xargs", "printf", "%s\\n"], input=lines, capture_output=True, text=True,
                          check=True).stdout.split("\n")[:-1]


def compile_one(arguments):
    subprocess.run(arguments, check=True, capture_output=True)


@pytest.fixture(scope="session")
def next_module(tmp_path_factory):
    """mod_cfmt.so as the next version may be: one migration more, additive."""
    if ASAN:
        pytest.skip("its flags are not those of a sanitized build")
    root = str(tmp_path_factory.mktemp("next"))
    for name in ("include", "src"):
        shutil.copytree(os.path.join(SRCDIR, name), os.path.join(root, name))
    shutil.copy(os.path.join(SRCDIR, "mod_cfmt.c"), root)
    replace(os.path.join(root, "include", "cfmt_store.h"), r"#define CFMT_SCHEMA \d+",
            f"#define CFMT_SCHEMA {schema() + 1}")
    replace(os.path.join(root, "src", "store", "schema.c"), r"    \{ \.version = 0,",
            f'    {{ .version = {schema() + 1}, .sql = "{ADDITIVE}" }},\n    {{ .version = 0,')
    flags = ["gcc", "-O0", "-w", "-std=gnu99", "-fPIC", f"-I{root}/include", f"-I{root}/src"]
    flags += make_variables("DEFS", "AM_CPPFLAGS", "APR_CFLAGS", "APU_CFLAGS", "SQLITE_CFLAGS",
                            "YAJL_CFLAGS", "CURL_CFLAGS", "HTTPD_CFLAGS")
    sources = [os.path.join(root, "mod_cfmt.c")] + glob.glob(root + "/src/*/*.c")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, [flags + ["-c", c, "-o", c[:-1] + "o"] for c in sources]))
    module = os.path.join(root, "mod_cfmt_next.so")
    libraries = make_variables("APU_LIBS", "APR_LIBS", "SQLITE_LIBS", "YAJL_LIBS", "CURL_LIBS")
    compile_one(["gcc", "-shared", "-o", module] + [c[:-1] + "o" for c in sources] + libraries
                + ["-lanl", "-lm", "-lpthread"])
    return module


def change_to(server, module):
    """Graceful into the other build; when it is over no process of the former is left."""
    old = server.generation()
    server.module = module
    server.write_config()
    server.graceful()
    wait_for(lambda: not server.generation() & old, 20, "the old generation to go")


def version(server):
    return server.query("PRAGMA user_version")[0][0]


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.long)])
def test_there_and_back_under_load(httpd_new, next_module, times):
    s = httpd_new().start()
    this = s.module
    with Load(s) as load:
        enough(load, 50)
        for module in (next_module, this) * times + (next_module,):
            change_to(s, module)
            enough(load, 50)
            assert version(s) == schema() + 1, "the schema of the newer build stays"
            wait_for(lambda: s.leaders() and s.leader_locked() == 1, 5, "one leader")
    assert not load.refused, load.refused[:3]
    assert len(load.audit()) == load.count()
    s.wait_projected(20)
    assert s.query("SELECT count(*) FROM event")[0][0] == load.count()
    assert s.query("SELECT x FROM later") == [(1,)]
    assert s.query("PRAGMA integrity_check") == [("ok",)]


def digest(server):
    """Of all that is stored; -shm is the living processes' own."""
    h = hashlib.sha256()
    for name in (server.db, server.db + "-wal"):
        if os.path.exists(name):
            with open(name, "rb") as f:
                h.update(f.read())
    return h.hexdigest()


def refused_as_newer(server):
    for _ in range(10):
        answer = post(server, attack())
        answer.problem(503, "store")
        assert "newer" in answer.json()["detail"]
        assert get(server, "/alive.txt").status == 200
    answer, doc = health(server)
    assert answer.status == 503 and doc["store"]["status"] == "newer", doc
    assert [r["id"] for r in doc["reasons"]] == ["store"], doc


def test_the_older_build_refuses_when_told_so(httpd_new, next_module):
    s = httpd_new()
    this, s.module = s.module, next_module
    s.start()
    kept = [post(s, attack()).stored() for _ in range(5)]
    s.wait_projected()
    change_to(s, this)
    kept.append(post(s, attack()).stored())
    s.wait_projected()
    s.log.allow(STORE_LINES)
    Newer(s, "serving").say(schema() + 1)
    before = digest(s)
    refused_as_newer(s)  # by handles that were open before
    s.graceful()
    assert s.log.count(r"CFMT0301: the store .* newer version") == 1
    refused_as_newer(s)  # by a start of the older build
    assert digest(s) == before, "it wrote, though it was told not to"
    change_to(s, next_module)
    wait_for(lambda: post(s, attack()).status == 200, 15, "the newer build to store")
    kept.append(post(s, attack()).stored())
    wait_health(s, "ok", 15)
    s.wait_projected()
    rows = {r[0] for r in s.query("SELECT id FROM journal WHERE kind = 'delivery'")}
    assert set(kept) <= rows and len(rows) == len(kept) + 1


def test_health_of_the_older_build_needs_no_delivery(httpd_new):
    """Nobody may deliver for weeks: it says at once that it cannot store, and when it can again."""
    s = httpd_new().start()
    s.log.allow(STORE_LINES)
    s.wait_projected()
    fault = Newer(s, "serving")
    fault.make()
    s.graceful()
    doc = wait_health(s, "failing", 15)
    assert doc["store"]["status"] == "newer", doc
    fault.mend()
    wait_health(s, "ok", 15)
