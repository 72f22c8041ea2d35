"""docs/json.md and the documents that cfmtctl prints have the same members, for each command."""
import json
import os
import re

import pytest

from ctlcases import CASES, each, table, words

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FREE = {"body", "fields"}  # what others wrote is theirs


def paths(value, at=""):
    """"prefixes[].state": of each member where it stands."""
    if isinstance(value, dict) and at.split(".")[-1].rstrip("[]") not in FREE:
        for key, member in value.items():
            yield from [f"{at}.{key}".lstrip("."), *paths(member, f"{at}.{key}".lstrip("."))]
    elif isinstance(value, list):
        for member in value:
            yield from paths(member, at + "[]")


def objects(value, at=""):
    """Where the objects of a document are: "prefixes[]"."""
    if isinstance(value, dict):
        return {at}.union(*(objects(v, f"{at}.{k}".lstrip(".")) for k, v in value.items()))
    return set().union(*(objects(v, at + "[]") for v in value)) if isinstance(value, list) else set()


class Page:
    """A section a document; its table has the members, and "Only" where one need not be there."""

    def __init__(self):
        with open(os.path.join(ROOT, "docs", "json.md"), encoding="utf-8") as f:
            text = f.read()
        self.sections = {}
        for heading, body in re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", text, re.M):
            rows = [(path, what) for paths_, what in re.findall(r"^\| (`.*`) \| (.*) \|$", body, re.M)
                    for path in re.findall("`([^`]+)`", paths_)]
            for name in heading.split(", "):
                assert name not in self.sections, f"docs/json.md has '{name}' twice"
                self.sections[name] = rows

    def members(self, name):
        """{path: it may be missing}. "as a row of [audit]" stands for all that is there, below the member's own path."""
        found = {}
        for path, what in self.sections[name]:
            found[path] = what.startswith("Only ")
            like = re.match(r"as (a row|the document) of \[([-a-z ]+)\]", what)
            if like:
                below = self.members(like.group(2))
                if like.group(1) == "a row":
                    noun = re.match(r"\w+\[\]\.", list(below)[-1]).group()
                    below = {p[len(noun):]: only for p, only in below.items() if p.startswith(noun)}
                at = path + ("[]." if path.endswith("s") and like.group(1) == "a row" else ".")
                found.update({at + p: only for p, only in below.items()})
        return found

    def of(self, name, line):
        """That of this command line."""
        for option in ("--top", "--policy", "--imported", "--dry-run"):
            for title in (f"{name} {option}", option):
                if option in line and title in self.sections and name != "import":
                    return self.members(title)
        return self.members(name)


@pytest.fixture(name="page", scope="module")
def read_page():
    return Page()


def test_each_command_has_its_section(page):
    assert sorted(s for s in page.sections if "--" not in s) == sorted(table())


@each()
@pytest.mark.parametrize("kind", ["empty", "small"])
def test_a_document_has_the_members_of_the_page(places, page, kind, name, line, code):
    del code
    place = places.copy(kind) if CASES[name].changes else places.of(kind)
    done = place.ctl(*words(name, line), "--json")
    if not done.stdout:
        assert done.returncode != 0
        return
    document = json.loads(done.stdout)
    assert document.pop("version") == 1
    found, known = set(paths(document)), page.of(name, line)
    assert found <= set(known), f"docs/json.md lacks {sorted(found - set(known))}"
    # Of an object that is there all members are, if only as null.
    missing = {p for p, only in known.items() if not only and p not in found
               and ("." not in p or re.sub(r"\.[^.]*$", "", p) in objects(document))}
    assert not missing, f"docs/json.md tells of {sorted(missing)}"
