#!/usr/bin/python3
"""Proves that every guard can turn red: each violation is planted in a copy of the tree, alone."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from guards import GUARDS, Skip  # noqa: E402
from tree import SKIPPED_DIRS, Tree  # noqa: E402

PARTS = ["mod_cfmt.c", "Makefile.am", "autogen.sh", "include", "src", "tools", "conf", "docs", "tests"]


def append(path, text):
    def plant(root):
        with open(os.path.join(root, path), "a") as f:
            f.write(text)
    return plant


def create(path, text):
    def plant(root):
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w") as f:
            f.write(text)
    return plant


def replace(path, pattern, by):
    def plant(root):
        full = os.path.join(root, path)
        with open(full) as f:
            text = f.read()
        changed = re.sub(pattern, by, text, count=1, flags=re.S | re.M)
        assert changed != text, f"{path}: nothing matches {pattern}"
        with open(full, "w") as f:
            f.write(changed)
    return plant


def shared_object(name, code):
    """Compiled into the copy's build directory under the name of one of ours."""
    def plant(root):
        os.makedirs(os.path.join(root, "built"), exist_ok=True)
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o",
                        os.path.join(root, "built", name)], input=code, text=True, check=True)
    return plant


def both(code, other):
    def plant(root):
        shared_object("mod_cfmt.so", code)(root)
        shared_object("cfmtctl", other)(root)
    return plant


FINE = "int cfmt_module;\n"
LONG = "static int f(void)\n{\n" + "    int i;\n" * 61 + "}\n"

# guard, what is planted, and a word of the finding it must cause
PLANTS = [
    ("message-ids", append("src/base/clock.c", '\nconst char *x = CFMT_ID(9999) "x";\n'), "CFMT9999"),
    ("message-ids", append("src/base/clock.c", 'static const char *x[] = { CFMT_ID(9998) "", CFMT_ID(9998) "" };'),
     "already"),
    ("message-ids", append("docs/messages.md", "\n### CFMT9997 nothing\n"), "CFMT9997"),
    ("message-entries", append("docs/messages.md", "\n### CFMT9997 nothing\n- **Level**: ERR\n- **Cause**: x\n"), "Remedy"),
    ("problems", create("src/httpd/z.c", 'static const cfmt_problem_t z = {\n .name = "odd-one",\n};\n'), "odd-one"),
    ("problems", append("docs/webhook.md", "\n| 418 | teapot | never |\n"), "teapot"),
    ("directives", append("src/httpd/directives.c", 'AP_INIT_TAKE1("CfmtNew", 0, 0, 0, 0)\n'), "CfmtNew"),
    ("directives", append("conf/cfmt.conf", "\n# CfmtOdd on\n"), "CfmtOdd"),
    ("directives", append("docs/directives.md", "\n## CfmtOdder\n"), "CfmtOdder"),
    ("directive-whole", replace("src/httpd/httpd_cfmt.h", r"\} cfmt_config_t;",
                                "    int forgotten;\n} cfmt_config_t;"), "forgotten"),
    ("commands", replace("tools/cfmtctl/main.c", r'\.name = "journal"', '.name = "diary"'), "diary"),
    ("commands", replace("tools/cfmtctl/main.c", r'\.name = "follow"', '.name = "pursue"'), "--pursue"),
    ("layering", append("src/engine/engine.c", "#include <httpd.h>\n"), "httpd.h"),
    ("layering", append("src/store/store.c", "\nvoid y(void) { ap_log_error(); }\n"), "ap_log_error"),
    ("layering", append("src/policy/attack.c", '#include "cfmt_store.h"\n'), "cfmt_store.h"),
    ("layering", append("include/cfmt.h", '#include "cfmt_intake.h"\n'), "cfmt_intake.h"),
    ("layering", append("tools/cfmtctl/main.c", '#include "store/store_private.h"\n'), "private"),
    ("libraries", append("src/engine/engine.c", "#include <sqlite3.h>\n"), "sqlite3"),
    ("libraries", append("src/intake/alert.c", "#include <yajl/yajl_parse.h>\n"), "yajl"),
    ("libraries", append("src/intake/json_tree.c", "#include <yajl/yajl_parse.h>\n"), "yajl"),
    ("sql", append("src/engine/engine.c", 'static const char *q = "SELECT 1 "\n  "FROM x";\n'), "SELECT"),
    ("sql", append("tools/cfmtctl/main.c", 'static const char *q = "PRAGMA user_version";\n'), "PRAGMA"),
    ("sql", append("src/store/journal.c", 'static const char *q = "BEGIN IMMEDIATE";\n'), "commit.c"),
    ("sql-dialect", append("src/store/journal.c",
                           'static const char *q = "DELETE FROM x WHERE id = 1 "\n "RETURNING id";\n'), "3.35"),
    ("sql-dialect", append("src/store/schema.c", 'static const char *q = "CREATE TABLE x(y INT) STRICT";\n'),
     "3.37"),
    ("sql-dialect", append("src/store/query.c", "static const char *q = \"SELECT body->>'a' FROM x\";\n"),
     "3.38"),
    ("secrets-compared", append("src/httpd/config.c", "\nint z(void) { return apr_crypto_equals(a, b, 3); }\n"),
     "apr_crypto_equals"),
    ("exports", both("int cfmt_module; int leaked;\n", FINE), "leaked"),
    ("exports", both("int other;\n", FINE), "does not export"),
    ("symbols", both("long sqlite3_changes64(void *);\nlong cfmt_module(void) { return sqlite3_changes64(0); }\n",
                     FINE), "sqlite3_changes64"),
    ("symbols", both(FINE, "void *EVP_MD_fetch(void);\nvoid *f(void) { return EVP_MD_fetch(); }\n"), "EVP_MD_fetch"),
    ("first-line", create("src/base/bare.c", "int x;\n"), "bare.c"),
    ("sizes", append("src/base/clock.c", LONG), "64 lines"),
    ("sizes", create("src/base/big.c", "/* big */\n" + "int x;\n" * 600), "split"),
    ("sizes", append("src/base/clock.c", "/* " + "x" * 120 + " */\n"), "columns"),
    ("machine-paths", append("docs/webhook.md", "\nsee /wor" + "k/main/README\n"), "webhook.md"),
    ("listed", create("src/base/new.c", "/* new */\n"), "new.c"),
    ("listed", replace("Makefile.am", r"src/base/clock\.c", "src/base/clocks.c"), "clocks.c"),
    ("shell", create("tools/bad", "#!/bin/sh\ncd $1\n"), "SC2086"),
]


