"""Text from peers, files and arguments, made safe for a terminal or a log."""

from __future__ import annotations


def printable(text: object) -> str:
    """Replace control characters, which could move the cursor or break the line, by ``?``."""
    return "".join(char if char.isprintable() else "?" for char in str(text))
