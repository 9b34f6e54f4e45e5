"""`rankcast compare CLIP`."""

from rankcast.commands.compare.clips.clip import Clip, is_clip
from rankcast.commands.compare.clips.clip_coder import DEFAULT_CODERS, NAMES, parse_coders
from rankcast.commands.compare.clips.clip_report import report_clip
from rankcast.commands.compare.clips.live_clip import clip_file, find_capture

__all__ = [
    "DEFAULT_CODERS",
    "NAMES",
    "Clip",
    "clip_file",
    "find_capture",
    "is_clip",
    "parse_coders",
    "report_clip",
]
