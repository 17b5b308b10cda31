"""`manage.py enroll`: enrols a person from photos in files."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError

from recognition import services, watchlist_services
from recognition.engine import EngineError
from recognition.errors import RecognitionError
from recognition.models import OnDuplicate, Person, Watchlist
from recognition.names import clean_name
from recognition.photos import UnreadableError
from recognition.selectors import only_person_named
from workers.management.base import JsonCommand, read_upload, shown_path, whole


class Command(JsonCommand):
    help = (
        "Enrols a person from one or more photos (JPEG, PNG, WebP) and says of every photo that is not "
        "usable why. When exactly one person has the name already, the photos are added to them. A face that is "
        "enrolled for somebody else is told on stderr and enrolled as asked, unless --refuse-duplicates is given. "
        "Exit code 0 when at least one photo was usable or enrolled before, 1 when none was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="what the person is called")
        parser.add_argument("photos", metavar="PHOTO", nargs="+", help="a photo that shows the person's face")
        parser.add_argument(
            "--watchlist",
            metavar="NAME",
            help="puts the person on this watchlist; made when there is none yet",
        )
        parser.add_argument(
            "--face",
            metavar="N",
            type=whole(1, 1000),
            help="which face to take where a photo shows several: 1 is the largest",
        )
        parser.add_argument(
            "--refuse-duplicates",
            action="store_true",
            help="stores nothing when a face is enrolled for somebody else (exit code 1)",
        )
        parser.add_argument("--new", action="store_true", help="makes another person of the same name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = clean_name(options["name"])
            listed = clean_name(options["watchlist"]) if options["watchlist"] is not None else ""
            person = None if options["new"] else only_person_named(name)
            if person is not None:
                self.note(f"{name} is known already (person {person.pk}): the photos are added to them.")
            policy = OnDuplicate.REFUSE if options["refuse_duplicates"] else OnDuplicate.NEW
            done = self._enrol(name, options["photos"], options["face"], listed, person, policy)
        except (RecognitionError, EngineError) as error:
            raise CommandError(str(error)) from error
        self._tell(name, done, options["json"])
        if not (done.templates or done.there):
            raise SystemExit(1)

    def _enrol(
        self,
        name: str,
        photos: list[str],
        face: int | None,
        listed: str,
        person: Person | None,
        policy: OnDuplicate,
    ) -> services.Enrolment:
        uploads: list[services.Upload] = []
        rejected: list[services.Rejected] = []
        for photo in photos:
            try:
                uploads.append(read_upload(photo, face=face))
            except UnreadableError as error:
                rejected.append(services.Rejected(photo=shown_path(photo), why=str(error)))
        watchlist = Watchlist.objects.filter(name=listed).first() if listed else None
        done = services.enrol(
            actor=None, name=name, photos=uploads, watchlist=watchlist, person=person, on_duplicate=policy
        )
        if done.person is not None and done.templates and listed and watchlist is None:
            watchlist = watchlist_services.watchlist_named(actor=None, name=listed)
            watchlist_services.add_to_watchlist(actor=None, watchlist=watchlist, person=done.person)
            self.note(f"The watchlist {listed} was made.")
        rejected += done.rejected
        places = [shown_path(photo) for photo in photos]
        rejected.sort(key=lambda each: places.index(each.photo))
        return replace(done, rejected=tuple(rejected))

    def _tell(self, name: str, done: services.Enrolment, as_json: bool) -> None:
        person = done.person.pk if done.person is not None else None
        for twin in done.duplicates:
            self.note(f"{twin.photo}: looks like {twin.name} (person {twin.person}, similarity {twin.similarity:.3f}).")
        for doubt in done.doubts:
            self.note(doubt)
        if as_json:
            rejected = [{"photo": each.photo, "why": each.why} for each in done.rejected]
            facts = {"person": person, "name": name, "templates": done.templates, "rejected": rejected}
            twins = [
                {"photo": d.photo, "person": d.person, "similarity": round(d.similarity, 4)} for d in done.duplicates
            ]
            self.print_json(facts | {"there": list(done.there), "duplicates": twins})
            return
        for photo in done.there:
            self.stdout.write(f"Enrolled before: {photo}: not stored again.")
        for each in done.rejected:
            self.stdout.write(f"Not used: {each.photo}: {each.why}")
        if done.templates:
            photos = "1 photo" if done.templates == 1 else f"{done.templates} photos"
            self.stdout.write(f"{name} was enrolled from {photos} (person {person}).")
        elif done.person is None and done.duplicates:
            self.stdout.write(f"{name} was not enrolled: the face is enrolled already.")
        elif done.there:
            self.stdout.write(f"{name} has these photos already (person {person}).")
        else:
            self.stdout.write(f"{name} was not enrolled: no photo was usable.")
