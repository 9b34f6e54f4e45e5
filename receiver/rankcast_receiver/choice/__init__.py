"""Which stream of a camera is received: the main one, a substream, or what the link carries."""

from rankcast_receiver.choice.link_judge import LinkJudge, Move
from rankcast_receiver.choice.stream_choice import (
    AUTO,
    ChoiceTotals,
    StreamChoice,
    check_choice,
    check_streams,
)

__all__ = [
    "AUTO",
    "ChoiceTotals",
    "LinkJudge",
    "Move",
    "StreamChoice",
    "check_choice",
    "check_streams",
]
