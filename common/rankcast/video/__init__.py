"""Video files: read by FFmpeg (PyAV) with their bit depth, colours, timestamps and damage."""

from rankcast.video.video_file import VIDEO_SUFFIXES, VideoFile, VideoFrame

__all__ = [
    "VIDEO_SUFFIXES",
    "VideoFile",
    "VideoFrame",
]
