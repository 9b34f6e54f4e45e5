"""Canvas of one part, rendered as a lit sprite with its shadow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.opencv import cv2

Picture = NDArray[np.float32]
"""(H, W, 3) BGR or (H, W), 0 to 255."""

PART_SHARE: Final = 0.74
"""Diameter of a part on its canvas; the rest leaves room for the shadow."""
_SHIFT: Final = 4  # fractional bits of OpenCV's drawing coordinates
_LIGHT: Final = (-0.62, -0.78)  # from the upper left, as the shadows fall


@dataclass(frozen=True, slots=True)
class Sprite:
    """A part with its shadow, ready to be pasted into a frame."""

    colour: NDArray[np.uint16]
    """(S, S, 3), full scale 65,535, multiplied by the opacity."""
    cover: NDArray[np.uint16]
    """(S, S), opacity 0 to 256, shadow included."""
    defect: bool


def _unit(mask: NDArray[np.uint8]) -> Picture:
    return mask.astype(np.float32) / np.float32(255)


class PartCanvas:
    """Albedo, opacity and height of one part, in unit coordinates (radius 1).

    Parameters
    ----------
    side : int
        Pixels.
    rng : Generator
        Decides the texture.
    angle : float
        Rotation of the part, in radians.
    """

    def __init__(self, side: int, rng: np.random.Generator, angle: float) -> None:
        self.side = side
        self.rng = rng
        self.radius = PART_SHARE * side / 2
        self._cos, self._sin = math.cos(angle), math.sin(angle)
        self.albedo: Picture = np.zeros((side, side, 3), np.float32)
        self.opacity: Picture = np.zeros((side, side), np.float32)
        self.height: Picture = np.zeros((side, side), np.float32)

    def points(self, points: list[tuple[float, float]]) -> NDArray[np.int32]:
        """Turn unit coordinates by the part's angle into OpenCV's fixed-point pixels."""
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
        """Print `colour` on the part; `raised` lifts the surface or, below 0, engraves it."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            return
        # Most masks are a few pixels wide: leave the rest of the canvas alone.
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
