"""Foreign text made fit for a terminal or a log."""

from __future__ import annotations


def printable(text: object) -> str:
    """`text` without what could move the cursor or break the line: names and tags are foreign."""
    return "".join(char if char.isprintable() else "?" for char in str(text))
