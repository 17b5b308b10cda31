"""What happens in the clips of the tracking and decision benchmarks: one function a kind of difficulty.

Every function takes names and a seed and gives the shots of one clip (benchmarks/walks.py), about 20 seconds long:
people far apart, crossing and turning back, behind pillars for up to two seconds, so fast that boxes do not overlap at
five frames a second, with cuts, and all of it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from benchmarks.walks import BACKGROUNDS, Pillar, Shot, Stop, Walk

LONGEST_HIDDEN = 2.0  # seconds
_OUT = 0.2  # so far outside the frame, as a share of its width, nothing of a person is left


def apart(names: Sequence[str], *, seed: int) -> list[Shot]:
    """Three people, each in a third of the view, who come nearer, go away and wander about."""
    random = np.random.default_rng(seed)
    walks = []
    for place, name in enumerate(_some(random, names, 3)):
        low, high = (place + 0.25) / 3, (place + 0.75) / 3
        stops = [
            Stop(t=t, x=random.uniform(low, high), y=random.uniform(0.25, 0.4), size=random.uniform(0.1, 0.2))
            for t in np.linspace(0, 20, 8)
        ]
        walks.append(Walk(person=name, stops=tuple(stops), seed=seed))
    return [Shot(seconds=20, walks=tuple(walks), background=_background(random), light=random.uniform(0.75, 1.1))]


def crossing(names: Sequence[str], *, seed: int) -> list[Shot]:
    """Pairs who meet at one height: some pass, some stop face before face and turn back."""
    random = np.random.default_rng(seed)
    pair = _some(random, names, 4)
    walks: list[Walk] = []
    for number, start in enumerate((0.0, 6.5, 13.0)):
        left, right = pair[2 * number % 4], pair[(2 * number + 1) % 4]
        height, middle = random.uniform(0.3, 0.45), random.uniform(0.4, 0.6)
        near = random.uniform(0.13, 0.2)
        turns_back = number == 1 or random.random() < 0.3
        for name, side in ((left, -1), (right, 1)):
            size = near * random.uniform(0.9, 1.1)
            y = height + random.uniform(-0.02, 0.02)
            walks.append(Walk(person=name, stops=_meeting(start, middle, side, y, size, turns_back), seed=seed))
    return [Shot(seconds=20, walks=tuple(walks), background=_background(random), light=random.uniform(0.75, 1.1))]


def hidden(names: Sequence[str], *, seed: int) -> list[Shot]:
    """Two pillars that hide people for up to two seconds; some wait there and come out where they went in."""
    random = np.random.default_rng(seed)
    pillars = (Pillar(left=0.28, right=0.28 + random.uniform(0.07, 0.11)), Pillar(left=0.62, right=0.74))
    walks: list[Walk] = []
    for number, name in enumerate(_some(random, names, 4)):
        start = number * 2.0
        from_left, size = number % 2 == 0, random.uniform(0.11, 0.19)
        y = random.uniform(0.3, 0.42)
        walks.append(Walk(person=name, stops=_behind(random, pillars, start, from_left, y, size), seed=seed))
    return [Shot(seconds=20, walks=tuple(walks), pillars=pillars, background=_background(random))]


def fast(names: Sequence[str], *, seed: int) -> list[Shot]:
    """People who cross the view in about two seconds, often two at a time: more than a face's width in 0.2 s."""
    random = np.random.default_rng(seed)
    walks = []
    for number in range(9):
        name = names[(seed + number) % len(names)]
        start, takes = number * 1.9 + random.uniform(0, 0.4), random.uniform(1.7, 2.6)
        ends = (-_OUT, 1 + _OUT) if random.random() < 0.5 else (1 + _OUT, -_OUT)
        y, size = (0.25, 0.12) if number % 2 else (0.5, 0.17)
        stops = tuple(
            Stop(t=start + share * takes, x=ends[0] + share * (ends[1] - ends[0]), y=y, size=size)
            for share in (0.0, 0.5, 1.0)
        )
        walks.append(Walk(person=name, stops=stops, seed=seed + number))
    return [Shot(seconds=20, walks=tuple(walks), background=_background(random), light=random.uniform(0.75, 1.1))]


