"""Real footage, cut in two: the first half as one camera sees it and the second as another, linked as unknown people.

The clips are not part of the project (LYNCEUS_TEST_DATA names their folder). Whose each face is was told by looking at
them, by second and place in the picture.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from benchmarks.linked import Crowd, Outcome, link
from benchmarks.looked import Looked, look_at
from benchmarks.passes import Passed
from benchmarks.walks import Clip
from cameras.identities.linking import Limits, Span
from recognition.engine import Pack

_WALKING = 15.0  # seconds from one half to the other
_APART = 120.0  # from clip to clip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Somebody:
    """Who is seen until a second of the clip, where the middle of the face is left of a share of the width."""

    name: str
    until: float
    left_of: float = 1.0


_WHO = {
    "corridor_two_people.mp4": (
        _Somebody(name="two: left", until=60, left_of=0.5),
        _Somebody(name="two: right", until=60),
    ),
    "corridor_three_people.mp4": (
        _Somebody(name="three: left", until=60, left_of=0.35),
        _Somebody(name="three: middle", until=60, left_of=0.6),
        _Somebody(name="three: right", until=60),
    ),
    "stage_clip.mp4": (
        _Somebody(name="stage: musician", until=0.7, left_of=0.5),
        _Somebody(name="stage: singer", until=0.7),
        _Somebody(name="stage: musician", until=2.0),
        _Somebody(name="stage: singer", until=7.05),
        _Somebody(name="stage: first guest", until=60, left_of=0.2),
        _Somebody(name="stage: second guest", until=60, left_of=0.45),
        _Somebody(name="stage: third guest", until=60, left_of=0.6),
        _Somebody(name="stage: fourth guest", until=60),
    ),
}


def footage(folder: Path, pack: Pack, work: Path, limits: Limits) -> list[Outcome]:
    """What each track of the halves is taken for, one clip after the other; nothing is known of ways."""
    passed: list[Passed] = []
    spans: list[Span] = []
    start = 0.0
    for number, (name, people) in enumerate(_WHO.items()):
        if not (folder / name).is_file():
            continue
        looked = _looked(folder / name, pack, work)
        faces = [at for at, frame in enumerate(looked.frames) if len(frame.found)]
        middle = faces[len(faces) // 2]
        for half, frames in enumerate((looked.frames[:middle], looked.frames[middle:])):
            for one in _tracks(Looked(clip=looked.clip, frames=frames), people, pack, place=2 * number + half):
                moment = start + half * _WALKING
                passed.append(one)
                spans.append(Span(camera=one.place, first_seen=moment + one.began, last_seen=moment + one.ended))
        start += _APART
    order = sorted(range(len(spans)), key=lambda at: spans[at].last_seen)
    return link(Crowd.of(passed), [(at, spans[at]) for at in order], {}, limits) if passed else []


def _looked(path: Path, pack: Pack, work: Path) -> Looked:
    copied = work / path.name
    if not copied.is_file():
        shutil.copyfile(path, copied)
    with av.open(str(copied)) as container:
        stream = container.streams.video[0]
        fps, size = round(stream.average_rate or 25), (stream.width, stream.height)
    return look_at(Clip(path=copied, fps=fps, size=size, truth=()), pack)


def _tracks(looked: Looked, people: Sequence[_Somebody], pack: Pack, *, place: int) -> list[Passed]:
    from benchmarks.followed import follow, snapshot

    followed = follow(looked, snapshot(pack))
    whose: dict[int, Counter[str]] = {}
    for frame, said in zip(looked.frames, followed.frames, strict=True):
        for one in said:
            left, _, right, _ = frame.found.boxes[one.at].tolist()
            share = (left + right) / 2 / looked.clip.size[0]
            name = next(who.name for who in people if frame.t <= who.until and share <= who.left_of)
            whose.setdefault(one.number, Counter()).update([name])
    return [
        Passed(
            person=whose[track.number].most_common(1)[0][0],
            place=place,
            began=track.first_at,
            ended=track.last_at,
            mean=track.mean,
            other_photo=False,
        )
        for track in followed.closed
        if track.mean is not None and track.number in whose
    ]
