"""Image files, and the mark that carries a frame number in its pixels."""

from rankcast.images.frame_mark import NUMBER_LIMIT, write_frame_mark
from rankcast.images.reader import (
    IMAGE_SUFFIXES,
    Damaged,
    LoadedImage,
    load_image,
    read_image,
)
from rankcast.images.text_tag import read_text
from rankcast.images.writer import WRITTEN_SUFFIXES, encode_image, write_image

__all__ = [
    "IMAGE_SUFFIXES",
    "NUMBER_LIMIT",
    "WRITTEN_SUFFIXES",
    "Damaged",
    "LoadedImage",
    "encode_image",
    "load_image",
    "read_image",
    "read_text",
    "write_frame_mark",
    "write_image",
]
