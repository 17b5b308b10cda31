"""`manage.py merge_people`: makes one person of two."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from recognition import merging
from recognition.errors import RecognitionError
from recognition.models import Person
from workers.management.base import JsonCommand, whole


class Command(JsonCommand):
    help = (
        "Makes one person of two: photos, templates, sightings, alerts and watchlists of GONE go to KEPT, then GONE "
        "is deleted and their key destroyed. This can not be undone, so it asks, or wants --yes. "
        "Exit code 0 when it was done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kept", metavar="KEPT", type=whole(1, 2**63 - 1), help="the number of who stays")
        parser.add_argument("gone", metavar="GONE", type=whole(1, 2**63 - 1), help="the number of who goes")
        parser.add_argument("--yes", action="store_true", help="does not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        kept, gone = self._person(options["kept"]), self._person(options["gone"])
        plan = merging.preview(kept=kept, gone=gone)
        if not options["yes"]:
            self.note(f"{plan.photos} photos and {plan.templates} templates of {gone.name} go to {kept.name}.")
            if input(f"Delete {gone.name} (person {gone.pk}) for good? [y/N] ").strip().lower() not in ("y", "yes"):
                raise CommandError("Nothing was changed.")
        try:
            done = merging.merge(actor=None, kept=kept, gone=gone)
        except RecognitionError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.print_json({"person": kept.pk, "photos": done.photos, "templates": done.templates})
        else:
            self.stdout.write(f"{gone.name} is now part of {kept.name} (person {kept.pk}): {done.photos} photos moved.")

    def _person(self, pk: int) -> Person:
        person = Person.objects.filter(pk=pk).first()
        if person is None:
            raise CommandError(f"There is no person {pk}. The numbers are in `manage.py duplicates`.")
        return person
