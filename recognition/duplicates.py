"""Is this face enrolled already, and do the photos of one person show one person?

What is found here decides nothing: it is said to whoever enrols. A face that reaches the pack's threshold with
somebody else is a duplicate. Photos that should show one person but are further apart than DOUBT times the
threshold's distance raise a doubt: photos of one person are seldom so different.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.utils import timezone

from accounts import vault
from recognition.engine import Embedding, Gallery, Image, similarity
from recognition.engine.pairs import NearPair, near_pairs
from recognition.gallery import Snapshot, template_bind
from recognition.gallery_load import read_templates
from recognition.models import GalleryRevision, NotSamePerson, Person, Photo, Template
from recognition.selectors import digest_bind, enhanced_templates

DOUBT = 1.2
# Pairs a little below the threshold are worth a look too: the same person on poor photos.
PAIR_SLACK = 1.1
MAX_PAIRS = 500
_RECENT = timedelta(seconds=10)  # longer than any process takes to see a change of the gallery
_RECENT_MOST = 200

Progress = Callable[[int, int], None]
_pairs: tuple[tuple[int, str], int, list[NearPair]] | None = None
_pairs_lock = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """A face that is about to be enrolled, and the name of its photo."""

    photo: str
    embedding: Embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A photo whose face is enrolled already. `enhanced` says what was done to the photo it resembles, if anything."""

    photo: str
    person: int
    name: str
    similarity: float
    enhanced: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """What there is to say about photos before they are enrolled. Doubts are sentences for people."""

    duplicates: tuple[Duplicate, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlikes:
    """Two people who may be one. `enhanced`: the similarity is that of an enhanced photo."""

    first: Person
    second: Person
    similarity: float
    enhanced: bool

    @property
    def both(self) -> tuple[Person, Person]:
        return self.first, self.second


def notice(probes: Sequence[Probe], *, person: Person | None, snapshot: Snapshot) -> Noticed:
    """Looks whose faces these are. `person` is whom they are meant for, or None for somebody new."""
    newest = _newest(snapshot)
    found: list[tuple[Probe, int, int, float]] = []
    doubts: list[str] = []
    limit = farther(snapshot.pack_threshold, DOUBT)
    for probe in probes:
        ranked = _ranked(probe.embedding, snapshot, newest)
        own = next((score for who, _, score in ranked if person is not None and who == person.pk), None)
        other = next(((w, t, s) for w, t, s in ranked if person is None or w != person.pk), None)
        if other is not None and other[2] >= snapshot.pack_threshold and other[2] > (own if own is not None else -2):
            found.append((probe, *other))
        if person is not None and own is not None and own < limit:
            doubts.append(
                f"{probe.photo} does not look like the other photos of {person.name} "
                f"(similarity {own:.3f}; photos of one person are seldom below {limit:.3f}). Check who it shows."
            )
    doubts += _strangers(probes, limit)
    names = dict(Person.objects.filter(pk__in={who for _, who, _, _ in found}).values_list("pk", "name"))
    marks = enhanced_templates([template for _, _, template, _ in found])
    duplicates = tuple(
        Duplicate(photo=p.photo, person=who, name=names[who], similarity=score, enhanced=marks.get(template, ""))
        for p, who, template, score in found
        if who in names
    )
    return Noticed(duplicates=duplicates, doubts=tuple(doubts))


def farther(threshold: float, factor: float) -> float:
    """The similarity of two embeddings that are `factor` times as far apart as the threshold asks for."""
    return 1.0 - factor**2 * (1.0 - threshold)


def picture_digest(image: Image, face: int | None) -> bytes:
    """What tells whether a picture is the same one again: its pixels and the face that was meant."""
    shape = f"{image.shape}|{face or 1}".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(image).tobytes()).digest()


def enrolled_digests(person: Person) -> set[bytes]:
    """The digests of a person's photos."""
    rows = Photo.objects.filter(person=person).exclude(sealed_digest=None).values_list("sealed_digest", flat=True)
    bind = digest_bind(person.pk)
    opened = vault.unseal_many([(person.scope, sealed, bind) for sealed in rows if sealed is not None])
    return {content for content in opened if isinstance(content, bytes)}


