"""`manage.py calibrate`: proposes thresholds from what strangers score in this deployment."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandError

from alerts.feedback import impostor_scores
from cameras.impostors import unknown_similarities
from recognition import watchlist_services
from recognition.calibration import (
    MIN_PEOPLE,
    GalleryImpostors,
    Proposal,
    Support,
    estimated_fpir,
    gallery_impostors,
    propose,
)
from recognition.engine import EngineError, ImpostorCurve, Pack, Share
from recognition.engine.metrics import Scores
from recognition.errors import RecognitionError
from recognition.models import Category, Person, Template, Watchlist
from recognition.packs import current_pack, pack_named
from recognition.selectors import valid_entries
from workers.management.base import JsonCommand, decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """A watchlist: how many templates it looks for, from which similarity on, and what that means."""

    name: str
    people: int
    templates: int
    threshold: float
    is_own: bool  # rather than the pack's
    fpir: Share | None
    proposal: Proposal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """All that was found out about one pack in this deployment."""

    pack: Pack
    templates: int
    gallery: GalleryImpostors
    curve: ImpostorCurve | None
    is_own: bool  # the curve is this deployment's, not the pack's
    fpir: Share | None
    proposal: Proposal
    unknown: Scores
    false_alerts: Scores  # of faces that people said are not whom they were taken for
    watchlists: tuple[ListState, ...]


class Command(JsonCommand):
    help = (
        "Proposes the threshold that keeps false alarms (FPIR) rare at the size that the gallery has, from the "
        "similarities of its different people and of sightings that stayed unknown, and says how far these support "
        "it. It changes nothing unless --set-watchlist names a watchlist. Exit code 0 when a threshold was proposed, "
        "1 when the gallery is too small for one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--fpir",
            metavar="SHARE",
            type=decimal(1e-6, 0.5),
            default=0.001,
            help="the share of strangers that may be taken for somebody (default: 0.001, one in a thousand)",
        )
        parser.add_argument("--pack", metavar="NAME", help="the model pack (default: the one in use)")
        parser.add_argument(
            "--write", metavar="FILE", type=Path, help="writes what strangers score here, as [impostors] of a pack.toml"
        )
        parser.add_argument(
            "--set-watchlist", metavar="NAME", help="gives this watchlist the threshold proposed for it"
        )
        parser.add_argument(
            "--extrapolated", action="store_true", help="lets --set-watchlist use a proposal that is not measured"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            pack = pack_named(options["pack"]) if options["pack"] else current_pack()
            found = find(pack, options["fpir"])
            if options["write"] is not None:
                self._write(found.gallery, options["write"])
            if options["set_watchlist"] is not None:
                self._set(found, options["set_watchlist"], allow=options["extrapolated"])
        except (EngineError, RecognitionError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.print_json(_facts(found))
        else:
            self.stdout.write("\n".join(_lines(found)))
        if found.proposal.threshold is None:
            raise SystemExit(1)

    def _write(self, impostors: GalleryImpostors, file: Path) -> None:
        curve = impostors.curve()
        if curve is None:
            raise CommandError("Nothing is written: the gallery has no two people to compare.")
        try:
            file.write_text(curve.to_toml())
        except OSError as error:
            raise CommandError(f"--write {file}: {error.strerror or error}. Choose another place.") from error
        self.note(f"What strangers score here is in {file}.")

    def _set(self, found: Findings, name: str, *, allow: bool) -> None:
        state = next((one for one in found.watchlists if one.name == name), None)
        if state is None:
            raise CommandError(f"There is no watchlist {name!r}. Check the name.")
        if found.pack.version != current_pack().version:
            raise CommandError(
                f"The watchlist was not changed: its threshold counts for the pack in use, not for {found.pack.name}. "
                "Switch to the pack first."
            )
        threshold, support = state.proposal.threshold, state.proposal.support
        if threshold is None:
            raise CommandError(f"The watchlist was not changed: no threshold can be proposed. {_why(state.proposal)}")
        if support is Support.EXTRAPOLATED and not allow:
            raise CommandError(
                f"The watchlist was not changed: {threshold:.4f} is extrapolated, not measured. Add --extrapolated to "
                "set it all the same."
            )
        row = Watchlist.objects.get(name=name)
        watchlist_services.change_watchlist(
            actor=None,
            watchlist=row,
            name=row.name,
            category=Category(row.category),
            purpose=row.purpose,
            legal_basis=row.legal_basis,
            threshold=round(threshold, 6),
            is_active=row.is_active,
        )
        self.note(f"{name} now asks for a similarity of {threshold:.4f}; it was {state.threshold:.4f}.")


def find(pack: Pack, fpir: float) -> Findings:
    """Looks at the gallery, the watchlists and the unknown sightings."""
    impostors = gallery_impostors(pack.version, pack.dimension)
    templates = Template.objects.filter(pack=pack.version).count()
    own = impostors.curve() if impostors.people >= MIN_PEOPLE else None
    curve = own if own is not None else pack.manifest.impostors
    return Findings(
        pack=pack,
        templates=templates,
        gallery=impostors,
        curve=curve,
        is_own=own is not None,
        fpir=estimated_fpir(curve, pack.threshold, templates),
        proposal=propose(impostors.scores, people=impostors.people, templates=templates, fpir=fpir),
        unknown=unknown_similarities(pack.version),
        false_alerts=impostor_scores(pack.version),
        watchlists=tuple(_list_state(one, pack, impostors, curve, fpir) for one in Watchlist.objects.all()),
    )


def _list_state(
    row: Watchlist, pack: Pack, impostors: GalleryImpostors, curve: ImpostorCurve | None, fpir: float
) -> ListState:
    people = list(valid_entries().filter(watchlist=row).values_list("person_id", flat=True))
    templates = Template.objects.filter(pack=pack.version, person__in=people).count()
    own = row.threshold if row.threshold is not None and row.threshold_pack == pack.version else None
    threshold = own if own is not None else pack.threshold
    return ListState(
        name=row.name,
        people=len(people),
        templates=templates,
        threshold=threshold,
        is_own=own is not None,
        fpir=estimated_fpir(curve, threshold, templates),
        proposal=propose(impostors.scores, people=impostors.people, templates=templates, fpir=fpir),
    )


def _lines(found: Findings) -> Iterator[str]:
    pack, impostors, proposal = found.pack, found.gallery, found.proposal
    yield f"Pack {pack.version}; the gallery has {_many(found.templates, 'template')}."
    yield (
        f"Impostor scores: {_many(len(impostors.scores), 'comparison')} of {_many(impostors.templates, 'template')} of "
        f"{_many(impostors.people, 'different person', 'different people')}."
    )
    source = "these scores" if found.is_own else "the scores that came with the pack"
    yield f"The pack asks for {pack.threshold:.4f}: FPIR {_share(found.fpir)} at this size, by {source}."
    yield _proposal(proposal)
    yield _sightings(found.unknown, proposal)
    if len(found.false_alerts):
        yield _mistakes(found.false_alerts, proposal)
    names = dict(Person.objects.filter(pk__in=_people(impostors)).values_list("id", "name"))
    near = [one for one in impostors.nearest if one.similarity >= pack.threshold]
    if near:
        yield "These pairs reach the pack's threshold. Where both are one person, merge them and calibrate again:"
        yield from (
            f"  {one.similarity:.4f}  {names.get(one.first, '')} (person {one.first}), "
            f"{names.get(one.second, '')} (person {one.second})"
            for one in near
        )
    for one in found.watchlists:
        whose = "its own threshold" if one.is_own else "the pack's threshold"
        yield (
            f"Watchlist {one.name} (people: {one.people:,}, templates: {one.templates:,}): {whose} "
            f"{one.threshold:.4f}, FPIR {_share(one.fpir)}. {_proposal(one.proposal)}"
        )
    yield "Nothing was changed. To give a watchlist its proposal: --set-watchlist NAME"


def _proposal(proposal: Proposal) -> str:
    if proposal.threshold is None:
        return f"No threshold is proposed. {_why(proposal)}"
    target = f"FPIR {proposal.fpir:g}, N = {proposal.templates:,} templates"
    if proposal.support is Support.MEASURED:
        return f"Proposed: {proposal.threshold:.4f} ({target}), measured."
    strictest = f"; an FPIR below {proposal.strictest:.2g} is not measurable with them" if proposal.strictest else ""
    needs = _many(proposal.needs, "comparison")
    return (
        f"Proposed: {proposal.threshold:.4f} ({target}), extrapolated: that needs {needs}, "
        f"there are {proposal.comparisons:,}{strictest}."
    )


def _why(proposal: Proposal) -> str:
    if not proposal.templates:
        return "It has no templates of this pack: enrol people first."
    return (
        f"{_many(proposal.comparisons, 'comparison')} can not speak of it: enrol at least {MIN_PEOPLE} people with "
        "photos of this site, and keep the pack's own threshold until then."
    )


def _sightings(unknown: Scores, proposal: Proposal) -> str:
    if not len(unknown):
        return "No sighting has stayed unknown yet, so the cameras say nothing about strangers."
    high = float(np.max(unknown))
    text = f"{_many(len(unknown), 'sighting')} stayed unknown; the nearest had {high:.4f}"
    if proposal.threshold is None:
        return f"{text}."
    over = int((unknown >= proposal.threshold).sum())
    reach = "reaches" if over == 1 else "reach"
    return f"{text}, {over:,} {reach} the proposal. Those who reached the threshold in use are not among them."


def _mistakes(scores: Scores, proposal: Proposal) -> str:
    text = f"{_many(len(scores), 'alert')} turned out to be about the wrong person; the highest had {scores.max():.4f}"
    if proposal.threshold is None:
        return f"{text}."
    over = int((scores >= proposal.threshold).sum())
    return f"{text}, {over:,} would still be raised at the proposal."


def _many(count: int, one: str, many: str = "") -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many or f'{one}s'}"


def _share(share: Share | None) -> str:
    if share is None:
        return "not known"
    return f"{'at most ' if share.at_most else ''}{share.value:.2g}"


def _people(impostors: GalleryImpostors) -> set[int]:
    return {who for one in impostors.nearest for who in (one.first, one.second)}


def _facts(found: Findings) -> dict[str, object]:
    return {
        "pack": found.pack.name,
        "version": found.pack.version,
        "templates": found.templates,
        "people": found.gallery.people,
        "comparisons": len(found.gallery.scores),
        "threshold": round(found.pack.threshold, 6),
        "fpir": _share_facts(found.fpir),
        "scores_of": "gallery" if found.is_own else "pack",
        "proposal": _proposal_facts(found.proposal),
        "unknown_sightings": len(found.unknown),
        "false_alerts": len(found.false_alerts),
        "nearest": [
            {"people": [one.first, one.second], "similarity": round(one.similarity, 6)} for one in found.gallery.nearest
        ],
        "watchlists": [
            {
                "name": one.name,
                "people": one.people,
                "templates": one.templates,
                "threshold": round(one.threshold, 6),
                "own_threshold": one.is_own,
                "fpir": _share_facts(one.fpir),
                "proposal": _proposal_facts(one.proposal),
            }
            for one in found.watchlists
        ],
    }


def _proposal_facts(proposal: Proposal) -> dict[str, object]:
    return {
        "fpir": proposal.fpir,
        "threshold": None if proposal.threshold is None else round(proposal.threshold, 6),
        "support": str(proposal.support),
        "needs": proposal.needs,
        "strictest_measurable_fpir": None if proposal.strictest is None else float(f"{proposal.strictest:.3g}"),
    }


def _share_facts(share: Share | None) -> dict[str, object] | None:
    return None if share is None else {"value": float(f"{share.value:.3g}"), "at_most": share.at_most}
