"""matplotlib, from the extra `[plots]`: one style, and one error if it is missing."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rankcast.atomic_file import os_reason, write_whole
from rankcast.errors import RankcastError, SettingsError

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DPI: Final = 100
INK: Final = "#1a1a1a"
MUTED: Final = "#5f6368"
GRID: Final = "#e3e5e8"
STYLE: Final[Any] = {  # matplotlib types the keys as literals, which no dict variable satisfies
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # shipped with matplotlib: the same picture everywhere
    "font.size": 12,
    "text.color": INK,
    "text.parse_math": False,  # a file name may contain a dollar sign
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
    """Import matplotlib before minutes of work rather than after.

    Raises
    ------
    RankcastError
        If it is not installed.
    SettingsError
        If one of its own settings keeps it from loading.
    """
    try:
        import matplotlib as mpl

        # At INFO it logs about its font cache in the middle of the table.
        logging.getLogger(mpl.__name__).setLevel(logging.WARNING)
    except ImportError as exc:
        raise RankcastError(
            f"the pictures need matplotlib ({exc}): pip install 'rankcast[plots]', "
            "or use --no-pictures"
        ) from exc
    except ValueError as exc:  # matplotlib lists all that it would accept after a semicolon
        raise SettingsError(
            f"matplotlib does not load: {os_reason(exc).partition(';')[0]}; check the environment "
            "variable MPLBACKEND and the file matplotlibrc, or use --no-pictures"
        ) from exc


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG atomically.

    Raises
    ------
    RankcastError
        If the file cannot be written.
    """
    buffer = io.BytesIO()
    # For photographs zlib's default level takes twice the time and saves a few per cent.
    figure.savefig(buffer, format="png", dpi=DPI, pil_kwargs={"compress_level": 3})
    write_whole(path, buffer.getvalue())


def label_decades(
    axis: Axis, limits: tuple[float, float], text: Callable[[float, object], str], most: float
) -> None:
    """Label a logarithmic axis at 1, 2 and 5 of each decade, or only at 1 beyond `most` decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = sorted(limits)
    steps = (1.0, 2.0, 5.0) if math.log10(high / low) < most else (1.0,)
    axis.set_major_locator(LogLocator(10, subs=steps))
    axis.set_major_formatter(FuncFormatter(text))
    axis.set_minor_formatter(NullFormatter())


def number_text(value: float, _: object = None) -> str:
    """Format ``0.05``, ``20,000``, ``5·10⁸`` for an axis tick."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.6g}"
    mantissa, power = f"{value:.5e}".split("e")
    shown = f"{float(mantissa):g}"
    ten = "10" + str(int(power)).translate(_RAISED)
    return ten if shown == "1" else f"{shown}·{ten}"


_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