def look_alikes(snapshot: Snapshot, *, most: int = MAX_PAIRS, progress: Progress | None = None) -> list[NearPair]:
    """Pairs of people who may be one, most alike first, without those that somebody said are two.

    The comparison of all with all is kept until the gallery changes.
    """
    said = {(row.first_id, row.second_id) for row in NotSamePerson.objects.all()}
    pairs = _all_pairs(snapshot, most + len(said), progress)
    return [pair for pair in pairs if (pair.first, pair.second) not in said][:most]


def shown_pairs(pairs: Sequence[NearPair]) -> list[LookAlikes]:
    """The pairs with their people; who was deleted meanwhile is left out."""
    ids = {who for pair in pairs for who in (pair.first, pair.second)}
    people = Person.objects.prefetch_related("entries__watchlist").in_bulk(ids)
    marks = enhanced_templates([t for pair in pairs for t in (pair.first_template, pair.second_template)])
    return [
        LookAlikes(
            first=people[pair.first],
            second=people[pair.second],
            similarity=pair.similarity,
            enhanced=pair.first_template in marks or pair.second_template in marks,
        )
        for pair in pairs
        if pair.first in people and pair.second in people
    ]


def _all_pairs(snapshot: Snapshot, most: int, progress: Progress | None) -> list[NearPair]:
    global _pairs
    key = (snapshot.revision, snapshot.pack.version)
    known = _pairs
    if known is not None and known[0] == key and known[1] >= most:
        return known[2]
    limit = farther(snapshot.pack_threshold, PAIR_SLACK)
    with _pairs_lock:  # one comparison at a time is enough for a machine
        if _pairs is not None and _pairs[0] == key and _pairs[1] >= most:
            return _pairs[2]
        templates = read_templates(snapshot.pack.version, snapshot.pack.dimension)
        found = near_pairs(templates, at_least=limit, most=most, progress=progress)
        _pairs = (key, most, found)
    return found


def _newest(snapshot: Snapshot) -> Gallery | None:
    """The templates that came so lately that the snapshot does not hold them, or None."""
    revision = GalleryRevision.objects.values_list("revision", flat=True).first() or 0
    if revision == snapshot.revision:
        return None
    since = timezone.now() - _RECENT
    recent = Template.objects.filter(pack=snapshot.pack.version, created_at__gt=since).order_by("-id")
    found = np.array(recent.values_list("pk", flat=True)[:_RECENT_MOST], np.int64)
    ids = found[~np.isin(found, snapshot.templates.owners()[0])].tolist()
    new = list(Template.objects.filter(pk__in=ids).select_related("person")) if ids else []
    opened = vault.unseal_many([(t.person.scope, t.sealed, template_bind(t.person_id, t.pack)) for t in new])
    length = 4 * snapshot.pack.dimension
    good = [(t, c) for t, c in zip(new, opened, strict=True) if isinstance(c, bytes) and len(c) == length]
    if not good:
        return None
    return Gallery.build(
        dimension=snapshot.pack.dimension,
        templates=[template.pk for template, _ in good],
        persons=[template.person_id for template, _ in good],
        embeddings=np.array([np.frombuffer(content, "<f4") for _, content in good], np.float32),
    )


def _strangers(probes: Sequence[Probe], limit: float) -> list[str]:
    """A sentence for every photo that resembles none of the others that came with it."""
    if len(probes) < 2:
        return []
    best = [max(similarity(one.embedding, other.embedding) for other in probes if other is not one) for one in probes]
    odd = [(probe.photo, score) for probe, score in zip(probes, best, strict=True) if score < limit]
    if len(probes) == 2 and odd:
        return [
            f"{probes[0].photo} and {probes[1].photo} do not seem to show the same person (similarity "
            f"{best[0]:.3f}; photos of one person are seldom below {limit:.3f}). Check who they show."
        ]
    return [
        f"{photo} does not seem to show the same person as the other photos (best similarity {score:.3f}; photos "
        f"of one person are seldom below {limit:.3f}). Check who it shows."
        for photo, score in odd
    ]


def _ranked(probe: Embedding, snapshot: Snapshot, newest: Gallery | None) -> list[tuple[int, int, float]]:
    """(person, template, similarity), best first, each person once."""
    best: dict[int, tuple[int, int, float]] = {}
    for gallery in (snapshot.templates, newest):
        for one in gallery.search(probe, top=5) if gallery is not None else ():
            known = best.get(one.person)
            if known is None or one.similarity > known[2]:
                best[one.person] = (one.person, one.template, one.similarity)
    return sorted(best.values(), key=lambda one: -one[2])
