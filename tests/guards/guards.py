#!/usr/bin/python3
"""The guards: what must hold for the sources as a whole, one function each.

A guard yields findings ("file:line: sentence"); none means it holds. It raises Skip with a reason where
it cannot look. Arguments name single guards; without any, all run.
"""
import collections
import os
import re
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import manual  # noqa: E402
import newer  # noqa: E402
from tree import Skip, Tree  # noqa: E402

GUARDS = collections.OrderedDict()


def guard(name):
    def add(fn):
        GUARDS[name] = fn
        return fn
    return add


def at(text, index):
    return text.count("\n", 0, index) + 1


# ---- messages, problems, directives, commands: code and manual say the same --------------------------


@guard("message-ids")
def message_ids(tree):
    """Each CFMT_ID(n) stands once in the sources and has an entry in docs/messages.md, and back."""
    seen = {}
    for path in tree.sources():
        code = tree.c(path).code
        for m in re.finditer(r"\bCFMT_ID\(\s*(\w+)\s*\)", code):
            where, number = f"{path}:{at(code, m.start())}", m.group(1)
            if path == "include/cfmt.h" and number == "n":
                continue
            if not re.fullmatch(r"\d{4}", number):
                yield f"{where}: CFMT_ID({number}) is not of four digits"
            elif number in seen:
                yield f"{where}: CFMT{number} stands already in {seen[number]}"
            seen.setdefault(number, where)
    if not seen:
        yield "no CFMT_ID() found at all"
    if not tree.exists("docs/messages.md"):
        yield "docs/messages.md is missing"
        return
    entries = re.findall(r"^#+ CFMT(\d{4})\b", tree.read("docs/messages.md"), re.M)
    for number in sorted(set(entries)):
        if entries.count(number) > 1:
            yield f"docs/messages.md: CFMT{number} has {entries.count(number)} entries"
        if number not in seen:
            yield f"docs/messages.md: CFMT{number} is in no source"
    for number in sorted(set(seen) - set(entries)):
        yield f"{seen[number]}: CFMT{number} has no entry in docs/messages.md"


@guard("message-entries")
def message_entries(tree):
    """Each entry of docs/messages.md has a level, a cause and a remedy."""
    if not tree.exists("docs/messages.md"):
        yield "docs/messages.md is missing"
        return
    parts = re.split(r"^#+ (CFMT\d{4})\b", tree.read("docs/messages.md"), flags=re.M)
    for number, text in zip(parts[1::2], parts[2::2]):
        if not re.search(r"^- \*\*Level\*\*: (ERR|WARNING|NOTICE|INFO|DEBUG|TRACE)\b", text, re.M):
            yield f"docs/messages.md: {number} has no level"
        for word in ("Cause", "Remedy"):
            if not re.search(rf"^- \*\*{word}\*\*: \S", text, re.M):
                yield f"docs/messages.md: {number} has no {word}"


@guard("problems")
def problems(tree):
    """Each problem type that can be answered is documented, and no other."""
    coded = {}
    for path in tree.files("src/httpd", ext=".c"):
        text = tree.read(path)
        for m in re.finditer(r"cfmt_problem_t\b[^;(]*?=\s*\{.*?\};", text, re.S):
            for n in re.finditer(r"\.name\s*=\s*\"([a-z0-9-]+)\"", m.group(0)):
                coded[n.group(1)] = f"{path}:{at(text, m.start() + n.start())}"
    if not coded:
        yield "src/httpd: no cfmt_problem_t with a .name found"
    manual = tree.read("docs/webhook.md") if tree.exists("docs/webhook.md") else ""
    documented = set(re.findall(r"^\| [45]\d\d \| ([a-z0-9-]+) \|", manual, re.M))
    everywhere = "".join(tree.read(p) for p in tree.files("docs", ext=".md"))
    for name in sorted(set(coded) - documented):
        if f"urn:cfmt:problem:{name}" not in everywhere:
            yield f"{coded[name]}: problem '{name}' is in no manual"
    for name in sorted(documented - set(coded)):
        yield f"docs/webhook.md: problem '{name}' is answered nowhere"


