"""Keys of the window: one table, which the help and the documentation are made from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Action(Enum):
    """What a key does."""

    QUIT = auto()
    PAUSE = auto()
    SNAPSHOT = auto()
    FULL_SCREEN = auto()
    SELECT = auto()
    ALONE = auto()
    BACK = auto()
    BETTER = auto()
    CHEAPER = auto()
    NARROWER = auto()
    WIDER = auto()
    LOWER = auto()
    HIGHER = auto()
    AUTO_LEVELS = auto()
    HELP = auto()


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A row of the table: keys that belong together."""

    label: str
    text: str
    keys: tuple[tuple[str, Action], ...] = ()
    """Keys as `KeyPress` names them; empty for the mouse."""


KEYS: Final = (
    KeyRow("q", "quit, as closing the window does", (("q", Action.QUIT),)),
    KeyRow("Space", "pause, and go on with the newest picture", (("Space", Action.PAUSE),)),
    KeyRow("s", "save what is shown as PNG, one file a camera", (("s", Action.SNAPSHOT),)),
    KeyRow("f", "full screen on or off", (("f", Action.FULL_SCREEN),)),
    KeyRow(
        "1 ... 9",
        "select a camera",
        tuple((str(digit), Action.SELECT) for digit in range(1, 10)),
    ),
    KeyRow("Enter", "show the selected camera alone, or all", (("Enter", Action.ALONE),)),
    KeyRow("Esc", "one step back: help, alone, selected, full screen", (("Esc", Action.BACK),)),
    KeyRow(
        "+  -",
        "quality of the camera at its sender, 5 up or down",
        # The same key without Shift, on most keyboards.
        (("+", Action.BETTER), ("=", Action.BETTER), ("-", Action.CHEAPER)),
    ),
    KeyRow(
        "[  ]",
        "levels: narrower or wider",
        (("[", Action.NARROWER), ("]", Action.WIDER)),
    ),
    KeyRow(
        ",  .",
        "levels: lower or higher",
        ((",", Action.LOWER), (".", Action.HIGHER)),
    ),
    KeyRow("a", "levels: automatic again", (("a", Action.AUTO_LEVELS),)),
    KeyRow("h  ?", "this list", (("h", Action.HELP), ("?", Action.HELP))),
    KeyRow("click", "select a camera; twice: show it alone, or all"),
    KeyRow("right drag", "levels: sideways as [ ], up and down as , ."),
)

ACTIONS: Final = {key: action for row in KEYS for key, action in row.keys}
"""What each key does."""
