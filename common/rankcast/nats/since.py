"""Since: a time in the past from which on a viewer wants the frames."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rankcast.errors import SettingsError

_AGO: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Since:
    """Either a time, or how long ago."""

    ago_s: float = 0.0
    t_utc_ns: int | None = None

    def at_ns(self, now_ns: int) -> int:
        """Return the time in UTC, ns since 1970; `now_ns` is that of the server."""
        if self.t_utc_ns is not None:
            return self.t_utc_ns
        return max(0, now_ns - int(self.ago_s * 1e9))


def parse_since(text: str) -> Since:
    """Parse ``10m``, ``90s``, ``2h``, ``1d`` or ``2026-11-29T21:00:00Z``.

    Raises
    ------
    SettingsError
    """
    if match := _AGO.fullmatch(text):
        return Since(float(match[1]) * _SECONDS[match[2]])
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None and moment.year >= 1970:
            return Since(t_utc_ns=int(moment.timestamp() * 1e6) * 1000)
    except (ValueError, OverflowError):
        pass
    raise SettingsError(
        f"got since {text!r:.40}, want how long ago, such as 90s, 10m, 2h or 1d, or a time with a "
        "zone, such as 2026-11-29T21:00:00Z"
    )
