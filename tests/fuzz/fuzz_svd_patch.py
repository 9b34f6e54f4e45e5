"""Fuzz target `svd-patch`: its decoder, key and predicted frames in one sequence."""

from __future__ import annotations

from harness import CodecTarget, main

if __name__ == "__main__":
    main(lambda: CodecTarget("svd-patch", "rankcast.codec.svd_patch.decoder:SvdPatchDecoder"))
