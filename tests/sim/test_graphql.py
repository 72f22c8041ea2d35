"""The GraphQL side of the simulator: it answers what the schema allows, refuses as documented, and tells breaches."""
import json
import time

import pytest

from cfsim import datasets, gqlparse, graphql, sdl, traffic
from cfsim.clock import Clock
from cfsim.world import World

START = 1800000000
MT = "magicTransitNetworkAnalyticsAdaptiveGroups"
T = datasets.text_of
SCHEMA = sdl.load()
judged = pytest.mark.skipif(SCHEMA is None, reason=str(sdl.why_not))


@pytest.fixture(name="world")
def make_world():
    """198.51.100.0/24 announced; 1 Mpps of UDP from START on, read 20 minutes later."""
    world = World(Clock(speed=0, start=START - 600))
    world.set_advertised("198.51.100.0/24", True, by="dashboard", delay=0)
    attack = traffic.Attack("a", "198.51.100.7", rise=0)
    attack.set_rate(START, 1e6)
    world.attacks.append(attack)
    world.clock.advance(1800)
    return world


def ask(world, text, **variables):
    body = json.dumps({"query": text, "variables": variables}).encode()
    token = {"Authorization": "Bearer " + world.tokens["valid"].value}
    status, answer, _ = graphql.execute(world, world.clock, body, token)
    return status, answer


def account(world, inner):
    """The answer to a query on the account that must be good: the account's object."""
    status, answer = ask(world, select(inner)(world))
    assert (status, answer["errors"], world.violations) == (200, None, [])
    return answer["data"]["viewer"]["accounts"][0]


def rows(world, filters, selected, dataset=MT, rest=""):
    window = f'datetime_geq: "{T(START)}", datetime_lt: "{T(START + 600)}" '
    inner = "%s(limit: 10000, filter: {%s}%s) { %s }" % (dataset, window + filters, rest, selected)
    return account(world, inner)[dataset]


def packets(found):
    return sum(row["sum"]["packets"] for row in found)


def test_the_poll_of_minutes(world):
    found = rows(world, 'outcome: "drop"', "sum { packets bits } dimensions { datetimeMinute mitigationSystem }",
                 rest=", orderBy: [datetimeMinute_ASC, sum_packets_DESC]")
    dosd = [row for row in found if row["dimensions"]["mitigationSystem"] == "dosd"]
    assert [row["dimensions"]["datetimeMinute"] for row in dosd] == [T(START + 60 * n) for n in range(10)]
    assert all(row["sum"]["packets"] == pytest.approx(58.8e6, rel=0.02) for row in dosd[1:])
    assert all(row["sum"]["packets"] % 10000 == 0 for row in found)
    assert dosd[3]["sum"]["bits"] == pytest.approx(dosd[3]["sum"]["packets"] * 512 * 8, rel=0.01)


def test_variables_and_aliases(world):
    status, answer = ask(
        world, "query Q($a: string, $since: Time!, $n: uint64 = 5) { cost viewer { budget "
        "accounts(filter: {accountTag: $a})"
        "{ first: %s(limit: $n, filter: {datetime_geq: $since}) { s: sum { p: packets } }"
        "  accountTag tunnels: magicTransitTunnelHealthChecksAdaptiveGroups(limit: 1, filter: {datetime_geq: $since})"
        "  { count } } } }" % MT, a=world.account, since=T(START))
    assert status == 200 and world.violations == []
    found = answer["data"]["viewer"]["accounts"][0]
    assert found["first"][0]["s"]["p"] > 0 and found["tunnels"][0]["count"] > 0 and found["accountTag"] == world.account
    assert answer["data"]["cost"] == 2 and answer["data"]["viewer"]["budget"] == 300


@pytest.mark.parametrize("condition, expected", [
    ('outcome_neq: "drop"', {"pass"}), ('outcome_in: ["drop", "x"]', {"drop"}), ('outcome_notin: ["drop"]', {"pass"}),
    ('outcome_like: "d%p"', {"drop"}), ('outcome_notlike: "%ro%"', {"pass"}), ('outcome_gt: "m"', {"pass"}),
    ('outcome_leq: "drop"', {"drop"}), ('OR: [{outcome: "drop"}, {outcome: "pass"}]', {"drop", "pass"}),
    ('AND: [{outcome: "drop"}, {outcome: "pass"}]', set()), ('ipDestinationSubnet: "192.0.2.0/24"', set()),
    ('destinationPort_geq: 53, destinationPort_lt: 54, ipProtocolName: "UDP"', {"pass"})])
def test_filters(world, condition, expected):
    found = rows(world, condition, "dimensions { outcome }")
    assert {row["dimensions"]["outcome"] for row in found} == expected


