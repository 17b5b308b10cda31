"""`manage.py run_camera`: one camera loop in the foreground, telling what it sees."""

from __future__ import annotations

import json
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cameras.models import Camera
from cameras.services import camera_by_hand, change_camera, detail_of
from cameras.sources import SourceError, parse_source
from cameras.values import CameraValues, cleaned
from recognition.errors import RecognitionError
from recognition.gallery import gallery
from workers import supervisor
from workers.management.camera_options import (
    FROM_STDIN,
    SOURCES,
    add_watching_options,
    source_text,
    watching_values,
)
from workers.sightings import EventKind, Watched
from workers.threads import one_thread_each

_WORDS = {EventKind.OPENED: "a face appeared", EventKind.IDENTIFIED: "identified", EventKind.CLOSED: "out of view"}


class Command(BaseCommand):
    help = (
        "Runs one camera in the foreground until its source ends or Ctrl-C, and prints its sightings as they open, are "
        "identified and close. Sightings and alerts are stored as always. Exit code 0 when the source ended or Ctrl-C "
        "was pressed, 1 when it could not be run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", metavar="NAME", help="a camera that was added before")
        parser.add_argument("--source", help=f"{SOURCES}; {FROM_STDIN}")
        parser.add_argument("--loop", action="store_true", help="with --source: starts a file again when it ends")
        add_watching_options(parser.add_argument_group("with --source", "A camera that was added has its own."))
        parser.add_argument(
            "--no-pace",
            action="store_true",
            help="reads a file or folder as fast as possible, every frame and without the second stream, not as live",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        camera = self._camera(options)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        one_thread_each()
        try:
            supervisor.run(
                camera,
                stop=stop,
                paced=not options["no_pace"],
                tell=self._teller(camera, as_json=options["json"]),
                give_up=True,
            )
        except (supervisor.CameraFailed, supervisor.CameraBusy) as error:
            raise CommandError(str(error)) from error

    def _camera(self, options: dict[str, Any]) -> Camera:
        name, source = options["name"], options["source"]
        if (name is None) == (source is None):
            raise CommandError("Give either the NAME of a camera or --source.")
        if source is not None:
            try:
                values: CameraValues = {**watching_values(options), "loop": options["loop"]}
                return _set(camera_by_hand(source=source_text(source)), values)
            except (SourceError, RecognitionError) as error:
                raise CommandError(str(error)) from error
        camera = Camera.objects.filter(name=name).first()
        if camera is None:
            known = ", ".join(Camera.objects.values_list("name", flat=True)[:20]) or "none yet"
            raise CommandError(
                f"There is no camera named {name!r}. Cameras: {known}. Add one with add_camera, or use --source."
            )
        return camera

    def _teller(self, camera: Camera, *, as_json: bool) -> Callable[[EventKind, Watched], None]:
        def tell(kind: EventKind, watched: Watched) -> None:
            person = gallery().names.get(watched.decision.person or 0)
            similarity = watched.decision.similarity
            rounded = None if similarity is None else round(similarity, 4)
            if as_json:
                facts = {
                    "event": kind,
                    "sighting": str(watched.id),
                    "camera": camera.name,
                    "track": watched.track.number,
                    "person": person,
                    "similarity": rounded,
                    "first_seen": watched.first_at.isoformat(),
                    "last_seen": watched.last_at.isoformat(),
                    "frames": watched.frames,
                }
                self.stdout.write(json.dumps(facts))
            else:
                who = person or "unknown"
                self.stdout.write(
                    f"{watched.last_at:%H:%M:%S} track {watched.track.number}: {_WORDS[kind]}: {who}"
                    + ("" if rounded is None else f", similarity {rounded}")
                )
            self.stdout.flush()

        return tell


def _set(camera: Camera, values: CameraValues) -> Camera:
    """The camera as the options of this run want it; one that is so already is left as it is."""
    detail, before = values.get("detail", "").strip(), detail_of(camera)
    is_same = parse_source(detail) == before if detail else before is None
    if is_same and all(getattr(camera, field) == value for field, value in cleaned(values).items()):
        return camera
    values["remove_detail"] = not detail
    return change_camera(actor=None, camera=camera, **values)
