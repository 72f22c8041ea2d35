"""Telegram's bot API as far as a sender of messages sees it: limits, markup errors, chats that are gone."""
import collections
import html
import json
import re
import urllib.parse

LIMIT = 4096  # UTF-16 units after the markup is taken out
CHAT_EVERY = 0.9  # one message a second to a chat, with some tolerance
GROUP_QUOTA, GROUP_WINDOW = 20, 60

PARAMETERS = {  # of the methods: name -> types; everything else is a violation
    "getMe": {},
    "getChat": {"chat_id": (int, str)},
    "sendMessage": {
        "chat_id": (int, str), "text": str, "parse_mode": str, "entities": list, "link_preview_options": dict,
        "disable_notification": bool, "protect_content": bool, "message_thread_id": int, "reply_parameters": dict,
        "reply_markup": dict},
    "editMessageText": {
        "chat_id": (int, str), "message_id": int, "text": str, "parse_mode": str, "entities": list,
        "link_preview_options": dict, "reply_markup": dict},
}

TAGS = {  # tag -> attributes it may have
    "b": (), "strong": (), "i": (), "em": (), "u": (), "ins": (), "s": (), "strike": (), "del": (),
    "span": ("class",), "tg-spoiler": (), "a": ("href",), "code": ("class",), "pre": (), "blockquote": ("expandable",)}


class BotError(Exception):
    """An answer with ok false."""

    def __init__(self, code, description, **parameters):
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


TAG = re.compile(r'<(/?)([a-z-]+)((?:\s+[a-z]+(?:="[^"<>]*")?)*)\s*>', re.I)
ENTITY = re.compile(r"&(#[0-9]+|#x[0-9a-f]+|lt|gt|amp|quot);", re.I)


def refuse(why):
    raise BotError(400, f"Bad Request: can't parse entities: {why}")


def without_tags(text):
    """Takes HTML markup out of a text; raises BotError where Telegram would."""
    plain, stack, at = [], [], 0
    while at < len(text):
        begin = text.find("<", at)
        begin = len(text) if begin < 0 else begin
        plain.append(ENTITY.sub(lambda m: html.unescape(m.group(0)), text[at:begin]))
        if begin == len(text):
            break
        tag = TAG.match(text, begin)
        if not tag:
            refuse(f'Unsupported start tag "" at byte offset {len(text[:begin].encode())}')
        follow_tag(stack, tag, len(text[:begin].encode()))
        at = tag.end()
    if stack:
        refuse(f'Can\'t find end tag corresponding to start tag "{stack[-1]}"')
    return "".join(plain)


def follow_tag(stack, tag, offset):
    """Opens or closes one tag."""
    name = tag.group(2).lower()
    if tag.group(1):
        if not stack:
            refuse(f"Unexpected end tag at byte offset {offset}")
        if stack.pop() != name:
            refuse(f'Unmatched end tag at byte offset {offset}, found "</{name}>"')
        return
    attributes = dict(re.findall(r'([a-z]+)(?:="([^"]*)")?', tag.group(3), re.I))
    if name not in TAGS or any(given not in TAGS[name] for given in attributes):
        refuse(f'Unsupported start tag "{name}" at byte offset {offset}')
    if name == "span" and attributes.get("class") != "tg-spoiler":
        refuse('Tag "span" must have class "tg-spoiler"')
    stack.append(name)


