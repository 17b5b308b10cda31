"""Says whether a camera can still do its work: whether its view is black, covered, out of focus, or another one.

What is looked at is the mean of the last seconds of the motion gate's small grey pictures (`MotionGate.grey`), in which
people who walk by and noise fade. Edges are cells whose slope stands out from the noise, the steepest fifth at most.
What the camera usually sees is learned over minutes, while all is well:

- black: no edges, and dark.
- covered: of the edges that were learned hardly any is left, nor are the light and dark parts where they were.
- out of focus: fine detail is far weaker than it was beside coarse detail, or all of it is gone, and the light and dark
  parts of the picture are where they were.
- moved: there are edges, but they lie elsewhere, no better than by chance on the learned ones.

Each has to hold for some seconds before it is said, and to be gone for some before it is taken back. A moved camera's
new view is learned as its usual one after MOVE_SECONDS; then all is well again. By night a scene keeps the edges that
can be seen, so that darkness, a switched light and infra-red light are none of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cameras.live import View

HOLD_SECONDS = {View.BLACK: 10.0, View.COVERED: 10.0, View.DEFOCUSED: 15.0, View.MOVED: 15.0}
CLEAR_SECONDS = 5.0
MOVE_SECONDS = 120.0  # from when it is said that the camera was moved until the new view is the usual one
LEARN_SECONDS = 20.0  # before that, nothing can be missed yet
EVERY_SECONDS = 1.0
GAP_SECONDS = 30.0

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_MEAN_SECONDS = 2.0
_USUAL_SECONDS = 300.0
_DARK = 48.0  # a black picture has 16 in most streams, and noise
_EVEN = 3.0  # standard deviation of a picture that shows nothing
_SLOPE_LEAST = 2.5  # grey levels from cell to cell
_SLOPE_NOISE = 4.0  # times the noise
_EDGES_MOST = 0.2  # of all cells
_EDGES_LEAST = 0.01  # a view with fewer edges (a wall) can not be missed
_LEFT_LEAST = 0.15  # of the learned edges
_FIT_LEAST = 0.45  # 0 by chance, 1 all; people, dusk and infra-red light leave it above 0.9
_FINE_LEAST = 0.5  # of the learned share of fine detail
_ALIKE_LEAST = 0.8  # correlation of light and dark parts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """One picture's edges, light and dark parts, and detail. Arrays are (90, 160)."""

    edges: Mask
    parts: Floats
    fine: float  # of fine detail beside coarse
    mean: float
    spread: float


@dataclass(slots=True, kw_only=True, eq=False)
class _Usual:
    """What the camera usually sees; `edges` is how often each cell was one."""

    edges: Floats
    parts: Floats
    fine: float
    age: float = 0.0

    def learn(self, look: _Look, seconds: float) -> None:
        self.age += seconds
        # At first everything is new; later a view changes slowly.
        share = float(min(1.0, max(seconds / _USUAL_SECONDS, seconds / (self.age + seconds))))
        self.edges += np.float32(share) * (look.edges - self.edges)
        self.parts += np.float32(share) * (look.parts - self.parts)
        self.fine += share * (look.fine - self.fine)


