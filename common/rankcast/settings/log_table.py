"""LogTable: the table ``[log]`` of a settings file."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from rankcast.settings.schema import Table

LEAST_STATUS_INTERVAL_S: Final = 1.0
"""Shortest status interval, because the status is computed once a second."""
MAX_STATUS_INTERVAL_S: Final = 86_400.0
"""Longest status interval: a process that logs less than once a day looks dead."""


class LogTable(Table):
    """``[log]``: how often status is logged, and in which format."""

    status_interval_s: Annotated[
        float, Field(ge=LEAST_STATUS_INTERVAL_S, le=MAX_STATUS_INTERVAL_S)
    ] = 60.0
    """Seconds between two status lines while nothing changes."""
    format: Literal["text", "json"] = "text"
    """``json`` writes one object per line, for log collectors."""
