"""Email by the SMTP server of EMAIL_SERVER: text and HTML, with the picture inside where the message has one.

The server is an administrator's choice, so it may be anywhere; certificates are verified all the same, and all the
waiting together ends at SEND_SECONDS. What concerns one address is permanent; what concerns the server, the account or
the sender is not, because an administrator puts it right for all.

Message-ID is made of the message's key, so that programs drop a second copy. All messages of an alert refer to the same
id, so that they stand together (RFC 5322, 3.6.4). Automatic answers are asked not to come (RFC 3834).
"""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.html import format_html

from alerts.channels import guard
from alerts.channels.base import SEND_SECONDS, Config, ConfigError, Field, Message, NotDelivered, Sender
from alerts.models import Channel, Severity
from cameras.network import NetworkPolicy, Refused, Unreachable, Wording, connect_host
from config.env import SettingError

PICTURE: Final = "face@lynceus"  # <img src="cid:face@lynceus"> in the HTML; without it, the picture stands at the end
_POLICY = SMTP.clone(cte_type="7bit")  # any server takes it
_ANYWHERE = NetworkPolicy(networks=("0.0.0.0/0", "::/0"))
_WORDING = Wording(one="mail server", many="mail servers", settings="EMAIL", listens="the mail server is running")
_EXAMPLE = "smtp://user:password@host:587?tls=starttls, smtps://user:password@host:465, or smtp://host:25?tls=none"


class Tls(StrEnum):
    FIRST = "smtps"
    STARTTLS = "starttls"
    NONE = "none"


