"""Ways to spoil a picture of a face by a known amount, as cameras, networks and people do.

Each takes a (h, w, 3) uint8 BGR picture in which one face is known by its (5, 2) points, and an amount; it gives a new
picture. Shares are of the distance between the eyes, so that an amount means the same on every photo. All are
deterministic.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from recognition.engine import Image
from recognition.engine.types import Floats

Spoil = Callable[[Image, Floats, float], Image]


def eyes(points: Floats) -> float:
    """The distance between the eyes, in pixels."""
    return float(np.hypot(*(points[1] - points[0])))


def shrunk(image: Image, points: Floats, eye_px: float) -> Image:
    """As if taken from afar: so many pixels are between the eyes."""
    scale = min(1.0, eye_px / eyes(points))
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def enlarged(image: Image, points: Floats, eye_px: float) -> Image:
    """As `shrunk`, then scaled up again: many pixels, few of them real."""
    height, width = image.shape[:2]
    small = shrunk(image, points, eye_px)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def blurred(image: Image, points: Floats, share: float) -> Image:
    """Out of focus: a Gaussian of this share of the eyes' distance."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), share * eyes(points)), np.uint8)


def smeared(image: Image, points: Floats, share: float) -> Image:
    """Moving to the side during the exposure."""
    return np.asarray(cv2.blur(image, (max(1, round(share * eyes(points))), 1)), np.uint8)


def darkened(image: Image, points: Floats, gain: float) -> Image:
    """Too little light: less signal, and the noise of a sensor that does not become less with it."""
    return grainy((image.astype(np.float32) * gain).astype(np.uint8), points, 3.0)


def overexposed(image: Image, points: Floats, gain: float) -> Image:
    """Too much light: what is above white is lost."""
    return np.asarray(np.clip(image.astype(np.float32) * gain, 0, 255), np.uint8)


def faded(image: Image, points: Floats, contrast: float) -> Image:
    """Haze, a dirty lens: all shades move towards grey."""
    return (127 + (image.astype(np.float32) - 127) * contrast).astype(np.uint8)


def grainy(image: Image, points: Floats, deviation: float) -> Image:
    """Noise of a sensor, of this standard deviation in 0..255."""
    noise = np.random.default_rng(1).normal(0, deviation, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


def compressed(image: Image, points: Floats, quality: float) -> Image:
    """Stored as a JPEG of this quality."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    back = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert back is not None
    return np.asarray(back, np.uint8)


def cut_off(image: Image, points: Floats, share: float) -> Image:
    """At the picture's right edge: this share of the face's width (two eyes' distances) lies outside."""
    middle, width = float(points[:, 0].mean()), 2.2 * eyes(points)
    edge = max(1, round(middle + width / 2 - share * width))
    return np.ascontiguousarray(image[:, :edge])


def covered(image: Image, points: Floats, share: float) -> Image:
    """Something grey in front of the face, from the chin up to this share of its height."""
    height = 2.6 * eyes(points)
    middle = points.mean(axis=0)
    bottom = float(middle[1]) + height / 2
    copy = image.copy()
    left, right = int(max(0.0, middle[0] - height / 2)), int(middle[0] + height / 2)
    copy[int(max(0.0, bottom - share * height)) : int(max(0.0, bottom)), left:right] = (120, 125, 130)
    return copy


def rolled(image: Image, points: Floats, degrees: float) -> Image:
    """The head, or the camera, tilted to the side."""
    middle = points.mean(axis=0)
    turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), degrees, 1)
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def turned(image: Image, points: Floats, degrees: float) -> Image:
    """Turned to the side (yaw): the photo is laid on an ellipsoid that is turned and looked at again."""
    return _on_ellipsoid(image, points, degrees, 0.0)


def nodded(image: Image, points: Floats, degrees: float) -> Image:
    """Looking up (pitch > 0) or down, as `turned`."""
    return _on_ellipsoid(image, points, 0.0, degrees)


