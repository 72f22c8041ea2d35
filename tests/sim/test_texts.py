"""Messages to people out of 10,000 values that nobody would choose: each text is valid for an HTML parser, within
Telegram's limit, and says what the plain text says. tests/sim/texts.c is the program's side of it."""
import html.parser
import json
import os
import random
import subprocess
import unicodedata

import pytest

from cfsim.telegram import LIMIT, plain_text, units

BUILT = os.environ.get("builddir")
TEXTS = os.path.join(BUILT or ".", "tests", "sim", "texts")
if not BUILT and not os.path.exists(TEXTS):
    pytest.skip("tests/sim/texts is not built (make check builds it; builddir tells where)", allow_module_level=True)

KINDS = """not-protected hijack reversed locked auto-failed token blind failed refused attack-start auto-advertise
advertised withdrawn proposal tunnel leader outbox test attack-end would-withdraw due orphan alert recovered attack-on
hijack-explained held start stop daily""".split()
FIELDS = """prefix attack target vector protocol type pps bps peak_pps peak_bps dropped_pps sources spoofed at since_at
until_at duration_s next next_at look mode cause who reason error summary intent proposal number count days name state
account asn seen expected""".split()
PIECES = ["<b>", "</b>", "<i", ">", "<", "&", "&amp;", "&#60;", "<!--", "-->", "<a href='x'>", "]]>", '"', "'", "\\", "{", "}",
          "{prefix}", "[", "]", "\n", "\r\n", "\t", "\x00", "\x01", "\x1b[31m", "\x7f", "\x85", "\u202e", "\u2066", "\u2028",
          "\u05d0\u05d1", "\u0627\u0644", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0301", "\ufeff",
          "\ufffe", "漢字", "é", "a", " ", "7", "-1", "1e9", "1763781667000000", "203.0.113.0/24", "@everyone", "x" * 300]
CASES = 520 if os.environ.get("CFMT_TIER") != "long" else 5200  # of about 20 values each


class Markup(html.parser.HTMLParser):
    """The tags, in order, and the text."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.odd = [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs, len(self.text)))

    def handle_endtag(self, tag):
        self.tags.append(("/" + tag, [], len(self.text)))

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.odd.append(data)

    handle_decl = unknown_decl = handle_pi = handle_comment


def value(rng):
    length = rng.randrange(5000) if rng.random() < 0.03 else rng.randrange(8)
    return "".join(rng.choice(PIECES) for _ in range(length))


def records(rng):
    for case in range(CASES):
        for _ in range(2):
            fields = {name: value(rng) for name in rng.sample(FIELDS, rng.randrange(len(FIELDS)))}
            yield KINDS[case % len(KINDS)] + "\n" + json.dumps(fields)


def texts(given):
    """Pairs of plain text and HTML."""
    done = subprocess.run([TEXTS], input="".join(one + "\0" for one in given).encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
    parts = done.stdout.decode("utf-8").split("\0")
    assert parts.pop() == "" and len(parts) % 2 == 0
    return list(zip(parts[::2], parts[1::2]))


def check(text, markup):
    parser = Markup()
    parser.feed(markup)
    parser.close()
    first = text.split("\n")[0]
    assert not parser.odd
    assert [tag for tag, attrs, _ in parser.tags] == ["b", "/b"] and not parser.tags[0][1] and parser.tags[0][2] == 0
    assert 0 < units(markup) <= LIMIT
    assert parser.text == plain_text(markup, "HTML")
    if parser.text.endswith("…") and parser.text != text:
        assert text.startswith(parser.text[:-1])
    else:
        assert parser.text == text and parser.tags[1][2] == len(first)
    assert first.strip() and not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]


def test_whatever_comes():
    given = list(records(random.Random(8)))
    values = sum(len(json.loads(one.split("\n", 1)[1])) for one in given)
    got = texts(given)
    assert values >= 10000 and len(got) == len(given) * 2
    for text, markup in got:
        check(text, markup)


def test_it_would_be_seen():
    for bad in ("<b>x</b> & <i>y", "<b>x", "x", "<b>x</b><!-- y -->", "<b>x</b>\n<b>y</b>", "<b>" + "x" * 4096 + "</b>"):
        with pytest.raises(Exception):
            check("x", bad)


def test_a_message_as_it_is():
    fields = {"prefix": "203.0.113.0/24", "target": "<203.0.113.7>", "vector": "SYN & ACK", "pps": "1200000",
              "mode": "observe"}
    (text, markup), = texts(["attack-start\n" + json.dumps(fields)])
    assert markup == ("<b>Attack on 203.0.113.0/24: SYN &amp; ACK, 1.2 Mpps</b>\n"
                      "Target: &lt;203.0.113.7&gt; (attack a584ec075c7fd)\n"
                      "Mode: observe (nothing is advertised or withdrawn by itself)")
    assert text.startswith("Attack on 203.0.113.0/24: SYN & ACK, 1.2 Mpps\nTarget: <203.0.113.7>")
