"""cfmtctl -w on a real terminal, which is tmux: it redraws, resizes, ends on q, and leaves the terminal as it was."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile

import pytest

from ctlrows import ENV
from httpd import wait_for

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="no tmux here")


class Screen:
    """A shell in a terminal of its own, and what stands on it."""

    def __init__(self, columns=120, rows=30):
        self.dir = tempfile.mkdtemp(prefix="cfmt-tmux-")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 TERM=screen PS1='ready> ' sh -i")
        self.tmux("set-option", "-g", "window-size", "manual")
        self.resize(columns, rows)
        self.wait("ready>")
        self.asked = 0
        self.before = self.settings()

    def tmux(self, *args):
        env = dict(ENV, TMUX_TMPDIR=self.dir, TERM="xterm")
        return subprocess.run(["tmux", "-S", os.path.join(self.dir, "socket"), *args], env=env, check=True, timeout=20,
                              capture_output=True, text=True).stdout

    def end(self):
        self.tmux("kill-server")
        shutil.rmtree(self.dir)

    def text(self, *more):
        return self.tmux("capture-pane", "-p", *more)

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def mode(self, name):
        return self.tmux("display-message", "-p", f"#{{{name}}}").strip()

    def wait(self, regex, limit=15):
        wait_for(lambda: re.search(regex, self.text(), re.M), limit, f"{regex!r} on the screen")
        return self.text()

    def type(self, text):
        self.keys("-l", text)
        self.keys("Enter")

    def back(self):
        """The shell has its terminal again, whole: what is typed is seen, the cursor is there, the page is its own."""
        wait_for(lambda: self.mode("alternate_on") == "0", 10, "the page of the shell")
        assert self.mode("cursor_flag") == "1"
        assert self.settings() == self.before

    def settings(self):
        """As stty tells them; what is typed for it is seen, too."""
        self.asked += 1
        told = os.path.join(self.dir, f"stty-{self.asked}")
        self.type(f"stty -g > {told}; echo told-$((100 + {self.asked}))")
        assert f"stty-{self.asked}" in self.wait(rf"told-{100 + self.asked}$").replace("\n", "")
        with open(told, encoding="ascii") as f:
            return f.read()


@pytest.fixture(name="screen")
def make_screen():
    s = Screen()
    yield s
    s.end()


def begin(screen, place, *args):
    screen.type(shlex.join(place.command(*args)))


@pytest.mark.parametrize("end", ["q", "C-c"])
@pytest.mark.parametrize("name,shows", [("status", r"^PREFIX +STATE"), ("timers", r"^IN +AT"), ("events", r"^ID +AT")])
def test_it_shows_redraws_and_ends(screen, places, name, shows, end):
    place = places.of("small")
    begin(screen, place, name, "-w")
    first = screen.wait(shows)
    assert screen.mode("alternate_on") == "1" and screen.mode("cursor_flag") == "0"
    assert re.match(rf"\S*cfmtctl .*{name} -w .*20\d\d-\d\d-\d\dT[\d:]+Z  q: quit$", first.splitlines()[0])
    wait_for(lambda: screen.text().splitlines()[0] != first.splitlines()[0], 10, "the next second")
    assert re.search(shows, screen.text(), re.M)
    screen.keys(end)
    screen.back()


def test_a_change_is_seen(screen, places):
    place = places.copy("small")
    screen.resize(220, 30)
    begin(screen, place, "timers", "-w")
    screen.wait(r"^IN +AT")
    assert "router change" not in screen.text()
    assert place.ctl("window", "add", "web", "now", "+5min", "--reason", "router change" * 5).returncode == 0
    screen.wait("window ends.*router change")
    assert place.ctl("window", "remove", "2").returncode == 0
    wait_for(lambda: "router change" not in screen.text(), 10, "the window to go")
    rows = [line[-9:] for line in place.ctl("timers").stdout.splitlines()]
    assert [line[-9:] for line in screen.text().rstrip().splitlines()[1:]] == rows, "nothing of longer rows is left"
    screen.keys("q")
    screen.back()


def test_another_size(screen, places):
    begin(screen, places.of("small"), "events", "-w")
    screen.wait(r"^ID +AT")
    for columns, rows in ((70, 12), (160, 40), (40, 6), (120, 30)):
        screen.resize(columns, rows)
        wait_for(lambda c=columns: len(screen.text("-N").splitlines()[0].rstrip()) in range(c - 2, c + 1)
                 or c < 90, 10, "a title as wide as the screen")
        text = screen.wait(r"^ID +AT")
        assert text.splitlines()[0].startswith("/") or "cfmtctl" in text.splitlines()[0]
        assert len(text.splitlines()) <= rows
    screen.keys("q")
    screen.back()


def test_too_much_for_the_screen_is_said(screen, places):
    screen.resize(120, 5)
    begin(screen, places.of("small"), "status", "-w")
    screen.wait(r"^\.\.\. \d+ more lines$")
    screen.keys("Q")
    screen.back()


@pytest.mark.parametrize("signal", ["TERM", "HUP", "QUIT", "ABRT", "SEGV"])
def test_whatever_ends_it_the_terminal_is_left_as_it_was(screen, places, signal):
    begin(screen, places.of("small"), "status", "-w")
    screen.wait(r"^PREFIX +STATE")
    child = subprocess.run(["pgrep", "-P", screen.mode("pane_pid"), "cfmtctl"], stdout=subprocess.PIPE, text=True,
                           check=True, timeout=10).stdout.strip()
    subprocess.run(["kill", f"-{signal}", child], check=True, timeout=10)
    screen.back()


def test_stopped_and_gone_on_with(screen, places):
    begin(screen, places.of("small"), "status", "-w")
    screen.wait(r"^PREFIX +STATE")
    screen.keys("C-z")
    screen.back()
    screen.type("fg")
    wait_for(lambda: screen.mode("alternate_on") == "1", 10, "its page again")
    screen.wait(r"^PREFIX +STATE")
    screen.keys("q")
    screen.back()


def test_a_store_that_goes_and_comes_back(screen, places):
    place = places.copy("small")
    begin(screen, place, "status", "-w")
    screen.wait(r"^PREFIX +STATE")
    os.rename(place.db, place.db + ".away")
    screen.wait("CFMT07")
    said = screen.text().rstrip().splitlines()[1:]
    assert len(said) <= 2 and said[-1].endswith(")") and "PREFIX" not in said[0], "of the frame before nothing is left"
    os.rename(place.db + ".away", place.db)
    screen.wait(r"^PREFIX +STATE")
    screen.keys("q")
    screen.back()


def test_each_frame_is_one_write_and_clears_nothing_first(screen, places, tmp_path):
    """So nothing flickers: the page is never empty between two frames."""
    if not shutil.which("strace"):
        pytest.skip("no strace here")
    log = tmp_path / "calls"
    screen.type(f"strace -qq -s 9999 -e trace=write -e signal=none -o {log} "
                + shlex.join(places.of("small").command("status", "-w")))
    screen.wait(r"^PREFIX +STATE")
    wait_for(lambda: log.read_text().count("write(1") >= 5, 15, "some frames")
    screen.keys("q")
    screen.back()
    calls = [line for line in log.read_text().splitlines() if line.startswith("write(1")]
    frames = [c for c in calls if r"\33[H" in c]
    assert len(frames) >= 4 and len(calls) <= len(frames) + 2, "but for the way in and out each is a frame"
    assert all(c.count(r"\33[J") == 1 and r"\33[2J" not in c for c in frames)


def test_wrong_words_end_it_at_once(screen, places):
    place = places.of("small")
    begin(screen, place, "status", "wbe", "-w")
    assert "did you mean 'web'?" in screen.wait("CFMT0982")
    assert screen.mode("alternate_on") == "0"


def test_it_needs_a_terminal(places):
    place = places.of("small")
    for more, number in (((), "CFMT1104"), (("--json",), "CFMT1102"), (("-o", "csv"), "CFMT1102")):
        done = place.ctl("status", "-w", *more)
        assert (done.returncode, done.stdout) == (2, "") and number in done.stderr, done
    done = place.ctl("events", "-w", "--follow")
    assert (done.returncode, done.stdout) == (2, "") and "CFMT1103" in done.stderr
    assert place.ctl("attacks", "-w").returncode == 2
