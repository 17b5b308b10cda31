"""The camera wall: one, four, nine or sixteen live pictures at once, in pages that turn by themselves where wanted.

What is shown stands in the address and is remembered in the user's session: an address that names a part of it changes
that part. No camera chosen means all that are switched on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.htmx import PageRequest, render_page
from accounts.ids import parse_id
from cameras.models import Camera
from cameras.tiles import tiles_of

SIZES = (1, 4, 9, 16)
TURNS = (0, 10, 30, 60)  # seconds; 0: pages do not turn
MOST_CHOSEN = 256
_RATES = {1: 10, 4: 5, 9: 3, 16: 2}  # pictures a second of each camera
_KEPT = "wall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a user wants to see on the wall."""

    size: int = 4
    cameras: tuple[int, ...] = ()
    turn: int = 0

    @classmethod
    def kept(cls, raw: object) -> Choice:
        """What a session remembers, or the usual where it remembers nothing that makes sense."""
        values: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
        size, turn, chosen = values.get("size"), values.get("turn"), values.get("cameras")
        usual = cls()
        return cls(
            size=size if size in SIZES else usual.size,
            turn=turn if turn in TURNS else usual.turn,
            cameras=tuple(each for each in chosen if isinstance(each, int)) if isinstance(chosen, list) else (),
        )

    def asked(self, query: QueryDict) -> Choice:
        """This choice with what an address changes of it. `chosen` says that the cameras are named, none included."""
        size, turn = parse_id(query.get("size")), parse_id(query.get("turn"))
        named = [parse_id(part) for text in query.getlist("camera") for part in text.split(",")]
        changed = replace(
            self,
            size=size if size in SIZES else self.size,
            turn=turn if turn in TURNS else self.turn,
        )
        if "camera" in query or "chosen" in query:
            chosen = tuple(dict.fromkeys(each for each in named if each is not None))[:MOST_CHOSEN]
            changed = replace(changed, cameras=chosen)
        return changed


@require_safe
@permission_required("cameras.view_camera", raise_exception=True)
def wall(request: PageRequest) -> HttpResponse:
    """The wall as the address asks for it, or as it was last."""
    before = Choice.kept(request.session.get(_KEPT))
    choice = before.asked(request.GET)
    if choice != before:
        request.session[_KEPT] = {**asdict(choice), "cameras": list(choice.cameras)}
    every = list(Camera.objects.order_by("-enabled", "name"))
    chosen = [row for row in every if row.pk in choice.cameras] if choice.cameras else [r for r in every if r.enabled]
    pages = max(1, -(-len(chosen) // choice.size))
    page = min(max(parse_id(request.GET.get("page")) or 1, 1), pages)
    context = {
        "choice": choice,
        "tiles": tiles_of(chosen[(page - 1) * choice.size : page * choice.size]),
        "every": every,
        "sizes": SIZES,
        "turns": TURNS[1:],
        "fps": _RATES[choice.size],
        "page": page,
        "pages": pages,
        "before": _page(page - 1 or pages),
        "next": _page(page % pages + 1),
    }
    return render_page(request, "cameras/wall.html", context, partial="wall")


def _page(number: int) -> str:
    return reverse("wall") + f"?page={number}"
