"""Video files, read through FFmpeg (PyAV) with bit depth, colour, timestamps and damage."""

from rankcast.video.video_file import VIDEO_SUFFIXES, VideoFile, VideoFrame
from rankcast.video.video_writer import VideoWriter

__all__ = [
    "VIDEO_SUFFIXES",
    "VideoFile",
    "VideoFrame",
    "VideoWriter",
]
