"""Parts that lie on the conveyor: drawn once at set-up, pasted into every frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.opencv import cv2

Picture = NDArray[np.float32]
"""(H, W, 3) BGR or (H, W), 0 to 255."""

# Drawn at no fewer pixels than these, so that small pictures are scaled down and not coarse, and
# at no more, so that set-up stays below a second at 4K.
_LEAST_SIDE, _MOST_SIDE = 128, 448
# Diameter of a part on its canvas; the rest is room for the shadow.
PART_SHARE: Final = 0.74
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
_LIGHT = (-0.62, -0.78)  # from the upper left, as the shadows fall

STEEL = (176, 174, 170)
ALUMINIUM = (206, 204, 200)
BRASS = (92, 168, 206)
BOARD = (72, 104, 24)
ORANGE = (36, 112, 226)
BLUE = (176, 96, 40)
DARK = (58, 54, 52)


@dataclass(frozen=True, slots=True)
class Sprite:
    """A part with its shadow, ready to be pasted."""

    colour: NDArray[np.uint16]
    """(S, S, 3), full scale 65,535, multiplied by the opacity."""
    cover: NDArray[np.uint16]
    """(S, S), opacity 0 to 256, shadow included."""
    defect: bool


def _unit(mask: NDArray[np.uint8]) -> Picture:
    return mask.astype(np.float32) / np.float32(255)


class Sheet:
    """Canvas of one part: albedo, opacity and height, in unit coordinates (radius 1)."""

    def __init__(self, side: int, rng: np.random.Generator, angle: float) -> None:
        self.side = side
        self.rng = rng
        self.radius = PART_SHARE * side / 2
        self._cos, self._sin = math.cos(angle), math.sin(angle)
        self.albedo: Picture = np.zeros((side, side, 3), np.float32)
        self.opacity: Picture = np.zeros((side, side), np.float32)
        self.height: Picture = np.zeros((side, side), np.float32)

    def points(self, points: list[tuple[float, float]]) -> NDArray[np.int32]:
        """Unit coordinates, turned by the part's angle, as OpenCV's fixed-point pixels."""
        xy = np.array(points, np.float64)
        turned = np.stack(
            [
                xy[:, 0] * self._cos - xy[:, 1] * self._sin,
                xy[:, 0] * self._sin + xy[:, 1] * self._cos,
            ],
            axis=1,
        )
        pixels = turned * self.radius + self.side / 2
        fixed: NDArray[np.int32] = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
        return fixed

    def polygon(self, points: list[tuple[float, float]]) -> Picture:
        """Mask of a polygon, 0 to 1, with smooth edges."""
        mask = np.zeros((self.side, self.side), np.uint8)
        cv2.fillPoly(mask, [self.points(points)], 255, cv2.LINE_AA, _SHIFT)
        return _unit(mask)

    def disc(self, x: float, y: float, radius: float) -> Picture:
        """Mask of a disc."""
        mask = np.zeros((self.side, self.side), np.uint8)
        (px, py), size = self.points([(x, y)])[0], round(radius * self.radius * (1 << _SHIFT))
        cv2.circle(mask, (int(px), int(py)), size, 255, -1, cv2.LINE_AA, _SHIFT)
        return _unit(mask)

    def box(self, x: float, y: float, width: float, height: float) -> Picture:
        """Mask of a rectangle around (x, y)."""
        w, h = width / 2, height / 2
        return self.polygon([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)])

    def line(self, points: list[tuple[float, float]], width: float) -> Picture:
        """Mask of a polyline."""
        mask = np.zeros((self.side, self.side), np.uint8)
        thick = max(1, round(width * self.radius))
        cv2.polylines(mask, [self.points(points)], False, 255, thick, cv2.LINE_AA, _SHIFT)
        return _unit(mask)

    def text(self, text: str, x: float, y: float, size: float) -> Picture:
        """Mask of text that begins at (x, y), turned with the part."""
        scale = size * self.radius / 22  # Hershey capitals are some 22 pixels high at scale 1
        flat = np.zeros((self.side, self.side), np.uint8)
        origin = (round(self.side / 2 + x * self.radius), round(self.side / 2 + y * self.radius))
        thick = max(1, round(scale * 1.8))
        cv2.putText(flat, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
        degrees = -math.degrees(math.atan2(self._sin, self._cos))
        turn = cv2.getRotationMatrix2D((self.side / 2, self.side / 2), degrees, 1.0)
        turned: NDArray[np.uint8] = cv2.warpAffine(flat, turn, (self.side, self.side))
        return _unit(turned)

    def body(self, mask: Picture, colour: tuple[int, int, int], height: float = 1.0) -> None:
        """Add material where `mask` is, raised by `height`."""
        self.paint(mask, colour)
        np.maximum(self.opacity, mask, out=self.opacity)
        self.height += mask * height

    def paint(
        self, mask: Picture, colour: tuple[int, int, int], strength: float = 1.0, raised: float = 0
    ) -> None:
        """Print `colour` on what is there; `raised` lifts or, below 0, engraves it."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            return
        # The rest of the canvas stays as it is: most masks are a few pixels wide.
        here = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        cover, albedo = (mask[here] * strength)[:, :, np.newaxis], self.albedo[here]
        albedo += cover * (np.array(colour, np.float32) - albedo)
        self.height[here] += mask[here] * raised

    def cut(self, mask: Picture) -> None:
        """Cut a hole: the belt shows through."""
        self.opacity *= 1 - mask
        self.height *= 1 - mask

    def rings(self, strength: float) -> None:
        """Texture of a turned surface: concentric grooves and two bright fans of gloss."""
        y, x = np.mgrid[: self.side, : self.side].astype(np.float32) - (self.side - 1) / 2
        grooves = self.rng.normal(0, 1, self.side).astype(np.float32)
        radius = np.minimum(np.hypot(x, y), self.side - 1)
        fan = np.cos(2 * (np.arctan2(y, x) + 0.9)) ** 2
        gain = 1 + strength * (grooves[radius.astype(np.int64)] * 0.35 + fan * 1.6 - 0.8)
        self.albedo *= gain[:, :, np.newaxis]

    def brush(self, strength: float) -> None:
        """Texture of a brushed surface: streaks along the part's own x axis."""
        noise = self.rng.normal(0, 1, (self.side, self.side)).astype(np.float32)
        streaks = cv2.blur(noise, (max(3, self.side // 6), 1)) * math.sqrt(self.side / 6)
        degrees = -math.degrees(math.atan2(self._sin, self._cos))
        turn = cv2.getRotationMatrix2D((self.side / 2, self.side / 2), degrees, 1.0)
        turned = cv2.warpAffine(
            streaks, turn, (self.side, self.side), borderMode=cv2.BORDER_REFLECT
        )
        self.albedo *= (1 + strength * turned)[:, :, np.newaxis]

    def grain(self, strength: float) -> None:
        """Texture of moulded or lacquered material."""
        noise = self.rng.normal(0, 1, (self.side, self.side)).astype(np.float32)
        self.albedo *= (1 + strength * cv2.GaussianBlur(noise, (0, 0), 1.2) * 3)[:, :, np.newaxis]

    def sprite(self, side: int, defect: bool) -> Sprite:
        """Light the part from the upper left, add its shadow and scale it to `side` pixels."""
        soft = cv2.GaussianBlur(self.height, (0, 0), self.side / 110)
        slope = -_LIGHT[0] * cv2.Sobel(soft, -1, 1, 0) - _LIGHT[1] * cv2.Sobel(soft, -1, 0, 1)
        lit = self.albedo * (1 - 0.24 * slope)[:, :, np.newaxis]
        lit += np.clip(-slope - 0.9, 0, 1)[:, :, np.newaxis] * 90  # glint of the bevels
        move = np.array([[1, 0, self.side * 0.030], [0, 1, self.side * 0.038]], np.float32)
        shadow = cv2.GaussianBlur(
            cv2.warpAffine(self.opacity, move, (self.side, self.side)), (0, 0), self.side / 50
        )
        cover = np.maximum(self.opacity, 0.62 * shadow)
        colour = np.clip(lit, 0, 255) * self.opacity[:, :, np.newaxis]
        colour = cv2.resize(colour, (side, side), interpolation=cv2.INTER_AREA)
        cover = cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA)
        colour *= 257
        return Sprite(
            np.clip(colour, 0, 65535, out=colour).astype(np.uint16),
            np.rint(np.clip(cover, 0, 1) * 256).astype(np.uint16),
            defect,
        )


def _circle(x: float, y: float, radius: float, corners: int = 40) -> list[tuple[float, float]]:
    turn = 2 * math.pi / corners
    return [
        (x + radius * math.cos(i * turn), y + radius * math.sin(i * turn)) for i in range(corners)
    ]


def _gear(sheet: Sheet, damaged: bool) -> None:
    teeth = 18
    outline = []
    for i in range(teeth):
        if damaged and i in (4, 5):  # two teeth broken off
            outline += [(0.80, i - 0.5), (0.81, i + 0.5)]
            continue
        outline += [(0.82, i - 0.30), (1.0, i - 0.16), (1.0, i + 0.16), (0.82, i + 0.30)]
    turn = 2 * math.pi / teeth
    sheet.body(
        sheet.polygon([(r * math.cos(a * turn), r * math.sin(a * turn)) for r, a in outline]), STEEL
    )
    sheet.rings(0.16)
    sheet.paint(sheet.disc(0, 0, 0.66), (150, 148, 146), 0.5, raised=-0.5)
    sheet.paint(sheet.disc(0, 0, 0.40), STEEL, 0.6, raised=0.6)
    for i in range(5):
        angle = i * 2 * math.pi / 5
        sheet.cut(sheet.disc(0.53 * math.cos(angle), 0.53 * math.sin(angle), 0.085))
    sheet.cut(sheet.disc(0, 0, 0.20))
    sheet.cut(sheet.box(0.19, 0, 0.16, 0.12))


def _nut(sheet: Sheet, damaged: bool) -> None:
    sheet.body(sheet.polygon(_circle(0, 0, 0.94, 6)), BRASS)
    sheet.brush(0.06)
    sheet.paint(sheet.disc(0, 0, 0.78), (112, 186, 220), 0.6, raised=0.5)
    sheet.rings(0.10)
    sheet.paint(sheet.disc(0, 0, 0.52), (60, 110, 150), 0.7, raised=-0.4)
    sheet.cut(sheet.disc(0, 0, 0.42))
    if damaged:  # a corner crushed
        sheet.cut(sheet.disc(0.98, 0.06, 0.24))
        sheet.paint(sheet.disc(0.80, 0.06, 0.16), (40, 60, 80), 0.7, raised=-0.4)


def _board(sheet: Sheet, damaged: bool) -> None:
    sheet.body(sheet.box(0, 0, 1.64, 1.10), BOARD)
    sheet.grain(0.05)
    rng = sheet.rng
    for i in range(9):
        y = -0.46 + i * 0.115
        x0, x1 = rng.uniform(-0.76, -0.45), rng.uniform(0.0, 0.74)
        middle, step = rng.uniform(-0.3, 0.1), rng.choice([-0.08, 0.08])
        trace = [(x0, y), (middle, y), (middle + 0.08, y + step), (x1, y + step)]
        sheet.paint(sheet.line(trace, 0.025), (104, 150, 58), 0.9)
    for i in range(16):
        sheet.paint(sheet.box(-0.72 + i * 0.096, 0.48, 0.055, 0.09), BRASS)
    legs = [(-0.34 + i * 0.085, s * 0.285) for i in range(8) for s in (-1, 1)]
    if damaged:  # the large chip is missing: bare pads
        for x, y in legs:
            sheet.paint(sheet.box(x, y * 0.9, 0.045, 0.10), BRASS)
    else:
        for x, y in legs:
            sheet.paint(sheet.box(x, y, 0.045, 0.11), STEEL, raised=0.3)
        sheet.paint(sheet.box(-0.04, 0, 0.74, 0.46), (40, 38, 38), raised=0.9)
        sheet.paint(sheet.disc(-0.34, 0.16, 0.035), (90, 90, 90))
        sheet.paint(sheet.text("RC17", -0.28, 0.07, 0.15), (190, 190, 190), 0.8)
    for x, y, colour in ((0.55, -0.30, DARK), (0.55, -0.10, DARK), (0.55, 0.12, (150, 170, 190))):
        sheet.paint(sheet.box(x, y, 0.22, 0.11), (196, 196, 196), raised=0.2)
        sheet.paint(sheet.box(x, y, 0.13, 0.11), colour, raised=0.3)
    sheet.paint(sheet.disc(-0.60, -0.28, 0.13), (150, 152, 156), raised=0.9)
    sheet.paint(sheet.line([(-0.70, -0.28), (-0.50, -0.28)], 0.03), (90, 90, 92))
    for x, y in ((-0.74, -0.47), (0.74, -0.47), (-0.74, 0.35), (0.74, 0.35)):
        sheet.paint(sheet.disc(x, y, 0.07), BRASS)
        sheet.cut(sheet.disc(x, y, 0.045))


def _plate(sheet: Sheet, damaged: bool) -> None:
    corners = [(-0.62, -0.44), (0.62, -0.44), (0.62, 0.44), (-0.62, 0.44)]
    sheet.body(
        np.maximum.reduce(
            [sheet.disc(x, y, 0.16) for x, y in corners]
            + [sheet.box(0, 0, 1.24, 1.20), sheet.box(0, 0, 1.56, 0.88)]
        ),
        ALUMINIUM,
    )
    sheet.brush(0.05)
    for i, (x, y) in enumerate(corners):
        if damaged and i == 2:  # a bore forgotten
            continue
        sheet.paint(sheet.disc(x, y, 0.13), (150, 150, 150), 0.8, raised=-0.3)
        sheet.cut(sheet.disc(x, y, 0.085))
    sheet.paint(sheet.text("A17", -0.50, -0.04, 0.22), (70, 70, 72), 0.9, raised=-0.25)
    sheet.paint(sheet.text("20-41", -0.50, 0.20, 0.13), (80, 80, 82), 0.8, raised=-0.2)
    cells = sheet.rng.random((10, 10)) < 0.5  # a two-dimensional code with its two solid edges
    cells[:, 0] = cells[-1, :] = True
    for row, column in np.argwhere(cells):
        mask = sheet.box(0.19 + 0.04 * column, -0.18 + 0.04 * row, 0.042, 0.042)
        sheet.paint(mask, (52, 52, 54), 0.85)


def _cap(sheet: Sheet, damaged: bool) -> None:
    colour = ORANGE if sheet.rng.random() < 0.5 else BLUE
    turn = 2 * math.pi / 48
    ribs = [
        (
            (0.92 if i % 2 else 0.86) * math.cos(i * turn),
            (0.92 if i % 2 else 0.86) * math.sin(i * turn),
        )
        for i in range(48)
    ]
    sheet.body(sheet.polygon(ribs), colour)
    sheet.grain(0.02)
    sheet.paint(sheet.disc(0, 0, 0.70), tuple(min(255, c + 26) for c in colour), 0.8, raised=0.8)  # type: ignore[arg-type]
    sheet.paint(sheet.disc(0, 0, 0.50), colour, 0.6, raised=-0.4)
    for i in range(3):
        angle = i * 2 * math.pi / 3 + 0.4
        tip = (0.40 * math.cos(angle), 0.40 * math.sin(angle))
        sheet.paint(sheet.line([(0, 0), tip], 0.10), (235, 235, 235), 0.85, raised=0.3)
    gloss = cv2.GaussianBlur(sheet.disc(-0.25, -0.30, 0.22), (0, 0), sheet.side / 26)
    sheet.paint(gloss * sheet.opacity, (255, 255, 255), 0.45)
    if damaged:  # a stain and a short shot at the rim
        sheet.paint(cv2.GaussianBlur(sheet.disc(0.30, 0.32, 0.20), (0, 0), 2), (24, 30, 34), 0.75)
        sheet.cut(sheet.disc(0.93, -0.10, 0.17))


def _bracket(sheet: Sheet, damaged: bool) -> None:
    outline = [
        (-0.80, -0.72),
        (-0.36, -0.72),
        (-0.36, 0.24),
        (0.82, 0.24),
        (0.82, 0.68),
        (-0.80, 0.68),
    ]
    sheet.body(sheet.polygon(outline), (112, 100, 92))
    sheet.brush(0.05)
    sheet.paint(
        sheet.line([(-0.36, -0.72), (-0.36, 0.24), (0.82, 0.24)], 0.05), (160, 150, 144), 0.7
    )
    for x, y in ((-0.58, -0.48), (-0.58, 0.02), (0.16, 0.46), (0.60, 0.46)):
        sheet.paint(sheet.disc(x, y, 0.15), (150, 142, 136), 0.7, raised=-0.3)
        sheet.cut(sheet.disc(x, y, 0.10))
    sheet.paint(sheet.text("M8", -0.62, 0.56, 0.16), (214, 210, 206), 0.8)
    if damaged:  # scratches across the face
        for _ in range(4):
            x, y = sheet.rng.uniform(-0.7, 0.4), sheet.rng.uniform(0.26, 0.6)
            scratch = [(x, y), (x + 0.16, y - 0.05), (x + 0.34, y + 0.04)]
            sheet.paint(
                sheet.line(scratch, 0.012) * sheet.opacity, (236, 234, 232), 0.9, raised=-0.2
            )


KINDS: Final[tuple[Callable[[Sheet, bool], None], ...]] = (
    _gear, _nut, _board, _plate, _cap, _bracket,
)  # fmt: skip
ANGLES: Final = 3
"""Orientations of every good part; damaged ones come in one more."""


def draw_parts(
    side: int, rng: np.random.Generator
) -> tuple[tuple[Sprite, ...], tuple[Sprite, ...]]:
    """Draw all parts.

    Parameters
    ----------
    side : int
        Side of a sprite in pixels; the part takes `PART_SHARE` of it.
    rng : Generator
        Decides textures and orientations.

    Returns
    -------
    tuple of tuple of Sprite
        The good parts, `ANGLES` of every kind, and the damaged ones, one of every kind.
    """
    canvas = min(max(side, _LEAST_SIDE), _MOST_SIDE)
    good: list[Sprite] = []
    damaged: list[Sprite] = []
    for draw in KINDS:
        for turn in range(ANGLES + 1):
            sheet = Sheet(canvas, rng, float(rng.uniform(0, 2 * math.pi)))
            draw(sheet, turn == ANGLES)
            (damaged if turn == ANGLES else good).append(sheet.sprite(side, turn == ANGLES))
    return tuple(good), tuple(damaged)