_PORTS = {Tls.FIRST: 465, Tls.STARTTLS: 587, Tls.NONE: 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    host: str
    port: int
    tls: Tls
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def server() -> Server | None:
    """The server of EMAIL_SERVER, None where it is unset; raises SettingError, which does not show the password."""
    return _server(settings.EMAIL_SERVER) if settings.EMAIL_SERVER else None


def check_settings() -> None:
    """Raises SettingError where EMAIL_SERVER or EMAIL_FROM can not be used."""
    server()
    sender_of(settings.EMAIL_FROM)


@lru_cache(maxsize=4)
def sender_of(text: str) -> From:
    """Who EMAIL_FROM says that mails come from; raises SettingError."""
    name, address = parseaddr(text)
    local, _, domain = address.rpartition("@")
    try:
        validate_email(address)
        return From(name=_line(name), address=f"{local}@{_ascii(domain)}")
    except (ValidationError, ValueError):
        raise SettingError(
            "EMAIL_FROM", text, "an address, with a name or not: Lynceus <lynceus@example.org>"
        ) from None


class Email(Sender):
    channel = Channel.EMAIL
    fields = (Field(name="address", label="Email address"),)
    personal = True

    def clean(self, given: Config) -> dict[str, str]:
        if server() is None:
            raise ConfigError("address", _UNSET)
        text = given.get("address", "").strip()
        try:
            validate_email(text)
            local, _, domain = text.rpartition("@")
            return {"address": f"{local}@{_ascii(domain)}"}
        except (ValidationError, ValueError):
            raise ConfigError("address", "This is no email address. It looks like name@example.org.") from None

    def shown(self, config: Config) -> str:
        return config["address"]

    def send(self, config: Config, message: Message) -> str:
        found = server()
        if found is None:
            raise NotDelivered(_UNSET)
        mail = _mail(config["address"], message)
        sender = sender_of(settings.EMAIL_FROM)
        with _signed_in(found) as client:
            _hand_over(client, sender.address, config["address"], mail.as_bytes())
        return str(mail["Message-ID"])


_UNSET = "No email can be sent here yet: an administrator has to set EMAIL_SERVER."


class _Client(smtplib.SMTP):
    """smtplib over a connection that is there already."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        self._connection = connection
        super().__init__(host, local_hostname=_own_name(connection))

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        return self._connection


@contextlib.contextmanager
def _signed_in(server: Server) -> Iterator[smtplib.SMTP]:
    """The server, ready for a mail; all that goes wrong before, in and after that is NotDelivered."""
    deadline = time.monotonic() + SEND_SECONDS
    connection = _connected(server)
    with contextlib.closing(connection), guard.cut_after(connection, deadline - time.monotonic()) as late:
        try:
            line = guard.secured(connection, server.host) if server.tls is Tls.FIRST else connection
            with contextlib.closing(_Client(line, server.host)) as client:
                if server.tls is Tls.STARTTLS:
                    client.starttls(context=guard.tls())
                if server.user:
                    _log_in(client, server)
                yield client
                _take_leave(client)
        except (smtplib.SMTPException, NotDelivered, OSError, ValueError) as problem:
            if late.is_set() or isinstance(problem, TimeoutError):
                raise NotDelivered(
                    f"The mail server did not answer within {SEND_SECONDS:g} seconds. {_LATER}"
                ) from None
            raise _why(server, problem) from None


_LATER = "It is tried again later."


def _log_in(client: smtplib.SMTP, server: Server) -> None:
    client.ehlo_or_helo_if_needed()
    if not client.has_extn("auth"):
        raise NotDelivered(
            "The mail server asks for no user name on this port. Check EMAIL_SERVER, and whether it wants TLS first."
        )
    try:
        client.login(server.user, server.password)
    except UnicodeError:
        raise NotDelivered(
            "The user name or the password of EMAIL_SERVER has letters that SMTP can not carry."
        ) from None


def _connected(server: Server) -> socket.socket:
    try:
        connection = connect_host(_ANYWHERE, server.host, server.port, SEND_SECONDS, _WORDING)
    except Refused:
        raise NotDelivered("The mail server's address is one that no mail server has. Check EMAIL_SERVER.") from None
    except Unreachable as problem:
        raise NotDelivered(f"{problem} It is the mail server of EMAIL_SERVER.") from None
    connection.settimeout(SEND_SECONDS)
    return connection


def _hand_over(client: smtplib.SMTP, sender: str, recipient: str, content: bytes) -> None:
    try:
        client.sendmail(sender, [recipient], content)
    except smtplib.SMTPRecipientsRefused as problem:
        code, words = problem.recipients[recipient]
        raise _refusal(code, words, "mail for this address. Check how it is written, and that it exists.") from None
    except smtplib.SMTPDataError as problem:
        raise _refusal(problem.smtp_code, problem.smtp_error, "this mail. Its log says why.") from None


def _refusal(code: int, words: bytes | str, what: str) -> NotDelivered:
    # 530 and 5.7.x (RFC 3463) speak of what the server lets us do: it asks for a login, or does not relay.
    if code == 530 or words[:4] in (b"5.7.", "5.7."):
        return NotDelivered(
            f"The mail server does not let this site send mail there ({code}). An administrator has to check "
            "EMAIL_SERVER, EMAIL_FROM, and the mail server's log."
        )
    if 500 <= code < 600:
        return NotDelivered(f"The mail server refuses ({code}) {what}", permanent=True)
    return NotDelivered(f"The mail server takes no mail for this address at the moment ({code}). {_LATER}")


def _take_leave(client: smtplib.SMTP) -> None:
    """The mail was taken: whatever comes now, it must not be sent again."""
    with contextlib.suppress(smtplib.SMTPException, OSError):
        if client.sock is not None:
            client.sock.settimeout(2.0)
        client.quit()


def _why(server: Server, problem: Exception) -> NotDelivered:
    match problem:
        case NotDelivered():
            return problem
        case smtplib.SMTPAuthenticationError():
            return NotDelivered(
                f"The mail server refuses the user name or the password ({problem.smtp_code}). An administrator has to "
                "check EMAIL_SERVER."
            )
        case smtplib.SMTPSenderRefused():
            return NotDelivered(
                f"The mail server does not take mail from our address ({problem.smtp_code}). An administrator has to "
                "check EMAIL_FROM, and whether the server asks for a user name."
            )
        case smtplib.SMTPNotSupportedError():
            return NotDelivered(
                "The mail server does not offer TLS (STARTTLS) on this port, so nothing was sent. Check EMAIL_SERVER."
            )
        case ssl.SSLCertVerificationError():
            return NotDelivered(guard.not_trusted(server.host, problem))
        case smtplib.SMTPServerDisconnected():
            return NotDelivered(f"The mail server broke off the connection. {_LATER}")
        case smtplib.SMTPResponseException() if problem.smtp_code > 0:
            return NotDelivered(f"The mail server takes no mail from us at the moment ({problem.smtp_code}). {_LATER}")
    return NotDelivered("What answers there is no mail server, or not with this kind of TLS. Check EMAIL_SERVER.")


def _mail(recipient: str, message: Message) -> EmailMessage:
    sender = sender_of(settings.EMAIL_FROM)
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = formataddr((sender.name, sender.address))
    mail["To"] = recipient
    mail["Subject"] = _line(message.subject)
    mail["Date"] = format_datetime(timezone.now())
    mail["Message-ID"] = f"<{message.key}@{sender.domain}>"
    if len(message.facts) == 1 and not message.is_test:
        mail["In-Reply-To"] = mail["References"] = f"<alert-{message.facts[0].alert}@{sender.domain}>"
    mail["List-Id"] = f"Alerts of Lynceus <alerts.lynceus.{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if message.severity is Severity.CRITICAL:
        mail["Importance"] = "high"
    mail.set_content(message.text)
    if message.html:
        _add_html(mail, message)
    return mail


def _add_html(mail: EmailMessage, message: Message) -> None:
    html = message.html
    if message.picture is not None and f"cid:{PICTURE}" not in html:
        image = format_html('<p><img src="cid:{}" alt="The face that the camera saw"></p>', PICTURE)
        head, end, tail = html.rpartition("</body>")
        html = f"{head}{image}{end}{tail}" if end else f"{html}{image}"
    mail.add_alternative(html, subtype="html")
    if message.picture is not None:
        part = list(mail.iter_parts())[-1]
        if isinstance(part, MIMEPart):
            part.add_related(
                message.picture, "image", "jpeg", cid=f"<{PICTURE}>", filename="face.jpg", disposition="inline"
            )


def _line(text: str) -> str:
    """One line without control characters, as a header holds it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _ascii(domain: str) -> str:
    return domain if domain.isascii() else domain.encode("idna").decode("ascii")


def _own_name(connection: socket.socket) -> str:
    """What we call ourselves: our address on this connection (RFC 5321, 4.1.3); asking for a name could take long."""
    ip = ipaddress.ip_address(str(connection.getsockname()[0]).partition("%")[0])
    return f"[IPv6:{ip}]" if ip.version == 6 else f"[{ip}]"


@lru_cache(maxsize=4)
def _server(text: str) -> Server:
    wrong = SettingError("EMAIL_SERVER", "(hidden)", _EXAMPLE)
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
        asked = parse_qs(parts.query, strict_parsing=bool(parts.query))
        tls = Tls.FIRST if parts.scheme == "smtps" else Tls(asked.pop("tls", ["starttls"])[0])
    except ValueError:
        raise wrong from None
    usual = parts.scheme in ("smtp", "smtps") and (parts.scheme == "smtps") == (tls is Tls.FIRST)
    if not usual or not host or port == 0 or asked or parts.path not in ("", "/"):
        raise wrong
    return Server(
        host=host,
        port=port or _PORTS[tls],
        tls=tls,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


SENDER = Email()
