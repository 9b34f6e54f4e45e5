"""ProcessTable: the table ``[process]`` of a settings file, the same at both ends."""

from __future__ import annotations

from pydantic import Field

from rankcast.pool import MAX_THREADS
from rankcast.settings.schema import Table


class ProcessTable(Table):
    """``[process]``: resources of this process."""

    threads: int = Field(default=0, ge=0, le=MAX_THREADS)
    """Processors for kernels, BLAS and OpenCV; 0: all that this process may use."""
