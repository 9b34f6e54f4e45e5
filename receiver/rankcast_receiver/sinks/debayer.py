"""Debayering: mosaics of a colour sensor become colour pictures, at the receiver."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, cast

from rankcast.frame import Frame, Pixels, channels_of
from rankcast.opencv import cv2

Debayer = Literal["edge-aware", "bilinear", "off"]

_CODES: Final = {
    "edge-aware": {
        "RGGB": cv2.COLOR_BayerRGGB2BGR_EA,
        "BGGR": cv2.COLOR_BayerBGGR2BGR_EA,
        "GRBG": cv2.COLOR_BayerGRBG2BGR_EA,
        "GBRG": cv2.COLOR_BayerGBRG2BGR_EA,
    },
    "bilinear": {
        "RGGB": cv2.COLOR_BayerRGGB2BGR,
        "BGGR": cv2.COLOR_BayerBGGR2BGR,
        "GRBG": cv2.COLOR_BayerGRBG2BGR,
        "GBRG": cv2.COLOR_BayerGBRG2BGR,
    },
}
_LEAST_SIDE: Final = 3
"""A colour is interpolated from neighbours on both sides."""


def debayered(frame: Frame, method: Debayer) -> Frame:
    """Return `frame` in colour if it is a mosaic, at the same depth; any other frame as it is.

    Parameters
    ----------
    frame : Frame
    method : str
        ``edge-aware`` interpolates along edges, ``bilinear`` takes half the time and leaves fringes
        of colour at edges, ``off`` keeps the mosaic.

    Returns
    -------
    Frame
        Pixels of shape (H, W, 3), BGR, and an empty `cfa`.
    """
    pixels = frame.pixels
    if method == "off" or not frame.cfa or channels_of(pixels.shape) != 1:
        return frame
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        return frame
    code = _CODES[method][frame.cfa]
    colour = cv2.cvtColor(pixels.reshape(height, width), code)
    return replace(frame, pixels=cast(Pixels, colour), cfa="", writable=False)
