"""Gives every sighting its identity: the enrolled person's, an earlier unknown's, or a new one.

One process of a site does it, because whoever decides must know all earlier decisions: it holds a lease (LinkerState)
and the templates of unknown people in memory. Others stand by and go on when it dies. What waits to be linked stands in
the database (a sighting with a person and no identity, a template that nobody has looked at), so that nothing is lost
or linked twice, whoever dies when. A decision is one transaction under the lock that corrections take as well.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from django.db import DatabaseError, connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from cameras.identities import conflicts, ledger
from cameras.identities.contending import contenders
from cameras.identities.leading import LEASE_SECONDS
from cameras.identities.limits import limits_of
from cameras.identities.linking import Contender, LinkDecision, decide
from cameras.identities.locks import one_after_the_other
from cameras.identities.unknowns import Found, Unknowns, opened
from cameras.identities.ways import ways
from cameras.models import Identity, Link, LinkerState, MergeProposal, Sighting, UnknownGone, UnknownTemplate, Verdict
from cameras.movement.summing import MARGIN, mark_dirty
from cameras.photo_search.running import run_waiting
from config.transactions import brief_transaction

_log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 0.2
RENEW_SECONDS: Final = 1.0
_BATCH: Final = 100
_TOP: Final = 32  # templates that are looked at for each track
_BACKLOG: Final = 1_000  # from so many on, older sightings of enrolled people are given their identity all at once
_BULK: Final = 5_000
_WATCHED: Final = 10_000
_LATE: Final = MARGIN / 2  # older sightings may be summed up already
_WATCH_SECONDS: Final = 5.0

_ALL_KNOWN = """
WITH old AS (
    SELECT id, person_id FROM cameras_sighting
    WHERE identity_id IS NULL AND person_id IS NOT NULL AND first_seen < now() - interval '1 hour'
    ORDER BY first_seen LIMIT %(count)s FOR NO KEY UPDATE
), made AS (
    INSERT INTO cameras_identity (person_id, label, created_at)
    SELECT DISTINCT person_id, '', now() FROM old
    ON CONFLICT (person_id) DO UPDATE SET label = cameras_identity.label RETURNING id, person_id
)
UPDATE cameras_sighting AS sighting
SET identity_id = made.id, link = CASE sighting.link WHEN %(hand)s THEN %(hand)s ELSE %(link)s END
FROM old JOIN made USING (person_id) WHERE sighting.id = old.id RETURNING sighting.id
"""


class NotLeading(Exception):
    """Another process links; this one stands by."""


class Linker:
    """Links what waits, as long as it leads. One thread uses it."""

    def __init__(self, *, owner: str = "") -> None:
        self.owner = owner or str(uuid.uuid4())
        self._unknowns: Unknowns | None = None
        self._term = 0  # goes up whenever what is in memory may be out of date
        self._open: set[uuid.UUID] = set()  # linked while they were still in view
        self._looked_at = time.monotonic()
        self._renewed_at = float("-inf")

    @property
    def unknowns(self) -> Unknowns:
        """The templates in memory, read when they are first needed."""
        if self._unknowns is None:
            began, term = time.monotonic(), self._term
            found = Unknowns.load(between=self._lead)
            if self._term != term:  # another one led meanwhile, and has linked
                raise NotLeading
            self._unknowns = found
            _log.info("%d templates of unknown people read in %.1f s.", len(found), time.monotonic() - began)
        return self._unknowns

    def step(self) -> int:
        """One round: links what waits, a hundred of each kind at most; how many it was. Raises NotLeading.

        The lease is renewed in between: while a backlog is worked off a round may last for longer than it.
        """
        self._lead()
        if UnknownGone.objects.exists():
            self._drop_gone(self.unknowns)
        done = 0
        for pk in _known():
            self._lead()
            done += self._link_known(pk)
        for template in _templates():
            self._lead()
            done += self._link_unknown(template, self.unknowns)
        self._look_again()
        return done + run_waiting(self.unknowns)

    def run(self, stop: threading.Event, *, ready: Callable[[], None] = lambda: None) -> None:
        """Links until it is asked to stop; while the database is away, or another one leads, it waits."""
        said = ""
        while not stop.is_set():
            try:
                busy = bool(self.step())
                if said != "leading":
                    said = "leading"
                    ready()
                stop.wait(0 if busy else PAUSE_SECONDS)
            except NotLeading:
                self._stand_by()
                if said != "standing by":
                    said = "standing by"
                    _log.info("Another linker is at work; this one stands by.")
                stop.wait(1.0)
            except DatabaseError as error:
                _log.warning("Sightings wait to be linked until the database answers: %s", error)
                connection.close()
                stop.wait(1.0)
        self.resign()

    def resign(self) -> None:
        """Lets another one go on at once."""
        try:
            LinkerState.objects.filter(pk=1, owner=self.owner).update(owner="")
        except DatabaseError as error:
            _log.debug("The lease ends by itself: %s", error)

    # --- the lease -----------------------------------------------------------------------------------------------

    def _lead(self) -> None:
        """Takes or keeps the lease, every second. Raises NotLeading.

        Who takes it from another one reads all templates anew: that one has linked, and has dropped what was deleted.
        """
        if time.monotonic() - self._renewed_at < RENEW_SECONDS:
            return
        span = timedelta(seconds=LEASE_SECONDS)
        free = Q(owner="") | Q(heartbeat_at=None) | Q(heartbeat_at__lt=Now() - span)
        ahead = Q(heartbeat_at__gt=Now() + span)  # of before the clock was set back
        held = len(self._unknowns) if self._unknowns is not None else 0
        waiting = Sighting.objects.filter(identity=None, person__isnull=False)[:_BULK].count()
        waiting += UnknownTemplate.objects.filter(linked_at=None)[:_BULK].count()
        state: dict[str, Any] = {"owner": self.owner, "heartbeat_at": Now(), "templates": held, "waiting": waiting}
        if not LinkerState.objects.filter(pk=1, owner=self.owner).update(**state):
            self._forget()
            if not LinkerState.objects.filter(free | ahead, pk=1).update(**state | {"templates": 0}):
                if LinkerState.objects.filter(pk=1).exists():
                    raise NotLeading
                LinkerState.objects.create(pk=1, **state | {"templates": 0})
        self._renewed_at = time.monotonic()

    def _hold(self) -> None:
        """In each transaction: this one still leads, until the end of it. Raises NotLeading."""
        one_after_the_other()
        if not LinkerState.objects.select_for_update(no_key=True).filter(pk=1, owner=self.owner).exists():
            raise NotLeading

    def _stand_by(self) -> None:
        self._renewed_at = float("-inf")
        self._forget()

    def _forget(self) -> None:
        self._unknowns = None  # whoever leads deletes and adds meanwhile
        self._term += 1
        self._open.clear()

    @brief_transaction()
    def _drop_gone(self, unknowns: Unknowns) -> None:
        """Forgets what was deleted. Whoever leads no more leaves that to who does: the notes go with it."""
        self._hold()
        unknowns.drop_gone()

    # --- enrolled people -----------------------------------------------------------------------------------------

    @brief_transaction()
    def _link_known(self, pk: uuid.UUID) -> int:
        self._hold()
        row = Sighting.objects.select_for_update(no_key=True).filter(pk=pk, identity=None).first()
        if row is None or row.person_id is None:
            return 0
        identity, _ = Identity.objects.get_or_create(person_id=row.person_id)
        self._assign(row, identity.pk, Link.HAND if row.link == Link.HAND else Link.RECOGNISED, None)
        return 1

    # --- unknown people ------------------------------------------------------------------------------------------

    def _link_unknown(self, template: UnknownTemplate, unknowns: Unknowns) -> int:
        embedding = opened([template]).get(template.pk)
        found = unknowns.search(template.pack, embedding, top=_TOP) if embedding is not None else []
        row = self._decide(template, found, unknowns)
        if row is None or embedding is None:
            return 0
        unknowns.add(template.pk, template.pack, embedding, camera=row.camera_id, seen=template.seen_at)
        return 1

    @brief_transaction()
    def _decide(self, template: UnknownTemplate, found: Sequence[Found], unknowns: Unknowns) -> Sighting | None:
        """Gives the template's sighting its identity; None where there is nothing to decide any more."""
        self._hold()
        row = Sighting.objects.select_for_update(no_key=True).filter(pk=template.sighting_id).first()
        there = UnknownTemplate.objects.filter(pk=template.pk).update(linked_at=timezone.now())
        if row is None or not there or row.link == Link.ERASED:
            return None
        if row.link == Link.HAND or row.person_id is not None or row.verdict != Verdict.UNKNOWN:
            return row
        never = ledger.apart_from(row.identity_id) if row.identity_id is not None else set[int]()
        alike = [one for one in _contenders(row, found, unknowns) if one.identity not in never]
        decision = decide(conflicts.span_of(row), alike, ways(), limits_of(template.pack))
        if row.identity_id is None:
            self._give(row, decision)
        else:
            self._give_again(row, decision, alike)
        return row

    def _give(self, row: Sighting, decision: LinkDecision) -> None:
        if decision.identity is not None:
            self._assign(row, decision.identity, Link.LINKED, decision.similarity)
        else:
            self._assign(row, Identity.objects.create().pk, Link.NEW, None)

    def _give_again(self, row: Sighting, decision: LinkDecision, alike: Sequence[Contender]) -> None:
        """A better look at a track that has an identity already: it may turn out to be somebody else's."""
        before = row.identity_id
        if decision.identity == before or before is None:
            if row.link == Link.LINKED:
                Sighting.objects.filter(pk=row.pk).update(link_similarity=decision.similarity)
            return
        if row.link == Link.LINKED:
            own = next((one.similarity for one in alike if one.identity == before), None)
            if decision.identity is None and own is not None and own >= limits_of(row.pack).floor:
                return  # it is not sure enough to be linked anew, nor so unlike that it must be taken back
            self._give(row, decision)
        elif decision.identity is not None:
            if Sighting.objects.filter(identity=before).exclude(pk=row.pk).exists():
                _propose(before, decision.identity, decision.similarity or 0.0)
                return
            self._assign(row, decision.identity, Link.LINKED, decision.similarity)
            Identity.objects.filter(pk=before, person=None, label="").update(merged_into=decision.identity)

    def _assign(self, row: Sighting, identity: int, link: Link, similarity: float | None) -> None:
        row.identity_id, row.link, row.link_similarity, row.is_doubted = identity, link, similarity, False
        row.save(update_fields=["identity", "link", "link_similarity", "is_doubted"])
        conflicts.check(row)
        if row.first_seen < timezone.now() - _LATE:
            mark_dirty(sightings=[row.pk])
        if row.is_open and len(self._open) < _WATCHED:
            self._open.add(row.pk)

    def _look_again(self) -> None:
        """Compares tracks that have ended since with their neighbours: they were in view for longer than was known."""
        if not self._open or time.monotonic() - self._looked_at < _WATCH_SECONDS:
            return
        self._looked_at = time.monotonic()
        still = set(Sighting.objects.filter(pk__in=self._open, is_open=True).values_list("pk", flat=True))
        for pk in self._open - still:
            self._check_ended(pk)
        self._open = still

    @brief_transaction()
    def _check_ended(self, pk: uuid.UUID) -> None:
        self._hold()
        row = Sighting.objects.select_for_update(no_key=True).filter(pk=pk).first()
        if row is not None:
            conflicts.check(row)


