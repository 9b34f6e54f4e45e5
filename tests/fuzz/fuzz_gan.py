"""Fuzz target `gan`: headers and coded symbols and, with torch, its networks.

Without torch the target reads the symbols of a packet with the model's statistics and leaves out
the networks. A hostile packet can only choose symbols, and the networks turn any symbols into a
picture.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from harness import MODELS, SEEDS, CodecTarget, main

EXPOSURE_BYTES = 8


class SymbolModel:
    """rankcast.models.gan.model.GanModel without its network."""

    labels = ("cam",)

    def __init__(self, model_id: bytes) -> None:
        from rankcast.codec.gan import symbols
        from rankcast.codec.gan.layout import channel_table
        from rankcast.models import read_model
        from rankcast.models.gan.architecture import BLOCK, architecture_from

        file = read_model(MODELS / "gan.rkm", "gan")
        architecture = architecture_from(file.head.description)
        self.model_id = model_id
        self._known = file.head.model_id == model_id
        self._symbols, self._block, self._channels = symbols, BLOCK, architecture.channels
        self._table = channel_table(architecture.luma, architecture.chroma)
        self._priors = file.arrays["priors"]

    def check_shape(self, shape: tuple[int, ...], _label: int) -> None:
        from rankcast.errors import UnknownModelError, UnsupportedImageError

        if not self._known:
            raise UnknownModelError("needs another model")
        if len(shape) == 3 and shape[2] not in (1, 3):
            raise UnsupportedImageError(f"got {shape[2]} channels, want 1 or 3 for codec gan")

    def decode(self, body: memoryview, shape: tuple[int, ...], _label: int, _step: float) -> Any:
        import numpy as np

        from rankcast.errors import PayloadError

        if len(body) < EXPOSURE_BYTES:
            raise PayloadError("no exposure")
        coder = self._symbols.coder_from(self._priors)
        rows, columns = (-(-side // self._block) for side in shape[:2])
        code = (rows, columns, self._channels)
        levels = self._symbols.decode_code(coder, body[EXPOSURE_BYTES:], code, self._table)
        assert levels.shape == code
        return np.full(shape, int(levels[0, 0, 0]) & 255, np.uint8)


class GanTarget(CodecTarget):
    """The decoder, with its networks or without."""

    def __init__(self) -> None:
        with_torch = importlib.util.find_spec("torch") is not None
        super().__init__("gan", "rankcast.codec.gan.halves:GanDecoder", MODELS)
        from rankcast.codec.gan.halves import GanDecoder, has_torch

        if with_torch:
            from rankcast.decoder import Decoder
            from support.intake import split_messages

            # Loading torch takes seconds, which must not count for the first input.
            assert has_torch()
            seed = (SEEDS / "gan" / "grey.seq").read_bytes()
            Decoder(models=MODELS).decode(split_messages(seed)[0].partition(b"\0")[2])
        else:
            GanDecoder._model_with = lambda _self, model_id: SymbolModel(model_id)


if __name__ == "__main__":
    main(GanTarget)