def copy_tree(source, root):
    for part in PARTS:
        full = os.path.join(source, part)
        if os.path.isdir(full):
            shutil.copytree(full, os.path.join(root, part), symlinks=True,
                            ignore=lambda d, names: [n for n in names if n in SKIPPED_DIRS])
        elif os.path.exists(full):
            shutil.copy(full, os.path.join(root, part))
    for dirpath, dirs, names in os.walk(root):  # the source tree of distcheck is read-only
        for name in dirs + names:
            path = os.path.join(dirpath, name)
            os.chmod(path, os.stat(path).st_mode | 0o200)


def findings(name, root):
    try:
        return list(GUARDS[name](Tree(root, os.path.join(root, "built"))))
    except Skip as skip:
        return skip


def try_plant(source, name, plant, word):
    """None when the guard turned red, a Skip where it cannot look, else what was wrong."""
    with tempfile.TemporaryDirectory(prefix="cfmt-guard-") as root:
        os.chmod(root, 0o755)
        copy_tree(source, root)
        before = findings(name, root)
        try:
            plant(root)
        except (OSError, AssertionError, subprocess.CalledProcessError) as e:
            return f"cannot be planted: {e}"
        after = findings(name, root)
        if isinstance(after, Skip):
            return after
        old = [] if isinstance(before, Skip) else before
        if not [f for f in after if word in f and f not in old]:
            return f"stays green: {after[:3]}"
    return None


def main():
    source = os.environ.get("srcdir", ".")
    failed = 0
    for name in GUARDS:
        outcomes = [try_plant(source, name, plant, word) for n, plant, word in PLANTS if n == name]
        wrong = [o for o in outcomes if isinstance(o, str)]
        if wrong or not outcomes:
            failed += 1
            print(f"FAIL: selftest {name}: {'; '.join(wrong) or 'no violation is planted for it'}")
        elif all(isinstance(o, Skip) for o in outcomes):
            print(f"SKIP: selftest {name}: {outcomes[0]}")
        else:
            print(f"PASS: selftest {name}: red for {len(outcomes)} planted violations")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
