"""The parts on the conveyor: drawn once at set-up, pasted into every frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from rankcast.opencv import cv2
from rankcast_sender.sources.conveyor.part_canvas import PartCanvas, Sprite

# Small parts are drawn larger and scaled down for smooth edges; the upper limit keeps set-up
# below a second at 4K.
_LEAST_SIDE: Final = 128
_MOST_SIDE: Final = 448

_STEEL: Final = (176, 174, 170)
_ALUMINIUM: Final = (206, 204, 200)
_BRASS: Final = (92, 168, 206)
_BOARD: Final = (72, 104, 24)
_ORANGE: Final = (36, 112, 226)
_BLUE: Final = (176, 96, 40)
_DARK: Final = (58, 54, 52)


def _circle(x: float, y: float, radius: float, corners: int = 40) -> list[tuple[float, float]]:
    turn = 2 * math.pi / corners
    return [
        (x + radius * math.cos(i * turn), y + radius * math.sin(i * turn)) for i in range(corners)
    ]


def _gear(canvas: PartCanvas, damaged: bool) -> None:
    teeth = 18
    outline = []
    for i in range(teeth):
        if damaged and i in (4, 5):  # two teeth broken off
            outline += [(0.80, i - 0.5), (0.81, i + 0.5)]
            continue
        outline += [(0.82, i - 0.30), (1.0, i - 0.16), (1.0, i + 0.16), (0.82, i + 0.30)]
    turn = 2 * math.pi / teeth
    canvas.body(
        canvas.polygon([(r * math.cos(a * turn), r * math.sin(a * turn)) for r, a in outline]),
        _STEEL,
    )
    canvas.rings(0.16)
    canvas.paint(canvas.disc(0, 0, 0.66), (150, 148, 146), 0.5, raised=-0.5)
    canvas.paint(canvas.disc(0, 0, 0.40), _STEEL, 0.6, raised=0.6)
    for i in range(5):
        angle = i * 2 * math.pi / 5
        canvas.cut(canvas.disc(0.53 * math.cos(angle), 0.53 * math.sin(angle), 0.085))
    canvas.cut(canvas.disc(0, 0, 0.20))
    canvas.cut(canvas.box(0.19, 0, 0.16, 0.12))


def _nut(canvas: PartCanvas, damaged: bool) -> None:
    canvas.body(canvas.polygon(_circle(0, 0, 0.94, 6)), _BRASS)
    canvas.brush(0.06)
    canvas.paint(canvas.disc(0, 0, 0.78), (112, 186, 220), 0.6, raised=0.5)
    canvas.rings(0.10)
    canvas.paint(canvas.disc(0, 0, 0.52), (60, 110, 150), 0.7, raised=-0.4)
    canvas.cut(canvas.disc(0, 0, 0.42))
    if damaged:  # a corner crushed
        canvas.cut(canvas.disc(0.98, 0.06, 0.24))
        canvas.paint(canvas.disc(0.80, 0.06, 0.16), (40, 60, 80), 0.7, raised=-0.4)


def _board(canvas: PartCanvas, damaged: bool) -> None:
    canvas.body(canvas.box(0, 0, 1.64, 1.10), _BOARD)
    canvas.grain(0.05)
    rng = canvas.rng
    for i in range(9):
        y = -0.46 + i * 0.115
        x0, x1 = rng.uniform(-0.76, -0.45), rng.uniform(0.0, 0.74)
        middle, step = rng.uniform(-0.3, 0.1), rng.choice([-0.08, 0.08])
        trace = [(x0, y), (middle, y), (middle + 0.08, y + step), (x1, y + step)]
        canvas.paint(canvas.line(trace, 0.025), (104, 150, 58), 0.9)
    for i in range(16):
        canvas.paint(canvas.box(-0.72 + i * 0.096, 0.48, 0.055, 0.09), _BRASS)
    legs = [(-0.34 + i * 0.085, s * 0.285) for i in range(8) for s in (-1, 1)]
    if damaged:  # the large chip is missing: bare pads
        for x, y in legs:
            canvas.paint(canvas.box(x, y * 0.9, 0.045, 0.10), _BRASS)
    else:
        for x, y in legs:
            canvas.paint(canvas.box(x, y, 0.045, 0.11), _STEEL, raised=0.3)
        canvas.paint(canvas.box(-0.04, 0, 0.74, 0.46), (40, 38, 38), raised=0.9)
        canvas.paint(canvas.disc(-0.34, 0.16, 0.035), (90, 90, 90))
        canvas.paint(canvas.text("RC17", -0.28, 0.07, 0.15), (190, 190, 190), 0.8)
    for x, y, colour in ((0.55, -0.30, _DARK), (0.55, -0.10, _DARK), (0.55, 0.12, (150, 170, 190))):
        canvas.paint(canvas.box(x, y, 0.22, 0.11), (196, 196, 196), raised=0.2)
        canvas.paint(canvas.box(x, y, 0.13, 0.11), colour, raised=0.3)
    canvas.paint(canvas.disc(-0.60, -0.28, 0.13), (150, 152, 156), raised=0.9)
    canvas.paint(canvas.line([(-0.70, -0.28), (-0.50, -0.28)], 0.03), (90, 90, 92))
    for x, y in ((-0.74, -0.47), (0.74, -0.47), (-0.74, 0.35), (0.74, 0.35)):
        canvas.paint(canvas.disc(x, y, 0.07), _BRASS)
        canvas.cut(canvas.disc(x, y, 0.045))


def _plate(canvas: PartCanvas, damaged: bool) -> None:
    corners = [(-0.62, -0.44), (0.62, -0.44), (0.62, 0.44), (-0.62, 0.44)]
    canvas.body(
        np.maximum.reduce(
            [canvas.disc(x, y, 0.16) for x, y in corners]
            + [canvas.box(0, 0, 1.24, 1.20), canvas.box(0, 0, 1.56, 0.88)]
        ),
        _ALUMINIUM,
    )
    canvas.brush(0.05)
    for i, (x, y) in enumerate(corners):
        if damaged and i == 2:  # a bore forgotten
            continue
        canvas.paint(canvas.disc(x, y, 0.13), (150, 150, 150), 0.8, raised=-0.3)
        canvas.cut(canvas.disc(x, y, 0.085))
    canvas.paint(canvas.text("A17", -0.50, -0.04, 0.22), (70, 70, 72), 0.9, raised=-0.25)
    canvas.paint(canvas.text("20-41", -0.50, 0.20, 0.13), (80, 80, 82), 0.8, raised=-0.2)
    cells = canvas.rng.random((10, 10)) < 0.5  # a two-dimensional code with its two solid edges
    cells[:, 0] = cells[-1, :] = True
    for row, column in np.argwhere(cells):
        mask = canvas.box(0.19 + 0.04 * column, -0.18 + 0.04 * row, 0.042, 0.042)
        canvas.paint(mask, (52, 52, 54), 0.85)


def _cap(canvas: PartCanvas, damaged: bool) -> None:
    colour = _ORANGE if canvas.rng.random() < 0.5 else _BLUE
    turn = 2 * math.pi / 48
    ribs = [
        (
            (0.92 if i % 2 else 0.86) * math.cos(i * turn),
            (0.92 if i % 2 else 0.86) * math.sin(i * turn),
        )
        for i in range(48)
    ]
    canvas.body(canvas.polygon(ribs), colour)
    canvas.grain(0.02)
    canvas.paint(canvas.disc(0, 0, 0.70), tuple(min(255, c + 26) for c in colour), 0.8, raised=0.8)  # type: ignore[arg-type]
    canvas.paint(canvas.disc(0, 0, 0.50), colour, 0.6, raised=-0.4)
    for i in range(3):
        angle = i * 2 * math.pi / 3 + 0.4
        tip = (0.40 * math.cos(angle), 0.40 * math.sin(angle))
        canvas.paint(canvas.line([(0, 0), tip], 0.10), (235, 235, 235), 0.85, raised=0.3)
    gloss = cv2.GaussianBlur(canvas.disc(-0.25, -0.30, 0.22), (0, 0), canvas.side / 26)
    canvas.paint(gloss * canvas.opacity, (255, 255, 255), 0.45)
    if damaged:  # a stain and a short shot at the rim
        canvas.paint(cv2.GaussianBlur(canvas.disc(0.30, 0.32, 0.20), (0, 0), 2), (24, 30, 34), 0.75)
        canvas.cut(canvas.disc(0.93, -0.10, 0.17))


def _bracket(canvas: PartCanvas, damaged: bool) -> None:
    outline = [
        (-0.80, -0.72),
        (-0.36, -0.72),
        (-0.36, 0.24),
        (0.82, 0.24),
        (0.82, 0.68),
        (-0.80, 0.68),
    ]
    canvas.body(canvas.polygon(outline), (112, 100, 92))
    canvas.brush(0.05)
    canvas.paint(
        canvas.line([(-0.36, -0.72), (-0.36, 0.24), (0.82, 0.24)], 0.05), (160, 150, 144), 0.7
    )
    for x, y in ((-0.58, -0.48), (-0.58, 0.02), (0.16, 0.46), (0.60, 0.46)):
        canvas.paint(canvas.disc(x, y, 0.15), (150, 142, 136), 0.7, raised=-0.3)
        canvas.cut(canvas.disc(x, y, 0.10))
    canvas.paint(canvas.text("M8", -0.62, 0.56, 0.16), (214, 210, 206), 0.8)
    if damaged:  # scratches across the face
        for _ in range(4):
            x, y = canvas.rng.uniform(-0.7, 0.4), canvas.rng.uniform(0.26, 0.6)
            scratch = [(x, y), (x + 0.16, y - 0.05), (x + 0.34, y + 0.04)]
            canvas.paint(
                canvas.line(scratch, 0.012) * canvas.opacity, (236, 234, 232), 0.9, raised=-0.2
            )


_KINDS: Final[tuple[Callable[[PartCanvas, bool], None], ...]] = (
    _gear, _nut, _board, _plate, _cap, _bracket,
)  # fmt: skip
ANGLES: Final = 3
"""Orientations of every good part; each kind also has one damaged specimen."""


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
    canvas_side = min(max(side, _LEAST_SIDE), _MOST_SIDE)
    good: list[Sprite] = []
    damaged: list[Sprite] = []
    for draw in _KINDS:
        for turn in range(ANGLES + 1):
            canvas = PartCanvas(canvas_side, rng, float(rng.uniform(0, 2 * math.pi)))
            draw(canvas, turn == ANGLES)
            (damaged if turn == ANGLES else good).append(canvas.sprite(side, turn == ANGLES))
    return tuple(good), tuple(damaged)
