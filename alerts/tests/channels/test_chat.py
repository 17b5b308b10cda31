"""Chat services as they speak HTTP, on loopback: what each gets, and that apprise's plugins go nowhere else."""

from __future__ import annotations

import ast
import email.message
import email.parser
import inspect
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from apprise.manager_plugins import NotificationManager
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram

from alerts.channels import chat, chat_http
from alerts.channels.base import ConfigError, NotDelivered, sender
from alerts.channels.chat import SENDER, SERVICES
from alerts.models import Channel, Severity
from alerts.tests.channels.servers import JPEG, Listener, Request, answering, in_turn, listening, message, names

TOKEN = "AbCdEf123456"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"
DISCORD = "discord://417421629812/JHMHI8qBe7bk2ZwO5U711o3dV_js/"
TELEGRAM = "tgram://123456789:abcdefg_hijklmnopqrstuvwxyz-12345/12315544/"


def gotify(server: Listener) -> dict[str, str]:
    return {"url": f"gotify://127.0.0.1:{server.port}/{TOKEN}"}


def parts(request: Request) -> dict[str, email.message.Message]:
    """The parts of a multipart/form-data body by their names."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    found = email.parser.BytesParser().parsebytes(head + request.body)
    assert found.is_multipart()
    named = {}
    for part in found.get_payload():
        assert isinstance(part, email.message.Message)
        named[str(part.get_param("name", header="content-disposition"))] = part
    return named


def test_it_is_the_channels_sender() -> None:
    assert sender(Channel.CHAT) is SENDER
    assert SENDER.personal


def test_gotify() -> None:
    with listening(answering(body=b"{}")) as server:
        assert SENDER.send(gotify(server), message()) == ""

    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/message")
    assert request.headers["x-gotify-key"] == TOKEN
    assert request.headers["user-agent"] == "Lynceus"
    found = json.loads(request.body)
    assert found["title"] == message().subject
    assert found["message"] == f"{message().text}\n{message().link}"


def test_ntfy() -> None:
    with listening(answering(body=b"{}")) as server:
        SENDER.send({"url": f"ntfy://gate:hush-hush@127.0.0.1:{server.port}/alerts?priority=high"}, message())

    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/")
    assert request.headers["authorization"] == requests.auth._basic_auth_str("gate", "hush-hush")
    assert request.headers["x-priority"] == "high"
    found = json.loads(request.body)
    assert found == {
        "topic": "alerts",
        "title": message().subject,
        "message": f"{message().text}\n{message().link}",
    }


def test_ntfy_with_the_picture() -> None:
    with listening(answering(body=b"{}")) as server:
        SENDER.send({"url": f"ntfy://127.0.0.1:{server.port}/alerts"}, message(picture=JPEG))

    (request,) = server.requests
    assert request.target.startswith("/alerts?filename=face.jpg&title=Ada+Lovelace+at+Gate&message=")
    assert request.body == JPEG


def test_discord(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering("204 No Content")) as server:
        monkeypatch.setattr(NotifyDiscord, "notify_url", server.url("/api/webhooks"))
        SENDER.send({"url": DISCORD}, message())

    (request,) = server.requests
    assert request.target == "/api/webhooks/417421629812/JHMHI8qBe7bk2ZwO5U711o3dV_js"
    found = json.loads(request.body)
    assert found["content"] == f"{message().subject}\r\n{message().text}\n{message().link}"
    assert not [key for key in found if "url" in key], "no picture from elsewhere"


def test_discord_with_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering("204 No Content")) as server:
        monkeypatch.setattr(NotifyDiscord, "notify_url", server.url("/api/webhooks"))
        SENDER.send({"url": DISCORD}, message(picture=JPEG))

    pictures = [found for request in server.requests for found in parts_of(request) if found.get_filename()]
    assert [found.get_filename() for found in pictures] == ["face.jpg"]
    assert pictures[0].get_content_type() == "image/jpeg"
    assert pictures[0].get_payload(decode=True) == JPEG


def parts_of(request: Request) -> list[email.message.Message]:
    return list(parts(request).values()) if "multipart" in request.headers.get("content-type", "") else []


def test_a_picture_comes_only_where_the_message_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering("204 No Content")) as server:
        monkeypatch.setattr(NotifyDiscord, "notify_url", server.url("/api/webhooks"))
        SENDER.send({"url": DISCORD}, message())

    assert [found for request in server.requests for found in parts_of(request)] == []


def test_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering(body=b"ok")) as server:
        monkeypatch.setattr(NotifySlack, "webhook_url", server.url("/services"))
        SENDER.send({"url": f"{SLACK}#general"}, message(severity=Severity.CRITICAL))

    (request,) = server.requests
    assert request.target == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    found = json.loads(request.body)
    assert found["channel"] == "#general"
    assert message().link in json.dumps(found)
    assert message().subject in json.dumps(found)


def test_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering(body=b'{"ok":true,"result":{}}')) as server:
        monkeypatch.setattr(NotifyTelegram, "notify_url", server.url("/bot"))
        SENDER.send({"url": TELEGRAM}, message(subject="<b>Eve</b> & co", text="at <Gate>"))

    (request,) = server.requests
    assert request.target == "/bot123456789:abcdefg_hijklmnopqrstuvwxyz-12345/sendMessage"
    found = json.loads(request.body)
    assert str(found["chat_id"]) == "12315544"
    assert found["parse_mode"] == "HTML"
    assert found["text"].startswith("<b>&lt;b&gt;Eve&lt;/b&gt; &amp; co</b>\r\nat &lt;Gate&gt;\r\nhttps://")


def test_telegram_with_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering(body=b'{"ok":true,"result":{}}')) as server:
        monkeypatch.setattr(NotifyTelegram, "notify_url", server.url("/bot"))
        SENDER.send({"url": TELEGRAM}, message(picture=JPEG))

    pictures = [found for request in server.requests for found in parts_of(request) if found.get_filename()]
    assert [found.get_payload(decode=True) for found in pictures] == [JPEG]


def test_mattermost() -> None:
    with listening(answering(body=b"ok")) as server:
        SENDER.send({"url": f"mmost://127.0.0.1:{server.port}/3ccdd113474722377935511fc85d3dd4"}, message())

    (request,) = server.requests
    assert request.target == "/hooks/3ccdd113474722377935511fc85d3dd4"
    assert message().text in json.loads(request.body)["text"]


def test_matrix_with_a_token() -> None:
    answers = in_turn(answering(body=b'{"user_id":"@gate:home","room_id":"!room:home","event_id":"$1"}'))
    with listening(answers) as server:
        url = f"matrix://syt_0123456789abcdef0123456789abcdef@127.0.0.1:{server.port}/!room:home?e2ee=no"
        SENDER.send({"url": url}, message())

    sent = [request for request in server.requests if "/send/m.room.message" in request.target]
    assert len(sent) == 1
    assert message().text in json.loads(sent[0].body)["body"]
    assert all(request.headers["authorization"].startswith("Bearer syt_") for request in sent)


def test_a_long_text_goes_as_one_message_with_its_link() -> None:
    with listening(answering(body=b"{}")) as server:
        SENDER.send(gotify(server), message(text="word " * 5000))

    (request,) = server.requests
    found = json.loads(request.body)["message"]
    assert len(found) < 1700
    assert found.endswith(f"…\n{message().link}")


@pytest.mark.parametrize(
    ("status", "permanent", "words"),
    [
        ("401 Unauthorized", True, "does not let us in"),
        ("404 Not Found", True, "refuses the message"),
        ("429 Too Many Requests", False, "takes no more for the moment"),
        ("503 Service Unavailable", False, "something is wrong there"),
    ],
)
def test_refusals_say_what_the_service_says(status: str, permanent: bool, words: str) -> None:
    body = b'{"error":"Forbidden","errorDescription":"you need to provide a valid token."}'
    answer = answering(status, body, Retry_After="30")
    with listening(answer) as server, pytest.raises(NotDelivered, match=words) as told:
        SENDER.send(gotify(server), message())

    assert "Gotify says: “you need to provide a valid token”." in str(told.value)
    assert told.value.permanent is permanent
    assert told.value.retry_after == (None if permanent else 30)


@pytest.mark.parametrize("body", [f'{{"error":"token {TOKEN} is wrong"}}'.encode(), TOKEN.encode(), b"\x00\xff" * 10])
def test_no_refusal_says_the_token(body: bytes) -> None:
    with listening(answering("400 Bad Request", body)) as server, pytest.raises(NotDelivered) as told:
        SENDER.send(gotify(server), message())

    assert TOKEN not in str(told.value)
    assert str(told.value).isprintable()


def test_a_service_that_asks_for_a_pause_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    later = str(int(time.time()) + 3600)
    limits = {"Retry_After": "3600", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": later}
    slept: list[float] = []
    monkeypatch.setattr("apprise.url.time.sleep", slept.append)
    with listening(answering("429 Too Many Requests", b"{}", **limits)) as server:
        monkeypatch.setattr(NotifyDiscord, "notify_url", server.url("/api/webhooks"))
        with pytest.raises(NotDelivered) as told:
            SENDER.send({"url": DISCORD}, message())

    assert slept == []
    assert told.value.retry_after == 3600


def test_a_redirect_is_not_followed() -> None:
    with listening(answering(body=b"{}")) as inside:
        answer = answering("302 Found", Location=inside.url())
        with listening(answer) as server, pytest.raises(NotDelivered, match="redirect"):
            SENDER.send(gotify(server), message())
        assert inside.connections == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.5", "metadata.example"])
def test_addresses_that_are_not_allowed_are_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, metadata=["169.254.169.254"])

    with pytest.raises(NotDelivered, match="not at an address"):
        SENDER.send({"url": f"gotify://{host}/{TOKEN}"}, message())


def test_a_name_that_changes_where_it_leads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch, chat=["127.0.0.1", "169.254.169.254"])
    with listening(answering(body=b"{}")) as server:
        SENDER.send({"url": f"gotify://chat.example:{server.port}/{TOKEN}"}, message())

    assert asked == ["chat.example"]
    assert server.requests[0].headers["host"] == f"chat.example:{server.port}"


def test_no_proxy_and_no_password_file_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password hush-hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with listening(answering(body=b"{}")) as proxy, listening(answering(body=b"{}")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        SENDER.send(gotify(server), message())
        assert proxy.connections == 0

    assert "authorization" not in server.requests[0].headers


def test_a_service_that_never_answers_does_not_keep_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "SEND_SECONDS", 0.3)
    over = threading.Event()

    def behave(_: socket.socket, __: Listener) -> None:
        over.wait(10)

    with listening(behave) as server:
        with pytest.raises(NotDelivered, match="did not answer") as told:
            SENDER.send(gotify(server), message())
        over.set()
    assert not told.value.permanent


def test_a_plugin_that_fails_is_told_without_what_it_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> bool:
        raise KeyError(TOKEN)

    monkeypatch.setattr("apprise.plugins.gotify.NotifyGotify.send", fail)
    with caplog.at_level(logging.DEBUG), pytest.raises(NotDelivered, match="could not be asked") as told:
        SENDER.send({"url": f"gotify://127.0.0.1:1/{TOKEN}"}, message())

    assert TOKEN not in str(told.value)
    assert TOKEN not in caplog.text


def test_apprise_logs_no_address(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), listening(answering("500 Oops")) as server, pytest.raises(NotDelivered):
        SENDER.send(gotify(server), message())

    assert "apprise" not in {record.name for record in caplog.records}


def test_requests_itself_stays_as_it_is() -> None:
    with listening(answering(body=b"{}")) as server:
        SENDER.send(gotify(server), message())
        found = requests.get(server.url("/other"), timeout=5)

    assert found.status_code == 200
    assert type(requests.Session().get_adapter("https://")) is requests.adapters.HTTPAdapter


def test_a_plugin_sends_nothing_but_a_message() -> None:
    """Outside of an exchange its requests fail: there is no deadline that they would keep."""
    _, plugin = chat._opened(f"gotify://127.0.0.1:1/{TOKEN}")
    module = sys.modules[type(plugin).__module__]

    with pytest.raises(requests.ConnectionError, match="no message is being sent"):
        vars(module)["requests"].post("http://127.0.0.1:1/", timeout=1)


def test_a_plugin_that_makes_requests_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("apprise.plugins.gotify.requests")

    with pytest.raises(ConfigError, match="can not be used with the apprise that is installed"):
        SENDER.clean({"url": f"gotify://127.0.0.1:8080/{TOKEN}"})
    with pytest.raises(NotDelivered) as told:
        SENDER.send({"url": f"gotify://127.0.0.1:8080/{TOKEN}"}, message())
    assert told.value.permanent


_WAYS_OUT = (
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "urllib3",
    "smtplib",
    "ftplib",
    "subprocess",
    "aiohttp",
    "httpx",
)
_USED = {
    *("get", "post", "put", "delete", "patch", "head", "request"),
    *("codes", "exceptions", "RequestException", "TooManyRedirects", "Response"),
}


@pytest.mark.parametrize("scheme", sorted(SERVICES))
def test_every_service_that_is_offered_has_no_other_way_out(scheme: str) -> None:
    """Read from apprise's source as it is installed, so that another version can not bring one."""
    plugin = NotificationManager()[scheme]  # type: ignore[no-untyped-call]
    package = ".".join(plugin.__module__.split(".")[:3])
    modules = [module for name, module in sys.modules.items() if name == package or name.startswith(f"{package}.")]
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    assert alias.name == "requests" or alias.name.split(".")[0] not in ("requests", *_WAYS_OUT)
                    assert alias.name not in _WAYS_OUT
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] not in ("requests", *_WAYS_OUT), node.module
                assert node.module not in _WAYS_OUT
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "requests":
                assert node.attr in _USED, node.attr


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not an address",
        "https://example.org/hook",
        f"gotify://127.0.0.1/{TOKEN}\n",
        "file:///etc/passwd",
        "json://127.0.0.1:8080/hook",
        "mailto://user:password@example.org",
        "syslog://",
        "dbus://",
        "macosx://",
        "rsyslog://127.0.0.1",
        "mqtt://127.0.0.1/topic",
        "apprise://127.0.0.1/token",
        "exec:///bin/sh",
        "discord://417421629812/",
        "gotify://169.254.169.254/" + TOKEN,
        "gotify://10.0.0.1/" + TOKEN,
        "gotify://127.0.0.1/" + "a" * 3000,
        f"{DISCORD}?template=/etc/passwd",
        f"{DISCORD}#?template=/etc/passwd",
        f"{DISCORD}?Template=http://169.254.169.254/",
        "https://discord.com/api/webhooks/417421629812/JHMHI8qBe7bk2ZwO5U711o3dV_js?template=/etc/passwd",
        f"{SLACK}?template=/etc/passwd&:name=value",
        f"{TELEGRAM}?template=/etc/passwd",
        f"gotifys://127.0.0.1/{TOKEN}?verify=no",
        f"gotifys://127.0.0.1/{TOKEN}?redirect=yes",
        f"gotifys://127.0.0.1/{TOKEN}?rto=900",
        f"gotifys://127.0.0.1/{TOKEN}?retry=9&wait=60",
        "ntfy://127.0.0.1/topic?attach=http://169.254.169.254/",
        "nctalk://user:word@127.0.0.1/room?+X-Header=value",
    ],
)
def test_what_is_not_offered_is_not_stored(url: str) -> None:
    given = {"url": url}
    if url.endswith("\n"):
        assert SENDER.clean(given)["url"] == url.strip(), "what was copied with the end of a line"
        return
    with pytest.raises(ConfigError) as told:
        SENDER.clean(given)
    assert told.value.field == "url"
    assert TOKEN not in str(told.value)
    with pytest.raises(NotDelivered):
        SENDER.send(given, message())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"gotify://127.0.0.1:8080/{TOKEN}", "Gotify: gotify://127.0.0.1:8080/A...6"),
        (DISCORD, "Discord: discord://4...2/J...s"),
        (
            "https://discord.com/api/webhooks/417421629812/JHMHI8qBe7bk2ZwO5U711o3dV_js",
            "Discord: discord://4...2/J...s",
        ),
        (f"{SLACK}#general", "Slack: slack://T...2/A...D/T...Q/#general"),
        ("ntfys://gate:hush-hush@127.0.0.1/alerts", "ntfy: ntfys://gate:****@127.0.0.1/alerts"),
        ("ntfy://a-secret-topic", "ntfy: ntfys://a…"),
        ("https://ntfy.sh/a-secret-topic", "ntfy: ntfys://a…"),
    ],
)
def test_what_is_shown_has_no_secret(url: str, shown: str) -> None:
    assert SENDER.shown(SENDER.clean({"url": url})) == shown


def test_ways_to_send_bodies() -> None:
    """What `requests` hands on of a body: texts, bytes, open files."""
    read: Callable[[object], bytes] = chat_http._content
    assert read(None) == b""
    assert read("ä") == "ä".encode()
    assert read(bytearray(b"x")) == b"x"
    with pytest.raises(NotDelivered):
        read(iter([b"x"]))
