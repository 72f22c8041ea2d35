"""The manual's examples: httpd reads each configuration, cfmtctl takes each command line, and the defaults that
docs/directives.md names are those of the module."""
import json
import os
import re
import shlex
import subprocess

import pytest

import httpd

DOCS = os.path.join(httpd.SRCDIR, "docs")
MODULES = ["log_config", "ssl", "socache_shmcb", "remoteip", "reqtimeout", "proxy", "proxy_http"]
HOOK = "https://chat.example.com/hook/0123456789abcdef"


def pages():
    """(name, text) of each page and of the README."""
    paths = sorted(os.path.join(DOCS, n) for n in os.listdir(DOCS) if n.endswith(".md"))
    for path in [os.path.join(httpd.SRCDIR, "README.md"), *paths]:
        with open(path, encoding="utf-8") as f:
            yield os.path.relpath(path, httpd.SRCDIR), f.read()


def blocks():
    """(where, lines) of each example of configuration."""
    for name, text in pages():
        for m in re.finditer(r"(?ms)^( *)```apache\n(.*?)^\1```$", text):
            yield f"{name}:{text.count(chr(10), 0, m.start()) + 1}", re.sub(rf"(?m)^{m.group(1)}", "", m.group(2))


def entries():
    """name -> what directives.md says of it: Syntax, Default, Context, Example."""
    text = dict(pages())["docs/directives.md"]
    parts = re.split(r"(?m)^## (Cfmt\w+)$", text)
    return {name: dict(re.findall(r"(?m)^    (\w+): +(.*)$", body)) for name, body in zip(parts[1::2], parts[2::2])}


ENTRIES = entries()


# ---- configuration --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def conf(farm):
    """A server that is never started, with the modules and files that examples name."""
    s = farm.new(modules=MODULES)
    os.mkdir(s.path("conf"))
    s.write("conf/attack-start.txt", "ATTACK on {prefix}\n")
    s.write("program", "#!/bin/sh\nexit 0\n", 0o755)
    s.write("token", "123456:AAbot-token-not-to-be-seen\n", 0o600)
    s.write("url", HOOK + "\n", 0o600)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=mt.example.net", "-keyout", s.path("key.pem"), "-out", s.path("cert.pem")],
                   check=True, capture_output=True)
    yield s
    farm.end(s)


def at_home(s, text):
    """Files and the group that an example names, as they are here."""
    names = {r"(SSLCertificateFile )\S+": "cert.pem", r"(SSLCertificateKeyFile )\S+": "key.pem",
             r"(exec:)/\S+": "program", r"(path=)/\S+": "program",
             r"(url=file:)/\S+": "url", r"(token=file:)/\S+": "token",
             r"(CfmtApiToken file:)/\S+": "token", r"(CfmtSecret file:)/\S+": "secret/0",
             r"(CfmtMessage \S+ file:)/\S+": "conf/attack-start.txt"}
    for pattern, name in names.items():
        text = re.sub(pattern, lambda m, n=name: m.group(1) + s.path(n), text)
    text = re.sub(r"(CfmtGroup )\S+", lambda m: m.group(1) + httpd.grp_of(s.user), text)
    others = set(re.findall(r"fallback=(\S+)", text)) - set(re.findall(r"name=(\S+)", text))
    return text + "".join(f"CfmtNotify syslog name={name}\n" for name in others)


def configtest(s, text, *arguments):
    db = [] if "CfmtDb" in text else [f"CfmtDb {s.db}"]
    s.cfmt = ["Define APACHE_LOG_DIR logs", *db, *at_home(s, text + "\n").splitlines()]
    done = s.run("-t", *arguments)
    return done.returncode, done.stdout


def accepted(code, out, where):
    if "this build has no libmaxminddb" in out:
        return
    assert code == 0 and "Syntax OK" in out, f"{where}: {out}"


@pytest.mark.parametrize("where,text", list(blocks()), ids=[where for where, _ in blocks()])
def test_configuration(conf, where, text):
    accepted(*configtest(conf, text), where)


@pytest.mark.parametrize("name", ENTRIES)
def test_example(conf, name):
    line = ENTRIES[name]["Example"]
    assert line.startswith(name + " ")
    accepted(*configtest(conf, line), name)


