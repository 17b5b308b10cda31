"""Going out to given addresses: only where it is allowed, verified, and never for longer than was said."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from email.utils import format_datetime

import pytest
from django.utils import timezone
from pytest_django import Settings

from alerts.channels import guard
from alerts.channels.base import NotDelivered
from alerts.tests.channels.servers import answering, listening, names, post, refused
from config.env import SettingError

SECONDS = 0.5  # of patience with servers that misbehave


def test_a_request_arrives_as_it_was_given() -> None:
    with listening(answering("201 Created", b"thanks", X_Request_Id="a1", Retry_After="3")) as there:
        answer = guard.post(
            there.url("/a%20b/ü?x=ä&y"), body=b'{"a": 1}', headers={"Content-Type": "application/json"}, method="PUT"
        )

    (request,) = there.requests
    assert (request.method, request.target, request.body) == ("PUT", "/a%20b/%C3%BC?x=%C3%A4&y", b'{"a": 1}')
    assert request.headers["host"] == f"127.0.0.1:{there.port}"
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers
    assert (answer.status, answer.body, answer.succeeded) == (201, b"thanks", True)
    assert answer.headers["x-request-id"] == "a1"
    assert guard.retry_after(answer) == 3.0


def test_credentials_in_the_address_sign_in_and_are_told_to_nobody() -> None:
    with listening(answering()) as there:
        post(there.url().replace("://", "://ada:p%40ss@"))
    with listening(lambda line, _: line.close()) as closing:
        problem = refused(closing.url().replace("://", "://ada:p%40ss@"))

    assert there.requests[0].headers["authorization"] == "Basic YWRhOnBAc3M="
    assert "ada" not in str(problem)
    assert "p@ss" not in str(problem)


def test_a_given_authorization_stays() -> None:
    with listening(answering()) as there:
        guard.post(there.url().replace("://", "://ada:x@"), body=b"", headers={"authorization": "Bearer 1"})

    assert there.requests[0].headers["authorization"] == "Bearer 1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://",
        "http:///path",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://ho st/",
        "http://127.0.0.1/\r\nHost: other",
        "http://127.0.0.1/\tx",
        "http://127.0.0.1/\x00",
        "http://exa$mple/",
        "http://127.0.0.1/" + "a" * 2000,
    ],
)
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    problem = refused(url)

    assert problem.permanent
    assert str(problem).startswith("The address ")
    with pytest.raises(guard.NotAllowed):
        guard.parse(url)


@pytest.mark.parametrize("headers", [{"X-A": "1\r\nX-B: 2"}, {"X-A\r\nX-B": "1"}, {"X-A": "1\n 2"}, {"X-Ä": "1"}])
def test_a_header_can_not_smuggle_another(headers: dict[str, str]) -> None:
    with listening(answering()) as there, pytest.raises(NotDelivered, match="no header has") as problem:
        guard.post(there.url(), body=b"", headers=headers)

    assert problem.value.permanent
    assert there.requests == []


@pytest.mark.parametrize("setting", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_proxies_of_the_environment_are_not_used(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering()) as proxy, listening(answering()) as there:
        monkeypatch.setenv(setting, proxy.url(""))
        post(there.url(host="localhost"))

    assert proxy.connections == 0
    assert len(there.requests) == 1


# --- where it goes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "2852039166",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1]",
        "100.100.100.200",
        "ada:pass@127.0.0.1",
        "\uff11\uff12\uff17.0.0.1",
    ],
)
def test_numbers_of_the_house_and_of_metadata_are_refused_when_they_are_entered(host: str, settings: Settings) -> None:
    settings.ALERT_NETWORKS = ["private", "public"]

    with pytest.raises(guard.NotAllowed, match="ALERT_NETWORKS"):
        guard.parse(f"http://{host}/hook")
    assert refused(f"http://{host}/hook").permanent


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:127.0.0.1"])
def test_names_that_lead_there_are_refused_when_it_goes_out(
    address: str, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.ALERT_NETWORKS = ["private", "public"]
    names(monkeypatch, hook=[address])

    with listening(answering()) as there:
        assert guard.parse(there.url(host="hook.example")).host == "hook.example"
        problem = refused(there.url(host="hook.example"))

    assert there.connections == 0
    assert "hook.example is not at an address which a receiver may have here" in str(problem)
    assert "camera" not in str(problem)
    assert address not in str(problem)
    assert not problem.permanent  # what a name leads to may be put right


def test_localhost_is_refused_by_its_name_too(settings: Settings) -> None:
    settings.ALERT_NETWORKS = ["private", "public"]
    with listening(answering()) as there:
        refused(there.url(host="localhost"))

    assert there.connections == 0


def test_a_name_that_leads_elsewhere_the_second_time_reaches_nothing(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Rebinding: the first answer is allowed, the second is the house. It is asked once, and that answer is used."""
    settings.ALERT_NETWORKS = ["127.0.0.2/32"]
    asked = names(monkeypatch, hook=["127.0.0.2", "127.0.0.1"])
    with listening(answering()) as house:
        problem = refused(house.url(host="hook.example"))  # nothing listens there on 127.0.0.2
        assert asked == ["hook.example"]
        again = refused(house.url(host="hook.example"))

    assert "nothing listens on its port" in str(problem)
    assert "ALERT_NETWORKS" in str(again)
    assert house.connections == 0


