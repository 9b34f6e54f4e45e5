"""`rankcast compare`."""

from rankcast.commands.compare.command import compare

__all__ = [
    "compare",
]
