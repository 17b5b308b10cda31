"""Enrols many people at once, photo by photo, and goes on where it was after any interruption.

A batch is rows: one a photo, with what became of it. Whoever works on a batch takes the next waiting row under a lock
that dies with its transaction, enrols that photo and writes the outcome in that one transaction. So a batch may be
killed at any moment, run by two workers at once, or be taken up by another machine: no photo is lost or done twice.
Uploaded photos lie sealed in their rows until then; those of a command stay in their files.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Count, Q
from django.utils import timezone

from accounts import vault
from accounts.models import User
from accounts.services import Actor, record
from recognition.batch_sources import BatchError, Entry, Source
from recognition.engine import ModelError
from recognition.errors import RecognitionError
from recognition.models import NAME_LENGTH, Batch, BatchPhoto, OnDuplicate, Person, Watchlist
from recognition.names import clean_name
from recognition.photos import UnreadableError, Upload
from recognition.services import Enrolment, enrol
from recognition.watchlist_services import watchlist_named

_log = logging.getLogger(__name__)
SLICE_SECONDS = 20.0  # so long a worker stays with one batch before others get their turn
STALE = timedelta(seconds=30)
_BEAT_SECONDS = 2.0
_CHUNK = 50  # rows with sealed photos that are written at once

State = BatchPhoto.State
Read = Callable[[BatchPhoto], bytes]
Report = Callable[[BatchPhoto], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a batch is: photos by what became of them."""

    total: int
    waiting: int
    enrolled: int
    there: int
    duplicate: int
    refused: int
    cancelled: int

    @property
    def done(self) -> int:
        return self.total - self.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    state: BatchPhoto.State
    why: str = ""
    person: int | None = None
    similarity: float | None = None


@transaction.atomic
def start(
    *,
    actor: Actor,
    source: Source,
    watchlist: Watchlist | None = None,
    on_duplicate: OnDuplicate = OnDuplicate.REFUSE,
    uploaded: bool = True,
) -> Batch:
    """Makes a batch of everything in the source. Uploaded photos are sealed into it. Raises BatchError."""
    batch = Batch.objects.create(
        source=source.label,
        watchlist=watchlist,
        on_duplicate=on_duplicate,
        uploaded=uploaded,
        asked_by=actor if isinstance(actor, User) else None,
    )
    rows = (_row(batch, source, entry) for entry in source.entries())
    while chunk := list(islice(rows, _CHUNK if uploaded else 2000)):
        BatchPhoto.objects.bulk_create(chunk, ignore_conflicts=True)
    _make_watchlists(batch)
    if not batch.photos.exists():
        raise BatchError(f"{source.label} has no photo in it. Put photos (JPEG, PNG, WebP) in a folder a person.")
    batch.ignored, batch.state = source.ignored, Batch.State.RUNNING
    batch.save(update_fields=["ignored", "state"])
    record(actor=actor, verb="imports", target=f"batch {batch.pk}", photos=batch.photos.count())
    return batch


def unfinished(source: Source) -> Batch | None:
    """The newest batch of the same files that a command did not finish."""
    rows = Batch.objects.filter(source=source.label, uploaded=False, state=Batch.State.RUNNING)
    return rows.order_by("-id").first()


@transaction.atomic
def resume(*, batch: Batch, source: Source) -> None:
    """Takes in what came to the source, or changed there, since the batch was made."""
    known = {(row.path, row.name): row for row in batch.photos.only("path", "name", "digest", "state")}
    new: list[BatchPhoto] = []
    for entry in source.entries():
        made = _row(batch, source, entry)
        row = known.get((made.path, made.name))
        if row is None:
            new.append(made)
        elif row.digest and row.digest != _digest_of(source, entry.path):
            BatchPhoto.objects.filter(pk=row.pk).update(state=State.WAITING, why="", digest="", similarity=None)
    BatchPhoto.objects.bulk_create(new, ignore_conflicts=True, batch_size=2000)
    _make_watchlists(batch)


def work(
    batch_id: int, *, seconds: float | None = None, read: Read | None = None, report: Report | None = None
) -> bool:
    """Works on a batch until it is over or the time is; True when nothing is left to do.

    `read` gives the bytes of a photo that is not sealed in its row, and raises UnreadableError. Raises ModelError when
    no photo can be looked at now: the batch goes on later.
    """
    started = beat = time.monotonic()
    _beat(batch_id)
    while seconds is None or time.monotonic() - started < seconds:
        row = _next(batch_id, read)
        if row is None:
            return _finish(batch_id)
        if report is not None:
            report(row)
        if time.monotonic() - beat > _BEAT_SECONDS:
            beat = time.monotonic()
            _beat(batch_id)
    return False


