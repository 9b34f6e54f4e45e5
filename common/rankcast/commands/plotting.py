"""matplotlib, from the extra `[plots]`: one look and one word where it is missing."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rankcast.errors import RankcastError
from rankcast.wholefile import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI: Final = 100
INK: Final = "#1a1a1a"
MUTED: Final = "#5f6368"
GRID: Final = "#e3e5e8"
STYLE: Final[Any] = {  # matplotlib types its keys as literals, no dict variable fits
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same picture everywhere
    "font.size": 12,
    "text.color": INK,
    "text.parse_math": False,  # a file name may hold a dollar sign
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.facecolor": "white",
    "legend.edgecolor": "white",
    "legend.framealpha": 0.9,
    "figure.facecolor": "white",
}


def require_matplotlib() -> None:
    """Import matplotlib now, before minutes of work that would end without a picture.

    Raises
    ------
    RankcastError
        If it is not installed.
    """
    try:
        import matplotlib as mpl

        # It tells the reader of the table about its font cache otherwise.
        logging.getLogger(mpl.__name__).setLevel(logging.WARNING)
    except ImportError as exc:
        raise RankcastError(
            "gallery and plot need matplotlib: pip install 'rankcast[plots]', "
            "or leave them out with --no-pictures"
        ) from exc


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all.

    Raises
    ------
    RankcastError
        If the disk does not take it.
    """
    buffer = io.BytesIO()
    # A sheet of photographs: zlib's default takes twice the time for a few per cent.
    figure.savefig(buffer, format="png", dpi=DPI, pil_kwargs={"compress_level": 3})
    write_whole(path, buffer.getvalue())
