"""Each command that changes something, twice: nothing is done twice, nothing is an error, and it says so."""
from ctlcases import CASES, FILES, each, words

# What the commands change, without the times of the changes.
STATE = ("SELECT prefix, origin, who, reason FROM hold WHERE released_at IS NULL ORDER BY prefix",
         "SELECT id, prefix, starts_at, ends_at, removed_at IS NULL FROM window ORDER BY id",
         "SELECT id, state, decided_by, decided_why FROM proposal ORDER BY id",
         "SELECT id, prefix, want, state FROM intent ORDER BY id",
         # a longer hold is told, too
         "SELECT id, channel, state, acked_by FROM outbox WHERE kind <> 'held' ORDER BY id",
         "SELECT id, state, ended_by, episodes FROM attack ORDER BY id",
         "SELECT id, attack, state FROM event ORDER BY id",
         "SELECT prefix, advertised_at, reason FROM adoption ORDER BY prefix")

# The second answer; with an exit status, where that is another one: a file that is there is not written again.
SECOND = {"deliveries redeliver": "nothing was changed",
          "secret new": (1, "File exists"), "db backup": (1, "File exists"),
          "adopt": "has been adopted already", "window add": "window 2 is just that",
          "window remove": "has been removed already", "deny": "has been denied already",
          "cancel": "has been cancelled already", "ack": "no critical message waits", "ack 6": "no such message waits",
          "outbox drop": "has been dropped already", "attack close": "had already ended", "release": "is not held",
          "outbox retry": "goes to ops again", "hold": "is held until"}


def state_of(place):
    return [place.all(sql) for sql in STATE]


@each(changes=True)
def test_twice_is_once(places, name, line, code):
    place = places.copy("small")
    before, journal = state_of(place), place.one("SELECT max(id) FROM journal")
    first = place.ctl(*words(name, line, place))
    once = state_of(place)
    again = place.ctl(*words(name, line, place))
    said = SECOND.get(f"{name} {line}".strip(), SECOND.get(name, ""))
    status, said = said if isinstance(said, tuple) else (code, said)
    assert first.returncode == code and again.returncode == status, (first, again)
    assert state_of(place) == once
    acts = code == 0 and "--dry-run" not in line and name not in FILES
    assert (once != before) == acts, "the first time it did something"
    assert (journal != place.one("SELECT max(id) FROM journal")) == acts, "refused, or a dry run: not journaled"
    if code == 0 and "--dry-run" not in line:
        assert said in again.stdout + again.stderr and (again.stderr == "") == (status == 0), again


def test_every_change_has_its_words():
    missing = [n for n, c in CASES.items() if c.changes and n not in SECOND and any(code == 0 and "--dry-run" not in x
                                                                                    for x, code in c.lines)]
    assert not missing
