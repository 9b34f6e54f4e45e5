"""Fuzz target `lossless`: its decoder and the range coder."""

from __future__ import annotations

from harness import CodecTarget, main

if __name__ == "__main__":
    main(lambda: CodecTarget("lossless", "rankcast.codec.lossless:LosslessDecoder"))
