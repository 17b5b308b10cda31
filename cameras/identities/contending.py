"""Who a track of somebody unknown may be: what `linking` has to know of each identity that resembles it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from django.db import connection

from cameras.identities.linking import OTHERS, Contender, Span
from cameras.models import Sighting

MOST: Final = 5  # identities, the most similar ones

_NEAR = """
SELECT wanted.id, near.camera_id,
    extract(epoch FROM near.first_seen)::float8, extract(epoch FROM near.last_seen)::float8
FROM unnest(%(identities)s::bigint[]) AS wanted(id) CROSS JOIN LATERAL (
    (SELECT camera_id, first_seen, last_seen FROM cameras_sighting
     WHERE identity_id = wanted.id AND first_seen <= %(end)s AND id <> %(own)s AND NOT is_doubted
     ORDER BY first_seen DESC, id DESC LIMIT 3)
    UNION ALL
    (SELECT camera_id, first_seen, last_seen FROM cameras_sighting
     WHERE identity_id = wanted.id AND first_seen > %(end)s AND id <> %(own)s AND NOT is_doubted
     ORDER BY first_seen, id LIMIT 1)
) AS near
"""


def contenders(row: Sighting, best: Mapping[int, float], *, since: Callable[[float], int]) -> list[Contender]:
    """The identities by their best similarity to the sighting's face, most alike first. Doubted sightings do not count.

    `since`: how many tracks of unknown people began after a moment (seconds since 1970).
    """
    chosen = sorted(best, key=lambda identity: -best[identity])[:MOST]
    near, begins = _near(row, chosen), row.first_seen.timestamp()
    made = []
    for one in chosen:
        spans = near.get(one, ())
        last = max((span.last_seen for span in spans if span.first_seen <= begins), default=None)
        others = since(last) if last is not None else OTHERS
        made.append(Contender(identity=one, similarity=best[one], near=tuple(spans), others=others))
    return made


def _near(row: Sighting, identities: Sequence[int]) -> dict[int, list[Span]]:
    """The sightings of each identity that are nearest to this one in time."""
    found: dict[int, list[Span]] = {}
    if identities:
        with connection.cursor() as cursor:
            cursor.execute(_NEAR, {"identities": list(identities), "end": row.last_seen, "own": row.pk})
            for identity, camera, first, last in cursor.fetchall():
                found.setdefault(identity, []).append(Span(camera=camera, first_seen=first, last_seen=last))
    return found
