"""The scene around the parts: moving belt, fixed machine frame, sensor bridge and lamp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.opencv import cv2
from rankcast_sender.sources.conveyor.part_canvas import Picture

FULL: Final = 257
"""Factor from 8-bit levels to the 16-bit scale on which scenes are composed."""
RAIL_SHARE: Final = 0.15
"""Height of the upper and of the lower rail in picture heights."""
BELT_COLOUR: Final = (0.98, 1.0, 0.90)
"""Blue, green and red of the rubber, times its brightness."""
_BAND_ROWS: Final = 16


@dataclass(frozen=True, slots=True)
class Overlay:
    """A fixed object in front of the belt."""

    x: int
    colour: NDArray[np.uint16]
    """(H, W, 3), full scale 65,535, multiplied by the opacity."""
    cover: NDArray[np.uint16]
    """(H, W), opacity 0 to 256."""


def rail_rows(height: int) -> int:
    """Rows of each rail in a picture of `height` rows."""
    return max(4, round(RAIL_SHARE * height))


def to_scene(picture: Picture) -> NDArray[np.uint16]:
    """Scale levels of 0 to 255 to 16 bits."""
    scene = np.empty(picture.shape, np.uint16)
    for rows in bands(len(picture)):
        levels = np.clip(picture[rows], 0, 255)
        levels *= FULL
        scene[rows] = np.rint(levels, out=levels)
    return scene


def bands(height: int) -> Iterator[slice]:
    """Split the rows of a picture into bands small enough for the processor's cache."""
    for top in range(0, height, _BAND_ROWS):
        yield slice(top, min(top + _BAND_ROWS, height))


