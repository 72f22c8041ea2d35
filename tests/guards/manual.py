"""Guards of the manual: its pages, their links and examples, and what they say of directives, exit codes and files."""
import html
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse

from tree import Skip

PAGES = re.compile(r"docs/[\w-]+\.md|README\.md")


def at(text, index):
    return text.count("\n", 0, index) + 1


def pages(tree):
    return [p for p in ["README.md", *tree.files("docs", ext=".md")] if tree.exists(p) and PAGES.fullmatch(p)]


def without_examples(text):
    """The text with examples and code blanked out, lines and columns kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r"(?ms)^( *)```.*?^\1```", blank, text)
    text = re.sub(r"(?m)^(?: {4}|\t).*$", blank, text)
    return re.sub(r"`[^`\n]*`", blank, text)


def slugs(text):
    """The anchors of a page's headings, as forges make them."""
    found = set()
    bare = re.sub(r"(?ms)^```.*?^```", "", text)
    for m in re.finditer(r"(?m)^#+ (.*)$", bare):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", m.group(1)).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")
        n = 0
        while f"{name}-{n}" in found or (n == 0 and name in found):
            n += 1
        found.add(f"{name}-{n}" if n else name)
    return found


# ---- pages ----------------------------------------------------------------------------------------------


def links(tree):
    """Every link between the pages leads somewhere, also within a page; the index leads to every page."""
    for path in pages(tree):
        text = tree.read(path)
        for m in re.finditer(r"\]\(([^)\s]+)\)", without_examples(text)):
            where, link = f"{path}:{at(text, m.start())}", m.group(1)
            if re.match(r"https://|http://", link):
                continue
            name, _, anchor = link.partition("#")
            there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            if not tree.exists(there):
                yield f"{where}: {link} leads nowhere"
            elif path != "README.md" and not there.startswith("docs/"):
                yield f"{where}: {link} leads out of docs/, where the HTML pages cannot follow"
            elif anchor and anchor not in slugs(tree.read(there)):
                yield f"{where}: {link}: {there} has no such heading"
        for m in re.finditer(r"\bdocs/[\w.-]+\.(?:md|8)\b", text):
            if not tree.exists(m.group(0)):
                yield f"{path}:{at(text, m.start())}: {m.group(0)} does not exist"
    if not tree.exists("docs/README.md"):
        yield "docs/README.md, the index, is missing"
        return
    index = set(re.findall(r"\]\(([\w.-]+)\)", tree.read("docs/README.md")))
    for path in tree.files("docs"):
        name = os.path.basename(path)
        if re.fullmatch(r"docs/[\w-]+(\.md|\.\d)", path) and name not in index | {"README.md", "cfmt.conf.5"}:
            yield f"docs/README.md does not lead to {name}"


def named(tree):
    """Numbers of messages, directives and files of ours that a page names exist."""
    numbers = set()
    for path in tree.sources():
        numbers |= set(re.findall(r"\bCFMT_ID\(\s*(\d{4})\s*\)", tree.c(path).code))
    ranges = set(re.findall(r"\bCFMT(\d\d)xx\b", tree.read("docs/troubleshooting.md")))
    for hundred in sorted({n[:2] for n in numbers} - ranges):
        yield f"docs/troubleshooting.md: nothing is said of CFMT{hundred}xx"
    names = set(re.findall(r"(?m)^## `?(Cfmt\w+)", tree.read("docs/directives.md")))
    for path in pages(tree) + [p for p in tree.files("docs") if re.search(r"\.\d$", p)]:
        text = tree.read(path)
        for m in re.finditer(r"\bCFMT(\d{4})\b", text):
            if m.group(1) not in numbers:
                yield f"{path}:{at(text, m.start())}: no source says {m.group(0)}"
        for m in re.finditer(r"\bCfmt[A-Z]\w+", text):
            if m.group(0) not in names:
                yield f"{path}:{at(text, m.start())}: {m.group(0)} is no directive"
        for m in re.finditer(r"`((?:src|tests|tools|conf|include|docs)/[\w./-]*[\w/])(?:\.)?`", text):
            stands_for_others = "NAME" in m.group(1) or m.group(1).startswith("docs/html")
            if not stands_for_others and not tree.exists(m.group(1)):
                yield f"{path}:{at(text, m.start())}: there is no {m.group(1)}"


def examples(tree):
    """Configuration in a page stands between ```apache and ```: a test lets httpd read it."""
    for path in pages(tree):
        text = tree.read(path)
        for m in re.finditer(r"(?m)^ {4,}(Cfmt[A-Z]\w+ |</?(?:Location|VirtualHost|IfModule))", text):
            inside = len(re.findall(r"(?m)^ *```", text[:m.start()])) % 2
            if not inside:
                yield f"{path}:{at(text, m.start())}: {m.group(1).strip()} outside of ```apache"
        for m in re.finditer(r"(?m)^ *```(\w*)\n", text):
            opens = len(re.findall(r"(?m)^ *```", text[:m.start()])) % 2 == 0
            if opens and m.group(1) not in ("apache", "json", ""):
                yield f"{path}:{at(text, m.start())}: ```{m.group(1)}: apache, json or nothing"


