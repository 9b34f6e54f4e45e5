"""The newest pictures as JPEG, snapshots and MJPEG."""

from rankcast_receiver.web.pictures.jpeg_piece import (
    PAGE_QUALITY,
    JpegPiece,
    encode_jpeg,
    jpeg_message,
    shape_of,
)
from rankcast_receiver.web.pictures.jpegs import Jpegs
from rankcast_receiver.web.pictures.mjpeg import BOUNDARY, MjpegStream
from rankcast_receiver.web.pictures.newest_pictures import NewestPictures, PictureSink
from rankcast_receiver.web.pictures.snapshot import FORMATS, Format, Snapshot, Snapshots

__all__ = [
    "BOUNDARY",
    "FORMATS",
    "PAGE_QUALITY",
    "Format",
    "JpegPiece",
    "Jpegs",
    "MjpegStream",
    "NewestPictures",
    "PictureSink",
    "Snapshot",
    "Snapshots",
    "encode_jpeg",
    "jpeg_message",
    "shape_of",
]
