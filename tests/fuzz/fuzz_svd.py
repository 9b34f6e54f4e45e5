"""Fuzz target `svd`: its decoder in both forms of factors, and rANS."""

from __future__ import annotations

from harness import CodecTarget, main

if __name__ == "__main__":
    main(lambda: CodecTarget("svd", "rankcast.codec.svd.decoder:SvdDecoder"))
