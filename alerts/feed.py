"""What an open page has to be told: new alerts, alerts that have changed since, how many are open.

A page says once what it shows (`Page.parse`). From then on `News` follows it: every alert that is committed after the
page's cursor is pushed exactly once and in order, because alerts commit in the order of their ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.template.loader import render_to_string

from accounts.ids import parse_id
from accounts.models import User
from alerts import selectors
from alerts.models import Alert, AlertState

CATCH_UP = 100
_MOST_SHOWN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which alerts a list shows."""

    state: str = ""
    person: int | None = None
    camera: int | None = None

    @classmethod
    def parse(cls, state: object, person: object, camera: object) -> Filters:
        """From an address or a message; what makes no sense counts as not given."""
        return cls(
            state=str(state) if state in AlertState.values else "", person=parse_id(person), camera=parse_id(camera)
        )

    def admit(self, alert: Alert) -> bool:
        return (
            self.state in ("", alert.state)
            and self.person in (None, alert.person_id)
            and self.camera in (None, alert.camera_id)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page shows. `filters` None: it has no list, only the counter. `keep`: the longest its list may get.

    `open`: alerts that it shows as new; `versions`: of those that may change after that too (about cameras).
    """

    since: int
    shown: tuple[int, ...] = ()
    open: frozenset[int] = frozenset()
    versions: Mapping[int, int] = field(default_factory=dict)
    filters: Filters | None = None
    keep: int = _MOST_SHOWN

    @classmethod
    def parse(cls, text: str) -> Page:
        """From the page's first message: {"since": id, "shown": [newest id, ...], "open": [id, ...], "versions":
        [[id, version], ...], "keep": n, "feed": {"state", "person", "camera"} | null}. Only `since` is needed.
        Raises ValueError."""
        try:
            said = json.loads(text)
        except RecursionError:
            raise ValueError("The message is nested too deeply.") from None
        if not isinstance(said, dict) or parse_id(said.get("since")) is None:
            raise ValueError("The first message must be an object with `since`, the newest alert's id.")
        feed = said.get("feed", {})
        keep = parse_id(said.get("keep")) or _MOST_SHOWN
        return cls(
            since=parse_id(said["since"]) or 0,
            shown=_ids(said.get("shown")),
            open=frozenset(_ids(said.get("open"))),
            versions=_versions(said.get("versions")),
            filters=Filters.parse(feed.get("state"), feed.get("person"), feed.get("camera"))
            if isinstance(feed, dict)
            else None,
            keep=min(keep, _MOST_SHOWN),
        )


class News:
    """Follows one page. Not thread-safe: one call at a time."""

    def __init__(self, page: Page) -> None:
        self._filters = page.filters
        self._keep = page.keep
        self._cursor = page.since
        self._shown = list(page.shown)
        self._open = set(page.open)
        self._versions = dict(page.versions)

    def html(self, user: User) -> str:
        """Everything that the page has not been told yet, as out-of-band swaps. Always tells the count."""
        newest = selectors.newest_id()
        fresh, missed = selectors.between(self._cursor, newest, limit=CATCH_UP)
        filters = self._filters
        listed = [] if filters is None else [alert for alert in fresh if filters.admit(alert)]
        changed, gone = self._changes()
        self._shown[:0] = [alert.pk for alert in reversed(listed)]
        gone += self._shown[self._keep :]
        del self._shown[self._keep :]
        self._open |= {alert.pk for alert in listed if alert.state == AlertState.NEW}
        self._open -= set(gone)
        self._versions |= {alert.pk: alert.version for alert in listed if alert.event_id is not None}
        self._versions = {pk: version for pk, version in self._versions.items() if pk not in gone}
        self._cursor = max(self._cursor, newest)
        return _render(self._cursor, user, fresh, listed, missed if filters is not None else 0, changed, gone)

    def _changes(self) -> tuple[list[Alert], list[int]]:
        """Alerts that are not any more as the page shows them, and ids of such that are gone altogether."""
        watched = self._open | self._versions.keys()
        if not watched:
            return [], []
        found = selectors.standings(watched)
        changed = {pk for pk, (state, version) in found.items() if self._differs(pk, state, version)}
        gone = sorted(watched - found.keys())
        self._shown = [pk for pk in self._shown if pk not in gone]
        rows = list(selectors.alerts().filter(pk__in=changed)) if changed else []
        self._open -= {*changed, *gone}
        self._open |= {row.pk for row in rows if row.state == AlertState.NEW}
        self._versions |= {row.pk: row.version for row in rows if row.pk in self._versions}
        return rows, gone

    def _differs(self, pk: int, state: str, version: int) -> bool:
        done = pk in self._open and state != AlertState.NEW
        return done or self._versions.get(pk, version) != version


def _render(
    cursor: int,
    user: User,
    fresh: Sequence[Alert],
    listed: Sequence[Alert],
    missed: int,
    changed: Sequence[Alert],
    gone: Sequence[int],
) -> str:
    return render_to_string(
        "alerts/partials/_push.html",
        {
            "cursor": cursor,
            "fresh": fresh,
            "listed": listed,
            "missed": missed,
            "changed": changed,
            "gone": gone,
            "count": selectors.open_count(),
            "may_acknowledge": user.has_perm("alerts.change_alert"),
        },
    )


def _ids(values: object) -> tuple[int, ...]:
    found = [parse_id(value) for value in values[:_MOST_SHOWN]] if isinstance(values, list) else []
    return tuple(value for value in found if value is not None)


def _versions(values: object) -> dict[int, int]:
    pairs = values[:_MOST_SHOWN] if isinstance(values, list) else []
    sound = [pair for pair in pairs if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], int)]
    return {pk: version for pk, version in ((parse_id(pair[0]), pair[1]) for pair in sound) if pk is not None}