def test_time_filters_cut_exactly(world):
    total = packets(rows(world, "", "sum { packets }"))
    parts = [packets(rows(world, f'AND: [{{datetime_geq: "{T(START + a)}"}}, {{datetime_lt: "{T(START + b)}"}}]',
                          "sum { packets }")) for a, b in ((0, 7), (7, 63), (63, 600))]
    assert all(parts) and sum(parts) == total
    minute = packets(rows(world, f'datetimeMinute: "{T(START + 60)}"', "sum { packets }"))
    assert minute == packets(rows(world, f'datetimeMinute_gt: "{T(START)}", datetimeMinute_leq: "{T(START + 60)}"',
                                  "sum { packets }"))


def test_a_time_may_be_one_of_two_conditions(world):
    time, other = f'datetimeMinute: "{T(START + 60)}"', 'outcome: "drop"'
    alone = [packets(rows(world, filters, "sum { packets }")) for filters in (time, other, f"{time}, {other}")]
    both = packets(rows(world, f"OR: [{{{time}}}, {{{other}}}]", "sum { packets }"))
    assert all(alone) and both == alone[0] + alone[1] - alone[2]


def test_grouping_keeps_the_sum(world):
    total = packets(rows(world, "", "sum { packets }"))
    fine = rows(world, "", "sum { packets } dimensions { sourceAsn coloCode destinationPort ipTtl }")
    assert len(fine) > 1000 and packets(fine) == total


def test_ten_thousand_rows_are_cut_at_the_limit_and_quick(world):
    begin = time.process_time()
    found = rows(world, "", "sum { packets bits } dimensions { datetime ipSourceAddress sourceAsn sourceAsnName "
                 "sourceCountry coloCode ipDestinationAddress sourcePort destinationPort mitigationSystem }",
                 rest=", orderBy: [datetime_DESC, sum_packets_DESC]")
    assert len(found) == 10000 and time.process_time() - begin < 3  # 0.7 s on an idle machine
    times = [row["dimensions"]["datetime"] for row in found]
    assert times == sorted(times, reverse=True)


def test_nothing_announced_no_rows(world):
    world.prefix("198.51.100.0/24").history[:] = [(0, False)]
    assert rows(world, "", "sum { packets }") == []


def test_dosd_tells_attack_and_verdict(world):
    found = rows(world, 'attackId_neq: ""', "sum { packets } dimensions { attackId attackVector outcome verdict }",
                 dataset="dosdNetworkAnalyticsAdaptiveGroups")
    assert [row["dimensions"] for row in found] == [
        {"attackId": world.attacks[0].id, "attackVector": "UDP Flood", "outcome": "drop", "verdict": "drop"}]
    one = account(world, "dosdAttackAnalyticsGroups(limit: 9, filter: {startDatetime_geq: \"%s\"}) "
                  "{ attackId startDatetime endDatetime droppedPackets destinationIp }" % T(START))
    row = one["dosdAttackAnalyticsGroups"][0]
    assert row["destinationIp"] == "198.51.100.7" and row["endDatetime"] == datasets.ONGOING
    assert row["startDatetime"] == T(START + 10) and row["droppedPackets"] > 1e9


def test_tunnel_health_idle_ones_too(world):
    world.tunnel("cf-gre-mxp").set_health(0.5, START)
    world.tunnel("cf-ipsec-fra").set_health(0, START)
    found = rows(world, "", "count avg { tunnelState } dimensions { tunnelName active resultStatus }",
                 dataset="magicTransitTunnelHealthChecksAdaptiveGroups")
    by_name = {}
    for row in found:
        by_name.setdefault(row["dimensions"]["tunnelName"], {})[row["dimensions"]["resultStatus"]] = row
    assert by_name["cf-gre-zrh"].keys() == {"ok"} and by_name["cf-ipsec-fra"].keys() == {"error"}
    assert by_name["cf-ipsec-fra"]["error"]["dimensions"]["active"] == 0
    assert by_name["cf-gre-mxp"]["ok"]["count"] == by_name["cf-gre-mxp"]["error"]["count"] == 10 * 3 * 6
    assert by_name["cf-gre-mxp"]["ok"]["avg"]["tunnelState"] == 0.5


def test_settings(world):
    found = account(world, "settings { %s { enabled maxPageSize maxDuration notOlderThan maxNumberOfFields "
                    "availableFields } }" % MT)["settings"][MT]
    assert found["enabled"] and found["maxPageSize"] == 10000 and "outcome" in found["availableFields"]


def select(inner, tag=None):
    return lambda world: '{ viewer { accounts(filter: {accountTag: "%s"}) { %s } } }' % (tag or world.account, inner)


def one(limit=10, since=START, filters="", selected="sum { packets }"):
    return '%s(limit: %s, filter: {datetime_geq: "%s" %s}) { %s }' % (MT, limit, T(since), filters, selected)


