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


def header(name: str, comment: str, *tables: str) -> str:
    """Return a header file."""
    guard = f"RK_{name.upper()}_H"
    return "\n".join(
        [f"/* {comment}\n * Written by scripts/make_core_tables.py. */", f"#ifndef {guard}",
         f"#define {guard}", "", '#include "base.h"', "", *tables, "#endif", ""]
    )  # fmt: skip


def cost_table() -> str:
    """Return cost_table.h: bits of a symbol by its probability in 4096ths."""
    costs = np.array([-np.log2((i + 0.5) / 4096) for i in range(4096)], np.float32)
    return header(
        "cost_table",
        "Cost in bits of a symbol of probability (i + 0.5) / 4096.",
        table("static const f32 COST_BITS[4096]", [f"{float(cost).hex()}f" for cost in costs]),
    )


TABLES: Final = {"cost_table.h": cost_table}

if __name__ == "__main__":
    for name, make in TABLES.items():
        (SOURCES / name).write_text(make())