@guard("directives")
def directives(tree):
    """The table of directives, docs/directives.md and conf/cfmt.conf know the same names."""
    table = set(re.findall(r"\b(?:AP_INIT_\w+|DURATION)\(\s*\"(Cfmt\w+)\"", tree.read("src/httpd/directives.c")))
    if not table:
        yield "src/httpd/directives.c: no directive found"
    for path, entry in (("docs/directives.md", r"^#+ `?(Cfmt\w+)"), ("conf/cfmt.conf", None)):
        if not tree.exists(path):
            yield f"{path} is missing"
            continue
        text = tree.read(path)
        named = set(re.findall(r"\bCfmt[A-Z]\w+", text))
        has = set(re.findall(entry, text, re.M)) if entry else named
        for name in sorted(table - has):
            yield f"{path}: {name} is missing"
        for name in sorted((named if path.endswith(".conf") else has) - table):
            yield f"{path}: {name} is no directive"


@guard("directive-whole")
def directive_whole(tree):
    """Each member of the configuration is merged; a forgotten one loses its value in every vhost."""
    header, source = tree.read("src/httpd/httpd_cfmt.h"), tree.read("src/httpd/config.c")
    body = re.search(r"typedef struct cfmt_config_t \{(.*?)\} cfmt_config_t;", header, re.S)
    merge = re.search(r"\*cfmt_config_merge\(.*?^\}", source, re.S | re.M)
    if not body or not merge:
        yield "src/httpd: cfmt_config_t or cfmt_config_merge not found"
        return
    text = re.sub(r"/\*.*?\*/", "", body.group(1), flags=re.S)
    for name in re.findall(r"\b(\w+)(?:\[\w+\])?;", text):
        if not re.search(rf"\bc->{name}\b", merge.group(0)):
            yield f"src/httpd/config.c: cfmt_config_merge() forgets {name}"


@guard("commands")
def commands(tree):
    """cfmtctl's table of commands and options and its manual page are the same."""
    tables = {}
    for name in ("ctl_commands", "ctl_options"):
        path = f"tools/cfmtctl/{name[4:]}.c"
        text = tree.read(path)
        m = re.search(rf"\b{name}\[\]\s*=\s*\{{(.*?)^\}};", text, re.S | re.M)
        tables[name] = re.findall(r"\.name = \"([^\"]+)\"", m.group(1)) if m else []
        if not tables[name]:
            yield f"{path}: table {name} not found"
    if not tree.exists("docs/cfmtctl.8"):
        yield "docs/cfmtctl.8 is missing"
        return
    page = tree.read("docs/cfmtctl.8").replace("\\-", "-")
    section = re.search(r"^\.SH COMMANDS$(.*?)^\.SH ", page, re.S | re.M)
    if not section:
        yield "docs/cfmtctl.8: no section COMMANDS"
        return
    plain = re.sub(r"\\f.|^\.\w+ |\"", "", section.group(1), flags=re.M)
    starts = [line.strip() for line in plain.splitlines()]
    for name in tables["ctl_commands"]:
        if not any(re.match(rf"{re.escape(name)}\b", line) for line in starts):
            yield f"docs/cfmtctl.8: command '{name}' is missing"
    headed = re.findall(r"^\.TP\n\.\w+ (.*)$|^\.SS (.*)$", section.group(1), re.M)
    for title in (a or b for a, b in headed):
        title = re.sub(r"\\f.|\"", "", title).strip()
        if title.startswith("-"):
            continue
        if not any(re.match(rf"{re.escape(n)}\b", title) for n in tables["ctl_commands"]):
            yield f"docs/cfmtctl.8: '{title}' is no command"
    for name in tables["ctl_options"]:
        if f"--{name}" not in page:
            yield f"docs/cfmtctl.8: option --{name} is missing"


# ---- rooms --------------------------------------------------------------------------------------------

