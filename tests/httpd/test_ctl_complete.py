"""Completion of cfmtctl's command line: the words, and the scripts of bash and zsh that ask for them."""
import json
import os
import shutil
import subprocess

import pytest

from ctlcases import table
from ctlrows import ENV
from httpd import cfmtctl_path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def words(place, *typed):
    done = place.ctl("completion", "words", "--", *typed)
    assert done.returncode == 0, done
    return done.stdout.split()


def test_every_command_and_every_option(places):
    place = places.of("small")
    names = {name.split()[0] for name in table()}
    assert set(words(place, "")) == names
    common = {"--" + o for o in json.loads(place.ctl("help", "--json").stdout)["options"]}
    for name, c in table().items():
        assert set(words(place, *name.split(), "--")) == common | {"--" + o for o in c["options"]}, name
        first, *second = name.split()
        assert not second or second[0] in words(place, first, "")


def test_what_follows_what(places):
    place = places.of("small")
    assert words(place, "ev") == ["events", "evidence"]
    assert words(place, "events", "-o", "js") == ["json", "jsonl"]
    assert words(place, "events", "--output=js") == ["--output=json", "--output=jsonl"]
    assert words(place, "--db", "") == [], "a file: the shell knows"
    assert words(place, "--reason", "x", "attack", "cl") == ["close"]
    assert words(place, "help", "jour") == ["journal"]
    assert words(place, "completion", "") == ["bash", "zsh"]
    assert set(words(place, "attack", "")) == {"close"} | {a for (a,) in place.all("SELECT id FROM attack")}
    assert "ops" in words(place, "notify", "test", "")
    assert words(place, "timers", "") == []


@pytest.mark.parametrize("name", ["status", "explain", "advertise", "withdraw", "hold", "release", "adopt", "evidence",
                                  "traffic", "window add"])
def test_prefixes_by_their_names(places, name):
    place = places.of("small")
    found = words(place, *name.split(), "")
    assert {"web", "203.0.113.0/24", "2001:db8::/32"} <= set(found), found
    assert words(place, *name.split(), "203.0.113.0") == ["203.0.113.0/24"]


def test_without_a_store_there_are_no_names_and_no_noise():
    done = subprocess.run([cfmtctl_path(), "--db", "/nonexistent/x.db", "completion", "words", "--", "status", ""],
                          env=ENV, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (0, "")


def bash(place, line, how):
    """What bash completes, told by its own rules for words."""
    script = """
        COMP_LINE=$1 COMP_POINT=${#1}
        _cfmtctl "$2"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    tool = place.root + "/cfmtctl"
    with open(tool, "w", encoding="utf-8") as f:  # completion asks without --db
        f.write(f"#!/bin/sh\nCFMT_DB={place.db} exec {cfmtctl_path()} \"$@\"\n")
    os.chmod(tool, 0o755)
    return subprocess.run(["bash", "-c", how + script, "bash", line, tool], env=dict(ENV, PATH=place.root + ":/usr/bin:/bin"),
                          stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize("how", [". <(cfmtctl completion bash)", f". {ROOT}/conf/completion/cfmtctl"])
def test_bash(places, how):
    place = places.copy("small")
    how += "\n"
    assert bash(place, "cfmtctl adv", how) == ["advertise"]
    assert bash(place, "cfmtctl withdraw we", how) == ["web"]
    assert bash(place, "cfmtctl window ", how) == ["add", "list", "remove"]
    assert bash(place, "cfmtctl events --output=c", how) == ["csv"], "bash has '=' as the end of a word"
    assert bash(place, "cfmtctl status 2001:db8:", how) == [":/32"], "and ':'"
    assert bash(place, "cfmtctl status --lim", how) == []


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_has_it_registered(places):
    place = places.copy("small")
    bash(place, "cfmtctl ", ". <(cfmtctl completion bash)\n")
    done = subprocess.run(["bash", "-c", ". <(cfmtctl completion bash); complete -p cfmtctl; compgen -A function _cfmt"],
                          env=dict(ENV, PATH=place.root + ":/usr/bin:/bin"), stdout=subprocess.PIPE, text=True,
                          check=True, timeout=20)
    assert done.stdout.split("\n")[:2] == ["complete -o default -F _cfmtctl cfmtctl", "_cfmtctl"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_zsh(places):
    place = places.copy("small")
    bash(place, "cfmtctl ", ". <(cfmtctl completion bash)\n")
    script = """
        compadd() { shift; print -l -- "$@" }
        compdef() { print -- "for $2" }
        _files() { print FILES }
        eval "$(cfmtctl completion zsh)"
        words=(cfmtctl withdraw we) CURRENT=3; _cfmtctl
        words=(cfmtctl events -o js) CURRENT=4; _cfmtctl
        words=(cfmtctl --db "") CURRENT=3; _cfmtctl
    """
    done = subprocess.run(["zsh", "-fc", script], env=dict(ENV, PATH=place.root + ":/usr/bin:/bin"),
                          stdout=subprocess.PIPE, text=True, check=True, timeout=20)
    assert done.stdout.split("\n") == ["for cfmtctl", "web", "json", "jsonl", "FILES", ""]


def test_a_script_of_no_shell(places):
    done = places.of("small").ctl("completion", "fish")
    assert done.returncode == 2 and "CFMT1105" in done.stderr and not done.stdout