def tables(tree):
    """Each table has a head, and each of its rows as many cells; otherwise it is shown as a heap of words."""
    for path in pages(tree):
        text = tree.read(path)
        for m in re.finditer(r"(?m)(?:^\|.*\n?)+", re.sub(r"(?ms)^```.*?^```$", lambda b: "\n" * b.group(0).count("\n"),
                                                        text)):
            where = f"{path}:{at(m.string, m.start())}"
            rows = [len(re.findall(r"(?<!\\)\|", row)) - 1 for row in m.group(0).splitlines()]
            if len(rows) < 3 or not re.match(r"\|[-| ]+\|\n", m.group(0).partition("\n")[2]):
                yield f"{where}: a table without a head"
            for n, cells in enumerate(rows):
                if cells != rows[0]:
                    yield f"{path}:{at(m.string, m.start()) + n}: {cells} cells in a table of {rows[0]}"


# ---- directives -----------------------------------------------------------------------------------------

UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
C_UNITS = {"apr_time_from_msec": 0.001, "SECONDS": 1, "MINUTES": 60, "HOURS": 3600, "DAYS": 86400}


def seconds(text):
    m = re.fullmatch(r"(\d+)(ms|s|m|min|h|d)?", text)
    return int(m.group(1)) * UNITS[m.group(2) or "s"] if m else None


def c_seconds(text):
    m = re.fullmatch(r"(\w+)\(([\d *]+)\)", text)
    product = 1
    for factor in (m.group(2) if m else "0").split("*"):
        product *= int(factor)
    return product * C_UNITS[m.group(1)] if m else 0


def entries(text):
    """(name, line, body) of each directive in docs/directives.md."""
    parts = re.split(r"(?m)^## `?(Cfmt\w+).*$", text)
    offset = len(parts[0])
    for name, body in zip(parts[1::2], parts[2::2]):
        yield name, at(text, offset) + 1, body
        offset = text.index(body, offset) + len(body)


def directive_entries(tree):
    """Each directive has syntax, default, context and example; durations have the code's default and range."""
    text = tree.read("docs/directives.md")
    span = r"(\w+\([^)]*\)|0)"
    table = {m.group(1): m.groups()[1:] for m in re.finditer(
        rf"\.directive = \"(Cfmt\w+)\",\s*\.def = {span},\s*\.min = {span},\s*\.max = {span}",
        tree.read("src/policy/directive.c"))}
    if not table:
        yield "src/policy/directive.c: no table of durations found"
    for name, line, body in entries(text):
        where = f"docs/directives.md:{line}: {name}"
        said = dict(re.findall(r"(?m)^    (Syntax|Default|Context|Example): +(.*)$", body))
        for word in ("Syntax", "Default", "Context", "Example"):
            if word not in said:
                yield f"{where} has no {word}:"
        for word in ("Syntax", "Example"):
            if not said.get(word, name).startswith(name):
                yield f"{where}: {word} does not begin with its name"
        if said.get("Context", "server config") != "server config":
            yield f"{where}: Context: {said['Context']}: all are server config"
        if name in table:
            default, low, high = (c_seconds(t) for t in table[name])
            word = said.get("Default", "").replace(name, "").strip()
            if (0 if word == "forever" else seconds(word)) != default:
                yield f"{where}: Default: {word}; the code has {table[name][0]}"
            ranges = [(seconds(a), seconds(b)) for a, b in re.findall(r"\b(\d+\w+) to (\d+\w+)\b", body)]
            if (low, high) not in ranges:
                yield f"{where}: its range, {table[name][1]} to {table[name][2]}, is not said"


# ---- manual pages ---------------------------------------------------------------------------------------


def exit_codes(tree):
    """cfmtctl's exit codes are those of its manual page and of docs/troubleshooting.md."""
    code = dict(re.findall(r"\b(CTL_\w+) = (\d+)\b", tree.read("tools/cfmtctl/cfmtctl.h")))
    wanted = set(code.values())
    if not wanted:
        yield "tools/cfmtctl/cfmtctl.h: no exit codes found"
    section = re.search(r"(?ms)^\.SH EXIT STATUS$(.*?)^\.SH ", tree.read("docs/cfmtctl.8"))
    page = set(re.findall(r"(?m)^\.TP\n\.B (\d+)$", section.group(1))) if section else set()
    part = re.search(r"(?ms)^## cfmtctl itself$(.*?)(?=^## |\Z)", tree.read("docs/troubleshooting.md"))
    table = set(re.findall(r"(?m)^\| (\d+) \|", part.group(1))) if part else set()
    for path, has in (("docs/cfmtctl.8", page), ("docs/troubleshooting.md", table)):
        for number in sorted(wanted - has):
            yield f"{path}: exit status {number} is missing"
        for number in sorted(has - wanted):
            yield f"{path}: exit status {number} is none of cfmtctl's"


