"""The newest pictures as JPEG, snapshots and MJPEG."""

from rankcast_receiver.web.pictures.jpeg_piece import JpegPiece
from rankcast_receiver.web.pictures.jpegs import Jpegs, shape_of
from rankcast_receiver.web.pictures.newest_pictures import NewestPictures, PictureSink

__all__ = [
    "JpegPiece",
    "Jpegs",
    "NewestPictures",
    "PictureSink",
    "shape_of",
]