def test_ports_are_limited_too(settings: Settings) -> None:
    settings.ALERT_PORTS = ["443", "8000-8999"]
    with listening(answering()) as there:
        problem = refused("http://127.0.0.1:22/")
        with pytest.raises(NotDelivered, match="ALERT_PORTS"):
            guard.connect("127.0.0.1", there.port)

    assert problem.permanent
    assert "ALERT_PORTS" in str(problem)
    assert there.connections == 0


@pytest.mark.parametrize(("name", "value"), [("ALERT_NETWORKS", "lan"), ("ALERT_PORTS", "http")])
def test_a_wrong_setting_is_named(name: str, value: str, settings: Settings) -> None:
    setattr(settings, name, [value])

    with pytest.raises(SettingError, match=name):
        guard.network()


def test_a_plain_connection_for_other_protocols(settings: Settings) -> None:
    with listening(answering()) as there:
        with guard.connect("127.0.0.1", there.port, 3.0) as connection:
            assert connection.getpeername() == ("127.0.0.1", there.port)
            assert connection.gettimeout() == 3.0
        assert [str(ip) for ip in guard.resolve("127.0.0.1", there.port)] == ["127.0.0.1"]
        settings.ALERT_NETWORKS = ["public"]
        for refuse in (guard.connect, guard.resolve):
            with pytest.raises(NotDelivered, match="ALERT_NETWORKS") as problem:
                refuse("127.0.0.1", there.port)
            assert problem.value.permanent


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering()) as there:
        pass
    gone = refused(there.url())
    unknown = refused("http://nobody.invalid/")

    assert "nothing listens on its port" in str(gone)
    assert "the service is running there" in str(gone)
    assert "is not known in this network" in str(unknown)
    assert not gone.permanent
    assert not unknown.permanent


def test_a_name_service_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: release.wait(20) and [])

    problem = refused("http://hook.example/", seconds=SECONDS)
    release.set()

    assert "name service does not answer" in str(problem)
    assert not problem.permanent


# --- what answers mean -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("99999999999999999999", guard.RETRY_MOST),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", guard.RETRY_MOST),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_when_to_come_again(text: str, seconds: float | None) -> None:
    assert guard.retry_after(guard.Answer(status=429, headers={"retry-after": text}, body=b"")) == seconds


def test_when_to_come_again_as_a_date() -> None:
    when = format_datetime(timezone.now() + dt.timedelta(hours=1), usegmt=False)
    pause = guard.retry_after(guard.Answer(status=503, headers={"retry-after": when}, body=b""))

    assert pause is not None
    assert 3000 < pause <= 3600


@pytest.mark.parametrize(
    ("status", "permanent", "words"),
    [
        (400, True, "refuses the message (400)"),
        (401, True, "does not let us in (401)"),
        (403, True, "does not let us in (403)"),
        (404, True, "refuses the message (404)"),
        (408, False, "something is wrong there (408)"),
        (409, False, "something is wrong there (409)"),
        (410, True, "is gone (410)"),
        (413, True, "refuses the message (413)"),
        (425, False, "something is wrong there (425)"),
        (429, False, "takes no more for the moment (429)"),
        (500, False, "something is wrong there (500)"),
        (503, False, "something is wrong there (503)"),
        (999, False, "something is wrong there (999)"),
    ],
)
def test_which_answers_are_final(status: int, permanent: bool, words: str) -> None:
    answer = guard.Answer(status=status, headers={"retry-after": "7"}, body=b"")
    problem = guard.refusal(answer, "hook.example")

    assert str(problem).startswith("hook.example ")
    assert words in str(problem)
    assert problem.permanent is permanent
    assert problem.retry_after == (None if permanent else 7.0)
