"""A channel that keeps what it is given, for tests of what lies before any real one."""

from __future__ import annotations

from collections.abc import Callable

from alerts.channels import base
from alerts.channels.base import Config, ConfigError, Field, Message, NotDelivered, Sender
from alerts.models import Channel

SECRET = "correct-horse-battery"


class FakeSender(Sender):
    """Takes an address that has an @ and a password; `problem` is what sending ends in, if anything."""

    channel = Channel.CHAT
    personal = True
    fields = (
        Field(name="address", label="Address", help="Such as <you>@example.org"),
        Field(name="password", label="Password", secret=True),
        Field(name="extra", label="Extra", secret=True, required=False, long=True),
        Field(name="loud", label="Loud", choices=(("yes", "Yes"), ("no", "No")), default="no"),
    )

    def __init__(self) -> None:
        self.problem: NotDelivered | None = None
        self.sent: list[tuple[dict[str, str], Message]] = []

    def clean(self, given: Config) -> dict[str, str]:
        if "@" not in given["address"]:
            raise ConfigError("address", "An address has an @. Add it.")
        return {name: value.strip() for name, value in given.items()}

    def shown(self, config: Config) -> str:
        return config["address"]

    def send(self, config: Config, message: Message) -> str:
        if self.problem is not None:
            raise self.problem
        self.sent.append((dict(config), message))
        return "receipt"


def instead(channel: Channel, fake: Sender) -> Callable[[Channel], Sender]:
    """`base.sender`, with the fake one for this channel."""
    real = base.sender
    return lambda asked: fake if asked is channel else real(asked)
