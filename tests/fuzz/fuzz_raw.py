"""Fuzz target `raw`: the decoder of `raw`, and what sinks do with any frame that passed."""

from __future__ import annotations

from typing import Any

from harness import CodecTarget, main


class RawTarget(CodecTarget):
    """`raw` brings every shape, depth and mosaic to the sinks."""

    def __init__(self) -> None:
        from rankcast_receiver.sinks import overlay, save

        super().__init__("raw", "rankcast.codec.raw:RawDecoder")
        self._overlay, self._save = overlay, save

    def look_at(self, frame: Any) -> None:
        """Name it, describe it and make it fit for a screen."""
        assert "/" not in self._save.file_name(frame, "png")
        assert self._save.describe(frame, lossy_file=False).isprintable()
        picture = self._overlay.screen_picture(frame, 64, 48)
        assert picture.shape[2] == 3


if __name__ == "__main__":
    main(RawTarget)
