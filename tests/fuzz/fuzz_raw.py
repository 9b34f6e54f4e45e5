"""Fuzz target `raw`: the decoder of `raw`, and the sinks with every decoded frame."""

from __future__ import annotations

from typing import Any

from harness import CodecTarget, main


class RawTarget(CodecTarget):
    """The codec by which every shape, depth and mosaic reaches the sinks."""

    def __init__(self) -> None:
        from rankcast_receiver.sinks import save, screen_picture

        super().__init__("raw", "rankcast.codec.raw:RawDecoder")
        self._screen, self._save = screen_picture, save

    def look_at(self, frame: Any) -> None:
        """Name and describe the frame, and convert it for a screen."""
        assert "/" not in self._save.file_name(frame, "png")
        assert self._save.describe(frame, lossy_file=False).isprintable()
        picture = self._screen.screen_picture(frame, (64, 48)).pixels
        assert picture.shape[2] == 3


if __name__ == "__main__":
    main(RawTarget)
