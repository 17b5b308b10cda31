"""Chat services by apprise: Telegram, Slack, Discord, Teams, Matrix, Gotify, ntfy and others, each by one address.

Apprise knows some 190 services; those are used whose plugins make HTTP requests and nothing else, so that all of them
go through the guard (`alerts.channels.chat_http`). Of what an address may set, only what is listed here is taken:
apprise would also read files of this machine (`template=`), or switch certificates off (`verify=`).

Chat services know no idempotency: a message whose acknowledgement was lost comes twice.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from apprise import Apprise, AppriseAsset, AppriseAttachment, NotifyFormat, NotifyType, PersistentStoreMode
from apprise.attachment.base import AttachBase
from apprise.attachment.memory import AttachMemory
from apprise.plugins import NotifyBase, url_to_dict
from django.conf import settings

from alerts.channels import chat_http, guard
from alerts.channels.base import SEND_SECONDS, Config, ConfigError, Field, Message, NotDelivered, Sender
from alerts.models import Channel, Severity

_TEXT_MOST: Final = 1500  # several messages would come twice where the second one fails
_WORDS: Final = ("description", "error_description", "errorDescription", "error", "message", "detail", "reason")
_TYPE: Final = {Severity.CRITICAL: NotifyType.FAILURE, Severity.HIGH: NotifyType.WARNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One that may be used. `own`: it runs where the address says. `options`: what else the address may set."""

    label: str
    own: bool
    pictures: bool
    options: frozenset[str]


def _service(label: str, options: str = "", *, own: bool = False, pictures: bool = False) -> Service:
    return Service(label=label, own=own, pictures=pictures, options=frozenset(options.split()) | {"format"})


_BARK = _service("Bark", "to sound level group category badge volume call archive", own=True)
_GOTIFY = _service("Gotify", "priority", own=True)
_MATRIX = _service("Matrix", "mode to token msgtype version discovery hsreq path e2ee", own=True)
_MATTERMOST = _service("Mattermost", "mode to channel channels botname team", own=True, pictures=True)
_NEXTCLOUD = _service("Nextcloud Talk", "url_prefix silent secret", own=True)
_NTFY = _service("ntfy", "mode to priority token auth xtags click", own=True, pictures=True)
_ROCKET = _service("Rocket.Chat", "mode to webhook avatar", own=True)
_SIGNAL = _service("Signal API", "to from batch status", own=True, pictures=True)
_TEAMS = _service("Microsoft Teams", "id sig route routeid ver api-version pa powerautomate wrap sp sv", own=True)
SERVICES: Final[dict[str, Service]] = {
    "bark": _BARK,
    "barks": _BARK,
    "discord": _service("Discord", "tts avatar thread flags ping href fields footer", pictures=True),
    "gchat": _service("Google Chat", "workspace key token thread threadkey"),
    "gotify": _GOTIFY,
    "gotifys": _GOTIFY,
    "matrix": _MATRIX,
    "matrixs": _MATRIX,
    "mmost": _MATTERMOST,
    "mmosts": _MATTERMOST,
    "nctalk": _NEXTCLOUD,
    "nctalks": _NEXTCLOUD,
    "ntfy": _NTFY,
    "ntfys": _NTFY,
    "pover": _service("Pushover", "to key priority sound expire interval url url_title", pictures=True),
    "rocket": _ROCKET,
    "rockets": _ROCKET,
    "signal": _SIGNAL,
    "signals": _SIGNAL,
    "slack": _service("Slack", "to mode token footer blocks timestamp", pictures=True),
    "tgram": _service("Telegram", "to topic thread silent preview detect content mdv", pictures=True),
    "workflow": _TEAMS,
    "workflows": _TEAMS,
    "wxteams": _service("Webex", "mode to token", pictures=True),
    "webex": _service("Webex", "mode to token", pictures=True),
    "zulip": _service("Zulip", "to token"),
}

URL = Field(
    name="url",
    label="Address",
    secret=True,
    help="The service's webhook address, or one as apprise writes it: tgram://token/chat, discord://id/token, "
    "slack://a/b/c/#channel, gotifys://host/token, ntfys://host/topic, matrixs://user:password@host/#room. See "
    "https://appriseit.com/services/ for each.",
)


class ChatSender(Sender):
    channel = Channel.CHAT
    personal = True
    fields = (URL,)

    def clean(self, given: Config) -> dict[str, str]:
        url = given.get(URL.name, "").strip()
        service, plugin = _opened(url)
        if service.own and plugin.host:
            try:
                guard.check(str(plugin.host), int(plugin.port or (443 if plugin.secure else 80)))
            except guard.NotAllowed as problem:
                raise ConfigError(URL.name, str(problem)) from None
        return {URL.name: url}

    def shown(self, config: Config) -> str:
        service, plugin = _opened(config[URL.name])
        address = ""
        with contextlib.suppress(Exception):  # a plugin that can not write its address has none to show
            address = unquote(str(plugin.url(privacy=True)).partition("?")[0]).rstrip("/")
        if service.own and not plugin.host:  # ntfy.sh, where the topic is all that others must not know
            scheme, _, topic = address.partition("://")
            address = f"{scheme}://{topic[:1]}…"
        return f"{service.label}: {address}" if address else service.label

    def send(self, config: Config, message: Message) -> str:
        with chat_http.exchange(SEND_SECONDS) as exchange:
            service, done = _notify(config[URL.name], message)
        if not done:
            raise _refusal(service, exchange, config[URL.name])
        return ""


