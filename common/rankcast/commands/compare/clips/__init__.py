"""`rankcast compare CLIP`."""

from rankcast.commands.compare.clips.clip import Clip, is_clip
from rankcast.commands.compare.clips.clip_coder import DEFAULT_CODERS, NAMES, parse_coders
from rankcast.commands.compare.clips.clip_report import report_clip

__all__ = [
    "DEFAULT_CODERS",
    "NAMES",
    "Clip",
    "is_clip",
    "parse_coders",
    "report_clip",
]