HTTPD_HEADER = re.compile(r"(httpd|unixd|mpm_common|scoreboard|http_\w+|ap_\w+|util_\w+|mod_\w+)\.h")
MAY_INCLUDE = {
    "src/base": {"cfmt.h", "cfmt_geo.h", "cfmt_news.h"},
    "src/intake": {"cfmt.h", "cfmt_intake.h"},
    "src/policy": {"cfmt.h", "cfmt_intake.h", "cfmt_world.h", "cfmt_policy.h", "cfmt_policy_gates.h",
                   "cfmt_directive.h"},
    "src/cloudflare": {"cfmt.h", "cfmt_intake.h", "cfmt_world.h", "cfmt_cloudflare.h", "cfmt_cloudflare_detail.h"},
    "src/store": {"cfmt.h", "cfmt_intake.h", "cfmt_world.h", "cfmt_policy.h", "cfmt_store.h",
                  "cfmt_store_traffic.h", "cfmt_policy_gates.h", "cfmt_store_act.h", "cfmt_news.h",
                  "cfmt_store_outbox.h", "cfmt_store_keep.h", "cfmt_store_import.h"},
    "src/notify": {"cfmt.h", "cfmt_intake.h", "cfmt_cloudflare.h", "cfmt_news.h", "cfmt_notify.h"},
    "src/engine": {"cfmt.h", "cfmt_intake.h", "cfmt_world.h", "cfmt_cloudflare.h", "cfmt_policy.h", "cfmt_store.h",
                   "cfmt_engine.h", "cfmt_cloudflare_detail.h", "cfmt_store_traffic.h", "cfmt_policy_gates.h",
                   "cfmt_store_act.h", "cfmt_news.h", "cfmt_notify.h", "cfmt_store_outbox.h",
                   "cfmt_replay.h", "cfmt_store_import.h"},
    "include/cfmt.h": set(),
    "include/cfmt_intake.h": {"cfmt.h"},
    "include/cfmt_policy.h": {"cfmt.h", "cfmt_intake.h", "cfmt_world.h"},
    "include/cfmt_world.h": {"cfmt.h"},
    "include/cfmt_cloudflare.h": {"cfmt.h", "cfmt_intake.h", "cfmt_world.h"},
    "include/cfmt_policy_gates.h": {"cfmt_policy.h"},
    "include/cfmt_store.h": {"cfmt.h", "cfmt_intake.h", "cfmt_policy.h", "cfmt_world.h", "cfmt_store_world.h",
                             "cfmt_store_act.h"},
    "include/cfmt_store_act.h": {"cfmt_store.h", "cfmt_policy_gates.h"},
    "include/cfmt_store_world.h": {"cfmt_store.h"},
    "include/cfmt_store_traffic.h": {"cfmt_store.h"},
    "include/cfmt_store_keep.h": {"cfmt_store.h"},
    "include/cfmt_store_import.h": {"cfmt_store.h"},
    "include/cfmt_cloudflare_detail.h": {"cfmt_cloudflare.h"},
    "include/cfmt_geo.h": {"cfmt.h"},
    "include/cfmt_directive.h": {"cfmt.h"},
    "include/cfmt_replay.h": {"cfmt_store.h"},
    "include/cfmt_news.h": {"cfmt.h"},
    "include/cfmt_notify.h": {"cfmt_cloudflare.h", "cfmt_news.h"},
    "include/cfmt_store_outbox.h": {"cfmt_news.h", "cfmt_store.h"},
    "include/cfmt_engine.h": {"cfmt.h", "cfmt_intake.h", "cfmt_policy.h", "cfmt_cloudflare.h", "cfmt_store.h",
                              "cfmt_notify.h", "cfmt_store_outbox.h"},
}


def room_of(path):
    if path == "mod_cfmt.c":
        return "src/httpd"
    return path if path.startswith("include/") else os.path.dirname(path)


@guard("layering")
def layering(tree):
    """httpd's headers and calls only in src/httpd and mod_cfmt.c; rooms include in one direction."""
    for path in tree.sources():
        room, c = room_of(path), tree.c(path)
        for line, name in c.includes:
            base = os.path.basename(name)
            if room != "src/httpd" and HTTPD_HEADER.fullmatch(base):
                yield f"{path}:{line}: <{name}> belongs to src/httpd"
            ours = tree.exists(f"include/{base}")
            if ours and room in MAY_INCLUDE and base not in MAY_INCLUDE[room]:
                yield f"{path}:{line}: {room} must not know {base}"
            homes = [f for f in tree.files("src", "tools", ext=".h") if os.path.basename(f) == base]
            if homes and not ours and all(os.path.dirname(h) != room for h in homes):
                yield f"{path}:{line}: {base} is private to {os.path.dirname(homes[0])}"
        if room != "src/httpd":
            for m in re.finditer(r"\bap_[a-z]\w*\s*\(", c.code):
                yield f"{path}:{at(c.code, m.start())}: {m.group(0)}) is httpd's"


@guard("libraries")
def libraries(tree):
    """sqlite3.h only in src/store, yajl only in the two parsers of JSON, curl only in src/cloudflare/http*.c."""
    homes = {"sqlite3": ("src/store/",), "yajl": ("src/intake/json.c", "src/intake/json_stream.c"),
             "curl": ("src/cloudflare/http", "src/cloudflare/transport.h"),
             "openssl": ("tests/",), "maxminddb": ("src/base/geo.c",)}
    for path in tree.sources():
        for line, name in tree.c(path).includes:
            for library, home in homes.items():
                if re.match(rf"{library}\b", name) and not path.startswith(home):
                    yield f"{path}:{line}: <{name}> belongs to {' or '.join(home)}"