def units(text):
    """UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def plain_text(text, mode):
    """The text without markup; raises BotError."""
    if mode is None:
        return text
    if mode.lower() != "html":
        raise BotError(400, "Bad Request: unsupported parse_mode")
    return without_tags(text)


class Chats:
    """The chats of the bot: every id exists until a test says otherwise; who wrote when."""

    def __init__(self):
        self.special = {}  # chat id as text -> {"kind": blocked|missing|migrated, "to": id}
        self._sent = collections.defaultdict(collections.deque)  # chat id as text -> times

    def open(self, chat):
        """Raises BotError for a chat that takes no messages."""
        special = self.special.get(str(chat), {})
        kind = special.get("kind")
        if kind == "blocked":
            raise BotError(403, "Forbidden: bot was blocked by the user")
        if kind == "missing" or str(chat) in ("", "0"):
            raise BotError(400, "Bad Request: chat not found")
        if kind == "migrated":
            raise BotError(400, "Bad Request: group chat was upgraded to a supergroup chat",
                           migrate_to_chat_id=special["to"])

    def flood(self, chat, now):
        """Counts a message; raises BotError when the chat gets too many."""
        times = self._sent[str(chat)]
        while times and (now - times[0] >= GROUP_WINDOW or times[0] > now):
            times.popleft()
        wait = 0
        if times:
            wait = CHAT_EVERY - (now - times[-1])
        if str(chat).startswith("-") and len(times) >= GROUP_QUOTA:
            wait = max(wait, times[0] + GROUP_WINDOW - now)
        if wait > 0:
            seconds = int(wait) + 1
            raise BotError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        times.append(now)


class Bot:
    """The methods of one bot."""

    def __init__(self, world):
        self.world, self.chats = world, Chats()

    def answer(self, method, path, headers, body):
        """(status, body) of a request to /bot<token>/<method>."""
        token, _, name = path[len("/bot"):].partition("/")
        with self.world.lock:
            try:
                if token != self.world.bot_token:
                    raise BotError(401, "Unauthorized")
                if name not in PARAMETERS:
                    self.world.violate("request", f"telegram {name}", "not simulated")
                    raise BotError(404, "Not Found")
                call = getattr(self, "_" + name)
                return 200, {"ok": True, "result": call(self._parameters(name, headers, body))}
            except BotError as e:
                made = {"ok": False, "error_code": e.code, "description": e.description}
                if e.parameters:
                    made["parameters"] = e.parameters
                return e.code, made

    def _parameters(self, name, headers, body):
        """The parameters of a call, checked against what the method takes."""
        kind = headers.get("Content-Type", "").partition(";")[0]
        try:
            if kind == "application/x-www-form-urlencoded":
                given = self._from_form(name, body)
            else:
                given = json.loads(body) if body else {}
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise BotError(400, "Bad Request: can't parse the request")
        for key, value in given.items():
            if key not in PARAMETERS[name]:
                self.world.violate("request", f"telegram {name}", f"unknown parameter '{key}'")
            elif not isinstance(value, PARAMETERS[name][key]):
                self.world.violate("request", f"telegram {name}", f"parameter '{key}' has a wrong type")
                raise BotError(400, f"Bad Request: field \"{key}\" has a wrong type")
        return given

    @staticmethod
    def _from_form(name, body):
        given = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        for key, value in given.items():
            if PARAMETERS[name].get(key, str) not in (str, (int, str)):
                given[key] = json.loads(value)
        return given

    @staticmethod
    def _text(given):
        text = given.get("text")
        if not text:
            raise BotError(400, "Bad Request: message text is empty")
        plain = plain_text(text, given.get("parse_mode"))
        if not plain.strip():
            raise BotError(400, "Bad Request: message text is empty")
        if units(plain) > LIMIT:
            raise BotError(400, "Bad Request: message is too long")
        return plain

    def _getMe(self, given):
        return {"id": int(self.world.bot_token.partition(":")[0]), "is_bot": True, "first_name": "sim",
                "username": "cfmt_sim_bot"}

    def _chat(self, given):
        if "chat_id" not in given:
            raise BotError(400, "Bad Request: chat_id is empty")
        self.chats.open(given["chat_id"])
        return given["chat_id"]

    @staticmethod
    def _chat_object(chat):
        group = str(chat).startswith("-")
        return {"id": chat, "type": ("supergroup" if str(chat).startswith("-100") else "group") if group else "private"}

    def _getChat(self, given):
        return self._chat_object(self._chat(given))

    def _result(self, message):
        return {"message_id": message["message_id"], "date": int(message["at"]),
                "chat": self._chat_object(message["chat_id"]), "text": message["plain"]}

    def _sendMessage(self, given):
        chat, plain, now = self._chat(given), self._text(given), self.world.clock.now()
        self.chats.flood(chat, now)
        message = dict(given, at=now, plain=plain, message_id=len(self.world.messages) + 1)
        self.world.messages.append(message)
        return self._result(message)

    def _editMessageText(self, given):
        chat, plain = self._chat(given), self._text(given)
        for message in self.world.messages:
            if str(message["chat_id"]) == str(chat) and message["message_id"] == given.get("message_id"):
                break
        else:
            raise BotError(400, "Bad Request: message to edit not found")
        if message["plain"] == plain and message["text"] == given["text"]:
            raise BotError(400, "Bad Request: message is not modified")
        self.chats.flood(chat, self.world.clock.now())
        message.setdefault("earlier", []).append(message["text"])
        message.update(text=given["text"], plain=plain, edited_at=self.world.clock.now())
        return self._result(message)
