"""The options with which commands say how a camera is watched, and what they set."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from cameras.models import Camera, Decoding, Transport
from cameras.values import DETECT_FPS, SENSITIVITY, CameraValues
from workers.management.base import decimal, whole

if TYPE_CHECKING:
    from argparse import _ActionsContainer

SOURCES = (
    "an rtsp://, rtsps://, http:// or https:// address (video, MJPEG, HLS or single pictures), a video file, a folder "
    "of pictures (with a / at its end), the number or device of a USB camera, or pattern:1280x720@25 for a test pattern"
)
FROM_STDIN = "- reads it from stdin, so that a password stays out of the shell's history"


def add_watching_options(parser: _ActionsContainer) -> None:
    """How the streams come, and how much is done with them."""
    parser.add_argument(
        "--detail",
        default="",
        metavar="SOURCE",
        help="a second, larger stream of the same view, from which small faces are recognised; - as for the first, "
        "on a line of its own",
    )
    parser.add_argument(
        "--transport",
        choices=Transport.values,
        default=Transport.TCP,
        help="how RTSP streams come (default: %(default)s)",
    )
    parser.add_argument(
        "--idle", action="store_true", help="decodes key pictures only, until something moves: saves most of the work"
    )
    parser.add_argument(
        "--detect-fps",
        type=decimal(*DETECT_FPS),
        metavar="N",
        help="how often a second faces are looked for at most (default: DETECT_FPS)",
    )
    parser.add_argument(
        "--sensitivity",
        type=whole(*SENSITIVITY),
        default=Camera._meta.get_field("sensitivity").default,
        metavar="N",
        help="how little motion is enough, 1 (much) to 10 (hardly any) (default: %(default)s)",
    )
    parser.add_argument(
        "--mask",
        action="append",
        type=polygon,
        default=[],
        metavar="X,Y…",
        help="ignores a part of the picture: corners from 0,0 (top left) to 1,1, such as '0,0 1,0 1,0.2 0,0.2'; "
        "may be given several times",
    )
    parser.add_argument(
        "--clips",
        action="store_true",
        help="attaches to each alert about somebody the moving picture from 10 s before to 10 s after, with the faces "
        "of others made unrecognisable",
    )


def watching_values(options: dict[str, Any]) -> CameraValues:
    """What these options set of a camera."""
    return {
        "detail": source_text(options["detail"]),
        "transport": options["transport"],
        "idle_decoding": Decoding.KEYFRAMES if options["idle"] else Decoding.ALL,
        "detect_fps": options["detect_fps"],
        "sensitivity": options["sensitivity"],
        "masks": options["mask"],
        "clips": options["clips"],
    }


def source_text(given: str) -> str:
    """The source as it was given, or the next line of stdin for -."""
    if given != "-":
        return given
    line = sys.stdin.readline()
    if not line.strip():
        raise CommandError("Nothing came on stdin. Write the source there, on a line of its own.")
    return line


def polygon(text: str) -> list[list[float]]:
    """The corners of a mask."""
    try:
        corners = [[float(value) for value in corner.split(",")] for corner in text.split()]
    except ValueError:
        corners = []
    if len(corners) < 3 or any(len(corner) != 2 for corner in corners):
        raise ArgumentTypeError(f"{text!r} is no mask; one looks like '0,0 1,0 1,0.2 0,0.2'")
    return corners
