"""Identities as pages of movement name and find them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from accounts.ids import parse_id
from cameras.identities import ledger
from cameras.models import Identity

_MOST_SAID: Final = 5


class UnknownWho(ValueError):
    """Nobody, or more than one, is meant by a text; the message is a sentence for people."""


def names(identities: Iterable[int]) -> dict[int, str]:
    """What these are called; one query."""
    rows = Identity.objects.filter(pk__in=set(identities)).select_related("person")
    return {row.pk: str(row) for row in rows}


def find(text: str) -> Identity:
    """The identity that a number (“12”, “Unknown 12”), a person's name or a label means; raises UnknownWho."""
    text = " ".join(text.replace("\0", " ").split())  # PostgreSQL takes no NUL
    number = parse_id(text.removeprefix("#").casefold().removeprefix("unknown").strip())
    rows = Identity.objects.select_related("person")
    if number is not None:
        found = rows.filter(pk=number).first()
        if found is None:
            raise UnknownWho(f"There is no identity {number}. Its number stands in the address of its page.")
        return last_of(found)
    wanted = rows.filter(merged_into=None)
    alike = list(wanted.filter(person__name__iexact=text) | wanted.filter(person=None, label__iexact=text))
    if not alike:
        raise UnknownWho(f"Nobody who was seen is called “{text[:80]}”. Write the whole name, or an identity's number.")
    if len(alike) > 1:
        numbers = ", ".join(str(row.pk) for row in sorted(alike, key=lambda row: row.pk)[:_MOST_SAID])
        raise UnknownWho(f"{len(alike)} are called “{text[:80]}”. Write the number of the one you mean, as {numbers}.")
    return alike[0]


def last_of(identity: Identity) -> Identity:
    """Who somebody turned out to be; themselves where nobody merged them."""
    if identity.merged_into_id is None:
        return identity
    return Identity.objects.select_related("person").get(pk=ledger.final(identity.pk))
