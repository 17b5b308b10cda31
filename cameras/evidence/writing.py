"""Writes a package of evidence as it is sent: the pictures one by one, then the report, the facts and the sums.

Nothing of it is written to a disk, and of the pictures only one is in memory, beside a small copy of each for the
report. Before each picture it is asked whether whom it is about is still there; where they were deleted or corrected
the package ends without its list of contents, so that it does not open. How it ended is on record with the SHA-256 of
what was sent, also where the other side went away.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from channels.db import database_sync_to_async
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.services import record
from cameras.bundles import Bundle
from cameras.evidence.gathering import Cut, Item, Package, check, corrections, look
from cameras.models import Camera, Identity
from config.transactions import brief_transaction

_GONE = "The other side went away, or the server was stopped."
_README = """Where and when somebody was seen by Lynceus, exported as evidence.

report.html     to read and to print: who exported this and why, every sighting in order of time, what the words mean
sightings.json  the same facts for programs
shots/          the face as each camera saw it; other faces in the pictures were made unrecognisable
SHA256SUMS      sums of these files; check them with: sha256sum -c SHA256SUMS

The SHA-256 of the ZIP itself is in the audit trail of the site that exported it.
A similarity is neither a percentage nor a probability: two different people who look alike can reach it too.
"""


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What was written so far, and why it ended."""

    items: list[Item] = field(default_factory=list)
    is_over: bool = False
    why: str = _GONE


async def written(package: Package) -> AsyncIterator[bytes]:
    """The ZIP, piece by piece."""
    bundle, tally = Bundle(timezone.now()), _Tally()
    try:
        for number in range(1, len(package.sightings) + 1):
            await database_sync_to_async(_add_sighting)(package, bundle, tally, number)
            yield bundle.taken()
        await database_sync_to_async(_add_documents)(package, bundle, tally)
        yield bundle.closed()
        tally.is_over = True
    except Cut as cut:
        tally.why = str(cut)
    finally:
        await database_sync_to_async(_end)(package, bundle, tally)


def _add_sighting(package: Package, bundle: Bundle, tally: _Tally, number: int) -> None:
    before = next((item for item in reversed(tally.items) if not item.doubts), None)
    item, jpeg = look(package, number, before)
    tally.items.append(item)
    if jpeg is not None:
        bundle.add(item.shot, jpeg)


@brief_transaction()
def _add_documents(package: Package, bundle: Bundle, tally: _Tally) -> None:
    """The report and the facts, of sightings that are all theirs still."""
    check(package, package.sightings)
    facts, now = _about(package), timezone.now()
    report = {
        **facts,
        "items": tally.items,
        "corrections": corrections(package.identity),
        "packs": sorted({(item.pack, item.threshold) for item in tally.items if item.threshold is not None}),
        "now": now,
        "zone": settings.TIME_ZONE,
        "package": package,
    }
    bundle.add("report.html", render_to_string("cameras/evidence_report.html", report).encode())
    bundle.add("sightings.json", _json(package, str(facts["identity"]), tally, now))
    bundle.add("README.txt", _README.encode())


def _about(package: Package) -> dict[str, object]:
    identity = Identity.objects.select_related("person").get(pk=package.identity)
    names = Camera.objects.filter(pk__in=package.wanted.cameras).values_list("name", flat=True)
    return {"identity": identity, "camera_names": list(names)}


def _json(package: Package, name: str, tally: _Tally, now: datetime) -> bytes:
    wanted = package.wanted
    facts = {
        "exported": {
            "at": now.isoformat(),
            "by": package.actor.get_username(),
            "reason": wanted.reason,
            "case_number": wanted.case_number,
        },
        "identity": package.identity,
        "person": package.person,
        "name": name,
        "from": wanted.since.isoformat() if wanted.since else None,
        "to": wanted.until.isoformat() if wanted.until else None,
        "cameras": list(wanted.cameras),
        "doubted_too": wanted.doubted,
        "sightings": [item.facts for item in tally.items],
        "corrections": [
            {
                "at": row.at.isoformat(),
                "by": row.actor_name,
                "what": row.kind,
                "reason": row.reason,
                "identity": row.identity_id,
                "other": row.other_id,
                "undone_at": row.undone_at.isoformat() if row.undone_at else None,
                "undone_by": row.undone_by_name,
            }
            for row in corrections(package.identity)
        ],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False).encode()


def _end(package: Package, bundle: Bundle, tally: _Tally) -> None:
    """Puts on record what left."""
    record(
        actor=package.actor,
        verb="took evidence" if tally.is_over else "evidence was cut",
        target=package.target,
        sha256=bundle.sha256,
        bytes=bundle.size,
        sightings=len(tally.items),
        why="" if tally.is_over else tally.why,
    )
