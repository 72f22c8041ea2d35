"""Attacks that traffic shows: opened where no alert comes, joined with the alert that comes late, ended by calm and
never by ignorance; their peaks are the simulator's and survive whatever happens to the server."""
import json
import math

from client import post
from httpd import wait_for
from pair import MICRO, Scene, scenes
from truth import (LAG, LIKE, MAIL, MINUTE, WEB, advertise, asked, attack, known_until, seconds_of, shown, stamp,
                   wait_time)

TARGET = "198.51.100.7"


def alert(pair, event, ident, target=TARGET):
    """Without a figure: what an attack's peak is, is what traffic says."""
    post(pair.server, json.dumps({
        "alert_type": "dos_attack_l4", "alert_event": "ALERT_STATE_EVENT_" + event, "account_id": pair.sim.account,
        "ts": int(pair.now()), "data": {"attack_id": ident, "target_ip": target}})).stored()
    pair.server.wait_projected()


def attacks(pair):
    return pair.ctl("attacks")["attacks"]


def the_one(pair):
    found = attacks(pair)
    assert len(found) == 1, found
    return found[0]


def wait_attack(pair, limit=30, **want):
    """Until there is one attack that has these members."""
    def there():
        found = attacks(pair)
        return found[0] if len(found) == 1 and all(found[0][k] == v for k, v in want.items()) else None

    try:
        return wait_for(there, limit, f"an attack with {want}")
    except AssertionError as e:
        raise AssertionError(f"{e}: {attacks(pair)}; {pair.job('traffic')}") from None


def settled(pair, cidr, until):
    """All minutes until then are known and complete, so figures do not grow any more."""
    def known():
        minutes = shown(pair, cidr)
        return "unknown" not in [minutes.get(m, "unknown") for m in range(until - 5 * MINUTE, until, MINUTE)]

    wait_for(lambda: known_until(pair, cidr) >= until and pair.now() >= until + LAG + 2 * MINUTE and known(), 60,
             f"evidence until {stamp(until)}")
    pair.server.wait_projected()


def check_peak(pair, system, like=LIKE[WEB], since=None):
    """The highest minute, when it was and who dropped it: as analytics say in the end."""
    a = the_one(pair)
    begin = (since or seconds_of(a["started_at"]) - 600) // MINUTE * MINUTE
    end = seconds_of(a["ended_at"]) if a["ended_at"] else pair.now()
    end += -end % MINUTE
    truth = asked(pair, like, begin, end)
    packets, bits = max(m.packets for m in truth.values()), max(m.bits for m in truth.values())
    highest = [stamp(at) for at, m in truth.items() if m.packets == packets]  # the one that was known first
    assert packets > 100000 * MINUTE
    want = math.ceil(packets / MINUTE), math.ceil(bits / MINUTE)
    def is_known():  # but for the last samples of a minute that ended while it was read
        a = the_one(pair)
        return abs(a["peak_pps"] / want[0] - 1) < 0.01 and abs(a["peak_bps"] / want[1] - 1) < 0.01

    try:  # a minute that was seen before it was complete is read once more
        wait_for(is_known, 10, f"the peak {want}")
    except AssertionError as e:
        known = pair.server.query("SELECT at / 1000000, pps FROM evidence_minute WHERE pps > 1000 ORDER BY at")
        raise AssertionError(f"{e}: {the_one(pair)['peak_pps']}, highest at {highest}, known: "
                             f"{[(stamp(at), pps) for at, pps in known]}") from None
    a = the_one(pair)
    assert a["peak_pps_at"] in highest or a["peak_pps"] < want[0], (a["peak_pps_at"], highest)
    assert a["peak_pps_by"] == a["peak_bps_by"] == system
    return a


def rebuild(pair):
    """The projection from the journal alone."""
    pair.server.stop()
    pair.write("UPDATE meta SET value = ? WHERE name = 'cursor'", [(-1,)])
    pair.server.start()
    pair.server.wait_projected()


