"""Reads about model packs that the page, the API, /metrics and commands share."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, QuerySet

from recognition import packs, process_state
from recognition.engine import Manifest, PackCheck, PackState, UnknownPack
from recognition.engine.store import check_pack
from recognition.models import PackLicence, PackSwitch, Person, Template, UnusablePhoto, Watchlist
from recognition.process_state import ProcessState
from recognition.re_embedding import missing_photos

ACTIVE = (PackSwitch.State.WAITING, PackSwitch.State.EMBEDDING, PackSwitch.State.HELD)
_NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PackStatus:
    """One pack as pages show it. `templates`: how many enrolled faces have one of its templates."""

    manifest: Manifest
    check: PackCheck
    in_use: bool
    templates: int
    licence: PackLicence | None

    @property
    def needs_licence(self) -> bool:
        return self.manifest.licence.acceptance and self.licence is None

    @property
    def state(self) -> PackState:
        """As on disk, but a licence that was accepted on another machine is accepted here too."""
        accepted = self.check.state is PackState.LICENCE and not self.needs_licence
        return PackState.READY if accepted else self.check.state

    @property
    def usable(self) -> bool:
        return self.state is PackState.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """People who are found with the pack in use and would not be with another: all their photos are unusable."""

    count: int
    people: tuple[Person, ...]  # the first of them by name

    @property
    def more(self) -> int:
        return self.count - len(self.people)

    def __str__(self) -> str:
        names = ", ".join(person.name for person in self.people)
        return f"{names} and {self.more} more" if self.more else names


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What a switch to a pack would mean, before it is made."""

    photos: int  # to be embedded anew
    watchlists: tuple[Watchlist, ...]  # whose own thresholds have no effect with it
    losses: Losses  # as far as is known by now


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """The pack in use, the switch under way, what is not searched, and what each process holds (None: no Redis)."""

    name: str
    version: str  # empty when the pack is not known here
    problem: str
    switch: PackSwitch | None
    missing: int
    processes: list[ProcessState] | None


def model_status() -> ModelStatus:
    """How it stands with the models, in every process."""
    name = packs.name_in_use()
    problem = version = ""
    try:
        version = packs.known_manifest(name).version
    except UnknownPack as error:
        problem = str(error)
    return ModelStatus(
        name=name,
        version=version,
        problem=problem,
        switch=current_switch(),
        missing=missing_photos(version).count() if version else 0,
        processes=process_state.processes(),
    )


def pack_statuses() -> list[PackStatus]:
    """Every pack that is known, the one in use first, then by name. Files are hashed once, and when they change."""
    name = packs.name_in_use()
    counts = dict(Template.objects.order_by().values_list("pack").annotate(n=Count("id")))
    licences = {licence.name: licence for licence in PackLicence.objects.select_related("accepted_by")}
    found = [
        PackStatus(
            manifest=manifest,
            check=check_pack(settings.MODELS_DIR, manifest, deep=True),
            in_use=manifest.name == name,
            templates=counts.get(manifest.version, 0),
            licence=_valid(licences.get(manifest.name), manifest),
        )
        for manifest in packs.manifests().values()
    ]
    return sorted(found, key=lambda one: (not one.in_use, one.manifest.name))


def current_switch() -> PackSwitch | None:
    """The switch that is under way or waits for a decision."""
    return PackSwitch.objects.filter(state__in=ACTIVE).select_related("asked_by").first()


def switches() -> QuerySet[PackSwitch]:
    """All switches, newest first."""
    return PackSwitch.objects.select_related("asked_by")


def licence_accepted(name: str) -> bool:
    """Whether the pack's licence needs no acceptance, or was accepted. Raises engine.UnknownPack."""
    manifest = packs.known_manifest(name)
    accepted = PackLicence.objects.filter(name=name).first()
    return not manifest.licence.acceptance or _valid(accepted, manifest) is not None


def consequences(version: str) -> Consequences:
    """What a switch to this version would mean."""
    return Consequences(
        photos=missing_photos(version).count(), watchlists=_falling_back(version), losses=losses(version)
    )


def losses(version: str) -> Losses:
    """Whom the pack in use finds and this version does not, of those whose photos were all looked at."""
    now = Template.objects.filter(person=OuterRef("pk"), pack=packs.version_in_use())
    then = Template.objects.filter(person=OuterRef("pk"), pack=version)
    waiting = missing_photos(version).filter(person=OuterRef("pk"))
    left = Person.objects.filter(Exists(now), ~Exists(then), ~Exists(waiting)).order_by("name", "id")
    people = tuple(left[: _NAMES_SHOWN + 1])
    count = len(people) if len(people) <= _NAMES_SHOWN else left.count()
    return Losses(count=count, people=people[:_NAMES_SHOWN])


def not_found(version: str) -> QuerySet[Person]:
    """People with photos for matching and no template of this version: no search finds them."""
    photos = Person.objects.filter(photos__for_matching=True).values("pk")
    made = Template.objects.filter(person=OuterRef("pk"), pack=version)
    return Person.objects.filter(~Exists(made), pk__in=photos).order_by("name", "id")


def unusable_photos(version: str) -> QuerySet[UnusablePhoto]:
    """The photos that the pack of this version can not use, with their people."""
    found = UnusablePhoto.objects.filter(pack=version).select_related("photo__person")
    return found.defer("photo__sealed", "photo__sealed_portrait", "photo__sealed_digest").order_by("id")


def _falling_back(version: str) -> tuple[Watchlist, ...]:
    return tuple(Watchlist.objects.exclude(threshold=None).exclude(threshold_pack=version))


def _valid(licence: PackLicence | None, manifest: Manifest) -> PackLicence | None:
    """An acceptance counts for the licence that was shown, not for another that the pack has now."""
    return licence if licence is not None and licence.licence == manifest.licence.name else None
