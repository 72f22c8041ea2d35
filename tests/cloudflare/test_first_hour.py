"""The first hour of the manual, gone through: the configuration of docs/first-hour.md together, with what is of this
host in the place of the reader's; then each of its command lines, which must succeed in the order of the page."""
import os
import re
import shlex

import httpd
from pair import Scene, scenes
from telling import GROUP, program, telegram

PAGE = os.path.join(httpd.SRCDIR, "docs", "first-hour.md")
OURS = ("CfmtSecret", "CfmtSenders", "CfmtAccountId", "CfmtApiToken", "CfmtGroup")  # the pair has its own


def page():
    with open(PAGE, encoding="utf-8") as f:
        return f.read()


def configure(pair):
    """Every directive of the page, in its order; what it does not use any more is a mistake of this test."""
    blocks = "".join(re.findall(r"(?ms)^```apache\n(.*?)^```$", page()))
    lines = [line for line in blocks.splitlines() if line.startswith("Cfmt") and not line.startswith(OURS)]
    url = f"http://127.0.0.1:{pair.server.port}/webhook/cloudflare"
    for line in lines:
        words = line.split()
        if words[0] == "CfmtPublicUrl":
            pair.own.append(f"CfmtPublicUrl {url}")
        elif words[:2] == ["CfmtNotify", "telegram"]:
            telegram(pair, words=" ".join(w for w in words[3:] if not w.startswith(("token=", "chat="))), chat=GROUP)
        elif words[:2] == ["CfmtNotify", "command"]:
            program(pair, name="mail", words=" ".join(w for w in words[3:] if not w.startswith("path=")))
        else:
            assert words[0] == "CfmtPrefix", f"{line}: new on the page, and unknown here"
            pair.own.append(line)
    pair.configure()


def commands():
    """The words behind cfmtctl of each line."""
    return [shlex.split(m.group(1).partition(" #")[0])
            for m in re.finditer(r"(?m)^ {4}sudo cfmtctl (.*)$", page())]


def first_hour(pair):
    configure(pair)
    pair.server.log.expect("CFMT0866")  # the simulator's destination has another URL
    pair.start()
    found = commands()
    assert len(found) > 6, found
    for words in found:
        words = [pair.server.path("secret/0") if w == "/etc/cfmt-secret" else w for w in words]
        done = pair.server.ctl(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert "sent" in pair.server.ctl("notify", "test").stdout


@scenes(Scene(first_hour, takes=10))
def test_first_hour(scene):
    scene()
