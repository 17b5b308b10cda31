"""Webhooks: what a program gets, that it can tell genuine from forged, and what its answers mean."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from alerts.channels import guard
from alerts.channels.base import ConfigError, NotDelivered, sender
from alerts.channels.webhook import SENDER, verify
from alerts.models import Channel, Occasion, Severity
from alerts.tests.channels.servers import (
    JPEG,
    Behaviour,
    Listener,
    answering,
    authority,
    facts,
    in_turn,
    listening,
    message,
    read_request,
)

Verify = Callable[..., str]


def _config(url: str, **more: str) -> dict[str, str]:
    return SENDER.clean({"url": url, **more})


def _documented() -> Verify:
    """The receiver's side as docs/channels.md tells it."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "channels.md").read_text()
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), names)
    found: Verify = names["verify"]
    return found


BOTH = pytest.mark.parametrize("check", [verify, _documented()], ids=["ours", "documented"])


def test_it_is_the_sender_of_its_channel() -> None:
    assert sender(Channel.WEBHOOK) is SENDER
    assert (SENDER.channel, SENDER.digests, SENDER.personal, SENDER.templated) == (Channel.WEBHOOK, False, False, False)


def test_the_body_is_what_is_documented() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "channels.md").read_text()
    (documented,) = re.findall(r"```json\n(\{\n  \"version\".*?)```", text, re.DOTALL)
    with listening(answering()) as there:
        assert SENDER.send(_config(there.url()), message(picture=JPEG)) == ""

    (request,) = there.requests
    body = json.loads(request.body)
    assert base64.b64decode(body["picture"]["base64"]) == JPEG
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    told = json.loads(documented)
    told["picture"]["base64"] = body["picture"]["base64"]
    assert body == told


def test_what_the_policy_keeps_inside_is_not_there() -> None:
    kept = facts(who="A possible match", person=None, similarity=None, threshold=None, lead=True)
    with listening(answering()) as there:
        SENDER.send(_config(there.url()), message(facts=(kept,), is_test=True, occasion=Occasion.ESCALATED))

    body = json.loads(there.requests[0].body)
    assert "picture" not in body
    assert body["test"] is True
    assert body["type"] == "alert.escalated"
    assert body["severity"] == Severity.HIGH.value
    assert (body["facts"][0]["person"], body["facts"][0]["similarity"], body["facts"][0]["lead"]) == (None, None, True)


@BOTH
def test_a_receiver_can_tell_that_it_is_genuine(check: Verify) -> None:
    with listening(answering()) as there:
        config = _config(there.url())
        SENDER.send(config, message())
        SENDER.send(config, message())

    first, second = there.requests
    key = str(message().key)
    for request in (first, second):
        assert check(config["secret"], request.headers, request.body) == key
        assert request.headers["idempotency-key"] == request.headers["webhook-id"] == key


@BOTH
def test_a_receiver_can_tell_what_was_forged(check: Verify) -> None:
    with listening(answering()) as there:
        config = _config(there.url())
        SENDER.send(config, message())
    (request,) = there.requests
    sent = int(request.headers["webhook-timestamp"])

    def refused(headers: Mapping[str, str], body: bytes = request.body, secret: str = config["secret"]) -> None:
        with pytest.raises(ValueError):
            check(secret, headers, body, sent)

    assert check(config["secret"], {k.title(): v for k, v in request.headers.items()}, request.body, sent)
    refused(request.headers, request.body.replace(b"Ada", b"Eve"))
    refused(request.headers, secret=_config(there.url())["secret"])
    refused(request.headers | {"webhook-id": "another"})
    refused(request.headers | {"webhook-timestamp": str(sent + 1)})
    refused(request.headers | {"webhook-timestamp": "soon"})
    refused(request.headers | {"webhook-signature": "v1,"})
    refused(request.headers | {"webhook-signature": request.headers["webhook-signature"].replace("v1,", "v1a,")})
    refused(request.headers | {"webhook-signature": "ä"})
    refused({name: value for name, value in request.headers.items() if name != "webhook-signature"})
    rotated = request.headers | {"webhook-signature": "v1,AAAA " + request.headers["webhook-signature"]}
    assert check(config["secret"], rotated, request.body, sent)


