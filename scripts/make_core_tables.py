"""Write the tables of the core that are results of a formula: `make core-tables`.

They are committed, so that every compiler sees the same bits; a test compares them to the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

SOURCES: Final = Path(__file__).resolve().parents[1] / "common" / "rankcast" / "core" / "src"
WIDTH: Final = 100


def table(declaration: str, values: Sequence[str]) -> str:
    """Return the definition of a constant array, in lines of at most 100 characters."""
    lines, line = [], "   "
    for value in values:
        if len(line) + len(value) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {value},"
    return "\n".join([f"{declaration} = {{", *lines, line, "};", ""])


def header(name: str, comment: str, *tables: str, base: str = "base.h") -> str:
    """Return a header file."""
    guard = f"RK_{name.upper()}_H"
    return "\n".join(
        [f"/* {comment}\n * Written by scripts/make_core_tables.py. */", f"#ifndef {guard}",
         f"#define {guard}", "", f'#include "{base}"', "", *tables, "#endif", ""]
    )  # fmt: skip


def cost_table() -> str:
    """Return cost_table.h: bits of a symbol by its probability in 4096ths."""
    costs = np.array([-np.log2((i + 0.5) / 4096) for i in range(4096)], np.float32)
    return header(
        "cost_table",
        "Cost in bits of a symbol of probability (i + 0.5) / 4096.",
        table("static const f32 COST_BITS[4096]", [f"{float(cost).hex()}f" for cost in costs]),
    )


STRIDE: Final = 18
"""Row length of the levels of svd-patch."""
LEVEL_CLASS: Final = (0, 1, 1, 2, 2, 2)
"""Of a position class: statistics of levels tell three apart."""
MAX_MAGNITUDE: Final = 256


def scan(side: int, class_ends: Sequence[int]) -> list[str]:
    """Return the places of a core by anti-diagonals, lowest frequency first."""
    order = sorted(
        ((y, x) for y in range(side) for x in range(side)),
        key=lambda yx: (yx[0] + yx[1], yx[0] if (yx[0] + yx[1]) % 2 else yx[1]),
    )
    classes = [int(np.searchsorted(class_ends, y + x)) for y, x in order]
    return [
        f"{{{y * STRIDE + x}, {y}, {x}, {kind}, {LEVEL_CLASS[kind]}}}"
        for (y, x), kind in zip(order, classes, strict=True)
    ]


def scan_tables() -> str:
    """Return scan_tables.h: scans of svd-patch with their classes, and classes of magnitudes."""
    ends = [0, 1, 2, 3, 4, 6, 8, 11, 15, 22, 31, 45, 63, 127, 255]
    magnitudes = [str(int(np.searchsorted(ends, total))) for total in range(MAX_MAGNITUDE + 1)]
    return header(
        "scan_tables",
        "Scans of svd-patch by anti-diagonals, lowest frequency first. Position classes are finer\n"
        " * for patches of 8; the spectrum of larger ones is denser.",
        "typedef struct {\n    u16 index; /* in an array of levels */\n"
        "    u8 y, x, position_class, level_class;\n} ScanPlace;\n",
        table("static const ScanPlace SCAN_8[64]", scan(8, [0, 1, 2, 4, 7])),
        table("static const ScanPlace SCAN_16[256]", scan(16, [0, 1, 3, 7, 13])),
        "/* By the sum of the levels to the right of and below a place, at most 256. */\n"
        f"enum {{ MAX_MAGNITUDE = {MAX_MAGNITUDE} }};",
        table(f"static const u8 MAGNITUDE_CLASS[{MAX_MAGNITUDE + 1}]", magnitudes),
        base="../base.h",
    )


TABLES: Final = {"cost_table.h": cost_table, "svd_patch/scan_tables.h": scan_tables}

if __name__ == "__main__":
    for name, make in TABLES.items():
        (SOURCES / name).write_text(make())
