"""Places, people and rules that tell them, for tests of the way of a message."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from django.contrib.auth.models import Group

from accounts import vault
from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts.channels.base import Config, Message, NotDelivered, Sender
from alerts.models import Alert, Channel, Endpoint, Rota, Rule, RuleStep, Severity
from alerts.models.delivery import CHANNEL_SCOPE
from alerts.tests.factories import AlertFactory


class FakeChannel(Sender):
    """Keeps what it is given. `answer` is asked first: it may take its time, or raise what goes wrong."""

    channel = Channel.CHAT
    personal = True

    def __init__(self, channel: Channel = Channel.CHAT, *, digests: bool = True) -> None:
        self.channel, self.digests = channel, digests  # type: ignore[misc]  # of each fake its own
        self.sent: list[tuple[dict[str, str], Message]] = []
        self.tried: list[Message] = []
        self.at_once, self.most_at_once = 0, 0
        self.answer: Callable[[Config, Message], None] = lambda config, message: None
        self._lock = threading.Lock()

    @property
    def messages(self) -> list[Message]:
        return [message for _, message in self.sent]

    def clean(self, given: Config) -> dict[str, str]:
        return dict(given)

    def shown(self, config: Config) -> str:
        return config["to"]

    def send(self, config: Config, message: Message) -> str:
        with self._lock:
            self.tried.append(message)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.answer(config, message)
            with self._lock:
                self.sent.append((dict(config), message))
            return f"receipt {len(self.sent)}"
        finally:
            with self._lock:
                self.at_once -= 1

    def fails(self, why: str = "It does not answer.", **how: Any) -> None:
        """From now on nothing is taken."""

        def refuse(config: Config, message: Message) -> None:
            raise NotDelivered(why, **how)

        self.answer = refuse


def place(name: str = "Control room", *, channel: Channel = Channel.CHAT, **values: Any) -> Endpoint:
    """A place, sealed as in life."""
    made = Endpoint(name=name, channel=channel, shown=name, **values)
    config = {"to": name}
    made.sealed_config = vault.seal(CHANNEL_SCOPE, json.dumps(config).encode(), bind=made.bind)
    made.save()
    return made


def member(*, role: Role = Role.OPERATOR, **values: Any) -> User:
    user: User = UserFactory.create(role=role, **values)
    return user


def own_place(user: User, **values: Any) -> Endpoint:
    return place(f"{user.username}'s phone", user=user, **values)


def step(
    rule: Rule | None,
    *,
    after: int = 0,
    users: Iterable[User] = (),
    groups: Iterable[Group] = (),
    rotas: Iterable[Rota] = (),
    places: Iterable[Endpoint] = (),
) -> RuleStep:
    assert rule is not None
    made = RuleStep.objects.create(rule=rule, after_minutes=after)
    made.users.set(users)
    made.groups.set(groups)
    made.rotas.set(rotas)
    made.endpoints.set(places)
    return made


def alert(**values: Any) -> Alert:
    made: Alert = AlertFactory.create(**{"severity": Severity.HIGH} | values)
    return made


def same_rule(of: Alert, **values: Any) -> Alert:
    """Another alert by the same rule."""
    return alert(rule=of.rule, **values)


def until(happens: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits until it happens."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)


def drop_connections() -> None:
    """At the end of a thread that used the database."""
    from django.db import connections

    with suppress(Exception):
        connections.close_all()
