"""`manage.py identify`: says who the faces of a photo are."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from recognition import services
from recognition.engine import Candidate, EngineError
from recognition.gallery import gallery
from recognition.photos import UnreadableError
from workers.management.base import JsonCommand, read_upload, shown_path, whole


class Command(JsonCommand):
    help = (
        "Searches the gallery for every face of a photo (JPEG, PNG, WebP) and prints, largest face first, "
        "who it is and who resembles it. Exit code 0 when a face was found, known or not; 1 when none was "
        "found or the photo is not usable."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("photo", metavar="PHOTO", help="the photo to search with; it is not kept")
        parser.add_argument(
            "--top",
            metavar="N",
            type=whole(1, 1000),
            default=5,
            help="how many candidates a face gets (default: 5)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        photo = shown_path(options["photo"])
        try:
            upload = read_upload(options["photo"])
            faces = services.identify(actor=None, upload=upload, top=options["top"])
        except (UnreadableError, EngineError) as error:
            raise CommandError(f"{photo}: {error}") from error
        if not faces:
            raise CommandError(f"{photo}: No face was found.")
        names = gallery().names
        for number, face in enumerate(faces, start=1):
            if options["json"]:
                self.print_json(_facts(face, names))
            else:
                self._tell(number, face, names)

    def _tell(self, number: int, face: services.IdentifiedFace, names: Mapping[int, str]) -> None:
        left, top, right, bottom = (round(float(value)) for value in face.face.box)
        who = names.get(face.match.person, "") if face.match is not None else "unknown"
        if not face.usable:
            who = "too poor to say anything; use a larger, sharper photo"
        self.stdout.write(
            f"Face {number} at ({left}, {top})-({right}, {bottom}), quality {face.face.quality.score:.2f}: {who}"
        )
        for rank, candidate in enumerate(face.candidates, start=1):
            name = names.get(candidate.person, "")
            self.stdout.write(f"  {rank:>3}. similarity {candidate.similarity:.4f}  {name}")


def _facts(face: services.IdentifiedFace, names: Mapping[int, str]) -> dict[str, object]:
    return {
        "box": [round(float(value), 1) for value in face.face.box],
        "quality": round(face.face.quality.score, 4),
        "usable": face.usable,
        "match": None if face.match is None else _candidate(face.match, names),
        "candidates": [_candidate(candidate, names) for candidate in face.candidates],
    }


def _candidate(candidate: Candidate, names: Mapping[int, str]) -> dict[str, object]:
    return {
        "person": candidate.person,
        "name": names.get(candidate.person, ""),
        "similarity": round(candidate.similarity, 4),
    }
