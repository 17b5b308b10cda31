"""What open pages have to be told: new alerts, alerts that changed, such that are gone, how many are open.

Every change of an alert has a revision, and revisions commit in their order. So all that a page needs to remember is
the last one that it was told of (`since`), and the newest alert that it knew then (`newest`): what has a larger
revision was not told yet, and of that what has a larger id is new to it.

`Desk` reads what has changed once for all pages and renders each alert once for those who may do the same with it; a
page that comes with an older `since` is caught up from the database. What it sends are out-of-band swaps of HTMX: the
alerts themselves arrive in `#alert-news`, from where static/js/alerts.js puts each at its place, because only the page
knows what it shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.ids import parse_id
from alerts import selectors
from alerts.filters import Filters
from alerts.models import Alert, Severity
from alerts.selectors import Counts, Head

CATCH_UP = 100
LATE_SECONDS = 60.0  # who learns of it after that is told so, and without a sound
_AWAY_SECONDS = 10.0  # a page that has just loaded was not away
_A_READ = 500
_MOST_SHOWN = 500
_MOST_GONE = 2000
_LOUDNESS = {severity.value: n for n, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page shows. `filters` None: it has no list, only the counter. `keep`: the longest its list may get.

    `acknowledges`: it says of what it was sent that it has arrived.
    """

    since: int
    newest: int = 0
    filters: Filters | None = None
    keep: int = _MOST_SHOWN
    acknowledges: bool = False

    @classmethod
    def parse(cls, said: Mapping[str, object]) -> Page:
        """From {"since": revision, "newest": id, "feed": {…} | null, "keep": n, "acknowledges": bool}; only `since` is
        needed, and without `newest` everything counts as new. Raises ValueError."""
        since = parse_id(said.get("since"))
        if since is None:
            raise ValueError("The first message must have `since`, the revision that the page knows.")
        feed = said.get("feed", {})
        return cls(
            since=since,
            newest=parse_id(said.get("newest")) or 0,
            filters=Filters.parse(feed) if isinstance(feed, dict) else None,
            keep=min(parse_id(said.get("keep")) or _MOST_SHOWN, _MOST_SHOWN),
            acknowledges=said.get("acknowledges") is True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message of a page: either what it shows, or how many messages arrived since it said so last."""

    page: Page | None = None
    seen: int = 0

    @classmethod
    def parse(cls, text: str) -> Said:
        """Raises ValueError where it makes no sense."""
        try:
            said = json.loads(text)
        except RecursionError:
            raise ValueError("The message is nested too deeply.") from None
        if not isinstance(said, dict):
            raise ValueError("A message is an object.")
        seen = parse_id(said.get("seen"))
        return cls(seen=seen) if seen is not None else cls(page=Page.parse(said))


@dataclass(frozen=True, slots=True, kw_only=True)
class May:
    """What the buttons of an alert depend on."""

    acknowledge: bool = False
    review: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody's page wants to be told. Those that are equal get the same sheet."""

    page: Page
    may: May
    user: int  # 0 where that makes no difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a page is sent, and what it knows then. `is_news`: something has changed since it was told last."""

    html: str
    since: int
    newest: int
    is_news: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What happened in between, for one page."""

    fresh: Sequence[Alert] = ()  # oldest first; without a list all of them, to be announced
    changed: Sequence[Alert] = ()
    gone: Sequence[int] = ()  # removed, or not any more such as the list shows
    missed: int = 0  # how many older ones there are that are not sent
    was_away: bool = False


@dataclass(slots=True)
class Desk:
    """Writes the sheets of all pages of a process. Used by one thread."""

    _head: Head | None = None
    _until: Head = field(default_factory=lambda: Head(revision=0, newest=0))
    _counts: Counts = field(default_factory=Counts)
    _batch: list[Alert] = field(default_factory=list)
    _gone: list[int] = field(default_factory=list)
    _items: dict[tuple[int, int, May, str], SafeString] = field(default_factory=dict)

    def sheets(self, asked: Sequence[Asked], *, most_catching_up: int = 20) -> list[Sheet | None]:
        """One for each, up to now. None: so many different ones have to be caught up that this one must ask again."""
        self._read()
        written: dict[Asked, Sheet] = {}
        left = most_catching_up
        for each in set(asked):
            if not self._is_live(each.page):
                if not left:
                    continue
                left -= 1
            written[each] = self._sheet(each)
        self._head = self._until
        return [written.get(each) for each in asked]

    def is_behind(self) -> bool:
        """Whether more has changed than was read at once."""
        return len(self._batch) >= _A_READ

    def _read(self) -> None:
        """What changed for those who know all up to the last read."""
        now = selectors.head()
        self._items.clear()
        self._batch, self._gone = [], []
        if self._head is None:
            self._until = now
        elif now.revision > self._head.revision:
            self._batch = selectors.changed(self._head.revision, now.revision, limit=_A_READ)
            self._until = now
            if self.is_behind():
                last, ids = self._batch[-1].revision, [alert.pk for alert in self._batch]
                self._until = Head(revision=last, newest=max(self._head.newest, *ids))
            self._gone = selectors.removed(self._head.revision, self._until.revision, limit=_MOST_GONE)
        if self._head is None or self._until != self._head:
            self._counts = selectors.counts()

    def _is_live(self, page: Page) -> bool:
        known = self._head.revision if self._head is not None else self._until.revision
        return page.since in (known, self._until.revision)

    def _sheet(self, asked: Asked) -> Sheet:
        page = asked.page
        if page.since >= self._until.revision:
            changes = _Changes()
        elif self._is_live(page):
            changes = self._live(asked)
        else:
            changes = _caught_up(asked, self._until)
        since, newest = max(page.since, self._until.revision), max(page.newest, self._until.newest)
        html = self._render(asked, changes, Head(revision=since, newest=newest))
        return Sheet(html=html, since=since, newest=newest, is_news=since > page.since)

    def _live(self, asked: Asked) -> _Changes:
        page, filters = asked.page, asked.page.filters
        fresh = sorted((alert for alert in self._batch if alert.pk > page.newest), key=lambda alert: alert.pk)
        if filters is None:
            return _Changes(fresh=fresh)
        known = [alert for alert in self._batch if alert.pk <= page.newest]
        return _Changes(
            fresh=[alert for alert in fresh if filters.admit(alert, asked.user)],
            changed=[alert for alert in known if filters.admit(alert, asked.user)],
            gone=[*self._gone, *(alert.pk for alert in known if not filters.admit(alert, asked.user))],
        )

    def _render(self, asked: Asked, changes: _Changes, head: Head) -> str:
        now = timezone.now()
        has_list = asked.page.filters is not None
        late = {alert.pk: _lateness(alert, now, changes.was_away) for alert in changes.fresh}
        prompt = [alert for alert in changes.fresh if not _is_old(alert, now)]
        items = (
            [self._item(alert, asked.may, late[alert.pk], fresh=True) for alert in changes.fresh] if has_list else []
        )
        items += [self._item(alert, asked.may, "") for alert in changes.changed]
        context = {
            "head": head,
            "counts": self._counts,
            "items": items,
            "gone": changes.gone,
            "missed": changes.missed if has_list else 0,
            "before": asked.page.newest,
            "fresh": changes.fresh,
            "loudest": max((alert.severity for alert in prompt), key=_LOUDNESS.__getitem__, default=""),
        }
        return render_to_string("alerts/partials/_push.html", context)

    def _item(self, alert: Alert, may: May, late: str, *, fresh: bool = False) -> SafeString:
        key = (alert.pk, alert.revision, may, late if late or not fresh else "fresh")
        if key not in self._items:
            self._items[key] = item(alert, may, late=late, is_fresh=fresh)
        return self._items[key]


def item(alert: Alert, may: May, *, late: str = "", is_fresh: bool = False) -> SafeString:
    """An alert as lists show it. `late`: why somebody learns of it only now."""
    may_do = {"may_acknowledge": may.acknowledge, "may_review": may.review}
    context = {"alert": alert, "late": late, "is_fresh": is_fresh, **may_do}
    return render_to_string("alerts/partials/_alert.html", context)


def _caught_up(asked: Asked, until: Head) -> _Changes:
    """What a page was not told while it was away, read for itself."""
    page, filters = asked.page, asked.page.filters
    span = selectors.alerts().filter(revision__gt=page.since, revision__lte=until.revision)
    wanted = span if filters is None else filters.rows(span, asked.user)
    new = wanted.filter(id__gt=page.newest)
    fresh = list(new.order_by("-id")[: CATCH_UP + 1])
    missed = new.order_by()[: selectors.MOST_COUNTED + CATCH_UP].count() - CATCH_UP if len(fresh) > CATCH_UP else 0
    fresh = fresh[:CATCH_UP][::-1]
    if filters is None:
        return _Changes(fresh=fresh, missed=missed, was_away=True)
    known = span.filter(id__lte=page.newest)
    admitted = list(filters.rows(known, asked.user).order_by("-id")[: page.keep])
    others = known.exclude(filters.where(asked.user)) if filters != Filters() else known.none()
    gone = list(others.order_by("-id").values_list("id", flat=True)[:_MOST_GONE])
    gone += selectors.removed(page.since, until.revision, limit=_MOST_GONE)
    return _Changes(fresh=fresh, changed=admitted, gone=gone, missed=missed, was_away=True)


def _is_old(alert: Alert, now: datetime) -> bool:
    return now - alert.captured_at > timedelta(seconds=LATE_SECONDS)


def _lateness(alert: Alert, now: datetime, was_away: bool) -> str:
    """Why a page learns of an alert only now; "" where it learns of it at once."""
    if was_away and now - alert.created_at > timedelta(seconds=_AWAY_SECONDS):
        return "Came while you were away"
    return "Came late" if _is_old(alert, now) else ""
