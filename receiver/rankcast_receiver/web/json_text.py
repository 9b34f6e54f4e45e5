"""JSON as the web address writes it: integers that JavaScript cannot hold are decimal strings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

MOST_EXACT: Final = 2**53
"""Integers up to this one are exact in JavaScript."""


def json_text(value: Any) -> str:
    """Return `value` as JSON on one line."""
    return json.dumps(plain(value), allow_nan=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """Return `value` in what JSON has: bytes as hexadecimal text, no number that is none."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) > MOST_EXACT:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