VERBS = re.compile(
    r"^\s*(?:SELECT\s|INSERT\s+(?:OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|REPLACE\s+INTO\s|"
    r"CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX|VIEW|TRIGGER)\s|DROP\s+(?:TABLE|INDEX)\s|ALTER\s+TABLE\s|"
    r"PRAGMA\s|VACUUM\b|ATTACH\s|WITH\s+\w+(?:\([^)]*\))?\s+AS\s*\(|BEGIN(?:\s+IMMEDIATE)?\s*;?$|"
    r"COMMIT\s*;?$|ROLLBACK\s*;?$|SAVEPOINT\s)")


@guard("sql")
def sql(tree):
    """SQL stands in src/store, BEGIN and COMMIT in its commit.c."""
    for path in tree.sources():
        for line, text in tree.c(path).strings:
            if not path.startswith("src/store/") and VERBS.search(text):
                yield f"{path}:{line}: SQL outside src/store: {text[:40]}"
            if path != "src/store/commit.c" and re.search(
                    r"(?:^|;)\s*(?:BEGIN\b|COMMIT\b|END\s+TRANSACTION)", text) \
                    and path.startswith("src/store/"):
                yield f"{path}:{line}: transactions are commit.c's: {text[:40]}"


@guard("sql-dialect")
def sql_dialect(tree):
    """No SQL that SQLite 3.34 lacks."""
    for path in tree.files("src/store", ext=".c"):
        for line, text in tree.c(path).strings:
            if not re.search(r"\b[A-Z]{4,}\b", text):
                continue
            for version, pattern in newer.SQL:
                m = pattern.search(text)
                if m:
                    yield f"{path}:{line}: '{m.group(0).strip()}' came with SQLite {version}"


@guard("secrets-compared")
def secrets_compared(tree):
    """src/intake/secret.c is the only file that compares secrets in constant time."""
    for path in tree.sources():
        if path == "src/intake/secret.c":
            continue
        for m in re.finditer(r"\b(apr_crypto_equals|cfmt_hmac_sha256)\s*\(", tree.c(path).code):
            if not path.endswith(".h"):
                yield f"{path}:{at(tree.c(path).code, m.start())}: {m.group(1)} belongs to secret.c"


# ---- binaries -----------------------------------------------------------------------------------------


def nm(path, *options):
    done = subprocess.run(["nm", "-D", *options, path], capture_output=True, text=True)
    if done.returncode:
        raise Skip(f"nm cannot read {path}")
    return [line.split()[-1].split("@")[0] for line in done.stdout.splitlines() if line.strip()]


def built(tree, name):
    path = tree.binary(name)
    if not path:
        raise Skip(f"{name} is not built in {tree.builddir}")
    if not shutil.which("nm"):
        raise Skip("no nm (Debian package binutils)")
    return path


@guard("exports")
def exports(tree):
    """The module exports cfmt_module and nothing else."""
    names = {n for n in nm(built(tree, "mod_cfmt.so"), "--defined-only")
             if not n.startswith(("__odr_asan", "__asan_"))}
    for name in sorted(names - {"cfmt_module"}):
        yield f"mod_cfmt.so exports {name}"
    if "cfmt_module" not in names:
        yield "mod_cfmt.so does not export cfmt_module"


@guard("symbols")
def symbols(tree):
    """Neither binary needs a symbol that the oldest target lacks."""
    for name in ("mod_cfmt.so", "cfmtctl"):
        for symbol in newer.newer_symbols(nm(built(tree, name), "--undefined-only")):
            yield f"{name} needs {symbol}, which is newer than the oldest target"


# ---- form ---------------------------------------------------------------------------------------------


@guard("first-line")
def first_line(tree):
    """Every file begins with a comment that tells its content."""
    for path in tree.sources() + tree.files("tests"):
        text = tree.read(path)
        if path.endswith((".c", ".h")) and not text.startswith("/*"):
            yield f"{path}:1: begins without a comment"
        if path.endswith(".py") and not re.match(r'(#!.*\n)?(""")', text):
            yield f"{path}:1: begins without a docstring"


