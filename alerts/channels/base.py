"""What a channel is, and what it is given to send. No database here: a channel takes values and talks to the outside.

A channel's configuration is a flat dict of texts, as a form gives it; `clean` checks it once, when it is stored. `send`
blocks, and every wait in it has an end. Whatever goes wrong comes out as NotDelivered with a sentence for people that
holds no secret.
"""

from __future__ import annotations

import logging
import traceback
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import ClassVar, Final

from alerts.models import Channel, Occasion, Severity

_log = logging.getLogger(__name__)
Config = Mapping[str, str]
SEND_SECONDS: Final = 20.0  # the longest that one attempt may take, all of it


class NotDelivered(Exception):
    """The other side did not take it; the message is a sentence for people, without secrets.

    `permanent`: trying again is of no use (the address does not exist). `retry_after`: not before so many seconds.
    """

    def __init__(self, why: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.permanent, self.retry_after = permanent, retry_after


def spoilt(channel: Channel, error: Exception) -> NotDelivered:
    """What to say of a channel that failed by a mistake of ours. The error's own words are kept out of the log and the
    answer: they may hold an address with a secret in it."""
    where = "".join(traceback.format_tb(error.__traceback__))
    _log.error("A channel failed (%s, %s):\n%s", channel, type(error).__name__, where)
    return NotDelivered(f"Something went wrong in Lynceus itself ({type(error).__name__}). Its log says more.")


class ConfigError(ValueError):
    """A configuration can not be used: `field` names what of it, the message says why and what to do."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that a form asks for. `secret`: never shown again; left empty when changing, it stays as it was."""

    name: str
    label: str
    help: str = ""
    required: bool = True
    secret: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    long: bool = False  # several lines
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One alert as programs read it; what the watchlist's policy keeps inside is empty or None."""

    alert: int
    occasion: Occasion
    severity: Severity
    state: str
    trigger: str
    rule: str
    who: str  # "Ada Lovelace", "Unknown face", "A possible match", or what is wrong with a camera
    person: int | None
    watchlist: str
    camera: int | None
    camera_name: str = ""
    where: str  # the camera's name, and the zone's
    latitude: float | None
    longitude: float | None
    similarity: float | None
    threshold: float | None
    detail: str
    count: int
    captured_at: datetime
    raised_at: datetime
    lead: bool
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent. `key` is the same with every attempt: who has seen it already may drop it.

    `short` fits in 160 characters of the GSM alphabet as far as the names do. `picture`: JPEG of the face. A digest
    has several facts, oldest first.
    """

    key: uuid.UUID
    subject: str
    text: str
    short: str
    html: str
    link: str
    severity: Severity
    occasion: Occasion
    facts: tuple[Facts, ...]
    picture: bytes | None = field(default=None, repr=False)
    is_test: bool = False


class Sender(ABC):
    """One channel."""

    channel: ClassVar[Channel]
    fields: ClassVar[tuple[Field, ...]] = ()
    personal: ClassVar[bool] = False  # whether people may have one of their own
    digests: ClassVar[bool] = True  # whether several alerts make sense as one message; logs want each
    templated: ClassVar[bool] = True  # whether `text` is what it sends

    @abstractmethod
    def clean(self, given: Config) -> dict[str, str]:
        """The configuration to store; raises ConfigError."""

    @abstractmethod
    def shown(self, config: Config) -> str:
        """Where it goes, without secrets."""

    def goes_to(self, config: Config) -> str:
        """By which it is told whether messages go elsewhere than before; never shown."""
        return self.shown(config)

    @abstractmethod
    def send(self, config: Config, message: Message) -> str:
        """Sends it; returns what the other side calls it, or "". Raises NotDelivered."""


def sender(channel: Channel) -> Sender:
    """The sender of a channel other than LIVE: SENDER of `alerts.channels.<channel>`."""
    found = import_module(f"alerts.channels.{channel.value}").SENDER
    if not isinstance(found, Sender):
        raise TypeError(f"alerts.channels.{channel.value}.SENDER is no Sender")
    return found
