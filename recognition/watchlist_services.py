"""The only writer of watchlists and of who is on them. The gallery follows every change at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from accounts.models import User
from accounts.services import Actor, record
from config.transactions import brief_transaction
from recognition.errors import RecognitionError
from recognition.models import OVER_BEFORE, Category, Person, Watchlist, WatchlistEntry
from recognition.names import clean_name, unique_name
from recognition.packs import version_in_use


@brief_transaction()
def create_watchlist(
    *,
    actor: Actor,
    name: str,
    category: Category = Category.OTHER,
    purpose: str = "",
    legal_basis: str = "",
    threshold: float | None = None,
    is_active: bool = True,
) -> Watchlist:
    """Makes a watchlist; raises RecognitionError when the name is taken."""
    with unique_name("watchlist", name):
        watchlist = Watchlist.objects.create(
            name=_free_name(name),
            category=category,
            purpose=purpose,
            legal_basis=legal_basis,
            threshold=threshold,
            threshold_pack=_threshold_pack(threshold),
            is_active=is_active,
        )
    record(actor=actor, verb="created", target=f"watchlist {watchlist.pk}")
    return watchlist


@brief_transaction()
def change_watchlist(
    *,
    actor: Actor,
    watchlist: Watchlist,
    name: str,
    category: Category,
    purpose: str,
    legal_basis: str,
    threshold: float | None,
    is_active: bool,
) -> Watchlist:
    """Changes a watchlist; raises RecognitionError when the name is taken. The gallery follows at once."""
    before = Watchlist.objects.filter(pk=watchlist.pk).values_list("threshold", "threshold_pack").first()
    if before is None or before[0] != threshold:
        watchlist.threshold_pack = _threshold_pack(threshold)
    else:
        watchlist.threshold_pack = before[1]
    watchlist.name = _free_name(name, but=watchlist.pk)
    watchlist.category, watchlist.purpose, watchlist.legal_basis = category, purpose, legal_basis
    watchlist.threshold, watchlist.is_active = threshold, is_active
    with unique_name("watchlist", name):
        watchlist.save()
    record(actor=actor, verb="changed", target=f"watchlist {watchlist.pk}")
    return watchlist


@brief_transaction()
def delete_watchlist(*, actor: Actor, watchlist: Watchlist) -> None:
    """Deletes a watchlist with its entries and its rule; people and alerts remain."""
    target = f"watchlist {watchlist.pk}"
    watchlist.delete()
    record(actor=actor, verb="deleted", target=target)


def watchlist_named(*, actor: Actor, name: str) -> Watchlist:
    """The watchlist of this name; made when there is none yet."""
    known = Watchlist.objects.filter(name=clean_name(name))
    try:
        return known.first() or create_watchlist(actor=actor, name=name)
    except RecognitionError:  # somebody made it at the same moment
        return known.get()


@brief_transaction()
def add_to_watchlist(
    *,
    actor: Actor,
    watchlist: Watchlist,
    person: Person,
    reason: str = "",
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> WatchlistEntry:
    """Puts a person on a watchlist, for the time given; who is there already gets the new reason and time.

    Raises RecognitionError when the time would be over before it begins.
    """
    if starts_at is not None and expires_at is not None and starts_at >= expires_at:
        raise RecognitionError(OVER_BEFORE)
    given = {"reason": reason, "starts_at": starts_at, "expires_at": expires_at}
    entry, created = WatchlistEntry.objects.update_or_create(
        watchlist=watchlist,
        person=person,
        defaults=given,
        create_defaults=given | {"added_by": actor if isinstance(actor, User) else None},
    )
    verb = "listed" if created else "listing changed"
    record(actor=actor, verb=verb, target=f"person {person.pk}", watchlist=watchlist.pk)
    return entry


@brief_transaction()
def remove_from_watchlist(*, actor: Actor, watchlist: Watchlist, person: Person) -> bool:
    """Takes a person off a watchlist; False when they were not on it."""
    gone, _ = WatchlistEntry.objects.filter(watchlist=watchlist, person=person).delete()
    if gone:
        record(actor=actor, verb="unlisted", target=f"person {person.pk}", watchlist=watchlist.pk)
    return bool(gone)


@brief_transaction()
def set_watchlists(*, actor: Actor, person: Person, watchlists: Iterable[Watchlist]) -> None:
    """Makes these the person's watchlists: adds what is missing, removes what is not named."""
    wanted = {w.pk: w for w in watchlists}
    gone = WatchlistEntry.objects.filter(person=person).exclude(watchlist__in=wanted)
    for entry in gone:
        record(actor=actor, verb="unlisted", target=f"person {person.pk}", watchlist=entry.watchlist_id)
    gone.delete()
    present = set(WatchlistEntry.objects.filter(person=person).values_list("watchlist_id", flat=True))
    for pk, watchlist in wanted.items():
        if pk not in present:
            add_to_watchlist(actor=actor, watchlist=watchlist, person=person)


def _threshold_pack(threshold: float | None) -> str:
    """The version of the pack whose similarities a threshold that is set now means."""
    return "" if threshold is None else version_in_use()


def _free_name(name: str, but: int = 0) -> str:
    name = clean_name(name)
    if Watchlist.objects.filter(name=name).exclude(pk=but).exists():
        raise RecognitionError(f"There is a watchlist {name!r} already. Choose another name.")
    return name
