"""`manage.py add_camera`: adds a camera."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from cameras.models import Camera, Priority
from cameras.services import add_camera
from cameras.sources import Kind, SourceError, parse_source
from cameras.values import CameraValues
from recognition.errors import RecognitionError
from workers.management.base import JsonCommand, decimal
from workers.management.camera_options import (
    FROM_STDIN,
    SOURCES,
    add_watching_options,
    source_text,
    watching_values,
)

_PRIORITIES = {priority.name.lower(): priority for priority in Priority}


class Command(JsonCommand):
    help = (
        "Adds a camera. A running Lynceus begins to watch it within seconds. Its source is kept encrypted "
        "and never shown again. Exit code 0 when it was added, 1 when not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="what the camera is called; no two have the same name")
        parser.add_argument(
            "source",
            metavar="SOURCE",
            help=f"{SOURCES}; {FROM_STDIN}",
        )
        add_watching_options(parser)
        parser.add_argument(
            "--schedule",
            default="",
            metavar="TEXT",
            help="when it is watched, such as 'Mon-Fri 20:00-06:00' (default: always)",
        )
        parser.add_argument(
            "--priority",
            choices=list(_PRIORITIES),
            default=Priority.NORMAL.name.lower(),
            help="who comes first when there is too much to do (default: %(default)s)",
        )
        parser.add_argument("--lat", type=decimal(-90, 90), metavar="DEGREES", help="where it is: latitude")
        parser.add_argument("--lon", type=decimal(-180, 180), metavar="DEGREES", help="where it is: longitude")
        parser.add_argument("--loop", action="store_true", help="starts a file again when it ends")
        parser.add_argument("--disabled", action="store_true", help="adds it without watching it yet")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["lat"] is None) != (options["lon"] is None):
            raise CommandError("A place has two coordinates: give both --lat and --lon, or none.")
        text = source_text(options["source"])
        try:
            source = parse_source(text)
            camera = add_camera(actor=None, **_values(options, text))
        except (SourceError, RecognitionError) as error:
            raise CommandError(str(error)) from error
        if source.kind is Kind.FILE and not Path(source.text).exists():
            self.note(f"There is no file {source.shown} on this machine yet; the camera waits for it.")
        if options["json"]:
            self.print_json(_facts(camera))
        else:
            state = "" if camera.enabled else ", not enabled"
            self.stdout.write(f"{camera.name} was added (camera {camera.pk}, {camera.address}{state}).")


def _values(options: dict[str, Any], source: str) -> CameraValues:
    return {
        **watching_values(options),
        "name": options["name"],
        "source": source,
        "latitude": options["lat"],
        "longitude": options["lon"],
        "loop": options["loop"],
        "enabled": not options["disabled"],
        "schedule": options["schedule"],
        "priority": _PRIORITIES[options["priority"]],
    }


def _facts(camera: Camera) -> dict[str, object]:
    return {
        "camera": camera.pk,
        "name": camera.name,
        "address": camera.address,
        "detail_address": camera.detail_address,
        "transport": camera.transport,
        "latitude": camera.latitude,
        "longitude": camera.longitude,
        "loop": camera.loop,
        "enabled": camera.enabled,
        "schedule": camera.schedule,
        "priority": Priority(camera.priority).name.lower(),
        "idle_decoding": camera.idle_decoding,
        "detect_fps": camera.detect_fps,
        "sensitivity": camera.sensitivity,
        "masks": camera.masks,
        "clips": camera.clips,
    }
