"""What a watchlist asks of the alerts about its people: a second look, and what may leave the site."""

from __future__ import annotations

from accounts.services import Actor, record
from alerts.models import ListPolicy
from config.transactions import brief_transaction
from recognition.models import Watchlist


def policy_of(watchlist: Watchlist) -> ListPolicy:
    """The watchlist's policy; not stored yet where it has only the defaults."""
    return ListPolicy.objects.filter(watchlist=watchlist).first() or ListPolicy(watchlist=watchlist)


@brief_transaction()
def change_policy(
    *, actor: Actor, policy: ListPolicy, two_person: bool, pictures_outside: bool, names_outside: bool
) -> ListPolicy:
    """Changes it for the alerts to come; messages that wait are written when they are sent, so they follow it too."""
    values = {"two_person": two_person, "pictures_outside": pictures_outside, "names_outside": names_outside}
    row, _ = ListPolicy.objects.update_or_create(watchlist_id=policy.watchlist_id, defaults=values)
    record(actor=actor, verb="changed", target=f"list policy {row.pk}", **values)
    return row