def _opened(url: str) -> tuple[Service, Any]:
    """The service and apprise's plugin for this address; raises ConfigError. Nothing is asked of the network."""
    if not url or len(url) > guard.LONGEST or any(each <= " " or each == "\x7f" for each in url):
        raise ConfigError(URL.name, "The address is empty, too long, or has spaces or line ends. Copy it once more.")
    scheme = url.partition("://")[0].lower()
    if scheme not in SERVICES and scheme != "https":
        raise _unknown()
    with contextlib.suppress(Exception):  # plugins of others read what people typed
        found = url_to_dict(url, secure_logging=True)  # type: ignore[no-untyped-call]
    if not found or found.get("schema") not in SERVICES:
        raise _unknown()
    service = SERVICES[str(found["schema"])]
    _check_options(service, found)
    plugin = Apprise.instantiate(found, asset=_asset(settings.SITE_URL))
    if not isinstance(plugin, NotifyBase):
        raise ConfigError(
            URL.name, f"The address has not all that {service.label} needs. Compare it with its page at appriseit.com."
        )
    try:
        chat_http.confine(type(plugin))
    except chat_http.Unusable:
        raise ConfigError(
            URL.name, f"{service.label} can not be used with the apprise that is installed. Use another service."
        ) from None
    vars(plugin)["throttle"] = _no_pause
    return service, plugin


def _unknown() -> ConfigError:
    known = ", ".join(sorted({service.label for service in SERVICES.values()}))
    return ConfigError(URL.name, f"That is the address of none of these services: {known}. Use a webhook for others.")


def _check_options(service: Service, found: dict[str, Any]) -> None:
    given = set(found.get("qsd") or ())
    for prefix in "+-:":
        given |= {f"{prefix}{name}" for name in found.get(f"qsd{prefix}") or ()}
    if given - service.options:
        allowed = ", ".join(sorted(service.options))
        raise ConfigError(
            URL.name,
            f"The address sets something that is not used here. After the ? of {service.label} may be: {allowed}.",
        )


def _no_pause(*_: object, **__: object) -> None:
    """In place of a plugin's waiting between requests: who asks us to wait is asked again by the outbox."""


@lru_cache(maxsize=2)
def _asset(site: str) -> AppriseAsset:
    return AppriseAsset(
        app_id="Lynceus",
        app_desc="Lynceus",
        app_url=site,
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
        storage_mode=PersistentStoreMode.MEMORY,
        pgp_autogen=False,
        pem_autogen=False,
        allow_templates=False,
        service_timeout=0,  # one deadline holds for all requests, in chat_http
    )


def _notify(url: str, message: Message) -> tuple[Service, bool]:
    """Sends it; when this returns the plugin is gone, and those that sign in have signed out."""
    try:
        service, plugin = _opened(url)
    except ConfigError as problem:
        raise NotDelivered(str(problem), permanent=True) from None
    attach = None
    if message.picture is not None and service.pictures:
        attach = AppriseAttachment(asset=plugin.asset)
        attach.add(_picture(message.picture, plugin.asset))
    carrier = Apprise(plugin, asset=plugin.asset)
    done = carrier.notify(
        title=message.subject,
        body=_body(message),
        body_format=NotifyFormat.TEXT,
        notify_type=_TYPE.get(message.severity, NotifyType.INFO),
        attach=attach,
    )
    return service, bool(done)


def _picture(content: bytes, asset: AppriseAsset) -> AttachBase:
    found: AttachBase = AttachMemory(  # type: ignore[no-untyped-call]
        content=content, name="face.jpg", mimetype="image/jpeg", asset=asset
    )
    return found


def _body(message: Message) -> str:
    text = message.text.strip() or message.subject
    if len(text) > _TEXT_MOST:
        text = text[:_TEXT_MOST].rstrip() + "…"
    return text if not message.link or message.link in text else f"{text}\n{message.link}"


def _refusal(service: Service, exchange: chat_http.Exchange, url: str) -> NotDelivered:
    if exchange.failure is not None:
        return exchange.failure
    if exchange.answer is None:
        return NotDelivered(f"{service.label} could not be asked to send it. Check the address. It is tried again.")
    if exchange.answer.succeeded:
        why = NotDelivered(f"{service.label} took the request and did not send the message. It is tried again later.")
    else:
        why = guard.refusal(exchange.answer, exchange.host)
    said = _said(exchange.answer, url)
    words = f"{why} {service.label} says: “{said}”." if said else str(why)
    return NotDelivered(words, permanent=why.permanent, retry_after=why.retry_after)


def _said(answer: guard.Answer, url: str) -> str:
    """The service's own words, if they hold nothing of the address."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = {"error": answer.body.decode("utf-8", "replace")} if len(answer.body) < 100 else None
    if not isinstance(found, dict):
        return ""
    said = next((str(found[name]) for name in _WORDS if isinstance(found.get(name), str)), "")
    said = "".join(each if each.isprintable() else " " for each in said).strip()[:200]
    secrets = {part.lower() for part in re.split(r"[^A-Za-z0-9_-]+", unquote(url)) if len(part) >= 5}
    return "" if any(secret in said.lower() for secret in secrets) else said.rstrip(".")


def _is_logged(_: logging.LogRecord) -> bool:
    """Nothing of apprise: it logs messages and addresses with their tokens. What matters comes out as NotDelivered."""
    return False


logging.getLogger("apprise").addFilter(_is_logged)
SENDER = ChatSender()
