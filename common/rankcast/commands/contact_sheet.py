"""The demo's picture: original, reconstruction and magnified error, one row per codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Pixels
from rankcast.opencv import cv2

PANEL_WIDTH: Final = 640
MARGIN: Final = 12
CAPTION: Final = 40
ERROR_GAIN: Final = 8
"""Magnification of the error, which is drawn around mid-grey."""
_BACKGROUND: Final = (250, 250, 250)
_INK: Final = (40, 40, 40)


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One codec on the sheet."""

    original: Pixels
    received: Pixels
    captions: tuple[str, str, str]
    """Captions of the original, the reconstruction and the error."""


def contact_sheet(rows: Sequence[SheetRow]) -> NDArray[np.uint8]:
    """Draw the sheet.

    Returns
    -------
    ndarray, shape (H, W, 3), uint8
        BGR.
    """
    return np.concatenate([_draw_row(row) for row in rows])


def _draw_row(row: SheetRow) -> NDArray[np.uint8]:
    original, received = _to_bgr8(row.original), _to_bgr8(row.received)
    difference = received.astype(np.int16) - original.astype(np.int16)
    error = np.clip(128 + ERROR_GAIN * difference, 0, 255).astype(np.uint8)
    height, width = original.shape[:2]
    size = (PANEL_WIDTH, max(1, round(height * PANEL_WIDTH / width)))
    sheet = np.full(
        (CAPTION + size[1] + MARGIN, 3 * (PANEL_WIDTH + MARGIN) + MARGIN, 3), _BACKGROUND, np.uint8
    )
    for index, (panel, caption) in enumerate(
        zip((original, received, error), row.captions, strict=True)
    ):
        left = MARGIN + index * (PANEL_WIDTH + MARGIN)
        # Average when reducing; keep whole pixels when enlarging.
        interpolation = cv2.INTER_AREA if width > PANEL_WIDTH else cv2.INTER_NEAREST
        sheet[CAPTION : CAPTION + size[1], left : left + PANEL_WIDTH] = cv2.resize(
            panel, size, interpolation=interpolation
        )
        cv2.putText(
            sheet, caption, (left, CAPTION - 13), cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1,
            cv2.LINE_AA,
        )  # fmt: skip
    return sheet


def _to_bgr8(pixels: Pixels) -> NDArray[np.uint8]:
    """Convert to 8 bits and 3 channels, for display only."""
    shown: NDArray[np.uint8]
    if pixels.dtype == np.uint16:
        # On a 16-bit scale a 12-bit picture would look black.
        peak = max(int(pixels.max()), 1)
        shown = (pixels.astype(np.float32) * (255.0 / peak)).astype(np.uint8)
    else:
        shown = pixels.astype(np.uint8, copy=False)
    if shown.ndim == 2:
        shown = shown[:, :, None]
    if shown.shape[2] < 3:
        shown = np.repeat(shown[:, :, :1], 3, axis=2)
    return np.ascontiguousarray(shown[:, :, :3])