def test_defaults(conf):
    """Each default that directives.md names changes nothing when it is written down."""
    def dump(text):
        code, out = configtest(conf, text, "-DDUMP_CFMT")
        return code, [line for line in out.splitlines() if not line.startswith("[")]  # what is no line of the log

    code, plain = dump("")
    lines = [e["Default"] for name, e in ENTRIES.items() if e["Default"].startswith(name + " ")]
    assert code == 0 and len(lines) > 20
    assert dump("\n".join(lines)) == (0, plain)
    for name in (line.split()[0] for line in lines):  # one that is no default would show
        assert any(line.startswith(name) for line in plain), f"{name} is not in the dump"


def test_context(conf):
    """'server config': nowhere else."""
    for name, e in ENTRIES.items():
        code, out = configtest(conf, f"<VirtualHost *:9>\n{e['Example']}\n</VirtualHost>")
        assert code and f"{name} cannot occur within <VirtualHost>" in out, out


# ---- command lines --------------------------------------------------------------------------------------


def commands():
    """(where, line) of each cfmtctl that stands in an example, or as `cfmtctl ...` in a sentence."""
    for name, text in pages():
        prose = re.sub(r"(?ms)^( *)```.*?^\1```$", "", text)
        for m in re.finditer(r"(?m)^ {4,}(?:\$ )?(?:sudo )?(cfmtctl .*)$|`(?:sudo )?(cfmtctl [a-z][^`]*)`", prose):
            for line in re.split(r"; (?=cfmtctl)", m.group(1) or m.group(2)):
                line = re.split(r"\s#|&&|\||;", line)[0].strip()
                yield f"{name}: {line}", line
    with open(os.path.join(DOCS, "cfmtctl.8"), encoding="utf-8") as f:
        page = f.read().replace("\\-", "-")
    for line in re.search(r"(?ms)^\.SH EXAMPLES$.*?^\.nf$(.*?)^\.fi$", page).group(1).strip().splitlines():
        yield f"cfmtctl(8): {line}", line.partition(" | ")[0]


COMMANDS = sorted(set(commands()))
HASH = "412:" + "5b" * 32
# what words in upper case, and what is left out, stand for
VALUES = {"PREFIX": "203.0.113.0/24", "ID": "7", "N": "7", "NAME": "ops", "CHANNEL": "ops", "COMMAND": "status",
          "ID:HASH": HASH, "N:HASH": HASH, "412:5b0f...": HASH, "...": "because", "TYPE": "dos_attack_l4"}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The names of all commands, a file for each option that reads one, and where all other paths lead to."""
    done = subprocess.run([httpd.cfmtctl_path(), "help", "--json"], capture_output=True, text=True, check=True)
    files = {}
    for option, text in (("--policy", "CfmtCalm 30min\n"), ("--secret-file", httpd.SECRET + "\n")):
        path = tmp_path_factory.mktemp("manual") / "file"
        path.write_text(text)
        files[option] = str(path)
    place = tmp_path_factory.mktemp("place")
    for name in ("etc", "var/backups/cfmt", "opt/magic-transit"):
        os.makedirs(place / name)
    return {c["name"] for c in json.loads(done.stdout)["commands"]}, files, str(place)


@pytest.mark.parametrize("where,line", COMMANDS, ids=[where for where, _ in COMMANDS])
def test_command(known, where, line):
    """It gets as far as looking for the database, which is not there: so it is understood. The bare name of a command,
    as a sentence has it, must be one."""
    names, files, place = known
    words = [VALUES.get(w, w) for w in shlex.split(line.replace("[", "").replace("]", ""))][1:]
    words = [files.get(before, w) for before, w in zip(["", *words], words)]
    words = [place + w if re.match("/(etc|var|opt)/", w) else w for w in words]
    if " ".join(words) in names:
        return
    database = [] if "--db" in words else ["--db", "/nonexistent/cfmt.db"]
    done = subprocess.run([httpd.cfmtctl_path(), *words, *database], capture_output=True, text=True, check=False,
                          timeout=20 * httpd.SLOWER, stdin=subprocess.DEVNULL)
    assert done.returncode != 2, done.stderr
