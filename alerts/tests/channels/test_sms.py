"""SMS by Twilio's API: what is asked of it, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest
from pytest_django import Settings

from alerts.channels.base import ConfigError, NotDelivered, sender
from alerts.channels.sms import SENDER
from alerts.models import Channel
from alerts.tests.channels.servers import Behaviour, Listener, answering, listening, message

SID = "SM0123456789abcdef0123456789abcdef"
TAKEN = json.dumps({"sid": SID, "status": "queued", "error_code": None}).encode()


@pytest.fixture(autouse=True)
def _account(settings: Settings) -> None:
    settings.SMS_ACCOUNT, settings.SMS_TOKEN, settings.SMS_FROM = "AC12", "geheim", "+15005550006"


@contextmanager
def gateway(behave: Behaviour, settings: Settings) -> Iterator[Listener]:
    with listening(behave) as there:
        settings.SMS_API_URL = there.url("")
        yield there


def _saying(status: str, code: int, **headers: str) -> Behaviour:
    return answering(status, json.dumps({"code": code, "message": "No", "status": status[:3]}).encode(), **headers)


def _problem(behave: Behaviour, settings: Settings) -> NotDelivered:
    with gateway(behave, settings), pytest.raises(NotDelivered) as problem:
        SENDER.send({"number": "+436601234567"}, message())
    assert "geheim" not in str(problem.value)
    assert "1234567" not in str(problem.value)
    return problem.value


def test_it_is_the_sender_of_its_channel() -> None:
    assert sender(Channel.SMS) is SENDER
    assert (SENDER.channel, SENDER.personal) == (Channel.SMS, True)


def test_the_service_is_asked_as_it_wants_it(settings: Settings) -> None:
    with gateway(answering("201 Created", TAKEN), settings) as there:
        assert SENDER.send({"number": "+436601234567"}, message(short="Ada at Gate & Tür, 10:30")) == SID

    (request,) = there.requests
    assert (request.method, request.target) == ("POST", "/2010-04-01/Accounts/AC12/Messages.json")
    assert request.headers["authorization"] == "Basic QUMxMjpnZWhlaW0="
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode(), strict_parsing=True) == {
        "To": ["+436601234567"],
        "From": ["+15005550006"],
        "Body": ["Ada at Gate & Tür, 10:30"],
    }


def test_a_messaging_service_instead_of_a_number(settings: Settings) -> None:
    settings.SMS_FROM = "MG" + "0a" * 16
    with gateway(answering("201 Created", TAKEN), settings) as there:
        SENDER.send({"number": "+436601234567"}, message())

    form = parse_qs(there.requests[0].body.decode())
    assert form["MessagingServiceSid"] == [settings.SMS_FROM]
    assert "From" not in form


def test_what_is_longer_than_the_service_takes_is_cut(settings: Settings) -> None:
    with gateway(answering("201 Created", TAKEN), settings) as there:
        SENDER.send({"number": "+436601234567"}, message(short="x" * 5000))

    assert len(parse_qs(there.requests[0].body.decode())["Body"][0]) == 1600


@pytest.mark.parametrize("body", [b"", b"thanks", b"[1]", b'{"sid": 5}', b"\xff", b'{"error_code": null}'])
def test_a_gateway_that_says_less_has_taken_it_all_the_same(body: bytes, settings: Settings) -> None:
    with gateway(answering("200 OK", body), settings):
        assert SENDER.send({"number": "+436601234567"}, message()) == ""


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (_saying("400 Bad Request", 21211), "no valid telephone number"),
        (_saying("400 Bad Request", 21614), "not the number of a mobile telephone"),
        (_saying("400 Bad Request", 21610), "unsubscribed by answering STOP"),
        (_saying("400 Bad Request", 21612), "from our sending number"),
        (_saying("400 Bad Request", 21617), "Shorten the template"),
        (_saying("400 Bad Request", 29999), "its error 29999"),
        (answering("400 Bad Request"), "refuses the message (400)"),
    ],
)
def test_what_another_attempt_does_not_change(behave: Behaviour, words: str, settings: Settings) -> None:
    problem = _problem(behave, settings)

    assert problem.permanent
    assert words in str(problem)


@pytest.mark.parametrize(
    ("behave", "words", "pause"),
    [
        (_saying("429 Too Many Requests", 20429, Retry_After="4"), "takes no more for the moment", 4.0),
        (answering("429 Too Many Requests"), "takes no more for the moment", None),
        (_saying("400 Bad Request", 21611), "takes no more for the moment", None),
        (_saying("401 Unauthorized", 20003), "SMS_ACCOUNT, SMS_TOKEN and SMS_FROM", None),
        (_saying("400 Bad Request", 21606), "sending number (its error 21606)", None),
        (_saying("403 Forbidden", 99), "SMS_ACCOUNT", None),
        (answering("404 Not Found"), "SMS_API_URL", None),
        (_saying("503 Unavailable", 20503, Retry_After="8"), "its error 20503", 8.0),
        (answering("500 Oops", b"<html>"), "something is wrong there (500)", None),
        (lambda line, _: line.close(), "broke off the connection", None),
        (answering("302 Found", Location="http://127.0.0.1/"), "Redirects are not followed", None),
    ],
)
def test_what_another_attempt_may_change(
    behave: Behaviour, words: str, pause: float | None, settings: Settings
) -> None:
    problem = _problem(behave, settings)

    assert not problem.permanent
    assert problem.retry_after == pause
    assert words in str(problem)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("+436601234567", "+436601234567"),
        (" +43 660 / 123-45.67 ", "+436601234567"),
        ("+1 (500) 555-0006", "+15005550006"),
    ],
)
def test_numbers_are_stored_in_one_form(given: str, number: str) -> None:
    assert SENDER.clean({"number": given}) == {"number": number}
    assert SENDER.shown({"number": number}) == number


@pytest.mark.parametrize(
    "given",
    [
        "",
        "0660 1234567",
        "00436601234567",
        "+0660123456",
        "+43 (0)660 1234567",
        "+43",
        "+4366012345678901",
        "+43660x12345",
        "+436601234567\r\nFrom: +1",
        "\uff0b436601234567",
        "+٤٣٦٦٠١٢٣٤٥٦٧",
    ],
)
def test_a_number_that_is_none_is_told_with_an_example(given: str) -> None:
    with pytest.raises(ConfigError, match=r"for example \+43 660 1234567") as problem:
        SENDER.clean({"number": given})

    assert problem.value.field == "number"


def test_missing_settings_are_named(settings: Settings) -> None:
    settings.SMS_TOKEN = settings.SMS_FROM = ""

    with pytest.raises(ConfigError, match="has to set SMS_TOKEN and SMS_FROM"):
        SENDER.clean({"number": "+436601234567"})
    with pytest.raises(NotDelivered, match="has to set SMS_TOKEN and SMS_FROM") as problem:
        SENDER.send({"number": "+436601234567"}, message())
    assert not problem.value.permanent


@pytest.mark.parametrize("url", ["api.twilio.com", "http://169.254.169.254", "http://10.0.0.1"])
def test_a_service_that_can_not_be_used_is_the_sites_matter(url: str, settings: Settings) -> None:
    settings.SMS_API_URL = url
    with pytest.raises(NotDelivered, match="The setting SMS_API_URL can not be used") as problem:
        SENDER.send({"number": "+436601234567"}, message())

    assert not problem.value.permanent