def stale() -> list[int]:
    """Batches with sealed photos that nobody works on: their worker died, or never began."""
    since = timezone.now() - STALE
    waiting = Batch.objects.filter(state=Batch.State.RUNNING, uploaded=True)
    return list(waiting.filter(Q(heartbeat_at=None) | Q(heartbeat_at__lt=since)).values_list("pk", flat=True))


@transaction.atomic
def cancel(*, actor: Actor, batch: Batch) -> bool:
    """Stops a batch: what is enrolled stays, the photos that wait are forgotten. False when it was over already."""
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.RUNNING).update(
        state=Batch.State.CANCELLED, finished_at=timezone.now()
    ):
        return False
    # The keys are gone at once; whoever looks at a photo at this moment may still enrol it.
    BatchPhoto.objects.filter(batch=batch, state=State.WAITING).update(state=State.CANCELLED, sealed=None)
    vault.shred(batch.scope)
    record(actor=actor, verb="cancelled", target=f"batch {batch.pk}")
    return True


def progress(batch: Batch) -> Progress:
    """Counts the photos of a batch."""
    return progress_of([batch])[batch.pk]


def progress_of(batches: list[Batch]) -> dict[int, Progress]:
    """The same of several batches, with one query."""
    counts: dict[int, dict[str, int]] = {batch.pk: {} for batch in batches}
    rows = BatchPhoto.objects.filter(batch__in=batches).order_by().values_list("batch", "state")
    for pk, state, count in rows.annotate(count=Count("pk")):
        counts[pk][state] = count
    return {
        pk: Progress(total=sum(of.values()), **{state.value: of.get(state.value, 0) for state in State})
        for pk, of in counts.items()
    }


def report_lines(batch: Batch) -> Iterator[str]:
    """The report as lines of CSV, one a photo."""
    yield _csv_line(["photo", "name", "outcome", "person", "similarity", "why"])
    for row in batch.photos.defer("sealed").iterator(chunk_size=500):
        similarity = "" if row.similarity is None else f"{row.similarity:.4f}"
        person = "" if row.person_id is None else str(row.person_id)
        yield _csv_line([row.path, row.name, row.state, person, similarity, row.why])


def _row(batch: Batch, source: Source, entry: Entry) -> BatchPhoto:
    row = BatchPhoto(
        batch=batch,
        path=entry.path,
        name=" ".join(entry.name.split())[:NAME_LENGTH],
        watchlist=entry.watchlist[:NAME_LENGTH],
        notes=entry.notes[:4000],
    )
    why = entry.why
    try:
        row.name = clean_name(entry.name) if not why else row.name
    except RecognitionError as error:
        why = str(error)
    if batch.uploaded and not why:
        try:
            data = source.read(entry.path)
        except UnreadableError as error:
            why = str(error)
        else:
            row.digest, row.sealed = _digest(data), vault.seal(batch.scope, data, bind=_bind(entry.path))
    if why:
        row.state, row.why = State.REFUSED, why
    return row


def _next(batch_id: int, read: Read | None) -> BatchPhoto | None:
    """Does the next waiting photo; None when there is none that nobody else is working on."""
    with transaction.atomic():
        batch = Batch.objects.select_related("watchlist", "asked_by").get(pk=batch_id)
        if batch.state != Batch.State.RUNNING:
            return None
        waiting = BatchPhoto.objects.filter(batch=batch, state=State.WAITING).order_by("id")
        row = waiting.select_for_update(skip_locked=True).first()
        if row is None:
            return None
        outcome = _outcome(batch, row, read)
        row.state, row.why, row.person_id = outcome.state, outcome.why, outcome.person
        row.similarity, row.sealed = outcome.similarity, None
        row.save()
    return row


def _outcome(batch: Batch, row: BatchPhoto, read: Read | None) -> _Outcome:
    """Enrols one photo and says what became of it. Whatever is wrong with the photo does not stop the batch."""
    try:
        data = _bytes(batch, row, read)
        row.digest = _digest(data)
        with transaction.atomic():
            return _enrolled(batch, row, data)
    except (UnreadableError, RecognitionError) as error:
        return _Outcome(state=State.REFUSED, why=str(error))
    except (ModelError, DatabaseError, BatchError):
        raise
    except Exception:
        _log.exception("Photo %s of batch %s could not be looked at", row.pk, batch.pk)
        return _Outcome(state=State.REFUSED, why="Lynceus made a mistake with this photo. The log says more.")


