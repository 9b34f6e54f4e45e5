"""The two halves of codec `gan`: what packets say, and which model they need."""

from __future__ import annotations

import logging
import math
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from rankcast.codec.gan.layout import LEAST_STEP, MOST_STEP
from rankcast.codec.protocol import Coded
from rankcast.errors import (
    PayloadError,
    RankcastError,
    SettingsError,
    UnknownCodecError,
    UnknownModelError,
    UnsupportedImageError,
)
from rankcast.frame import Frame, Pixels
from rankcast.models import ModelFolder
from rankcast.wire import Header, Limits

if TYPE_CHECKING:
    from rankcast.codec.gan.options import GanOptions
    from rankcast.models.gan.model import GanModel

log = logging.getLogger(__name__)

RETRY_S: Final = 1.0
"""Every frame asks for its model: a broken file is read again at most once a second."""
INSTALL: Final = "codec gan needs torch: pip install 'rankcast[gan]'"


@cache
def has_torch() -> bool:
    """Say whether torch can be imported; the first call takes seconds."""
    try:
        import rankcast.models.gan.model  # noqa: F401
    except ImportError as exc:
        if exc.name is None or not exc.name.startswith("torch"):
            raise
        return False
    return True


def missing_torch() -> str:
    """Say how to install torch; empty where it can be imported."""
    return "" if has_torch() else INSTALL


def load_said(file: Path) -> GanModel:
    """Load a model file and log it; torch must be installed."""
    from rankcast.models.gan.model import load_model

    log.info("loading model %s", file)
    return load_model(file)


class GanEncoder:
    """Codes grey and colour 8-bit frames; every one is a key frame.

    Raises
    ------
    SettingsError
        If torch is missing, or the model cannot be used or does not know the label.
    """

    def __init__(self, options: GanOptions) -> None:
        if not options.model:
            raise SettingsError("codec gan, model = '': want a .rkm file from `rankcast train gan`")
        if not has_torch():
            raise SettingsError(INSTALL)
        from rankcast.models.gan.model import load_model

        self.options = options
        try:
            self._model = load_model(Path(options.model))
        except SettingsError:
            raise
        except RankcastError as exc:  # a missing file is a wrong option
            raise SettingsError(f"codec gan, model: {exc}") from exc
        self._label = _label_index(self._model, options)
        self._model.try_out()

    def encode(self, frame: Frame, sequence: int) -> Coded:  # noqa: ARG002 - every frame is a key frame
        """Code one frame; see CodecEncoder."""
        pixels = frame.pixels
        if pixels.dtype != np.uint8:
            raise UnsupportedImageError(
                "got uint16, want 8-bit samples for codec gan: use svd-patch or raw"
            )
        self._model.check_shape(pixels.shape, self._label)
        step = float(self.options.step)
        body = self._model.encode(pixels, self._label, step)
        return Coded(body, params=(self._label, step), model_id=self._model.model_id)

    def request_keyframe(self) -> None:
        """Every frame is a key frame."""


def _label_index(model: GanModel, options: GanOptions) -> int:
    if not options.label and len(model.labels) == 1:
        return 0
    if options.label not in model.labels:
        raise SettingsError(
            f"codec gan, label = {options.label!r:.60}: want a label of the model: "
            f"{', '.join(model.labels)}"
        )
    return model.labels.index(options.label)


class GanDecoder:
    """Rebuilds pictures with the model that each packet names."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._models = ModelFolder()
        self._model: GanModel | None = None
        self._failure: tuple[bytes, float, str] | None = None

    def use_models(self, models: ModelFolder) -> None:
        """Look models up in `models` from now on."""
        self._models = models

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild one picture; see CodecDecoder.

        Raises
        ------
        UnknownCodecError
            If torch is missing.
        UnknownModelError
            If this installation does not have the model.
        PayloadError
            If params, shape or body are none that the model can have written.
        """
        shape, model_id = header.shape or (), header.model_id
        if len(header.params) != 2 or model_id is None or header.dtype_bytes != 1:
            raise PayloadError(
                f"got {len(header.params)} params of codec gan, {header.dtype} and model id "
                f"{model_id!r}; want 2, uint8 and an id"
            )
        label, step = header.params
        if not isinstance(step, float) or not math.isfinite(step):
            raise PayloadError(f"got step {step!r}, want a number")
        if not LEAST_STEP <= step <= MOST_STEP:
            raise PayloadError(f"got step {step}, want {LEAST_STEP} to {MOST_STEP}")
        model = self._model_with(model_id)
        if not isinstance(label, int) or not 0 <= label < len(model.labels):
            raise PayloadError(f"got label {label!r}, the model has {len(model.labels)}")
        try:
            model.check_shape(shape, label)
        except UnsupportedImageError as exc:
            raise PayloadError(str(exc)) from None
        return model.decode(body, shape, label, step)

    def _model_with(self, model_id: bytes) -> GanModel:
        if self._model is not None and self._model.model_id == model_id:
            return self._model
        if not has_torch():
            raise UnknownCodecError(f"got a packet of codec gan: {INSTALL}")
        from rankcast.models.gan.model import loaded_model

        model = loaded_model(model_id)
        if model is None:
            self._raise_again(model_id)
            try:
                model = self._models.load(model_id, load_said)
            except UnknownModelError as exc:
                self._failure = (model_id, time.monotonic(), str(exc))
                raise
            if model is None:
                folder = self._models.path
                place = "no folder of models is set"
                if folder is not None:
                    place = f"{folder} does not have it"
                raise UnknownModelError(
                    f"needs model {model_id.hex()}, but {place}: copy the sender's .rkm file"
                )
        self._model = model
        return model

    def _raise_again(self, model_id: bytes) -> None:
        if self._failure is not None:
            failed, at, said = self._failure
            if failed == model_id and time.monotonic() - at < RETRY_S:
                raise UnknownModelError(said)
