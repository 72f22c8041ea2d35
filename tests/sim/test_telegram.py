"""The bot API: what a message may be, floods, chats that are gone."""
import json
import urllib.error
import urllib.request

import pytest

from cfsim.telegram import BotError, Bot, plain_text, units


@pytest.fixture
def bot(world):
    made = Bot(world)

    def call(name, token=None, **given):
        path = f"/bot{token or world.bot_token}/{name}"
        return made.answer("POST", path, {"Content-Type": "application/json"}, json.dumps(given).encode())

    call.chats = made.chats
    return call


def test_a_message(bot, world):
    status, body = bot("sendMessage", chat_id=-100123, text="<b>a &lt; b</b>", parse_mode="HTML")
    assert status == 200 and body["ok"]
    assert body["result"]["text"] == "a < b" and body["result"]["chat"] == {"id": -100123, "type": "supergroup"}
    assert world.messages[0]["text"] == "<b>a &lt; b</b>"
    assert bot("getMe")[1]["result"]["is_bot"] and bot("getChat", chat_id=5)[1]["result"]["type"] == "private"


def test_a_form(world):
    answer = Bot(world).answer("POST", f"/bot{world.bot_token}/sendMessage",
                               {"Content-Type": "application/x-www-form-urlencoded"},
                               b"chat_id=7&text=a%20b&disable_notification=true")
    assert answer[0] == 200 and world.messages[0]["disable_notification"] is True


@pytest.mark.parametrize("given, code, words", [
    ({"chat_id": 1}, 400, "message text is empty"), ({"chat_id": 1, "text": " "}, 400, "message text is empty"),
    ({"text": "x"}, 400, "chat_id is empty"), ({"chat_id": 0, "text": "x"}, 400, "chat not found"),
    ({"chat_id": 1, "text": "x" * 4097}, 400, "message is too long"),
    ({"chat_id": 1, "text": "\U0001f4a5" * 2049}, 400, "message is too long"),
    ({"chat_id": 1, "text": "<b>x", "parse_mode": "HTML"}, 400, "can't parse entities"),
    ({"chat_id": 1, "text": "x", "parse_mode": "Troff"}, 400, "unsupported parse_mode")])
def test_refused_messages(bot, world, given, code, words):
    status, body = bot("sendMessage", **given)
    assert status == body["error_code"] == code and words in body["description"] and not body["ok"]
    assert world.messages == []


def test_the_longest_message(bot):
    assert bot("sendMessage", chat_id=1, text="\U0001f4a5" * 2048)[0] == 200
    assert bot("sendMessage", chat_id=2, text="<i>" + "&lt;" * 4096 + "</i>", parse_mode="HTML")[0] == 200
    assert units("a\U0001f4a5") == 3


@pytest.mark.parametrize("text, plain", [
    ("a & b", "a & b"), ("&lt;b&gt; &amp;amp; &quot;", "<b> &amp; \""), ("&#60;&#x3e;", "<>"), ("&copy;", "&copy;"),
    ('<a href="https://example.net/?a=1&amp;b=2">x</a>', "x"), ("<pre><code class=\"language-c\">x</code></pre>", "x"),
    ('<span class="tg-spoiler">x</span>', "x"), ("<blockquote expandable>x</blockquote>", "x"), ("a > b", "a > b")])
def test_markup(text, plain):
    assert plain_text(text, "HTML") == plain
    assert plain_text(text, None) == text


@pytest.mark.parametrize("text", [
    "<b>x", "x</b>", "<b><i>x</b></i>", "a < b", "a <", "<3", "<br>", "<br/>", "<!-- x -->", "<b style=\"x\">y</b>",
    "<span>x</span>", "<a href=\"x>y</a>"])
def test_broken_markup(text):
    with pytest.raises(BotError, match="can't parse entities"):
        plain_text(text, "HTML")


def test_one_message_a_second_to_a_chat(bot, world):
    assert bot("sendMessage", chat_id=1, text="a")[0] == 200
    assert bot("sendMessage", chat_id=2, text="a")[0] == 200
    status, body = bot("sendMessage", chat_id=1, text="b")
    assert status == 429 and body["parameters"] == {"retry_after": 1}
    world.clock.advance(1)
    assert bot("sendMessage", chat_id=1, text="b")[0] == 200


def test_twenty_messages_a_minute_to_a_group(bot, world):
    for _ in range(20):
        assert bot("sendMessage", chat_id=-5, text="a")[0] == 200
        world.clock.advance(1)
    status, body = bot("sendMessage", chat_id=-5, text="a")
    assert status == 429 and 40 <= body["parameters"]["retry_after"] <= 41
    world.clock.advance(body["parameters"]["retry_after"])
    assert bot("sendMessage", chat_id=-5, text="a")[0] == 200
    for _ in range(30):  # a person takes more
        assert bot("sendMessage", chat_id=5, text="a")[0] == 200
        world.clock.advance(1)


def test_chats_that_are_gone(bot, world):
    bot.chats.special.update({"1": {"kind": "blocked"}, "2": {"kind": "missing"},
                              "-3": {"kind": "migrated", "to": -1003}})
    assert bot("sendMessage", chat_id=1, text="x")[0] == 403
    assert "chat not found" in bot("sendMessage", chat_id=2, text="x")[1]["description"]
    status, body = bot("sendMessage", chat_id=-3, text="x")
    assert status == 400 and body["parameters"] == {"migrate_to_chat_id": -1003}
    assert bot("sendMessage", chat_id=-1003, text="x")[0] == 200
    assert len(world.messages) == 1


def test_a_wrong_token(bot):
    assert bot("getMe", token="1:x") == (401, {"ok": False, "error_code": 401, "description": "Unauthorized"})


def test_edit(bot, world):
    number = bot("sendMessage", chat_id=1, text="a")[1]["result"]["message_id"]
    assert bot("editMessageText", chat_id=1, message_id=number, text="b")[0] == 429
    world.clock.advance(1)
    assert "not modified" in bot("editMessageText", chat_id=1, message_id=number, text="a")[1]["description"]
    assert "not found" in bot("editMessageText", chat_id=1, message_id=number + 1, text="b")[1]["description"]
    assert bot("editMessageText", chat_id=1, message_id=number, text="b")[0] == 200
    assert world.messages[0]["text"] == "b" and world.messages[0]["earlier"] == ["a"]


@pytest.mark.parametrize("name, given", [
    ("sendMessage", {"chat_id": 1, "text": "x", "disable_web_page_preview": True}),
    ("sendMessage", {"chat_id": 1.5, "text": "x"}), ("deleteWebhook", {})])
def test_what_the_api_does_not_have(bot, world, name, given):
    bot(name, **given)
    assert len(world.violations) == 1
    world.violations.clear()


def test_over_http_the_token_is_not_noted(sim):
    request = urllib.request.Request(f"{sim.telegram}/bot{sim.bot_token}/sendMessage",
                                     json.dumps({"chat_id": 1, "text": "x"}).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.load(answer)["ok"]
    assert sim.requests()[0]["path"] == "/bot***/sendMessage" and sim.messages()[0]["text"] == "x"
    sim.control("POST", "/chats/1", {"kind": "blocked"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=5)
    sim.control("POST", "/chats/1", {})
