"""Fuzz target `pca`: its decoder of rows, patches and, with a model, of whole pictures."""

from __future__ import annotations

from harness import MODELS, CodecTarget, main

if __name__ == "__main__":
    main(lambda: CodecTarget("pca", "rankcast.codec.pca.decoder:PcaDecoder", MODELS))