def option_names(tree):
    """OPT_... -> the options that it stands for, as a pattern: --limit or -n."""
    header = tree.read("tools/cfmtctl/cfmtctl.h")
    names = {m.group(1): {f"--{m.group(2)}" + (f"|-{m.group(3)}" if m.group(3) else "")} for m in re.finditer(
        r"\.bit = (OPT_\w+), \.name = \"([^\"]+)\"(?:, \.letter = '(\w)')?", tree.read("tools/cfmtctl/options.c"))}
    for m in re.finditer(r"(OPT_\w+) = ((?:OPT_\w+(?: \| )?)+)", header):
        names[m.group(1)] = set().union(*(names.get(bit, set()) for bit in m.group(2).split(" | ")))
    return names


def command_options(tree):
    """The manual page tells of every option of every command: at the command, or under its name in OPTIONS."""
    names = option_names(tree)
    commands = re.findall(r"\{ \.name = \"([^\"]+)\"(.*?)\.summary", tree.read("tools/cfmtctl/commands.c"), re.S)
    page = re.sub(r"\\f.|\"", "", tree.read("docs/cfmtctl.8").replace("\\-", "-"))
    parts = dict(re.findall(r"(?ms)^\.SH ([A-Z ]+)$(.*?)(?=^\.SH |\Z)", page))
    own = {m.group(1).strip(): m.group(0) for m in re.finditer(
        r"(?ms)^\.TP\n\.\w+ ([a-z ]+).*?(?=^\.TP|\Z)", parts.get("COMMANDS", ""))}
    groups = re.findall(r"(?ms)^\.SS (.*?)$(.*?)(?=^\.SS |\Z)", parts.get("OPTIONS", ""))
    if not commands or not own or not groups:
        yield "docs/cfmtctl.8 or tools/cfmtctl/commands.c: nothing found"
    for name, rest in commands:
        headed = rf"(?:^|, |\()(?:{re.escape(name)}|{re.escape(name.split()[0])})(?:$|,|\))"
        text = own.get(name, "") + "".join(body for title, body in groups if re.search(headed, title))
        bits = re.search(r"\.options = ([A-Z_ |\n]+)", rest)
        for option in sorted(set().union(*(names.get(b, set()) for b in re.findall(r"OPT_\w+", bits.group(1))))
                             if bits else ()):
            if not re.search(rf"(?:{option})\b", text):
                yield f"docs/cfmtctl.8: {option} of '{name}' is told neither there nor in OPTIONS under its name"


def man_pages(tree):
    """Each manual page names this version and has the sections that one looks for."""
    version = re.search(r'#define CFMT_VERSION "(.*)"', tree.read("include/cfmt.h")).group(1)
    for path in tree.files("docs"):
        m = re.fullmatch(r"docs/([\w.-]+)\.(\d)(?:\.in)?", path)
        if not m:
            continue
        text = tree.read(path).replace("@VERSION@", version)
        if not re.search(rf'(?m)^\.TH {re.escape(m.group(1).upper())} {m.group(2)} "[\d-]+" "mod_cfmt '
                         rf'{re.escape(version)}"', text):
            yield f"{path}: its .TH is not of {m.group(1).upper()} {m.group(2)}, mod_cfmt {version}"
        for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "FILES" if m.group(1) != "cfmtctl" else "EXIT STATUS",
                        "SEE ALSO"):
            if not re.search(rf"(?m)^\.SH \"?{section}\"?$", text):
                yield f"{path}: no section {section}"
        if path.endswith(m.group(2)) and shutil.which("mandoc"):
            done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", os.path.join(tree.root, path)],
                                  capture_output=True, text=True, check=False)
            for line in done.stdout.splitlines():
                yield f"{path}: {line.partition(path)[2].lstrip(':')}"


class HtmlPage:
    def __init__(self, text):
        self.anchors = set(re.findall(r'\bid="([^"]+)"', text))
        self.links = [html.unescape(h) for h in re.findall(r'\bhref="([^"]+)"', text)]


def html_pages(tree):
    """The manual as HTML: every page is made, and every link in it leads somewhere."""
    missing = [name for name in ("lowdown", "mandoc") if not shutil.which(name)]
    if missing:
        raise Skip(f"no {missing[0]} (Debian package {missing[0]})")
    with tempfile.TemporaryDirectory(prefix="cfmt-manual-") as out:
        done = subprocess.run(["/usr/bin/python3", os.path.join(tree.root, "tools", "manual"), "html", out],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"tools/manual: {done.stderr.strip() or done.returncode}"
            return
        made = {}
        for name in sorted(os.listdir(out)):
            with open(os.path.join(out, name), encoding="utf-8") as f:
                made[name] = HtmlPage(f.read())
    for name, page in made.items():
        for link in page.links:
            there, _, anchor = link.partition("#")
            if re.match(r"https?://", link):
                continue
            if (there or name) not in made:
                yield f"{name}: {link} leads nowhere"
            elif anchor and urllib.parse.unquote(anchor) not in made[there or name].anchors:
                yield f"{name}: {link}: no such anchor"


GUARDS = {"links": links, "named": named, "examples": examples, "tables": tables,
          "directive-entries": directive_entries,
          "command-options": command_options,
          "exit-codes": exit_codes, "man-pages": man_pages, "html": html_pages}
