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


def write(root, path, text):
    """In the place of the file that is there, which other copies share."""
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if os.path.exists(full):
        os.unlink(full)
    with open(full, "w", encoding="utf-8") as f:
        f.write(text)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


def append(path, text):
    return lambda root: write(root, path, read(root, path) + text)


def create(path, text):
    return lambda root: write(root, path, text)


def replace(path, pattern, by):
    def plant(root):
        text = read(root, path)
        changed = re.sub(pattern, by, text, count=1, flags=re.S | re.M)
        assert changed != text, f"{path}: nothing matches {pattern}"
        write(root, path, changed)
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
    ("commands", replace("tools/cfmtctl/commands.c", r'\.name = "journal"', '.name = "diary"'), "diary"),
    ("commands", replace("tools/cfmtctl/options.c", r'\.name = "follow"', '.name = "pursue"'), "--pursue"),
    ("links", append("docs/policy.md", "\n[there](nowhere.md)\n"), "nowhere.md"),
    ("links", append("docs/policy.md", "\n[there](store.md#no-such-heading)\n"), "heading"),
    ("links", append("docs/policy.md", "\n[there](../conf/cfmt.conf)\n"), "out of docs"),
    ("links", create("docs/lonely.md", "# Lonely\n"), "lonely.md"),
    ("named", append("docs/policy.md", "\nSee CFMT9996.\n"), "CFMT9996"),
    ("named", append("docs/policy.md", "\nSet CfmtNoSuch.\n"), "CfmtNoSuch"),
    ("named", append("docs/policy.md", "\nSee `src/nowhere.c`.\n"), "nowhere.c"),
    ("examples", append("docs/policy.md", "\n    CfmtMode observe\n"), "CfmtMode"),
    ("tables", append("docs/policy.md", "\n| a | row |\n"), "without a head"),
    ("tables", append("docs/policy.md", "\n| a | b |\n| --- | --- |\n| c |\n"), "1 cells"),
    ("directive-entries", replace("docs/directives.md", r"^    Context:  server config\n", ""), "Context"),
    ("directive-entries", replace("docs/directives.md", r"Default:  CfmtCalm 15min", "Default:  CfmtCalm 16min"),
     "16min"),
    ("directive-entries", replace("src/policy/directive.c", r"\.max = MINUTES\(1\)", ".max = MINUTES(2)"), "range"),
    ("exit-codes", replace("docs/troubleshooting.md", r"^\| 6 \|", "| 9 |"), "status 6"),
    ("exit-codes", replace("tools/cfmtctl/cfmtctl.h", r"CTL_LOCKED = 6", "CTL_LOCKED = 66"), "66"),
    ("command-options", replace("tools/cfmtctl/commands.c", r'\.name = "db info", (.*?)\.run',
                                '.name = "db info", .options = OPT_ANCHOR, \\1.run'), "'db info'"),
    ("man-pages", replace("include/cfmt.h", r'CFMT_VERSION "', 'CFMT_VERSION "9'), "mod_cfmt 9"),
    ("man-pages", replace("docs/mod_cfmt.8", r"^\.SH FILES$", ".SH PLACES"), "FILES"),
    ("html", replace("docs/README.md", r"\(policy\.md\)", "(directives.md)"), "policy.md"),
    ("html", append("docs/policy.md", "\n[there](store.md#no-such-heading)\n"), "no such anchor"),
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


def try_plant(pristine, name, plant, word, old):
    """None when the guard turned red, a Skip where it cannot look, else what was wrong."""
    with tempfile.TemporaryDirectory(prefix="cfmt-guard-") as place:
        os.chmod(place, 0o755)
        root = os.path.join(place, "tree")
        shutil.copytree(pristine, root, symlinks=True, copy_function=os.link)
        try:
            plant(root)
        except (OSError, AssertionError, subprocess.CalledProcessError) as e:
            return f"cannot be planted: {e}"
        after = findings(name, root)
        if isinstance(after, Skip):
            return after
        if not [f for f in after if word in f and f not in old]:
            return f"stays green: {after[:3]}"
    return None


def try_guard(pristine, name):
    """The outcome of each of its plants."""
    before = findings(name, pristine)
    old = [] if isinstance(before, Skip) else before
    return [try_plant(pristine, name, plant, word, old) for n, plant, word in PLANTS if n == name]


def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="cfmt-guard-") as pristine:
        os.chmod(pristine, 0o755)
        copy_tree(os.environ.get("srcdir", "."), pristine)
        for name in GUARDS:
            outcomes = try_guard(pristine, name)
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
