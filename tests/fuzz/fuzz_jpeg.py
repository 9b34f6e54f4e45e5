"""Fuzz target `jpeg`: its decoder, including libjpeg."""

from __future__ import annotations

from harness import CodecTarget, main

if __name__ == "__main__":
    main(lambda: CodecTarget("jpeg", "rankcast.codec.jpeg:JpegDecoder"))
