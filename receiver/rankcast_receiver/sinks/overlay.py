"""Overlay: text over a picture, drawn in place; sizes follow the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.opencv import cv2

Colour = tuple[int, int, int]

_WHITE: Final = (255, 255, 255)
_RED: Final = (64, 64, 255)
_AMBER: Final = (0, 200, 255)
_SELECTED: Final = (255, 208, 64)
_MOST_RED_LINES: Final = 3
_MOST_NOTICE_LINES: Final = 6
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL: Final = 21
"""Height of a Hershey capital at size 1, in pixels."""
_LINE: Final = 36
"""Distance of two lines at size 1."""
_BANNER_SIZES: Final = (1.2, 3.0)
"""Least and largest size, relative to that of the other text."""
_EDGE: Final = 4
"""Pixels between the text and a border."""


@dataclass(frozen=True, slots=True)
class OverlayText:
    """The text over a picture."""

    lines: tuple[str, ...]
    """Lines of ASCII text, from top to bottom."""
    stale: str = ""
    """Warning in red, with a red border around the picture; empty while frames arrive."""
    banner: tuple[str, ...] = ()
    """A line in large letters below the others and a smaller one, with a border of that colour."""
    selected: bool = False
    """Draw the border of a selected camera."""


def text_size(width: int) -> float:
    """Return the size of text on a picture of this width, as OpenCV scales its font."""
    # At 0.5 small, but legible, on 640 pixels; larger again where pixels are tiny, from 2K on.
    return max(min(0.8, max(0.4, width / 1280)), width / 2400)


def draw_overlay(drawn: NDArray[np.uint8], text: OverlayText) -> None:
    """Draw `text` on `drawn`, shape (H, W, 3), BGR, which is modified."""
    height, width = drawn.shape[:2]
    size = text_size(width)
    step = round(_LINE * size)
    lines = [(part, _WHITE) for line in text.lines for part in _fitted(line, width, size)]
    lines += [(part, _RED) for part in _fitted(text.stale, width, size)[:_MOST_RED_LINES]]
    below = min(height, step * len(lines) + step // 2 + _EDGE)
    _darken(drawn[:below])
    for number, (line, colour) in enumerate(lines):
        origin = (step // 3 + _EDGE, step * (number + 1) - step // 6 + _EDGE)
        _put(drawn, line, origin, size, colour)
    if text.banner:
        _draw_banner(drawn[below:], text.banner)
        cv2.rectangle(drawn, (0, 0), (width - 1, height - 1), _AMBER, 3)
    if text.stale:
        cv2.rectangle(drawn, (0, 0), (width - 1, height - 1), _RED, 3)
    if text.selected:
        inset = 4 if text.stale or text.banner else 0
        corner = (width - 1 - inset, height - 1 - inset)
        cv2.rectangle(drawn, (inset, inset), corner, _SELECTED, 3)


def draw_notices(drawn: NDArray[np.uint8], notices: Sequence[str]) -> None:
    """Draw lines at the bottom of `drawn`, the newest last."""
    height, width = drawn.shape[:2]
    size = text_size(width)
    step = round(_LINE * size)
    lines = [part for notice in notices for part in _fitted(ascii_text(notice), width, size)]
    lines = lines[-_MOST_NOTICE_LINES:]
    top = max(0, height - step * len(lines) - step // 2)
    _darken(drawn[top:])
    for number, line in enumerate(lines):
        _put(drawn, line, (step // 3 + _EDGE, top + step * (number + 1) - step // 6), size, _AMBER)


def draw_table(drawn: NDArray[np.uint8], title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Draw a table of two columns in the middle of `drawn`, smaller where it must."""
    height, width = drawn.shape[:2]
    first = max(_width(label, 1.0) for label, _ in rows)
    second = max(_width(text, 1.0) for _, text in rows)
    wide, high = first + second + 3 * _LINE, (len(rows) + 2.5) * _LINE
    size = min(0.7 * max(1.0, width / 1920), 0.96 * width / wide, 0.96 * height / high)
    step, margin = _LINE * size, round(_LINE * size)
    left, top = round((width - wide * size) / 2), round((height - high * size) / 2)
    panel = drawn[max(0, top) : round(top + high * size), max(0, left) : width - left]
    panel //= 12
    _put(drawn, title, (left + margin, round(top + 1.2 * step)), size, _AMBER)
    for number, (label, text) in enumerate(rows):
        y = round(top + (number + 2.5) * step)
        _put(drawn, label, (left + margin, y), size, _AMBER)
        _put(drawn, text, (left + 2 * margin + round(first * size), y), size, _WHITE)


def ascii_text(text: str) -> str:
    """Return `text` with ? for characters that the font lacks."""
    return text.encode("ascii", "replace").decode()


def _draw_banner(drawn: NDArray[np.uint8], lines: Sequence[str]) -> None:
    """Draw the first line large and the others at half that size, in a dark box at the top.

    Not in the middle: whoever stops a picture wants to look at it.
    """
    height, width = drawn.shape[:2]
    widths = [_width(line, 0.5 if number else 1.0) for number, line in enumerate(lines)]
    rows = 1 + (len(lines) - 1) / 2
    least, most = (times * text_size(width) for times in _BANNER_SIZES)
    size = min(0.8 * width / max(widths), 0.25 * height / (rows * _LINE))
    size = min(max(size, least), most)
    step = _LINE * size
    box_wide, box_high = round(max(widths) * size + step), round(step * (rows + 0.3))
    left = max(0, (width - box_wide) // 2)
    _darken(drawn[:box_high, left : left + box_wide])
    y = 0.0
    for number, line in enumerate(lines):
        its_size = size / 2 if number else size
        y += step / 2 if number else step
        x = max(0, (width - round(widths[number] * size)) // 2)
        _put(drawn, line, (x, round(y)), its_size, _AMBER, max(1, round(its_size * 2.5)))


def _darken(part: NDArray[np.uint8]) -> None:
    """Make `part` dark enough for bright text, whatever the picture."""
    part //= 4


def _fitted(line: str, width: int, size: float) -> list[str]:
    """Break a line that would be cut off at the edge."""
    room = width - _LINE * size
    wanted = _width(line, size)
    if wanted <= room:
        return [line] if line else []
    # Narrow and wide letters are not spread evenly: leave some room.
    return wrap(line, max(8, int(0.92 * len(line) * room / wanted)))


def _width(line: str, size: float) -> float:
    # Exact at size 1; OpenCV returns whole pixels.
    return float(cv2.getTextSize(line, _FONT, 1.0, 1)[0][0]) * size


def _put(
    drawn: NDArray[np.uint8],
    line: str,
    origin: tuple[int, int],
    size: float,
    colour: Colour,
    thickness: int = 0,
) -> None:
    thick = thickness or 1 + (size > 0.6) + (size > 1.2)
    cv2.putText(drawn, line, origin, _FONT, size, colour, thick, cv2.LINE_AA)