DIMENSIONS = ("ipTtl ipProtocol ipSourceAddress ipSourceSubnet sourceAsn sourceAsnName sourceCountry sourcePort "
              "destinationPort ipDestinationAddress ipDestinationSubnet coloCode coloCity coloName coloCountry "
              "coloGeohash datetime datetimeMinute datetimeHour date outcome direction ethertype ipProtocolName "
              "ipTotalLength destinationAsn destinationAsnName destinationCountry mitigationSystem tcpFlags "
              "tcpFlagsString")


@pytest.mark.parametrize("query, status, message", [
    (select(one(), "f" * 32), 403, "not authorized for that account"),
    (select(one(limit=10001)), 400, "limit must be positive number and not greater than"),
    (select(one(limit=0)), 400, "limit must be positive number and not greater than"),
    (select(one(since=START - 40 * 86400)), 400, "cannot request data older than 2678400s"),
    (select(one(since=START - 20 * 86400)), 400, "query time range is too large"),
    (select(one(selected="dimensions { %s }" % DIMENSIONS)), 400, "number of fields can't be more than 30"),
])
def test_documented_refusals(world, query, status, message):
    found, answer = ask(world, query(world))
    assert (found, answer["data"]) == (status, None) and answer["errors"][0]["message"].startswith(message)
    assert world.violations == []


BREACHES = [
    select(one(selected="dimensions { verdict }")), select(one(selected="sum { pakets }")),
    select(one(filters='destinationAddress: "x"')), select(one(filters="destinationPort: 70000")),
    select(one(filters='destinationPort: "53"')), select(one(limit='"10"')), select("nothing { sum { packets } }"),
    select(MT + "(limit: 1) { sum { packets } }"), select(one(selected="sum")), lambda world: "mutation { x }",
    select('%s(limit: 1, filter: {datetime_geq: "%s"}, orderBy: [packets_DESC]) { sum { packets } }' % (MT, T(START))),
    lambda world: "{ viewer { budget ", lambda world: "{ viewer { budget } } }", lambda world: ""]


@judged
@pytest.mark.parametrize("query", BREACHES)
def test_what_the_schema_forbids_is_refused_and_told(world, query):
    status, answer = ask(world, query(world))
    assert (status, answer["data"]) == (400, None) and answer["errors"][0]["message"]
    assert [breach["side"] for breach in world.violations] == ["request"]


@judged
def test_a_wrong_answer_is_told(world, monkeypatch):
    monkeypatch.setattr(datasets.TABLE[MT], "metric", lambda group, name: lambda w, v: -1)
    status, _ = ask(world, select(one())(world))
    assert status == 200 and [breach["side"] for breach in world.violations] == ["answer"]


def test_without_the_schema_it_answers_and_says_so(world, monkeypatch):
    monkeypatch.setattr(sdl, "load", lambda: None)
    assert packets(rows(world, 'outcome: "drop"', "sum { packets }")) > 0
    assert [event["kind"] for event in world.events].count("unvalidated") == 1
    assert ask(world, select(one(selected="dimensions { verdikt }"))(world))[0] == 400


@judged
@pytest.mark.parametrize("text", ["{a}", '{a(b:"\\u00e9\\n",c:-1.5e3,d:[1,2],e:{f:true}) {g}}', "{,a,,b,}", "{",
                                  "query Q($v:[string!]!=[]){a:b}",
                                  '{a(b:"#")} # c', "{a(}", '{a(b:"x)}', "{a:}", "{a(b:$)}",
                                  "{a{}}", "query {a} }", "{a(b:01)}"])
def test_two_parsers_agree(text):
    def reads(parse, kind):
        try:
            parse(text)
        except kind:
            return False
        return True
    assert reads(gqlparse.parse, gqlparse.SyntaxProblem) is reads(SCHEMA.package.parse, Exception)


def test_a_broken_body_is_refused(world):
    for body in (b"", b"[]", b'{"query": 5}', b"\xff", b'{"variables": {}}'):
        status, answer, _ = graphql.execute(world, world.clock, body, {})
        assert status == 400 and answer["errors"] and answer["data"] is None


def test_good_answers_made_bad(world):
    _, good = ask(world, select(one(selected="sum { packets } dimensions { outcome }"))(world))
    kept = json.dumps(good)

    def found(bad):
        return bad["data"]["viewer"]["accounts"][0][MT]
    assert found(graphql.empty_rows(good)) == [] and graphql.empty_rows(good)["errors"] is None
    partial = graphql.partial_data(good, "half")
    assert found(partial) == found(good)[:1] and partial["errors"][0]["message"] == "half"
    assert graphql.no_accounts(good)["data"]["viewer"]["accounts"] == []
    assert graphql.errors_with_200(good, "no")["data"] is None and json.dumps(good) == kept
