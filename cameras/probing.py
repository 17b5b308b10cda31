"""Trying a source for somebody: where the site allows cameras, so often and no more, and written down.

Whoever may change cameras may type any address. What is allowed is the settings' policy, so that the test can not be
used to look around in networks; the limit keeps it from being used to look slowly.
"""

from __future__ import annotations

import logging

from django.core.cache import cache
from redis.exceptions import RedisError

from accounts.models import User
from accounts.services import record
from cameras.allowed import camera_network
from cameras.probe import ProbeResult, probe
from cameras.sources import Source, SourceError

TESTS_MOST = 10
WINDOW_SECONDS = 60

logger = logging.getLogger(__name__)


def may_test(user: User) -> bool:
    """Counts a test of this user; False where there were too many in the last minute, or they can not be counted."""
    key = f"source-tests:{user.pk}"
    try:
        cache.add(key, 0, timeout=WINDOW_SECONDS)
        return bool(cache.incr(key) <= TESTS_MOST)
    except ValueError:  # it ran out in between
        cache.set(key, 1, timeout=WINDOW_SECONDS)
        return True
    except RedisError:
        logger.warning("A source was not tested: Redis does not answer, so tests can not be counted.")
        return False


def try_source(*, actor: User, source: Source, transport: str = "tcp") -> ProbeResult:
    """A picture of the source or why there is none; raises SourceError where this user asked too often."""
    if not may_test(actor):
        raise SourceError("Sources were tested too often. Wait a minute, and test again.")
    result = probe(source, network=camera_network(), transport=transport)
    record(actor=actor, verb="tested", target="source", source=source.shown, outcome=result.problem or "a picture")
    return result
