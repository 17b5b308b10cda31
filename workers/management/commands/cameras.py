"""`manage.py cameras`: what every camera does, as a table, and switching cameras on, off or starting them anew."""

from __future__ import annotations

import json
import shutil
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from cameras import live, services
from cameras.live import State, Status
from cameras.models import Camera

ACTIONS = ("list", "enable", "disable", "restart")
HEAD = ("ID", "NAME", "STATE", "SINCE", "WORKER", "FPS IN", "LOOKED AT", "DECODE MS", "LAG MS", "DROPS", "LAST ERROR")
_DONE = {"enable": "switched on", "disable": "switched off", "restart": "started anew"}
_CLEAR = "\x1b[H\x1b[2J"


class Command(BaseCommand):
    help = (
        "Lists what every camera does: state, worker, frames a second that come and that are looked at, time to decode "
        "one, delay from capture to decision, frames left out by reason, last error. `enable`, `disable` and `restart` "
        "change cameras, by NAME or ID."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", default="list", choices=ACTIONS, help="default: list")
        parser.add_argument("cameras", nargs="*", metavar="NAME|ID", help="which cameras; for `list` default: all")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")
        parser.add_argument(
            "--watch",
            nargs="?",
            type=float,
            const=2.0,
            metavar="SECONDS",
            help="show the list again and again, every 2 seconds or as often as said, until Ctrl-C",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = _chosen(options["cameras"])
        if options["action"] != "list":
            self._change(options["action"], chosen, named=bool(options["cameras"]))
            return
        pause = options["watch"]
        if pause is not None and pause <= 0:
            raise CommandError("--watch takes a number of seconds above 0.")
        while True:
            text = _as_json(chosen) if options["json"] else _as_table(chosen)
            self.stdout.write(f"{_CLEAR if pause and not options['json'] else ''}{text}")
            self.stdout.flush()
            if not pause:
                return
            try:
                time.sleep(pause)
            except KeyboardInterrupt:
                return

    def _change(self, action: str, cameras: QuerySet[Camera], *, named: bool) -> None:
        if not named:
            raise CommandError(f"Say which cameras: manage.py cameras {action} NAME|ID …")
        for camera in cameras:
            if action == "restart":
                services.restart_camera(actor=None, camera=camera)
            else:
                services.set_enabled(actor=None, camera=camera, enabled=action == "enable")
            off = " It is switched off; enable it to watch it." if action == "restart" and not camera.enabled else ""
            self.stdout.write(f"{camera.name}: {_DONE[action]}.{off}")


def _chosen(names: Sequence[str]) -> QuerySet[Camera]:
    """The cameras that are meant; all of them, by name, where none is named."""
    if not names:
        return Camera.objects.order_by("name")
    ids = []
    for name in names:
        camera = Camera.objects.filter(name=name).first()
        if camera is None and name.isascii() and name.isdigit():
            camera = Camera.objects.filter(pk=int(name[:18])).first()
        if camera is None:
            known = ", ".join(Camera.objects.order_by("name").values_list("name", flat=True)[:20]) or "none yet"
            raise CommandError(f"There is no camera {name!r}. Cameras: {known}. Nothing was changed.")
        ids.append(camera.pk)
    return Camera.objects.filter(pk__in=ids).order_by("name")


def _as_json(chosen: QuerySet[Camera]) -> str:
    cameras = list(chosen.all())
    found = live.statuses(cameras)
    return json.dumps([_facts(camera, found[camera.pk]) for camera in cameras], indent=2)


def _facts(camera: Camera, status: Status) -> dict[str, object]:
    return {
        "id": camera.pk,
        "name": camera.name,
        "enabled": camera.enabled,
        "address": camera.address,
        "state": status.state,
        "view": status.view,
        "since": _moment(status.since),
        "worker": status.worker,
        "fps_in": status.fps_in,
        "fps_processed": status.fps_processed,
        "decode_ms": status.decode_ms,
        "lag_ms": status.lag_ms,
        "width": status.width,
        "height": status.height,
        "frames_in": status.frames_in,
        "frames_processed": status.frames_processed,
        "drops": status.drops,
        "restarts": status.restarts,
        "last_error": status.last_error,
    }


def _as_table(chosen: QuerySet[Camera]) -> str:
    cameras = list(chosen.all())
    if not cameras:
        return "No cameras yet. Add one: manage.py add_camera NAME SOURCE"
    found = live.statuses(cameras)
    rows = [HEAD, *(_row(camera, found[camera.pk]) for camera in cameras)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    online = sum(status.state is State.ONLINE for status in found.values())
    wide = shutil.get_terminal_size((0, 0)).columns
    shown = [line if not wide or len(line) <= wide else f"{line[: wide - 1]}…" for line in lines]
    return "\n".join([*shown, "", f"{online} of {len(cameras)} online."])


def _row(camera: Camera, status: Status) -> tuple[str, ...]:
    runs = status.state in {State.ONLINE, State.OFFLINE, State.CONNECTING} and status.began > 0
    return (
        str(camera.pk),
        camera.name,
        status.label,
        _ago(status.since),
        status.worker.partition(":")[0],
        f"{status.fps_in:.1f}" if runs else "",
        f"{status.fps_processed:.1f}" if runs else "",
        f"{status.decode_ms:.1f}" if runs else "",
        f"{status.lag_ms:.0f}" if runs else "",
        ", ".join(f"{reason}: {count}" for reason, count in status.drops.items()),
        " ".join(status.last_error.split()),
    )


def _moment(since: float) -> str | None:
    return datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds") if since else None


def _ago(since: float) -> str:
    """How long a state has lasted, in the largest unit that tells it."""
    if not since:
        return ""
    seconds = max(0.0, time.time() - since)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