def _stretched(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Picture:
    """Soft noise with about `cells` maxima in each direction, periodic in x."""
    height, width = shape
    rows, columns = min(cells[0], height), min(cells[1], width)
    coarse = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    tiled = np.concatenate([coarse, coarse, coarse], axis=1)
    wide = cv2.resize(tiled, (3 * width, height), interpolation=cv2.INTER_CUBIC)
    middle: Picture = wide[:, width : 2 * width]
    return middle


def draw_belt(height: int, length: int, scale: float, rng: np.random.Generator) -> Picture:
    """Draw one revolution of the belt: woven rubber with wear, dirt and a seam, periodic in x.

    Parameters
    ----------
    height, length : int
        Pixels across and along the belt.
    scale : float
        Picture height over 720: everything is drawn in proportion.
    rng : Generator
        Decides dirt and wear.

    Returns
    -------
    ndarray, shape (height, length), float32, 0 to 255
        Its colour is this times `BELT_COLOUR`.
    """
    y = np.arange(height, dtype=np.float32)[:, np.newaxis]
    x = np.arange(length, dtype=np.float32)[np.newaxis]
    # The weave repeats a whole number of times per revolution, about every 7 pixels at 720 lines.
    threads = 2 * np.pi * max(1, round(length / (7 * max(scale, 0.6)))) / length
    across, along = np.sin(y * threads), np.sin(x * threads)
    belt = np.empty((height, length), np.float32)
    for rows in bands(height):
        weave = along * across[rows] + 0.5 * np.sin((x + y[rows]) * threads)
        belt[rows] = 74 + 4.5 * weave.astype(np.float32)
        belt[rows] += 2.6 * rng.normal(0, 1, weave.shape).astype(np.float32)
    belt += 3.5 * _stretched(rng, (height, length), (6, 11))
    belt += 2.2 * _stretched(rng, (height, length), (max(2, round(height / 3)), 3))  # wear
    for _ in range(26):  # scuffs and crumbs
        cx, cy = int(rng.integers(length)), int(rng.integers(height))
        size = max(1, round(float(rng.uniform(1, 3.2)) * scale))
        level = float(rng.choice([46.0, 120.0]))
        if rng.random() < 0.5:
            end = (cx + round(float(rng.uniform(20, 70)) * scale), cy + round(6 * scale))
            cv2.line(belt, (cx, cy), end, float(belt[cy, cx]) + 12, size // 2 + 1, cv2.LINE_AA)
        else:
            cv2.circle(belt, (cx, cy), size, level, -1, cv2.LINE_AA)
    seam = length // 3
    for i in range(0, height, max(2, round(12 * scale))):  # the zigzag where the belt was joined
        step = max(2, round(12 * scale))
        points = [[seam, i], [seam + step, i + step // 2], [seam, i + step]]
        cv2.polylines(
            belt, [np.array(points, np.int32)], False, 48.0, max(1, round(2 * scale)), cv2.LINE_AA
        )
    return belt


def _rail(rows: int, width: int, rng: np.random.Generator) -> Picture:
    """Draw an aluminium profile: bands of light, two grooves, brushed along its length."""
    # Level across the profile, from its outer to its inner edge.
    stops = [0.0, 0.06, 0.10, 0.42, 0.46, 0.52, 0.56, 0.88, 0.93, 1.0]
    levels = [90, 190, 168, 148, 60, 52, 176, 140, 96, 40]
    profile = np.interp((np.arange(rows) + 0.5) / rows, stops, levels).astype(np.float32)
    streaks = cv2.blur(rng.normal(0, 1, (rows, width)).astype(np.float32), (61, 1)) * 7
    grey = profile[:, np.newaxis] * (1 + 0.035 * streaks)
    rail: Picture = grey[:, :, np.newaxis] * np.array([1.0, 0.99, 0.96], np.float32)
    return rail


def _drawable(picture: Picture) -> NDArray[np.uint8]:
    """Round to 8 bits, the only depth at which OpenCV draws text and smooth edges."""
    drawable = np.empty(picture.shape, np.uint8)
    for rows in bands(len(picture)):
        levels = np.clip(picture[rows], 0, 255)
        drawable[rows] = np.rint(levels, out=levels)
    return drawable


def _dithered(picture: NDArray[np.uint8], rng: np.random.Generator) -> Picture:
    """Turn 8-bit levels into floats, with dither that hides their steps at 16 bits."""
    dithered = np.empty(picture.shape, np.float32)
    for rows in bands(len(picture)):
        rng.random(dtype=np.float32, out=dithered[rows])
        dithered[rows] -= np.float32(0.5)
        dithered[rows] += picture[rows]
    return dithered


def _skip(rng: np.random.Generator, samples: int) -> None:
    """Skip float32 samples of the generator, two of which share one of its steps."""
    generator = rng.bit_generator
    assert isinstance(generator, np.random.PCG64)
    if samples and generator.state["has_uint32"]:  # the second half of a step is still kept
        rng.random(dtype=np.float32)
        samples -= 1
    generator.advance(samples // 2)
    if samples % 2:
        rng.random(dtype=np.float32)


def _bolt(picture: NDArray[np.uint8], x: int, y: int, radius: int) -> None:
    middle = (x, y)
    cv2.circle(picture, (x + radius // 4, y + radius // 3), radius, (46, 46, 48), -1, cv2.LINE_AA)
    cv2.circle(picture, middle, radius, (128, 130, 132), -1, cv2.LINE_AA)
    cv2.circle(
        picture,
        (x - radius // 6, y - radius // 6),
        radius * 4 // 5,
        (186, 188, 190),
        -1,
        cv2.LINE_AA,
    )
    turn = np.arange(6) * np.pi / 3 + 0.3
    corners = np.stack([x + radius * 0.45 * np.cos(turn), y + radius * 0.45 * np.sin(turn)], 1)
    cv2.fillPoly(picture, [np.rint(corners).astype(np.int32)], (44, 44, 46), cv2.LINE_AA)


def draw_machine(height: int, width: int, rng: np.random.Generator) -> Picture:
    """Draw the machine frame: rails with bolts, warning stripes, a label; the belt is black.

    Returns
    -------
    ndarray, shape (height, width, 3), float32, 0 to 255
    """
    rows, scale = rail_rows(height), height / 720
    picture = np.zeros((height, width, 3), np.float32)
    picture[:rows] = _rail(rows, width, rng)
    picture[height - rows :] = _rail(rows, width, rng)[::-1]
    # Warning stripes along the outer edge of the lower rail.
    band = max(2, round(rows * 0.30))
    y, x = np.mgrid[:band, :width]
    yellow = ((x + y) // max(2, band) % 2 == 0)[:, :, np.newaxis]
    colours = np.where(yellow, np.array([24, 190, 232]), np.array([30, 30, 32])).astype(np.float32)
    picture[height - band :] = colours * (1 + 0.02 * rng.normal(0, 1, (band, width, 1)))
    # The rows between the rails, most of the picture, are left untouched.
    rails = (slice(0, rows), slice(height - rows, height))
    drawing = np.zeros(picture.shape, np.uint8)
    for rail in rails:
        drawing[rail] = _drawable(picture[rail])
    radius = max(1, round(rows * 0.13))
    pitch = max(8, round(rows * 2.1))
    for i, left in enumerate(range(pitch // 2, width, pitch)):
        if i % 2:
            _bolt(drawing, left, round(rows * 0.72), radius)
        _bolt(drawing, left, height - round(rows * 0.72), radius)
    # The type plate, on the upper rail at the right, clear of the frame mark.
    plate_width, plate_rows = round(210 * scale), round(rows * 0.46)
    left, top = width - round(1.25 * plate_width), round(rows * 0.20)
    if left > width // 2 and plate_rows >= 12:
        cv2.rectangle(
            drawing, (left, top), (left + plate_width, top + plate_rows), (92, 52, 18), -1
        )
        cv2.rectangle(
            drawing, (left, top), (left + plate_width, top + plate_rows), (214, 206, 196),
            max(1, round(scale)), cv2.LINE_AA,
        )  # fmt: skip
        size = plate_rows / 46
        origin = (left + round(plate_width * 0.06), top + round(plate_rows * 0.68))
        cv2.putText(
            drawing, "LINE 3  CAM A", origin, cv2.FONT_HERSHEY_SIMPLEX, size * 0.88,
            (238, 236, 232), max(1, round(size * 2)), cv2.LINE_AA,
        )  # fmt: skip
    picture[rails[0]] = _dithered(drawing[rails[0]], rng)
    _skip(rng, drawing[rows : height - rows].size)
    picture[rails[1]] = _dithered(drawing[rails[1]], rng)
    return picture


def draw_bridge(height: int, width: int, rng: np.random.Generator) -> Overlay:
    """Draw the sensor bridge across the belt, and its shadow on what passes below.

    Parameters
    ----------
    height, width : int
        Pixels across the belt and of the picture.
    rng : Generator
        Decides the texture.
    """
    beam, shadow = max(3, round(0.055 * width)), max(2, round(0.03 * width))
    left = round(0.70 * width)
    across = (np.arange(beam) + 0.5) / beam
    profile = np.interp(across, [0, 0.08, 0.14, 0.5, 0.86, 0.93, 1], [60, 150, 112, 96, 84, 60, 34])
    grey = profile.astype(np.float32)[np.newaxis] * np.ones((height, 1), np.float32)
    grey *= 1 + 0.02 * rng.normal(0, 1, (height, beam)).astype(np.float32)
    colour = np.zeros((height, beam + shadow, 3), np.float32)
    colour[:, :beam] = grey[:, :, np.newaxis] * np.array([1.12, 1.0, 0.90], np.float32)
    drawing = _drawable(colour)
    head = max(2, round(beam * 0.36))
    for share in (0.27, 0.73):  # two sensor heads with their lamps
        x, y = beam // 2, round(height * share)
        cv2.rectangle(drawing, (x - head, y - 2 * head), (x + head, y + 2 * head), (44, 42, 42), -1)
        cv2.rectangle(
            drawing, (x - head, y - 2 * head), (x + head, y + 2 * head), (122, 118, 116),
            max(1, beam // 40), cv2.LINE_AA,
        )  # fmt: skip
        cv2.circle(drawing, (x, y - head // 3), head * 3 // 5, (18, 18, 20), -1, cv2.LINE_AA)
        cv2.circle(drawing, (x, y - head // 3), head * 2 // 5, (86, 58, 40), -1, cv2.LINE_AA)
        cv2.circle(
            drawing, (x, y + head * 5 // 4), max(1, head // 5), (70, 220, 90), -1, cv2.LINE_AA
        )
    colour = _dithered(drawing, rng)
    cover = np.zeros((height, beam + shadow), np.float32)
    cover[:, :beam] = 1
    cover[:, beam:] = np.linspace(0.62, 0.0, shadow, dtype=np.float32)
    colour[:, beam:] = 0
    return Overlay(left, to_scene(colour), np.rint(cover * 256).astype(np.uint16))


def light_field(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Brightness of rows and columns; their product is the uneven light of the lamp."""
    y, x = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
    return 1.0 - 0.10 * (y + 0.15) ** 2, 1.0 - 0.16 * (x + 0.25) ** 2
