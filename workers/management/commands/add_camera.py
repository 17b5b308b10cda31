"""`manage.py add_camera`: adds a camera."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from cameras.services import add_camera
from cameras.sources import Kind, SourceError, parse_source
from recognition.errors import RecognitionError
from workers.management.base import JsonCommand, decimal


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
            help="a video file, an rtsp://, rtsps://, http:// or https:// address, the number of a USB "
            "camera, or - to read it from stdin, so that a password stays out of the shell's history",
        )
        parser.add_argument("--lat", type=decimal(-90, 90), metavar="DEGREES", help="where it is: latitude")
        parser.add_argument("--lon", type=decimal(-180, 180), metavar="DEGREES", help="where it is: longitude")
        parser.add_argument("--loop", action="store_true", help="starts a file again when it ends")
        parser.add_argument("--disabled", action="store_true", help="adds it without watching it yet")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["lat"] is None) != (options["lon"] is None):
            raise CommandError("A place has two coordinates: give both --lat and --lon, or none.")
        text = sys.stdin.readline() if options["source"] == "-" else options["source"]
        try:
            source = parse_source(text)
            camera = add_camera(
                actor=None,
                name=options["name"],
                source=text,
                latitude=options["lat"],
                longitude=options["lon"],
                loop=options["loop"],
                enabled=not options["disabled"],
            )
        except (SourceError, RecognitionError) as error:
            raise CommandError(str(error)) from error
        if source.kind is Kind.FILE and not Path(source.text).exists():
            self.note(f"There is no file {source.shown} on this machine yet; the camera waits for it.")
        if options["json"]:
            self.print_json(
                {
                    "camera": camera.pk,
                    "name": camera.name,
                    "address": camera.address,
                    "latitude": camera.latitude,
                    "longitude": camera.longitude,
                    "loop": camera.loop,
                    "enabled": camera.enabled,
                }
            )
        else:
            state = "" if camera.enabled else ", not enabled"
            self.stdout.write(f"{camera.name} was added (camera {camera.pk}, {camera.address}{state}).")
