"""Email: what arrives at a real SMTP server, to whom, and by which settings."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pytest_django import Settings

from alerts.channels.base import ConfigError, sender
from alerts.channels.email import SENDER, Server, Tls, check_settings, sender_of, server
from alerts.models import Channel, Severity
from alerts.tests.channels.mail import KEY, TO, Inbox, problem_of
from alerts.tests.channels.servers import JPEG, facts, message
from config.env import SettingError


def _content(part: Any) -> Any:
    return part.get_content()


def test_it_is_the_sender_of_its_channel() -> None:
    assert sender(Channel.EMAIL) is SENDER
    assert (SENDER.channel, SENDER.personal) == (Channel.EMAIL, True)


def test_a_mail_arrives_with_text_and_html(inbox: Inbox) -> None:
    receipt = SENDER.send(TO, message(text="Zoë at Tür 1.\n.\n" + "long " * 300, subject="Zoë 🚪 at Gate"))

    (mail,) = inbox.mails
    assert receipt == mail["Message-ID"] == f"<{KEY}@site.example.org>"
    assert inbox.envelopes == [("lynceus@site.example.org", ["ben@example.org"])]
    assert mail["From"] == "Lynceus at the gate <lynceus@site.example.org>"
    assert mail["To"] == "ben@example.org"
    assert mail["Subject"] == "Zoë 🚪 at Gate"
    assert mail["Date"].datetime.tzinfo is not None
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "Alerts of Lynceus <alerts.lynceus.site.example.org>"
    assert mail["Importance"] is None
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert _content(text).replace("\r\n", "\n") == "Zoë at Tür 1.\n.\n" + "long " * 300 + "\n"
    assert _content(html).strip() == message().html
    assert mail.as_bytes().isascii()
    assert inbox.greeted_as == ["[127.0.0.1]"]


def test_the_mails_of_an_alert_stand_together_and_a_second_copy_is_one(inbox: Inbox) -> None:
    SENDER.send(TO, message())
    SENDER.send(TO, message())
    SENDER.send(TO, message(key="0a" * 16, severity=Severity.CRITICAL))
    SENDER.send(TO, message(facts=(facts(), facts(alert=42))))
    SENDER.send(TO, message(is_test=True))

    first, again, other, digest, trial = inbox.mails
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["References"] == other["References"] == "<alert-41@site.example.org>"
    assert first["In-Reply-To"] == other["In-Reply-To"] == "<alert-41@site.example.org>"
    assert other["Importance"] == "high"
    assert digest["References"] is None
    assert trial["References"] is None


def test_the_face_is_inside_only_where_the_message_has_one(inbox: Inbox) -> None:
    SENDER.send(TO, message(picture=JPEG))
    SENDER.send(TO, message(picture=JPEG, html='<img src="cid:face@lynceus"><p>Ada'))
    SENDER.send(TO, message(picture=JPEG, html="<p>Ada"))
    SENDER.send(TO, message())

    shown = []
    for mail in inbox.mails[:3]:
        _, related = mail.iter_parts()
        assert related.get_content_type() == "multipart/related"
        html, picture = related.iter_parts()
        assert (picture.get_content_type(), picture["Content-ID"]) == ("image/jpeg", "<face@lynceus>")
        assert picture.get_content_disposition() == "inline"
        assert _content(picture) == JPEG
        shown.append(_content(html).strip())
    image = '<p><img src="cid:face@lynceus" alt="The face that the camera saw"></p>'
    assert shown[0] == f"<html><body><p>Ada Lovelace was seen at Gate.</p>{image}</body></html>"
    assert shown[1] == '<img src="cid:face@lynceus"><p>Ada'
    assert shown[2] == f"<p>Ada{image}"
    assert b"image" not in inbox.mails[3].as_bytes()


def test_without_html_it_is_text(inbox: Inbox) -> None:
    SENDER.send(TO, message(html="", picture=JPEG))

    assert inbox.mails[0].get_content_type() == "text/plain"


@pytest.mark.parametrize(
    "name", ["Eve\r\nBcc: all@example.org", "Eve\nBcc: all@example.org", "Eve\x00\x0b\u2028Bcc: x"]
)
def test_a_name_can_not_become_a_header(name: str, inbox: Inbox) -> None:
    SENDER.send(TO, message(subject=f"{name} at Gate", text=f"{name}\r\n.\r\nMAIL FROM:<x@y>", severity=Severity.LOW))

    (mail,) = inbox.mails
    assert mail["Bcc"] is None
    assert re.fullmatch(r"Eve Bcc: (all@example.org|x) at Gate", mail["Subject"])
    assert inbox.envelopes == [("lynceus@site.example.org", ["ben@example.org"])]


# --- settings and addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("smtp://mail", Server(host="mail", port=587, tls=Tls.STARTTLS)),
        ("smtp://mail:2525/?tls=starttls", Server(host="mail", port=2525, tls=Tls.STARTTLS)),
        ("smtp://mail?tls=none", Server(host="mail", port=25, tls=Tls.NONE)),
        ("smtps://a%40b:c%3Ad@[::1]", Server(host="::1", port=465, tls=Tls.FIRST, user="a@b", password="c:d")),
    ],
)
def test_the_setting_as_it_is_written(text: str, found: Server, settings: Settings) -> None:
    settings.EMAIL_SERVER = text

    assert server() == found
    assert "c:d" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "mail.example.org",
        "http://mail",
        "smtp://",
        "smtp://a:geheim@mail:99999",
        "smtp://a:geheim@mail:0",
        "smtp://a:geheim@mail?tls=maybe",
        "smtp://a:geheim@mail?tls=smtps",
        "smtps://a:geheim@mail?tls=none",
        "smtp://a:geheim@mail?ssl=1",
        "smtp://a:geheim@mail?tls",
        "smtp://a:geheim@mail/path",
    ],
)
def test_a_wrong_setting_stops_the_start_and_keeps_the_password(text: str, settings: Settings) -> None:
    settings.EMAIL_SERVER = text
    with pytest.raises(SettingError, match="EMAIL_SERVER") as problem:
        check_settings()

    assert "geheim" not in str(problem.value)
    assert "?tls=starttls" in str(problem.value)


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("Lynceus <lynceus@localhost>", "Lynceus", "lynceus@localhost"),
        ("a@example.org", "", "a@example.org"),
        ('"Gate, north" <a@tür.example.org>', "Gate, north", "a@xn--tr-xka.example.org"),
    ],
)
def test_who_mails_come_from(text: str, name: str, address: str) -> None:
    found = sender_of(text)

    assert (found.name, found.address) == (name, address)


@pytest.mark.parametrize("text", ["", "Lynceus", "a@", "Lynceus <nobody>", "a@b c"])
def test_who_mails_can_not_come_from(text: str, settings: Settings) -> None:
    settings.EMAIL_FROM = text
    with pytest.raises(SettingError, match="EMAIL_FROM"):
        check_settings()


def test_without_a_server(settings: Settings) -> None:
    settings.EMAIL_SERVER = ""

    check_settings()
    with pytest.raises(ConfigError, match="has to set EMAIL_SERVER") as unset:
        SENDER.clean(TO)
    assert unset.value.field == "address"
    problem = problem_of()
    assert "has to set EMAIL_SERVER" in str(problem)
    assert not problem.permanent


def test_addresses(settings: Settings) -> None:
    settings.EMAIL_SERVER = "smtp://mail"

    assert SENDER.clean({"address": " ben@example.org "}) == TO
    assert SENDER.clean({"address": "ben@tür.example.org"}) == {"address": "ben@xn--tr-xka.example.org"}
    assert SENDER.shown(TO) == "ben@example.org"
    for wrong in (
        "",
        "ben",
        "ben@",
        "a@b@c.org",
        "ben@example.org\r\nBcc: x@y.org",
        "Ben <b@example.org>",
        "a@x.org,b@x.org",
    ):
        with pytest.raises(ConfigError, match=r"name@example\.org") as problem:
            SENDER.clean({"address": wrong})
        assert problem.value.field == "address"