def _on_ellipsoid(image: Image, points: Floats, yaw: float, pitch: float) -> Image:
    """A head is near enough to an ellipsoid 2.9 eyes' distances wide and deep, 3.8 high, around the middle of the face.

    What the photo does not show (the side that turns into sight) is filled by the photo's nearest pixels.
    """
    apart = eyes(points)
    radii = np.array([1.45, 1.9, 1.45]) * apart
    middle = points.mean(axis=0)
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float64)
    x, y = (columns - middle[0]) / radii[0], (rows - middle[1]) / radii[1]
    away = x * x + y * y
    z = np.sqrt(np.clip(1 - away, 0, 1))
    # Turning the unit sphere's surface back to where the photo was taken from.
    a, b = np.radians(-yaw), np.radians(-pitch)
    y1, z1 = y * np.cos(b) - z * np.sin(b), y * np.sin(b) + z * np.cos(b)
    x2 = x * np.cos(a) + z1 * np.sin(a)
    z2 = -x * np.sin(a) + z1 * np.cos(a)
    hidden = z2 < 0.05
    length = np.maximum(np.hypot(x2, y1), 1e-6)
    x2, y1 = np.where(hidden, x2 / length, x2), np.where(hidden, y1 / length, y1)
    inside = away < 1
    map_x = np.where(inside, x2 * radii[0] + middle[0], columns).astype(np.float32)
    map_y = np.where(inside, y1 * radii[1] + middle[1], rows).astype(np.float32)
    return np.asarray(cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def as_from_a_camera(image: Image, points: Floats, amount: float, seed: int = 0) -> Image:
    """Several of these at once, by chance, as a camera at a corner of a ceiling gives them; amount from 0 to 1."""
    rng = np.random.default_rng(seed * 1000 + int(amount * 100))
    if rng.random() < 0.6:
        image = smeared(image, points, amount * rng.uniform(0.1, 0.5))
    if rng.random() < 0.6:
        image = blurred(image, points, amount * rng.uniform(0.02, 0.1))
    if rng.random() < 0.5:
        image = turned(image, points, amount * rng.uniform(-50, 50))
    elif rng.random() < 0.4:
        image = nodded(image, points, amount * rng.uniform(-30, 30))
    if rng.random() < 0.3:
        image = covered(image, points, amount * 0.4)
    if rng.random() < 0.3:
        image = darkened(image, points, 1 - amount * 0.7)
    elif rng.random() < 0.3:
        image = overexposed(image, points, 1 + amount * 1.2)
    image = shrunk(image, points, 30 - amount * rng.uniform(5, 22))
    if rng.random() < 0.5:
        image = grainy(image, points, amount * 25)
    return compressed(image, points, 90 - 70 * amount)


# From hardly to very much; what each amount means is said by the function.
LADDERS: dict[str, tuple[Spoil, tuple[float, ...]]] = {
    "as it is": (lambda image, points, amount: image, (0,)),
    "small": (shrunk, (40, 28, 20, 14, 10, 7, 5)),
    "small, enlarged": (enlarged, (28, 20, 14, 10, 7)),
    "out of focus": (blurred, (0.03, 0.06, 0.1, 0.15, 0.2)),
    "moving": (smeared, (0.15, 0.3, 0.5, 0.7)),
    "dark": (darkened, (0.4, 0.2, 0.1, 0.06)),
    "overexposed": (overexposed, (1.5, 2.2, 3.5, 6.0)),
    "faded": (faded, (0.5, 0.3, 0.15, 0.08)),
    "noise": (grainy, (10, 25, 45, 70)),
    "JPEG": (compressed, (40, 20, 10, 5)),
    "at the edge": (cut_off, (0.1, 0.25, 0.4, 0.5)),
    "covered": (covered, (0.15, 0.3, 0.4, 0.5)),
    "tilted": (rolled, (15, 30, 45)),
    "turned": (turned, (15, 30, 45, 60)),
    "nodded": (nodded, (-30, -15, 15, 30)),
}
