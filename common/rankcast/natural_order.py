"""Natural order of file names: ``img2`` comes before ``img10``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_DIGITS: Final = re.compile(r"(\d+)", re.ASCII)


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key under which ``img2`` comes before ``img10``."""
    parts = _DIGITS.split(str(path).casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], str(path)
