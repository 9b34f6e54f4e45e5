"""Fuzz target `kmeans`: its decoder of palettes and index planes."""

from __future__ import annotations

from harness import CodecTarget, main

if __name__ == "__main__":
    main(lambda: CodecTarget("kmeans", "rankcast.codec.kmeans.decoder:KMeansDecoder"))