@guard("sizes")
def sizes(tree):
    """Functions: at most 60 lines, 9 of 10 at most 40, median at most 12. Files: at most 600 lines."""
    paths = [p for p in tree.sources() if p.endswith(".c")]
    for path in tree.sources():
        lines = tree.read(path).count("\n")
        if lines > 600:
            yield f"{path}: {lines} lines; split it (600)"
        for n, line in enumerate(tree.read(path).splitlines(), 1):
            if len(line) > 100 or "\t" in line:
                yield f"{path}:{n}: {'a tab' if chr(9) in line else f'{len(line)} columns'}"
    ctags = shutil.which("ctags")
    if not ctags:
        raise Skip("no ctags (Debian package universal-ctags): functions not measured")
    done = subprocess.run([ctags, "-f", "-", "--languages=C", "--kinds-C=f", "--fields=+ne",
                           *[os.path.join(tree.root, p) for p in paths]], capture_output=True, text=True)
    lengths = []
    for line in done.stdout.splitlines():
        m = re.match(r"(\w+)\t(\S+)\t.*\bline:(\d+).*\bend:(\d+)", line)
        if m:
            length = int(m.group(4)) - int(m.group(3)) + 1
            lengths.append(length)
            if length > 60:
                where = os.path.relpath(m.group(2), tree.root)
                yield f"{where}:{m.group(3)}: {m.group(1)}() has {length} lines (60)"
    if not lengths:
        raise Skip("this ctags measures no functions (universal-ctags does)")
    if statistics.median(lengths) > 12:
        yield f"the median function has {statistics.median(lengths)} lines (12)"
    if sum(n <= 40 for n in lengths) < 0.9 * len(lengths):
        yield f"{sum(n > 40 for n in lengths)} of {len(lengths)} functions have more than 40 lines (1 in 10)"


# Put together here so that this file does not find itself.
MACHINE = re.compile("|".join([
    "/wor" + "k/", "/roo" + r"t/\.\w", "/hom" + r"e/[a-z]\w*/", "/Use" + "rs/", "/tm" + r"p/[a-z]\d\b",
    "/usr/loc" + r"al/lib/python"]))


OURS = ["mod_cfmt.c", "include", "src", "tools", "conf", "docs", "tests", ".ci", "Makefile.am",
        "configure.ac", "autogen.sh", "README.md", "CHANGES", "NOTICE", ".gitignore"]


@guard("machine-paths")
def machine_paths(tree):
    """Nothing names a directory of the machine on which it was written."""
    for path in tree.files(*OURS):
        if path.endswith((".o", ".lo", ".la", ".so", ".log", ".trs")) or path == "conf/cfmt.load":
            continue  # made in place
        for n, line in enumerate(tree.read(path).splitlines(), 1):
            m = MACHINE.search(line)
            if m:
                yield f"{path}:{n}: {m.group(0)}"


@guard("listed")
def listed(tree):
    """Every source is in Makefile.am, every file there exists; so for unit tests and model."""
    text = tree.read("Makefile.am").replace("\\\n", " ")
    named = set(re.findall(r"[\w./-]+\.[ch]\b", text))
    there = set(tree.sources()) | {f for f in tree.files("tests/unit", "tests/model")
                                     if f.endswith((".c", ".h"))}
    for path in sorted(there - named):
        yield f"{path} is not in Makefile.am"
    for path in sorted(named - there):
        if not tree.exists(path):
            yield f"Makefile.am: {path} does not exist"


@guard("shell")
def shell(tree):
    """shellcheck has nothing to say about our scripts."""
    if not shutil.which("shellcheck"):
        raise Skip("no shellcheck")
    scripts = [p for p in tree.files("autogen.sh", "tools", "tests", ".ci")
               if p.endswith(".sh") or re.match(r"#!/bin/(ba|da)?sh", tree.read(p))]
    done = subprocess.run(["shellcheck", "-f", "gcc", *scripts], cwd=tree.root, capture_output=True,
                          text=True)
    yield from done.stdout.splitlines()


GUARDS.update(manual.GUARDS)


def main(names):
    tree = Tree(os.environ.get("srcdir", "."), os.environ.get("builddir", "."))
    unknown = [n for n in names if n not in GUARDS]
    if unknown:
        print(f"no guard {unknown[0]}; there are: {' '.join(GUARDS)}", file=sys.stderr)
        return 2
    failed = 0
    for name, fn in GUARDS.items():
        if names and name not in names:
            continue
        findings, reason = [], None
        try:
            for finding in fn(tree):
                findings.append(finding)
        except Skip as skip:
            reason = str(skip)
        if findings:
            failed += 1
            print(f"FAIL: guard {name}: {fn.__doc__.splitlines()[0]}")
            print("\n".join(f"    {f}" for f in findings[:20]))
            if len(findings) > 20:
                print(f"    and {len(findings) - 20} more")
        elif reason:
            print(f"SKIP: guard {name}: {reason}")
        else:
            print(f"PASS: guard {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