class TamperWatch:
    """Watches one camera's view."""

    def __init__(self) -> None:
        self._mean: Floats | None = None
        self._last = self._since = 0.0
        self._before: Floats | None = None
        self._noise = 0.0
        self._usual: _Usual | None = None
        self._said = self._seen = View.CLEAR

    def look(self, grey: npt.NDArray[np.uint8], t: float) -> View:
        """What is to be said of the view at t (seconds that never jump back), from a (90, 160) uint8 picture."""
        passed = t - self._last
        if self._mean is not None and 0 <= passed < EVERY_SECONDS:
            return self._said
        picture = grey.astype(np.float32)
        if self._mean is None or self._before is None or not 0 <= passed < GAP_SECONDS:
            self._mean, self._before, self._last, self._since = picture.copy(), picture, t, t
            return self._said
        self._noise = _average(self._mean, picture, self._before, passed)
        self._before = picture
        self._last = t
        look = _look(self._mean, self._noise)
        self._judge(look, self._now(look), t, passed)
        return self._said

    def _now(self, look: _Look) -> View:
        dark = look.mean < _DARK and look.spread < _EVEN
        if dark and float(look.edges.mean()) < _EDGES_LEAST:
            return View.BLACK
        usual = self._usual
        if usual is None or usual.age < LEARN_SECONDS:
            return View.CLEAR
        learned = usual.edges > 0.4
        if float(learned.mean()) < _EDGES_LEAST:
            return View.CLEAR
        return _compared(look, usual, learned)

    def _judge(self, look: _Look, now: View, t: float, passed: float) -> None:
        if now is not self._seen:
            self._seen, self._since = now, t
        held = t - self._since
        if now is not self._said and held >= HOLD_SECONDS.get(now, CLEAR_SECONDS):
            self._said, self._since = now, t
        elif now is View.MOVED and self._said is View.MOVED and held >= MOVE_SECONDS:
            self._usual, self._said, self._seen = None, View.CLEAR, View.CLEAR
        if self._said is View.CLEAR and now is View.CLEAR:
            self._learn(look, passed)

    def _learn(self, look: _Look, passed: float) -> None:
        if self._usual is None:
            self._usual = _Usual(edges=look.edges.astype(np.float32), parts=look.parts.copy(), fine=look.fine)
        self._usual.learn(look, passed)


def _average(mean: Floats, picture: Floats, before: Floats, passed: float) -> float:
    """Takes the picture into the mean, in place; the standard deviation of the noise that the mean has left."""
    share = 1 - float(np.exp(-passed / _MEAN_SECONDS))
    mean += np.float32(share) * (picture - mean)
    # The median is of still parts, also where people walk; 0.95 = sqrt(2) * 0.67 makes it a standard deviation.
    noise = float(np.median(np.abs(picture - before)[::3, ::3])) / 0.95
    return float(noise * (share / (2 - share)) ** 0.5)


def _compared(look: _Look, usual: _Usual, learned: Mask) -> View:
    edges, left = float(look.edges.mean()), float(look.edges[learned].mean())
    alike = _correlation(look.parts, usual.parts) >= _ALIKE_LEAST
    if left < _LEFT_LEAST and edges < _EDGES_LEAST + 0.25 * float(learned.mean()):
        if alike:  # by night, what is far from the lamps goes under in the noise
            return View.DEFOCUSED if look.mean >= _DARK else View.CLEAR
        return View.COVERED
    if alike and look.fine < _FINE_LEAST * usual.fine:
        return View.DEFOCUSED
    return View.CLEAR if _fit(look.edges, learned) >= _FIT_LEAST else View.MOVED


def _look(mean: Floats, noise: float) -> _Look:
    smooth = cv2.GaussianBlur(mean, (0, 0), 1.0)
    coarse = cv2.GaussianBlur(mean, (0, 0), 4.0)
    slope = cv2.magnitude(cv2.Sobel(smooth, -1, 1, 0, scale=0.125), cv2.Sobel(smooth, -1, 0, 1, scale=0.125))
    steep = max(_SLOPE_LEAST, _SLOPE_NOISE * noise, float(np.quantile(slope[::2, ::2], 1 - _EDGES_MOST)))
    fine = max(0.0, float((mean - smooth).var()) - noise * noise) ** 0.5
    return _Look(
        edges=slope >= steep,
        parts=cv2.GaussianBlur(mean, (0, 0), 6.0).astype(np.float32, copy=False),
        fine=fine / max(1.0, float((smooth - coarse).std())),
        mean=float(mean.mean()),
        spread=float(smooth.std()),
    )


def _fit(edges: Mask, learned: Mask) -> float:
    """How many of the edges lie on learned ones, or beside: 1 all, 0 as many as would by chance."""
    around = cv2.dilate(learned.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    chance = float(around.mean())
    count = np.count_nonzero(edges)
    return (np.count_nonzero(edges & around) / count - chance) / max(0.05, 1 - chance) if count else 1.0


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 1.0