def _enrolled(batch: Batch, row: BatchPhoto, data: bytes) -> _Outcome:
    done = enrol(
        actor=batch.asked_by,
        name=row.name,
        photos=[Upload(name=row.path, data=data)],
        watchlist=_watchlist(batch, row),
        person=_person(batch, row),
        join=True,
        on_duplicate=OnDuplicate(batch.on_duplicate),
        seen_at_once=False,  # reading the gallery anew for each of 10,000 photos would cost more than the photos
    )
    if done.person is not None and row.notes and not done.person.notes:
        done.person.notes = row.notes
        done.person.save(update_fields=["notes"])
    return _told(done)


def _told(done: Enrolment) -> _Outcome:
    twin = max(done.duplicates, key=lambda one: one.similarity, default=None)
    like = f"The face is enrolled for {twin.name} (similarity {twin.similarity:.3f})." if twin is not None else ""
    if done.rejected:
        return _Outcome(state=State.REFUSED, why=done.rejected[0].why)
    if done.person is None and twin is not None:
        return _Outcome(state=State.DUPLICATE, why=like, person=twin.person, similarity=twin.similarity)
    if done.person is None:
        return _Outcome(state=State.REFUSED, why=" ".join(done.doubts) or "The photo could not be used.")
    state = State.THERE if done.there else State.ENROLLED
    return _Outcome(state=state, why=" ".join([like, *done.doubts]).strip(), person=done.person.pk)


def _person(batch: Batch, row: BatchPhoto) -> Person | None:
    """Whom a photo is meant for: who got the earlier photos of this name; else the only one who has the name."""
    before = batch.photos.filter(name=row.name, state__in=[State.ENROLLED, State.THERE], person__isnull=False)
    earlier = before.order_by("-id").values_list("person", flat=True).first()
    if earlier is not None:
        return Person.objects.get(pk=earlier)
    if Person.objects.filter(name=row.name).count() > 1:
        raise RecognitionError(
            f"Several people are called {row.name}, so it is not clear whose photo this is. "
            "Add it on that person's page."
        )
    return None


def _make_watchlists(batch: Batch) -> None:
    """For commands: who imports on a page may not be allowed to make watchlists, and gets a sentence instead.

    Done before any photo is looked at: a photo's own transaction must not change the gallery before it reads it.
    """
    if not batch.uploaded:
        for name in batch.photos.exclude(watchlist="").order_by().values_list("watchlist", flat=True).distinct():
            watchlist_named(actor=None, name=name)


def _watchlist(batch: Batch, row: BatchPhoto) -> Watchlist | None:
    if not row.watchlist:
        return batch.watchlist
    found = Watchlist.objects.filter(name=clean_name(row.watchlist)).first()
    if found is not None:
        return found
    raise RecognitionError(f"There is no watchlist {row.watchlist}. Make it first, then import this photo again.")


def _bytes(batch: Batch, row: BatchPhoto, read: Read | None) -> bytes:
    if row.sealed is not None:
        return vault.unseal(batch.scope, row.sealed, bind=_bind(row.path))
    if read is None:
        raise UnreadableError("The photo is not here any more. Import it again.")
    return read(row)


@transaction.atomic
def _finish(batch_id: int) -> bool:
    """Closes the batch when no photo waits any more, and throws its key away."""
    batch = Batch.objects.select_for_update().get(pk=batch_id)
    if batch.state != Batch.State.RUNNING:
        return True
    if batch.photos.filter(state=State.WAITING).exists():
        return False  # somebody else has the last ones in hand
    batch.state, batch.finished_at = Batch.State.DONE, timezone.now()
    batch.save(update_fields=["state", "finished_at"])
    vault.shred(batch.scope)
    record(actor=batch.asked_by, verb="imported", target=f"batch {batch.pk}", enrolled=progress(batch).enrolled)
    return True


def _beat(batch_id: int) -> None:
    Batch.objects.filter(pk=batch_id).update(heartbeat_at=timezone.now())


def _digest_of(source: Source, path: str) -> str:
    try:
        return _digest(source.read(path))
    except UnreadableError:
        return ""


def _digest(data: bytes) -> str:
    """Keyed: nobody who reads the database can ask it whether it has seen a photo that they hold."""
    return hmac.new(settings.SECRET_KEY.encode(), data, hashlib.sha256).hexdigest()


def _bind(path: str) -> str:
    return f"batch|{path}"


def _csv_line(cells: list[str]) -> str:
    """One line of CSV. A cell that a spreadsheet would take for a formula gets an apostrophe in front."""
    line = io.StringIO()
    csv.writer(line).writerow([f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells])
    return line.getvalue()
