"""`manage.py enroll_batch`: enrols many people from a folder, a ZIP or a CSV, and goes on where it was stopped."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from recognition import batches, watchlist_services
from recognition.batch_sources import BatchError, Source, open_source
from recognition.engine import EngineError
from recognition.errors import RecognitionError
from recognition.models import Batch, BatchPhoto, OnDuplicate
from workers.management.base import JsonCommand, shown_path


class Command(JsonCommand):
    help = (
        "Enrols many people at once. SOURCE is a folder or a ZIP with a folder a person (photos in no folder are "
        "named by their file), or a CSV with the columns name and photo, and as you like watchlist and notes; paths "
        "are relative to the CSV. Says of every photo what became of it. Stopped in the middle, it goes on with "
        "--resume; photos that are enrolled are never enrolled twice. Exit code 0 when it came to its end "
        "and a photo is enrolled, 1 when none is, 130 when it was stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("source", metavar="SOURCE", help="a folder, a ZIP or a CSV")
        parser.add_argument("--watchlist", metavar="NAME", help="puts everybody on this watchlist; made when missing")
        parser.add_argument(
            "--on-duplicate",
            choices=OnDuplicate.values,
            default=OnDuplicate.REFUSE.value,
            help="when a face is enrolled for somebody else: leave the photo out and report it (refuse), add it to "
            "that person (join), or enrol it as named (new)",
        )
        parser.add_argument("--resume", action="store_true", help="goes on with the import of SOURCE that was stopped")
        parser.add_argument("--report", metavar="FILE", help="writes the report as CSV to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["source"])
        try:
            source = open_source(path)
            batch = self._batch(source, options)
            done = self._work(batch, source, options["json"])
        except (BatchError, RecognitionError, EngineError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{shown_path(str(path))} can not be read: {error.strerror}.") from error
        progress = batches.progress(batch)
        if options["report"]:
            self._write_report(batch, options["report"])
        self._tell(batch, progress, options["json"], stopped=not done)
        if not done:
            raise SystemExit(128 + signal.SIGINT)
        if not progress.enrolled + progress.there:
            raise SystemExit(1)

    def _batch(self, source: Source, options: dict[str, Any]) -> Batch:
        batch = batches.unfinished(source) if options["resume"] else None
        if batch is not None:
            batches.resume(batch=batch, source=source)
            left = batches.progress(batch).waiting
            self.note(f"Going on with import {batch.pk}: {left} photos are left.")
            return batch
        if options["resume"]:
            self.note("No import of this source was stopped; a new one begins.")
        listed = options["watchlist"]
        watchlist = watchlist_services.watchlist_named(actor=None, name=listed) if listed is not None else None
        policy = OnDuplicate(options["on_duplicate"])
        return batches.start(actor=None, source=source, watchlist=watchlist, on_duplicate=policy, uploaded=False)

    def _work(self, batch: Batch, source: Source, as_json: bool) -> bool:
        """Works until the end; False when Ctrl-C stopped it."""
        progress = batches.progress(batch)
        bar = tqdm(total=progress.total, initial=progress.done, unit=" photos", disable=None, file=sys.stderr)

        def tell(row: BatchPhoto) -> None:
            if as_json:
                self.print_json(
                    {"photo": row.path, "name": row.name, "outcome": row.state, "person": row.person_id, "why": row.why}
                )
            elif row.state != BatchPhoto.State.ENROLLED or row.why:
                bar.clear()
                self.stdout.write(f"{row.get_state_display()}: {row.path}{f': {row.why}' if row.why else ''}")
            bar.update()

        try:
            for row in batch.photos.filter(state=BatchPhoto.State.REFUSED).exclude(why="").filter(digest=""):
                tell(row)
                bar.update(-1)
            return batches.work(batch.pk, read=lambda row: source.read(row.path), report=tell)
        except KeyboardInterrupt:
            return False
        finally:
            bar.close()

    def _tell(self, batch: Batch, progress: batches.Progress, as_json: bool, *, stopped: bool) -> None:
        facts = {
            "batch": batch.pk,
            "photos": progress.total,
            "enrolled": progress.enrolled,
            "there": progress.there,
            "duplicates": progress.duplicate,
            "refused": progress.refused,
            "waiting": progress.waiting,
            "ignored": batch.ignored,
        }
        if as_json:
            self.print_json(facts)
        else:
            self.stdout.write(
                f"Of {progress.total} photos {progress.enrolled} were enrolled, {progress.there} were enrolled before, "
                f"{progress.duplicate} show somebody else who is enrolled, {progress.refused} were not used."
            )
        if stopped:
            self.note(f"Stopped; {progress.waiting} photos wait. Go on with: enroll_batch --resume")

    def _write_report(self, batch: Batch, path: str) -> None:
        try:
            with Path(path).open("w", encoding="utf-8", newline="") as file:
                file.writelines(batches.report_lines(batch))
        except OSError as error:
            raise CommandError(f"The report can not be written to {shown_path(path)}: {error.strerror}.") from error