def no_alert_and_no_end(pair):
    """Opened by traffic; the alert that comes later is the same attack and gives it its name; its END is lost, so calm
    ends it. Whatever the server goes through, it is told once and its peak stays."""
    log = pair.server.log
    pair.start()
    begin = advertise(pair, WEB) + MINUTE
    wait_time(pair, begin)
    attack(pair, "flood", 600e3, TARGET, vector="SYN-ACK Flood")
    a = wait_attack(pair, state="open", alert_types=[], prefixes=[WEB])
    assert a["attack_ids"] == [] and pair.ctl("attack", a["id"])["timeline"][0]["source"] == "analytics"
    assert begin <= seconds_of(a["started_at"]) <= begin + 3 * MINUTE
    alert(pair, "START", "late")
    joined = wait_attack(pair, attack_ids=["late"], alert_types=["dos_attack_l4"])
    assert joined["id"] != a["id"] and joined["started_at"] == a["started_at"] and log.count("CFMT0935") == 1
    by_either = [pair.ctl("attack", name)["attack"]["id"] for name in (a["id"], joined["id"], "late")]
    assert set(by_either) == {joined["id"]}
    attack(pair, "flood", 900e3)
    wait_time(pair, begin + 7 * MINUTE)
    attack(pair, "flood", 0)
    pair.reload()
    ended = wait_attack(pair, state="ended", ended_by="calm", limit=40)
    assert log.count("CFMT0937") == 1 and log.count("CFMT0938") == 1 and log.count("CFMT0936") == 0
    last = max(at for at, v in shown(pair, WEB).items() if v == "attack") + MINUTE
    assert seconds_of(ended["ended_at"]) == last + 15 * MINUTE
    check_peak(pair, "flowtrackd")
    whole = [pair.ctl("attack", "late"), pair.ctl("events", "--limit", "1000")]
    assert [m for m in whole[0]["minutes"] if m["verdict"] == "attack" and m["by"] == "flowtrackd"]
    for again in (pair.reload, lambda: (pair.server.stop(), pair.server.start()), lambda: rebuild(pair)):
        again()
        wait_time(pair, pair.now() + 30)
        now = [pair.ctl("attack", "late"), pair.ctl("events", "--limit", "1000")]
        assert now[0]["attack"] == whole[0]["attack"] and now[0]["timeline"] == whole[0]["timeline"]
        assert now[1] == whole[1]
    assert log.count("CFMT093[5-9]") == 3


