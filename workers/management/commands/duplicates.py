"""`manage.py duplicates`: lists people who may be one, in galleries of any size."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from recognition import duplicates
from recognition.engine import EngineError
from recognition.gallery import gallery
from workers.management.base import JsonCommand, whole


class Command(JsonCommand):
    help = (
        "Lists pairs of people whose templates are so near each other that they may be one person, most alike first. "
        "Pairs that somebody told apart are left out. Merge two with merge_people. "
        "Exit code 0 when they could be compared."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--most", metavar="N", type=whole(1, 100_000), default=duplicates.MAX_PAIRS, help="how many pairs at most"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        bar = tqdm(unit=" blocks", disable=None, file=sys.stderr, leave=False)

        def tell(done: int, blocks: int) -> None:
            bar.total, bar.n = blocks, done
            bar.refresh()

        try:
            snapshot = gallery()
            pairs = duplicates.look_alikes(snapshot, most=options["most"], progress=tell)
        except EngineError as error:
            raise CommandError(str(error)) from error
        finally:
            bar.close()
        for pair in duplicates.shown_pairs(pairs):
            if options["json"]:
                people = {"first": pair.first.pk, "second": pair.second.pk}
                names = {"first_name": pair.first.name, "second_name": pair.second.name}
                self.print_json({**people, **names, "similarity": round(pair.similarity, 4), "enhanced": pair.enhanced})
            else:
                self.stdout.write(
                    f"{pair.similarity:.3f}  {pair.first.name} (person {pair.first.pk})  "
                    f"{pair.second.name} (person {pair.second.pk}){'  enhanced photo' if pair.enhanced else ''}"
                )
        if not pairs:
            self.note("No two people look like one person.")