def _known() -> list[uuid.UUID]:
    """Sightings of enrolled people that wait, the newest first; of many, the older ones are done at once here."""
    waiting = Sighting.objects.filter(identity=None, person__isnull=False).order_by("-first_seen")
    ids = list(waiting.values_list("pk", flat=True)[: _BACKLOG + 1])
    if len(ids) > _BACKLOG:
        with brief_transaction(), connection.cursor() as cursor:
            one_after_the_other()
            cursor.execute(_ALL_KNOWN, {"count": _BULK, "link": Link.RECOGNISED, "hand": Link.HAND})
            mark_dirty(sightings=[pk for (pk,) in cursor.fetchall()])
    return ids[:_BATCH]


def _templates() -> list[UnknownTemplate]:
    """Templates that wait, in the order in which they came. Of many the newest go first, so that who is in view now is
    linked at once; half of a round goes on with the oldest."""
    waiting = UnknownTemplate.objects.defer(None).filter(linked_at=None)
    oldest = list(waiting.order_by("id")[:_BATCH])
    if len(oldest) < _BATCH:
        return oldest
    newest = list(waiting.filter(pk__gt=oldest[_BATCH // 2 - 1].pk).order_by("-id")[: _BATCH // 2])
    return [*newest[::-1], *oldest[: _BATCH // 2]]


def _contenders(row: Sighting, found: Sequence[Found], unknowns: Unknowns) -> list[Contender]:
    """Whose the templates are now, each identity by its best one, with what the decision has to know of them."""
    floor = limits_of(row.pack).floor
    alike = {one.template: one.similarity for one in found if one.similarity >= floor}
    if not alike:
        return []
    whose = UnknownTemplate.objects.filter(pk__in=alike, sighting__is_doubted=False, sighting__identity__person=None)
    best: dict[int, float] = {}
    owners = whose.exclude(sighting=row.pk).values_list("pk", "sighting__identity")
    for template, identity in owners:
        if identity is not None:
            best[identity] = max(best.get(identity, -1.0), alike[template])
    return contenders(row, best, since=unknowns.since)


def _propose(one: int, other: int, similarity: float) -> None:
    """Says that two identities may be one person, unless somebody has answered that."""
    first, second = sorted((one, other))
    MergeProposal.objects.get_or_create(first_id=first, second_id=second, defaults={"similarity": similarity})
