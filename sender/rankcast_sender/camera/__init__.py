"""The state of one camera, shared by all threads of the sender."""

from rankcast_sender.camera.camera import Camera, MakeJoins, SenderFacts, StreamOptions, Tape
from rankcast_sender.camera.codec_settings import CodecChange, CodecSettings
from rankcast_sender.camera.keyframe_budget import KeyframeBudget
from rankcast_sender.camera.link_follower import LinkFollower
from rankcast_sender.camera.newest_frame import NewestFrame
from rankcast_sender.camera.source_state import STATES, FollowedSource, SourceState
from rankcast_sender.camera.stream_figures import SIZE_BOUNDS_BYTES
from rankcast_sender.camera.viewer_reports import ViewerReport, ViewerReports, ViewerTotal

__all__ = [
    "SIZE_BOUNDS_BYTES",
    "STATES",
    "Camera",
    "CodecChange",
    "CodecSettings",
    "FollowedSource",
    "KeyframeBudget",
    "LinkFollower",
    "MakeJoins",
    "NewestFrame",
    "SenderFacts",
    "SourceState",
    "StreamOptions",
    "Tape",
    "ViewerReport",
    "ViewerReports",
    "ViewerTotal",
]
