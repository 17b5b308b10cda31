"""The live stream of a camera: JPEG after JPEG in one answer that goes on (multipart/x-mixed-replace), for any <img>.

On demand: the worker encodes only while somebody looks, once for all who do (cameras/hub.py). A viewer whose line is
slow gets fewer pictures and no old ones (config/backpressure.py). Where no picture comes, a drawn one says why, and is
sent again every few seconds, so that a connection that died is noticed. Every part is followed at once by the boundary
of the next: browsers show a part when they see its end. The right to look is looked up again every RECHECK_SECONDS.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.contrib.auth.decorators import permission_required
from django.db import Error as DatabaseFailure
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import aget_object_or_404
from django.views.decorators.http import require_GET

from accounts.htmx import PageRequest
from accounts.standing import RECHECK_SECONDS, Close, standing
from cameras import live
from cameras.drawn import notice
from cameras.hub import LEAST_FPS, MOST_FPS, TooMany, hub
from cameras.models import Camera

FPS = 5.0
STALE_SECONDS = 4.0  # without a picture for so long, a drawn one says why
RETRY_SECONDS = 30
_BOUNDARY = "lynceus-next-picture"
_OPENING = f"--{_BOUNDARY}\r\n".encode()
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy that collects the answer first would show nothing
    "Cross-Origin-Resource-Policy": "same-origin",
}


@require_GET
@permission_required("cameras.view_camera", raise_exception=True)
async def stream(request: PageRequest, pk: int) -> HttpResponse | StreamingHttpResponse:
    """The live stream; `?fps=` says how many pictures a second are wanted, from 1 to 10."""
    user_id = int((await request.auser()).pk or 0)
    await aget_object_or_404(Camera, pk=pk)
    try:
        hub().check_room(user_id)
    except TooMany as error:
        return HttpResponse(
            str(error), status=503, content_type="text/plain", headers={"Retry-After": str(RETRY_SECONDS)}
        )
    pictures = parts(
        pk, fps=wanted_fps(request.GET.get("fps")), user_id=user_id, session_key=request.session.session_key
    )
    return StreamingHttpResponse(
        pictures, content_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}", headers=_HEADERS
    )


def wanted_fps(text: str | None) -> float:
    """The rate that an address asks for, within what is given; FPS where it says nothing that makes sense."""
    try:
        asked = float(text or FPS)
    except ValueError:
        return FPS
    return FPS if math.isnan(asked) else min(MOST_FPS, max(LEAST_FPS, asked))


async def parts(camera_id: int, *, fps: float, user_id: int, session_key: str | None) -> AsyncIterator[bytes]:
    """The answer's bytes: pictures and, without any, what is the matter. Ends with the camera or the right to look."""
    loop = asyncio.get_running_loop()
    try:
        async with hub().viewer(user_id) as viewer:
            viewer.want({camera_id: fps})
            yield _OPENING
            checked = 0.0
            while True:
                if loop.time() - checked >= RECHECK_SECONDS:
                    if not await _may_look(session_key):
                        return
                    checked = loop.time()
                found = await viewer.next(STALE_SECONDS)
                if found is not None:
                    yield _part(found[1].jpeg)
                    continue
                said = await _said(camera_id)
                yield _part(said.jpeg)
                if said.is_last:
                    return
    except TooMany as error:  # others were faster since the answer began
        yield _OPENING + _part(notice("Too many viewers", str(error)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notice:
    """What is shown instead of a picture, and whether nothing will follow it."""

    jpeg: bytes
    is_last: bool = False


async def _may_look(session_key: str | None) -> bool:
    """Whether the stream goes on; while the database is away nobody is sent off."""
    try:
        return not isinstance(await standing(session_key, "cameras.view_camera"), Close)
    except DatabaseFailure:
        return True


async def _said(camera_id: int) -> _Notice:
    try:
        said: _Notice = await database_sync_to_async(_situation)(camera_id)
    except DatabaseFailure:
        return _Notice(jpeg=notice("No picture", "The server has lost its database. The picture comes back by itself."))
    return said


def _situation(camera_id: int) -> _Notice:
    row = Camera.objects.filter(pk=camera_id).first()
    if row is None:
        return _Notice(jpeg=notice("No camera", "This camera was removed."), is_last=True)
    status = live.statuses([row])[camera_id]
    text = status.last_error
    if not text:
        text = "Pictures come again soon." if status.state is live.State.ONLINE else "The picture comes by itself."
    return _Notice(jpeg=notice(row.name, f"{status.label}. {text}"))


def _part(jpeg: bytes) -> bytes:
    """One picture, and the boundary of the next."""
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
    return head + jpeg + b"\r\n" + _OPENING
