"""A trained model of codec `gan`: its file, and its encoder and decoder of single frames."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rankcast.codec.gan.layout import KIND, channel_table, context_count
from rankcast.codec.gan.symbols import coder_from, decode_code, encode_code
from rankcast.entropy.rangecoder import Coder
from rankcast.errors import ModelError, UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.models import read_model, write_model
from rankcast.models.gan.architecture import BLOCK, architecture_from
from rankcast.models.gan.network import GanNetwork
from rankcast.models.gan.pictures import (
    EXPOSURE_BYTES,
    measure_exposure,
    padded,
    pixels_of,
    planes_of,
    tensor_of,
    unpack_exposure,
)
from rankcast.models.gan.threads import torch_threads

MAX_PIXELS: Final = 1 << 24
"""Most pixels of a picture: the networks allocate about 150 bytes per pixel."""
MAX_BACKGROUND_PIXELS: Final = 1 << 26
THREADS: Final = 1
"""Threads per convolution. If sender and receiver share two cores, two threads that wait for each
other take ten times as long; one thread also fixes the order of sums on every machine."""
BIT_PRICE: Final = 0.15
"""Squared steps that a bit may cost when levels are chosen; measured on fixed cameras."""
LARGEST_WEIGHT: Final = float(np.finfo(np.float16).max)
"""Weights are stored as float16."""
_BACKGROUND: Final = "backgrounds."
_PRIORS: Final = "priors"
_LOADED_MODELS: Final = 4

_loaded: OrderedDict[bytes, GanModel] = OrderedDict()
_loaded_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class GanModel:
    """Networks and statistics shared by both ends."""

    network: GanNetwork
    priors: NDArray[np.uint16]
    """Learned probabilities of the entropy coder's contexts."""
    table: NDArray[np.int64]
    model_id: bytes = b""
    size_bytes: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that a packet may select."""
        return self.network.architecture.labels

    def check_shape(self, shape: tuple[int, ...], label: int) -> None:
        """Reject pictures that this model cannot code.

        Raises
        ------
        UnsupportedImageError
            If the label was not trained for this size and number of channels.
        """
        if len(shape) == 3 and shape[2] not in (1, 3):
            raise UnsupportedImageError(f"got {shape[2]} channels, want 1 or 3 for codec gan")
        height, width = shape[:2]
        if height * width > MAX_PIXELS:
            raise UnsupportedImageError(
                f"got {height} x {width} pixels, gan supports at most {MAX_PIXELS}"
            )
        size = self.network.architecture.sizes[label]
        if size not in ((0, 0), (height, width)):
            raise UnsupportedImageError(
                f"got {width} x {height} pixels, label {self.labels[label]!r} was trained on a "
                f"camera of {size[1]} x {size[0]}"
            )

    def encode(self, pixels: Pixels, label: int, step: float, coder: Coder | None = None) -> bytes:
        """Encode a picture whose shape has been checked.

        Parameters
        ----------
        pixels : ndarray, uint8
        label : int
        step : float
            Multiplies every learned step.
        coder : ndarray, optional
            Models of the entropy coder, adapted in place; by default fresh ones.

        Returns
        -------
        bytes
            Exposure, then code.
        """
        planes = padded(planes_of(pixels))
        background = self._background(planes.shape, label, grey=_is_grey(pixels.shape))
        exposure = measure_exposure(planes, background[0].numpy())
        with _inference():
            predicted = exposure.apply(background)
            which, steps = torch.tensor([label]), torch.tensor([step])
            scale = self.network.scale(predicted, which, steps)
            code = self.network.encode(tensor_of(planes), predicted, scale, which, steps)
        values = np.ascontiguousarray(code[0].permute(1, 2, 0).numpy())
        coder = coder_from(self.priors) if coder is None else coder
        return exposure.pack() + encode_code(coder, values, self.table, BIT_PRICE)[0]

    def decode(self, body: memoryview, shape: tuple[int, ...], label: int, step: float) -> Pixels:
        """Decode a picture whose shape has been checked; the inverse of `encode`.

        Raises
        ------
        PayloadError
            If the body is not the code of such a picture.
        """
        exposure = unpack_exposure(body)
        rows, columns = -(-shape[0] // BLOCK), -(-shape[1] // BLOCK)
        channels = self.network.architecture.channels
        levels = decode_code(
            coder_from(self.priors),
            body[EXPOSURE_BYTES:],
            (rows, columns, channels),
            self.table,
        )
        padded_shape = (3, rows * BLOCK, columns * BLOCK)
        background = self._background(padded_shape, label, grey=_is_grey(shape))
        code = torch.from_numpy(levels).permute(2, 0, 1)[None].to(torch.float32)
        with _inference():
            predicted = exposure.apply(background)
            which, steps = torch.tensor([label]), torch.tensor([step])
            scale = self.network.scale(predicted, which, steps)
            rebuilt = self.network.generate(code, predicted, scale, which, steps)
        return pixels_of(rebuilt[0].numpy(), shape)

    def try_out(self) -> None:
        """Encode a small picture, so that lazy loading does not delay the first frame.

        The background of the label is cropped to it.
        """
        shape = (8 * BLOCK, 8 * BLOCK, 3)
        body = self.encode(np.zeros(shape, np.uint8), 0, 1.0)
        self.decode(memoryview(body), shape, 0, 1.0)

    def save(self, path: Path, about: Mapping[str, Any]) -> bytes:
        """Write the model file with the training record `about`; return the model id."""
        arrays: dict[str, NDArray[Any]] = {_PRIORS: self.priors}
        for name, value in self.network.state_dict().items():
            array = value.detach().cpu().numpy()
            if name.startswith(_BACKGROUND):
                # Cb and Cr are shifted, so that all planes fit unsigned 8 bits.
                array = array + np.array([0, 0.5, 0.5], np.float32)[None, :, None, None]
                arrays[name] = np.rint(array * 255).clip(0, 255).astype(np.uint8)
            else:
                arrays[name] = array.astype(np.float16)
        description = self.network.architecture.described()
        return write_model(path, KIND, {**description, "training": dict(about)}, arrays)

    def _background(self, shape: tuple[int, ...], label: int, *, grey: bool) -> Tensor:
        with torch.inference_mode():
            background = self.network.backgrounds[label].detach()
            height, width = background.shape[-2:]
            if (height, width) == (1, 1):
                background = background.expand(1, *shape)
            else:
                below, right = shape[1] - height, shape[2] - width
                background = functional.pad(background, (0, right, 0, below), mode="replicate")
            if grey:
                background = background * torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
            return background


def _is_grey(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or shape[2] == 1


def new_model(network: GanNetwork, priors: NDArray[np.uint16] | None = None) -> GanModel:
    """Combine networks and statistics; without `priors` the entropy coder starts untrained."""
    architecture = network.architecture
    if priors is None:
        priors = np.full(context_count(architecture.channels), 1 << 15, np.uint16)
    return GanModel(network.eval(), priors, channel_table(architecture.luma, architecture.chroma))


def load_model(path: Path) -> GanModel:
    """Read a model file; the last four models stay in memory.

    Raises
    ------
    ModelError
        If it is not a model of this version, is damaged, or exceeds a limit.
    RankcastError
        If it cannot be read.
    """
    file = read_model(path, KIND)
    with _loaded_lock:
        if (model := _loaded.get(file.head.model_id)) is not None:
            _loaded.move_to_end(file.head.model_id)
            return model
    try:
        model = _model_of(file.head.description, file.arrays)
    except ModelError as exc:
        raise ModelError(f"{path}: {exc}") from None
    model = GanModel(model.network, model.priors, model.table, file.head.model_id, file.size_bytes)
    with _loaded_lock:
        _loaded[model.model_id] = model
        while len(_loaded) > _LOADED_MODELS:
            _loaded.popitem(last=False)
    return model


def loaded_model(model_id: bytes) -> GanModel | None:
    """Return a model that is in memory, or None."""
    with _loaded_lock:
        return _loaded.get(model_id)


def _model_of(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> GanModel:
    architecture = architecture_from(description)
    if sum(h * w for h, w in architecture.sizes) > MAX_BACKGROUND_PIXELS:
        raise ModelError(f"its backgrounds have more than {MAX_BACKGROUND_PIXELS} pixels in all")
    with torch.device("meta"):  # shapes only, compared before anything is allocated
        expected = {
            name: tuple(value.shape)
            for name, value in GanNetwork(architecture).state_dict().items()
        }
    expected[_PRIORS] = (context_count(architecture.channels),)
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != expected:
        odd = sorted(set(shapes.items()) ^ set(expected.items()))[0]
        raise ModelError(f"array {odd[0]!r:.40} of shape {odd[1]} does not fit its architecture")
    state: dict[str, Tensor] = {}
    for name, array in arrays.items():
        kind = np.uint8 if name.startswith(_BACKGROUND) else np.float16
        if array.dtype != (np.uint16 if name == _PRIORS else kind):
            raise ModelError(f"array {name!r:.40} has the wrong dtype {array.dtype}")
        if not np.isfinite(array).all():
            raise ModelError(f"array {name!r:.40} holds NaN or infinity")
        if kind is np.uint8:
            planes = array.astype(np.float32) / np.float32(255)
            planes[:, 1:] -= np.float32(0.5)
            state[name] = torch.from_numpy(planes)
        elif name != _PRIORS:
            state[name] = torch.from_numpy(array.astype(np.float32))
    network = GanNetwork(architecture)
    network.load_state_dict(state)
    network.requires_grad_(False)
    return new_model(network, arrays[_PRIORS])


@contextmanager
def _inference() -> Iterator[None]:
    """Run without gradients and with one thread, whatever the process uses elsewhere."""
    with torch_threads(THREADS), torch.inference_mode():
        yield
