"""EXIF orientation: read from an EXIF block and undone in the pixels."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from rankcast.frame import Pixels

UPRIGHT: Final = 1

_ORIENTATION_TAG: Final = 0x0112
_SHORT: Final = 3
_ENTRY_BYTES: Final = 12


def exif_orientation(exif: bytes) -> int:
    r"""Return the orientation in an EXIF block, 1 to 8.

    Parameters
    ----------
    exif : bytes
        A TIFF structure (CIPA DC-008, 4.5.2), without the ``Exif\0\0`` of JPEG in front.

    Returns
    -------
    int
        1, upright, if the block contains no orientation or is damaged.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return UPRIGHT
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, start)
        for index in range(entries):
            at = start + 2 + index * _ENTRY_BYTES
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, at)
            if tag == _ORIENTATION_TAG and kind == _SHORT:
                return int(value)
    except struct.error:
        return UPRIGHT
    return UPRIGHT


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Rotate and mirror `pixels` so that the scene is upright.

    Like other readers, leave the pixels unchanged for values outside 2 to 8.
    """
    match orientation:
        case 2:
            turned = pixels[:, ::-1]
        case 3:
            turned = pixels[::-1, ::-1]
        case 4:
            turned = pixels[::-1]
        case 5:
            turned = pixels.swapaxes(0, 1)
        case 6:
            turned = np.rot90(pixels, -1)
        case 7:
            turned = np.rot90(pixels, 2).swapaxes(0, 1)
        case 8:
            turned = np.rot90(pixels)
        case _:
            return pixels
    return np.ascontiguousarray(turned)
