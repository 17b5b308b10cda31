"""The only writer of follows: who follows whom live. Each begin and end is in the audit trail.

A follow is of whom its identity turned out to be: where that was merged into another one, it goes along, and comes back
when the merge is undone. It is over after FOLLOW_HOURS, whether somebody has written that down yet or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from cameras.models import Follow, Identity
from cameras.movement.who import last_of
from config.transactions import brief_transaction
from recognition.errors import RecognitionError

MOST: Final = 100  # whom one user follows at once: each poll of a page goes through all of them


class FollowError(RecognitionError):
    """Somebody can not be followed; the message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A follow that goes on, and whom it is of by now."""

    follow: Follow
    identity: Identity


@brief_transaction()
def start(*, user: User, identity: Identity) -> Follow:
    """Follows whom the identity turned out to be; where the user does so already, that goes on.

    Raises FollowError, and Identity.DoesNotExist where they were deleted meanwhile.
    """
    known = follow_of(user, identity)
    if known is not None:
        return known
    whom = Identity.objects.select_for_update(no_key=True).get(pk=last_of(identity).pk)
    _end(Follow.objects.filter(user=user, identity=whom, until=None, since__lte=_before()))
    if len(going_on(user=user)) >= MOST:
        raise FollowError(f"You follow {MOST} already, which is all that can be. Stop following somebody first.")
    follow, is_new = Follow.objects.get_or_create(
        user=user, identity=whom, until=None, defaults={"since": timezone.now()}
    )
    if is_new:
        record(actor=user, verb="followed", target=f"identity {whom.pk}")
    return follow


@brief_transaction()
def stop(*, user: User, identity: Identity) -> int:
    """Follows them no longer; how many follows that ended: none where there was none."""
    wanted = last_of(identity).pk
    mine = [one.follow.pk for one in going_on(user=user) if one.identity.pk == wanted]
    ended = Follow.objects.filter(pk__in=mine, until=None).update(until=timezone.now())
    if ended:
        record(actor=user, verb="stopped following", target=f"identity {wanted}")
    return ended


@brief_transaction()
def end_over() -> int:
    """Writes down the end of follows that are over; how many."""
    over = Follow.objects.filter(until=None, since__lte=_before())
    return _end(over.select_related("user").select_for_update(of=("self",), skip_locked=True))


def going_on(*, user: User | None = None) -> list[Followed]:
    """The follows that go on, of one user or of all, the newest first."""
    rows = Follow.objects.filter(until=None, since__gt=_before()).select_related("user", "identity__person")
    mine = rows if user is None else rows.filter(user=user)
    return [Followed(follow=row, identity=last_of(row.identity)) for row in mine]


def follow_of(user: User, identity: Identity) -> Follow | None:
    """The user's follow of whom the identity turned out to be, as long as it goes on."""
    wanted = last_of(identity).pk
    return next((one.follow for one in going_on(user=user) if one.identity.pk == wanted), None)


def ends_at(follow: Follow) -> datetime:
    """When it is over by itself."""
    return follow.since + _span()


def _end(rows: QuerySet[Follow]) -> int:
    ended = list(rows)
    for row in ended:
        row.until = ends_at(row)
        row.save(update_fields=["until"])
        record(actor=None, verb="ended following", target=f"identity {row.identity_id}", user=row.user.get_username())
    return len(ended)


def _span() -> timedelta:
    return timedelta(hours=settings.FOLLOW_HOURS)


def _before() -> datetime:
    return timezone.now() - _span()