@BOTH
@pytest.mark.parametrize(("later", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_recorded_one_is_refused_when_it_comes_again(check: Verify, later: int, fresh: bool) -> None:
    with listening(answering()) as there:
        config = _config(there.url())
        SENDER.send(config, message())
    (request,) = there.requests
    now = int(request.headers["webhook-timestamp"]) + later

    if fresh:
        assert check(config["secret"], request.headers, request.body, now)
    else:
        with pytest.raises(ValueError, match="too old, or from the future"):
            check(config["secret"], request.headers, request.body, now)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's own reference libraries."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    assert verify(secret, headers, b'{"test": 2432232314}', 1614265330) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_each_webhook_has_a_secret_of_its_own() -> None:
    url = "http://127.0.0.1:8000/"
    made = {_config(url)["secret"] for _ in range(20)}
    own = base64.b64encode(bytes(range(32))).decode()

    assert len(made) == 20
    assert all(each.startswith("whsec_") and len(base64.b64decode(each[6:])) == 32 for each in made)
    assert _config(url, secret=f" {own} ")["secret"] == f"whsec_{own}"
    assert _config(url, secret=f"whsec_{own}")["secret"] == f"whsec_{own}"


@pytest.mark.parametrize(
    "secret",
    ["password", "whsec_", base64.b64encode(bytes(23)).decode(), base64.b64encode(bytes(65)).decode(), "ä" * 40],
)
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigError, match="24 to 64 random bytes") as problem:
        _config("http://127.0.0.1:8000/", secret=secret)

    assert problem.value.field == "secret"


@pytest.mark.parametrize(
    ("url", "networks", "why"),
    [
        ("", ["loopback"], "empty"),
        ("hook.example.org/x", ["loopback"], "must start with https://"),
        ("file:///etc/passwd", ["loopback"], "must start with https://"),
        ("http://127.0.0.1/", ["private", "public"], "ALERT_NETWORKS"),
        ("http://169.254.169.254/latest/meta-data", ["private", "public", "0.0.0.0/0"], "ALERT_NETWORKS"),
        ("https://ada:secret@127.0.0.1/", ["loopback"], "under Authorization"),
    ],
)
def test_an_address_that_can_not_be_used_is_not_stored(
    url: str, networks: list[str], why: str, settings: Settings
) -> None:
    settings.ALERT_NETWORKS = networks
    with pytest.raises(ConfigError, match=re.escape(why)) as problem:
        _config(url)

    assert problem.value.field == "url"


def test_what_the_receiver_wants_as_authorization() -> None:
    with listening(answering()) as there:
        SENDER.send(_config(there.url(), authorization=" Bearer abc "), message())
        SENDER.send(_config(there.url()), message())

    assert there.requests[0].headers["authorization"] == "Bearer abc"
    assert "authorization" not in there.requests[1].headers
    with pytest.raises(ConfigError) as problem:
        _config(there.url(), authorization="Bearer a\r\nX-B: c")
    assert problem.value.field == "authorization"


def test_where_it_goes_is_shown_without_its_secrets(settings: Settings) -> None:
    config = _config("http://127.0.0.1:8123/api/webhook/very-secret?token=abc", authorization="Bearer abc")
    settings.ALERT_NETWORKS = ["public"]  # what was stored is shown, also when it is not allowed any more

    assert SENDER.shown(config) == "http://127.0.0.1:8123/…"
    assert SENDER.shown({"url": "https://hook.example.org"}) == "https://hook.example.org"


def _problem(behave: Behaviour) -> NotDelivered:
    with listening(behave) as there, pytest.raises(NotDelivered) as problem:
        SENDER.send(_config(there.url("/very-secret"), authorization="Bearer abc"), message())
    assert "secret" not in str(problem.value)
    assert "abc" not in str(problem.value)
    return problem.value


def test_gone_is_gone() -> None:
    problem = _problem(answering("410 Gone"))

    assert problem.permanent
    assert str(problem) == "127.0.0.1 says that this address is gone (410). Remove it, or give a new one."


def test_who_asks_for_patience_gets_it() -> None:
    problem = _problem(answering("429 Too Many Requests", Retry_After="90"))

    assert (problem.permanent, problem.retry_after) == (False, 90.0)


def test_what_is_down_for_a_while_is_tried_again_with_the_same_key() -> None:
    with listening(in_turn(answering("503 Busy", Retry_After="5"), answering("204 No Content"))) as there:
        config = _config(there.url())
        with pytest.raises(NotDelivered) as problem:
            SENDER.send(config, message())
        SENDER.send(config, message())

    assert (problem.value.permanent, problem.value.retry_after) == (False, 5.0)
    assert len({request.headers["idempotency-key"] for request in there.requests}) == 1


def test_who_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = guard.post.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "seconds", 0.5)

    def behave(line: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(line))
        time.sleep(20)

    problem = _problem(behave)

    assert "did not answer within 0.5 seconds" in str(problem)
    assert not problem.permanent


def test_who_redirects_to_the_house() -> None:
    with listening(answering()) as house:
        problem = _problem(answering("307 Temporary Redirect", Location=house.url("/admin")))

    assert house.connections == 0
    assert "Redirects are not followed" in str(problem)


def test_who_streams_for_ever_has_it() -> None:
    def behave(line: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(line))
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            line.sendall(bytes(65536))

    with listening(behave) as there:
        SENDER.send(_config(there.url()), message())

    assert len(there.requests) == 1


def test_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = authority(tmp_path)
    with listening(answering(), known.server("localhost")) as there:
        config = _config(there.url(host="localhost", scheme="https"))
        with pytest.raises(NotDelivered, match="is not trusted"):
            SENDER.send(config, message())
        monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
        SENDER.send(config, message())

    assert len(there.requests) == 1


def test_a_stored_secret_that_can_not_be_read() -> None:
    with listening(answering()) as there, pytest.raises(NotDelivered, match="Enter it again") as problem:
        SENDER.send({"url": there.url(), "secret": "whsec_!"}, message())

    assert problem.value.permanent
    assert there.connections == 0
