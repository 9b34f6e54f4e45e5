"""A sheet of pictures with captions: the original and its reconstructions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.commands.plotting import DPI, MUTED, STYLE, save
from rankcast.frame import Pixels, channels_of, full_scale
from rankcast.opencv import cv2

PANEL_AREA: Final = 640 * 427
"""Pixels of one panel: a Kodak picture at 5/6 of its size. Nine panels fit a 1080p screen."""
MAX_PANEL_SIDE: Final = 900
MAX_SHEET_WIDTH: Final = 2760
MIN_PANEL_WIDTH: Final = 390
"""Width that a caption line needs, however narrow the picture is."""
MARGIN: Final = 32
GAP: Final = 24
HEADER: Final = 112
CAPTION: Final = 112
LINE: Final = 28
SHOWN_SIDE: Final = 1200
"""Longest side of a picture in an HTML page, so that pages of 12-megapixel pictures still open."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of the sheet."""

    pixels: Pixels
    heading: str
    lines: tuple[str, str]


def draw_gallery(path: Path, title: str, subtitle: str, panels: Sequence[Panel]) -> None:
    """Draw a sheet and write it as PNG.

    Parameters
    ----------
    path : Path
    title, subtitle : str
        Printable text, truncated to the width of the sheet.
    panels : sequence of Panel
        All of the same shape; the first is the original, whose value range scales them all.

    Raises
    ------
    RankcastError
        If the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    first = panels[0].pixels
    width, height = _picture_size(first.shape[0], first.shape[1])
    cell_width = max(width, MIN_PANEL_WIDTH)
    columns = _columns(len(panels), cell_width, height)
    rows = math.ceil(len(panels) / columns)
    sheet_width = 2 * MARGIN + columns * cell_width + (columns - 1) * GAP
    sheet_height = HEADER + rows * (height + CAPTION) + MARGIN // 2
    low, high = _shown_range(first)

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(sheet_width / DPI, sheet_height / DPI), dpi=DPI)

        def write(x: float, y: float, words: str, size: float, **look: Any) -> None:
            # In pixels from the upper left corner, so that text cannot overlap.
            figure.text(
                x / sheet_width, 1 - y / sheet_height, words, fontsize=size, va="baseline", **look
            )

        wide = sheet_width - 2 * MARGIN
        write(MARGIN, 50, _fitting(title, wide, 24), 24, fontweight="bold")
        write(MARGIN, 84, _fitting(subtitle, wide, 14), 14, color=MUTED)
        for number, panel in enumerate(panels):
            row, column = divmod(number, columns)
            left = MARGIN + column * (cell_width + GAP)
            top = HEADER + row * (height + CAPTION)
            axes = figure.add_axes(
                (
                    left / sheet_width,
                    1 - (top + height) / sheet_height,
                    width / sheet_width,
                    height / sheet_height,
                )
            )
            axes.set_axis_off()
            shown = _resized(_displayable(panel.pixels, low, high), width, height)
            axes.imshow(
                shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto"
            )
            base = top + height + 30
            write(left, base, panel.heading, 17, fontweight="bold")
            write(left, base + LINE, panel.lines[0], 14)
            write(left, base + 2 * LINE - 2, panel.lines[1], 14, color=MUTED)
        save(figure, path)


def shown_png(pixels: Pixels, original: Pixels, most_side: int) -> bytes:
    """Return a picture as PNG for a page: 8 bits, scaled by the original, of limited size."""
    shown = _displayable(pixels, *_shown_range(original))
    scale = most_side / max(shown.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in shown.shape[:2])
        shown = _resized(shown, width, height)
    if shown.ndim == 3:
        shown = np.ascontiguousarray(shown[:, :, ::-1])
    done, data = cv2.imencode(".png", shown)
    assert done, f"PNG refused {shown.shape}"
    return bytes(data.tobytes())


def _picture_size(height: int, width: int) -> tuple[int, int]:
    """Return the size on the sheet, limited in area and side; enlarged only by whole factors."""
    scale = min(math.sqrt(PANEL_AREA / (height * width)), MAX_PANEL_SIDE / max(height, width))
    if scale > 1:
        scale = math.floor(scale)
    # An 8192 x 1 picture of a line camera still gets some height, and a tall one some width.
    return max(8, round(width * scale)), max(8, round(height * scale))


def _columns(count: int, width: int, height: int) -> int:
    """Return the number of columns for a sheet of about 16 : 10 with few empty cells."""
    most = max(1, min(count, (MAX_SHEET_WIDTH - 2 * MARGIN + GAP) // (width + GAP)))

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        aspect = columns * (width + GAP) / (HEADER + rows * (height + CAPTION))
        return abs(math.log(aspect / 1.6)) + 0.25 * (rows * columns - count)

    return min(range(1, most + 1), key=cost)


def _shown_range(pixels: Pixels) -> tuple[int, int]:
    """Return the values shown as black and white: full scale at 8 bits, used range at 16 bits."""
    if pixels.dtype == np.uint8:
        return 0, full_scale(pixels.dtype)
    low, high = (int(value) for value in np.percentile(pixels, (0.1, 99.9)))
    return low, max(high, low + 1)


def _displayable(pixels: Pixels, low: int, high: int) -> NDArray[np.uint8]:
    """Return 8-bit grey or RGB; of other channel counts only the first, as the subtitle says."""
    channels = channels_of(pixels.shape)
    if channels == 3:
        pixels = np.ascontiguousarray(pixels[:, :, ::-1])
    elif pixels.ndim == 3:
        pixels = pixels[:, :, 0]
    if (low, high) == (0, 255) and pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    scaled = (pixels.astype(np.float32) - low) * (255 / (high - low))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)


def _resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    # Averaging by area adds no moiré when shrinking; whole pixels keep the codec's artefacts when
    # enlarging.
    shrinks = width < image.shape[1] or height < image.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _fitting(words: str, width: int, size: float) -> str:
    # DejaVu Sans Bold advances 0.62 em on average in mixed text; a point is DPI / 72 pixels.
    most = max(8, int(width / (0.62 * size * DPI / 72)))
    return words if len(words) <= most else words[: most - 1] + "…"
