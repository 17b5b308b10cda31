"""`manage.py evaluate`: measures how well model packs tell apart people whose photos are labelled."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from recognition.accuracy import Progress, Report, embed_photos, measure
from recognition.accuracy_text import report_facts, report_lines
from recognition.det_plot import SUFFIXES, draw_det
from recognition.engine import EngineError, Pack, load_pack
from recognition.labelled import LabelError, Labelled, read_labelled
from workers.management.base import JsonCommand


class Command(JsonCommand):
    help = (
        "Measures a model pack on photos whose people are known: FMR, FNMR, EER, ROC AUC, and FNIR and FPIR of "
        "open-set searches, each with a 95 % interval. A FOLDER has one subfolder a person (or photos named "
        "biden_1.jpg, biden_2.jpg, ...). PAIRS.csv has two columns of paths, relative to the file, and a third with "
        "1/0, yes/no or true/false. Nothing is stored, and neither database nor network is needed. Exit code 0 when "
        "something could be compared, 1 when nothing could."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("place", metavar="FOLDER|PAIRS.csv", help="the labelled photos")
        parser.add_argument(
            "--pack",
            metavar="NAME",
            action="append",
            help="the model pack to measure; give it again for several side by side (default: the one of MODEL_PACK)",
        )
        parser.add_argument(
            "--groups",
            metavar="COLUMN|FILE",
            default="",
            help="rates within groups: the title of a column of PAIRS.csv; for a FOLDER a CSV file of person and group",
        )
        parser.add_argument("--plot", metavar="FILE", type=Path, help="draws the DET curve, as .svg or .png")

    def handle(self, *args: Any, **options: Any) -> None:
        plot: Path | None = options["plot"]
        if plot is not None and plot.suffix.lower() not in SUFFIXES:
            raise CommandError(f"--plot {plot}: the file must end in {' or '.join(SUFFIXES)}.")
        if plot is not None and not plot.parent.is_dir():
            raise CommandError(f"--plot {plot}: there is no folder {plot.parent}. Choose another place, or make it.")
        try:
            labelled = read_labelled(options["place"], groups=options["groups"])
            for name in labelled.repeated:
                self.note(f"Left out: {name} is the same file as another one of this person.")
            # All are looked for before the first is measured: that takes minutes.
            packs = [self._load(name) for name in options["pack"] or [settings.MODEL_PACK]]
            reports = [self._measure(pack, labelled) for pack in packs]
            if plot is not None:
                self._draw(reports, plot)
        except (LabelError, EngineError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            facts = [report_facts(report) for report in reports]
            self.print_json(facts[0] if len(facts) == 1 else {"packs": facts})
            return
        self.stdout.write("\n\n".join("\n".join(report_lines(report)) for report in reports))

    def _load(self, name: str) -> Pack:
        return load_pack(
            name,
            cache=settings.MODELS_DIR,
            device=settings.MODEL_DEVICE,
            threads=settings.MODEL_THREADS,
            report=self.note,
        )

    def _measure(self, pack: Pack, labelled: Labelled) -> Report:
        embedded = embed_photos(
            pack, labelled.photos, max_bytes=settings.MAX_PHOTO_MB * 2**20, progress=self._progress(pack.version)
        )
        self.note(f"{pack.version}: comparing")
        return measure(pack, labelled, embedded)

    def _progress(self, version: str) -> Progress:
        """Says on stderr how far it is, at most twenty times."""

        def tell(done: int, total: int) -> None:
            if done == total or done % max(50, total // 20) == 0:
                self.note(f"{version}: {done:,} of {total:,} photos")

        return tell

    def _draw(self, reports: list[Report], plot: Path) -> None:
        try:
            draw_det(reports, plot)
        except OSError as error:
            raise CommandError(f"--plot {plot}: {error.strerror or error}. Choose another place.") from error
        self.note(f"The DET curve is in {plot}.")
