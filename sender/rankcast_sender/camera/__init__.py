"""State of one camera."""

from rankcast_sender.camera.codec_settings import CodecSettings
from rankcast_sender.camera.keyframe_budget import KeyframeBudget
from rankcast_sender.camera.newest_frame import NewestFrame
from rankcast_sender.camera.viewer_reports import ViewerReport, ViewerReports

__all__ = [
    "CodecSettings",
    "KeyframeBudget",
    "NewestFrame",
    "ViewerReport",
    "ViewerReports",
]
