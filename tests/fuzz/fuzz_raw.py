"""Fuzz target `raw`: the decoder of `raw`, and the sinks with every decoded frame."""

from __future__ import annotations

from typing import Any

from harness import CodecTarget, main


class RawTarget(CodecTarget):
    """The codec by which every shape, depth and mosaic reaches the sinks."""

    def __init__(self) -> None:
        from rankcast_receiver.sinks import description, save, screen_picture

        super().__init__("raw", "rankcast.codec.raw:RawDecoder")
        self._description, self._save, self._screen = description, save, screen_picture

    def look_at(self, frame: Any) -> None:
        """Name and describe the frame, and convert it for a screen."""
        assert "/" not in self._save.file_name(frame, "png")
        assert self._description.describe(frame, lossy_file=False).isprintable()
        size = self._screen.fitted_size(frame, 64, 48)
        picture = self._screen.screen_picture(frame, size).pixels
        assert picture.shape == (size[1], size[0], 3)


if __name__ == "__main__":
    main(RawTarget)