def never_while_unknown(pair):
    """An outage of analytics while it is calm: nobody knows, so nothing ends, however long it takes."""
    log = pair.server.log
    log.allow(r"CFMT0850: job (traffic|tunnels|limits|detail) failed")
    log.allow(r"CFMT0920: blind: ")
    pair.start()
    begin = advertise(pair, WEB) + MINUTE
    wait_time(pair, begin)
    alert(pair, "START", "one")
    attack(pair, "flood", 600e3, TARGET)
    wait_time(pair, begin + 4 * MINUTE)
    attack(pair, "flood", 0)
    wait_time(pair, begin + 12 * MINUTE)
    pair.sim.fault("graphql", "5xx")
    began = pair.now()
    wait_time(pair, began + 35 * MINUTE)
    assert the_one(pair)["state"] == "open" and log.count("CFMT0938") == 0
    pair.sim.clear()
    ended = wait_attack(pair, state="ended", ended_by="calm")
    at = pair.server.query("SELECT at FROM journal WHERE kind = 'attack' AND body LIKE '%\"calm\"%'")
    assert at[0][0] / MICRO > began + 35 * MINUTE
    settled(pair, WEB, int(seconds_of(ended["ended_at"])) // MINUTE * MINUTE)
    minutes = shown(pair, WEB)
    end = seconds_of(ended["ended_at"])
    assert [minutes.get(m) for m in range(end - 15 * MINUTE, end, MINUTE)] == ["calm"] * 15
    check_peak(pair, "dosd")


def goes_on_after_its_end(pair):
    """An END says that it is over, traffic that it is not: it is open again, and then calm ends it."""
    log = pair.server.log
    pair.start()
    begin = advertise(pair, WEB) + MINUTE
    wait_time(pair, begin)
    alert(pair, "START", "one")
    attack(pair, "flood", 600e3, TARGET)
    wait_time(pair, begin + 4 * MINUTE)
    alert(pair, "END", "one")
    assert the_one(pair)["ended_by"] == "end"
    back = wait_attack(pair, state="open", episodes=2)
    assert back["attack_ids"] == ["one"] and back["ended_by"] is None
    wait_time(pair, begin + 10 * MINUTE)
    attack(pair, "flood", 0)
    ended = wait_attack(pair, state="ended", ended_by="calm", episodes=2)
    assert seconds_of(ended["ended_at"]) >= begin + 25 * MINUTE
    assert log.count(r"cfmt:warn\].*CFMT0936: attack a\w{12} is back, by traffic: 198.51.100.0/24: \S+ kpps") == 1
    assert log.count("CFMT0936") == 1 and log.count("CFMT0937") == 0
    check_peak(pair, "dosd")


def peak_forgotten_so_the_notice_said_0_packets(pair):
    """The system before this one kept peaks in memory and told of 0 packets at the end. Here the alerts have no figure,
    the END comes before analytics have shown a minute, and the server is restarted in between."""
    pair.start()
    begin = advertise(pair, WEB) + MINUTE
    wait_time(pair, begin)
    alert(pair, "START", "short")
    assert the_one(pair)["peak_pps"] is None
    attack(pair, "flood", 600e3, TARGET)
    wait_time(pair, begin + 3 * MINUTE)
    attack(pair, "flood", 0)
    wait_time(pair, begin + 4 * MINUTE)
    alert(pair, "END", "short")
    pair.server.stop()
    pair.server.start()
    settled(pair, WEB, begin + 6 * MINUTE)
    a = wait_attack(pair, state="ended", ended_by="end")
    wait_for(lambda: the_one(pair)["peak_pps"] is not None, 20, "a peak")
    check_peak(pair, "dosd")
    assert a["episodes"] == 1 and pair.server.log.count("CFMT0936") == 0
    rebuild(pair)
    check_peak(pair, "dosd")


def a_prefix_that_is_never_advertised(pair):
    """Nobody sees its traffic: calm ends nothing, silence of a whole CfmtAttackTimeout does, and a START opens it."""
    log = pair.server.log
    log.expect(r"cfmt:warn\].*CFMT0939: attack a\w{12} is taken for over")
    log.allow(r"CFMT096[46]: .*192.0.2.0/24")  # that it is not protected
    pair.start()
    begin = pair.now()
    alert(pair, "START", "unseen", "192.0.2.25")
    first = the_one(pair)
    wait_time(pair, begin + 50 * MINUTE)
    assert the_one(pair)["state"] == "open"
    ended = wait_attack(pair, state="ended", ended_by="timeout")
    assert pair.now() - begin >= 60 * MINUTE and ended["ended_at"] == first["started_at"]
    assert ended["prefixes"] == [MAIL] and log.count("CFMT0939") == 1
    alert(pair, "START", "unseen", "192.0.2.25")
    again = wait_attack(pair, state="open", episodes=2)
    wait_time(pair, pair.now() + 10 * MINUTE)
    assert the_one(pair)["last_at"] == again["last_at"] and log.count("CFMT0939") == 1


def beside_a_prefix_that_is_not_on_demand(pair):
    """203.0.113.128/25 exists inside the prefix that is attacked, and the API says nothing of its state: an attack on
    the /24 ends by calm all the same."""
    pair.server.log.allow(r"CFMT0968: 203.0.113.0/24")  # announced from outside, for a long time at this speed
    pair.start()
    begin = advertise(pair, "203.0.113.0/24") + MINUTE
    wait_time(pair, begin)
    alert(pair, "START", "beside", "203.0.113.7")
    ended = wait_attack(pair, state="ended", ended_by="calm")
    assert ended["prefixes"] == ["203.0.113.0/24"] and seconds_of(ended["ended_at"]) >= begin + 14 * MINUTE


@scenes(Scene(no_alert_and_no_end, takes=25, speed=120), Scene(never_while_unknown, takes=32, speed=120),
        Scene(goes_on_after_its_end, takes=22, speed=120),
        Scene(peak_forgotten_so_the_notice_said_0_packets, takes=14, speed=120),
        Scene(beside_a_prefix_that_is_not_on_demand, takes=14, speed=120),
        Scene(a_prefix_that_is_never_advertised, takes=14, speed=600, lines=("CfmtAttackTimeout 1h",)))
def test_attacks(scene):
    scene()
