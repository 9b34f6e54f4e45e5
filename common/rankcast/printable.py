"""Text from peers, files and users, escaped before it reaches a terminal."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""Return `text` with every character that is not printable escaped: ESC becomes ``\x1b``."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in plain
    )
