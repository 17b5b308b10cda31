"""Test messages: the real way to a place, asked for by somebody who waits for the answer, and not too often."""

from __future__ import annotations

import logging
from typing import Final

from django.core.cache import cache
from redis.exceptions import RedisError

from accounts.models import User
from accounts.services import record
from accounts.vault import VaultError
from alerts import endpoints, messages, wording
from alerts.channels import base
from alerts.channels.base import NotDelivered
from alerts.messages import Wording
from alerts.models import Channel, Endpoint

TEST_SECONDS: Final = 5

_log = logging.getLogger(__name__)


def send_test(*, actor: User, endpoint: Endpoint, text: Wording | None = None) -> str | None:
    """Sends a test message there, with the text that its channel has or the one given.

    Returns None when the other side took it, or else why not, as a sentence. Waits at most base.SEND_SECONDS.
    """
    refused = _refused(actor, endpoint)
    if refused is not None:
        return refused
    channel = Channel(endpoint.channel)
    said = text if text is not None else wording.text_of(channel).wording
    try:
        message = messages.sample_message(channel, said.subject, said.body)
        base.sender(channel).send(endpoints.config_of(endpoint), message)
    except NotDelivered as error:
        problem: str | None = str(error)
    except VaultError:
        _log.exception("The sealed configuration of an endpoint does not open.")
        problem = "What is stored of this place does not open any more. Change it, and type its secrets again."
    except Exception as error:
        problem = str(base.spoilt(channel, error))
    else:
        problem = None
    if problem is None:
        endpoints.note_sent(endpoint)
    else:
        endpoints.note_failed(endpoint, problem)
    outcome = "sent" if problem is None else "not delivered"
    record(actor=actor, verb="tested", target=f"endpoint {endpoint.pk}", channel=channel.value, outcome=outcome)
    return problem


def _refused(actor: User, endpoint: Endpoint) -> str | None:
    """Why it is too early for another test; counts this one where it is not."""
    try:
        free = cache.add(f"channel-test:user:{actor.pk}", 1, timeout=TEST_SECONDS)
        free = cache.add(f"channel-test:endpoint:{endpoint.pk}", 1, timeout=TEST_SECONDS) and free
    except RedisError:
        _log.warning("A channel was not tested: Redis does not answer, so tests can not be counted.")
        return "Tests can not be counted right now, so none is sent. Try again in a minute."
    if not free:
        return f"A test was sent a moment ago. Wait {TEST_SECONDS} seconds, and test again."
    return None