def cuts(names: Sequence[str], *, seed: int) -> list[Shot]:
    """Five shots of the same people: after a cut they stand elsewhere, or where somebody else stood."""
    random = np.random.default_rng(seed)
    people = _some(random, names, 4)
    shots = []
    for number in range(5):
        seconds = float(random.uniform(3.0, 4.5))
        places = random.permutation([0.2, 0.5, 0.8])
        walks = []
        for place, name in zip(places, random.permutation(people)[:3], strict=True):
            drift, size = random.uniform(-0.06, 0.06), random.uniform(0.12, 0.2)
            stops = (
                Stop(t=0.0, x=place, y=0.35, size=size),
                Stop(t=seconds, x=place + drift, y=0.35, size=size * random.uniform(0.9, 1.2)),
            )
            walks.append(Walk(person=str(name), stops=stops, seed=seed + number))
        back = BACKGROUNDS[(seed + number) % len(BACKGROUNDS)]
        shots.append(Shot(seconds=seconds, walks=tuple(walks), background=back, light=random.uniform(0.8, 1.1)))
    return shots


def crowd(names: Sequence[str], *, seed: int) -> list[Shot]:
    """Six people who wander through each other's way and behind a pillar, near and far."""
    random = np.random.default_rng(seed)
    pillar = Pillar(left=0.45, right=0.45 + random.uniform(0.06, 0.09))
    walks = []
    for name in _some(random, names, 6):
        size, t, x = random.uniform(0.09, 0.19), random.uniform(0, 3), float(random.choice([-_OUT, 1 + _OUT]))
        stops = [Stop(t=t, x=x, y=random.uniform(0.26, 0.4), size=size)]
        while t < 17:
            x_next = float(random.uniform(0.05, 0.95)) if len(stops) < 4 else random.choice([-_OUT, 1 + _OUT])
            t += max(1.0, abs(x_next - x) / random.uniform(0.12, 0.25))
            x, size = x_next, float(np.clip(size * random.uniform(0.85, 1.2), 0.09, 0.2))
            stops.append(Stop(t=t, x=x, y=random.uniform(0.26, 0.4), size=size))
            if not 0 <= x <= 1:
                break
        walks.append(Walk(person=name, stops=tuple(stops), seed=seed))
    return [Shot(seconds=20, walks=tuple(walks), pillars=(pillar,), background=_background(random))]


STAGES: Mapping[str, Callable[..., list[Shot]]] = MappingProxyType(
    {"apart": apart, "crossing": crossing, "hidden": hidden, "fast": fast, "cuts": cuts, "crowd": crowd}
)


def _some(random: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    return [str(name) for name in random.permutation(list(names))[:count]]


def _background(random: np.random.Generator) -> str:
    return str(random.choice(BACKGROUNDS))


def _meeting(start: float, middle: float, side: int, y: float, size: float, turns_back: bool) -> tuple[Stop, ...]:
    """From the edge of a side to the middle of the view and on, or back; a pair overlaps by most of a face there."""
    edge, near = (-_OUT, middle - 0.015) if side < 0 else (1 + _OUT, middle + 0.015)
    ends = edge if turns_back else (1 + _OUT if side < 0 else -_OUT)
    waits = 0.6 if turns_back else 0.0
    stops = [
        Stop(t=start, x=edge, y=y, size=size),
        Stop(t=start + 3.0, x=near if turns_back else middle, y=y, size=size),
    ]
    if waits:
        stops.append(Stop(t=start + 3.0 + waits, x=near, y=y, size=size))
    return (*stops, Stop(t=start + 6.0 + waits, x=ends, y=y, size=size))


def _behind(
    random: np.random.Generator, pillars: Sequence[Pillar], start: float, from_left: bool, y: float, size: float
) -> tuple[Stop, ...]:
    """Across the view, with a stay behind each pillar; at the second pillar half of the people turn back."""
    edges = (-_OUT, 1 + _OUT) if from_left else (1 + _OUT, -_OUT)
    speed = random.uniform(0.16, 0.24)  # of the width a second
    turns_back = random.random() < 0.5
    t, x = start, edges[0]
    stops = [Stop(t=t, x=x, y=y, size=size)]
    for pillar in pillars if from_left else pillars[::-1]:
        middle = (pillar.left + pillar.right) / 2
        t += abs(middle - x) / speed
        x = middle
        stops.append(Stop(t=t, x=x, y=y, size=size))
        # A face is about half as wide, as a share of the frame's width, as it is high as one of its height.
        passing = (pillar.right - pillar.left + 0.2 * size) / speed
        wait = random.uniform(0.0, max(0.05, LONGEST_HIDDEN - passing - 0.3))
        t += max(wait, 0.05)
        stops.append(Stop(t=t, x=x, y=y, size=size))
    end = edges[1] if not turns_back else edges[0]
    return (*stops, Stop(t=t + abs(end - x) / speed, x=end, y=y, size=size))
