"""Whole pictures as observations: the model file, and the scores of a frame."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.pca.components import Components, components_for
from rankcast.core import function
from rankcast.errors import ModelError, PayloadError, UnknownModelError, UnsupportedImageError
from rankcast.frame import MAX_CHANNELS, Pixels
from rankcast.models import ModelFolder, read_model, write_model
from rankcast.numerics import one_blas_thread
from rankcast.printable import printable

KIND: Final = "pca"
MAX_VARIABLES: Final = 1 << 20
"""Samples of a picture that is one observation: a megapixel, and 4 MiB a component."""
PART: Final = 1 << 20
"""Values of the components that are float64 at a time, which both ends reckon in: all of a larger
picture at once would take longer to write to memory than to multiply."""
_CLASSES: Final = 16
_MOST: Final = (1 << 40) - 1
_DTYPES: Final = ("uint8", "uint16")

_PACK: Final = function("rk_pca_pack_scores")
_UNPACK: Final = function("rk_pca_unpack_scores")


@dataclass(frozen=True, slots=True)
class FrameModel:
    """Components of whole pictures of one shape and dtype."""

    model_id: bytes
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    mean: NDArray[np.float32]
    """(D,), in C order of the picture."""
    deviation: NDArray[np.float32]
    """(D,), 0 for constant samples."""
    variances: NDArray[np.float32]
    """(K,), decreasing."""
    components: NDArray[np.float32]
    """(K, D), orthonormal rows."""
    total_variance: float
    """Of all components, also of those that the file does not hold."""

    @property
    def mean_square_deviation(self) -> float:
        """Mean of the squared deviations of the samples that vary; 1 where none does."""
        varying = self.deviation[self.deviation > 0].astype(np.float64)
        return float(np.mean(varying**2)) if varying.size else 1.0

    def kept(self, components: int | None, variance: float) -> int:
        """Return the number of components to send.

        Raises
        ------
        UnsupportedImageError
            If the model has fewer.
        """
        most = len(self.variances)
        if components is not None:
            if components > most:
                raise UnsupportedImageError(
                    f"got components {components}, want at most {most}, those of the model"
                )
            return components
        held = float(self.variances.astype(np.float64).sum())
        if variance * self.total_variance > held * (1 + 1e-6):
            raise UnsupportedImageError(
                f"got variance {variance:g}, want at most {held / self.total_variance:.4f}, "
                "which the components of the model hold: use less, or train more components"
            )
        share = min(1.0, variance * self.total_variance / held) if held else 1.0
        return components_for(self.variances.astype(np.float64), share)

    def check_picture(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Refuse pictures that are none of the model's.

        Raises
        ------
        UnsupportedImageError
        """
        if shape != self.shape or dtype != self.dtype:
            raise UnsupportedImageError(
                f"got a picture of shape {shape} {dtype}, want {self.shape} {self.dtype}, "
                "on which the model was trained"
            )

    def check_packet(self, shape: tuple[int, ...], dtype: np.dtype[Any], k: int) -> None:
        """Refuse packets that are none of the model's.

        Raises
        ------
        PayloadError
        """
        if shape != self.shape or dtype != self.dtype or k > len(self.variances):
            raise PayloadError(
                f"got {k} components of shape {shape} {dtype}, the model has "
                f"{len(self.variances)} of {self.shape} {self.dtype}"
            )

    def project(
        self, pixels: Pixels, scale: NDArray[np.float64], k: int
    ) -> tuple[NDArray[np.float64], float]:
        """Standardise a picture and project it onto the first `k` components.

        Parameters
        ----------
        pixels : ndarray
        scale : ndarray, shape (D,)
            What `scale` returns.
        k : int

        Returns
        -------
        scores : ndarray, shape (k,)
        energy : float
            Squared norm of the standardised picture.
        """
        samples, parts = pixels.reshape(-1), self._parts(k)
        scores, energies = np.zeros((len(parts), k)), np.zeros(len(parts))

        def project_part(number: int, part: slice) -> None:
            z = (samples[part] - self.mean[part].astype(np.float64)) * scale[part]
            scores[number] = self.components[:k, part].astype(np.float64) @ z
            energies[number] = z @ z

        with one_blas_thread():
            pool.run([partial(project_part, number, part) for number, part in enumerate(parts)])
        return scores.sum(axis=0), float(energies.sum())

    def scale(self) -> NDArray[np.float64]:
        """Reciprocals of the deviations, 0 for constant samples, (D,)."""
        scale = np.zeros(self.deviation.shape)
        np.divide(1.0, self.deviation.astype(np.float64), out=scale, where=self.deviation > 0)
        return scale

    def rebuild(self, scores: NDArray[np.float64]) -> Pixels:
        """Return the picture of (k,) scores, rounded and clipped; what is no number becomes 0."""
        k = scores.size
        pixels: Pixels = np.empty(self.mean.shape, self.dtype)
        peak = float(np.iinfo(self.dtype).max)

        def rebuild_part(part: slice) -> None:
            with np.errstate(over="ignore", invalid="ignore"):  # scores of hostile steps
                values = scores @ self.components[:k, part].astype(np.float64)
                values = self.mean[part] + self.deviation[part] * values
                pixels[part] = np.nan_to_num(np.rint(values), nan=0.0).clip(0.0, peak)

        with one_blas_thread():
            pool.run([partial(rebuild_part, part) for part in self._parts(k)])
        return pixels.reshape(self.shape)

    def _parts(self, k: int) -> list[slice]:
        length = max(1, PART // max(k, 1))
        return [slice(first, first + length) for first in range(0, self.mean.size, length)]


def write_frame_model(
    path: Path, found: Components, count: int, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> bytes:
    """Write the first `count` components of whole pictures; returns the model id."""
    description = {
        "shape": list(shape),
        "dtype": str(dtype),
        "total_variance": float(found.variances.sum()),
    }
    arrays = {
        "mean": found.mean.astype(np.float32),
        "deviation": found.deviation.astype(np.float32),
        "variances": found.variances[:count].astype(np.float32),
        "components": found.vectors[:count].astype(np.float32),
    }
    return write_model(path, KIND, description, arrays)


def load_frame_model(path: Path) -> FrameModel:
    """Read a model file of this codec.

    Raises
    ------
    ModelError
        If it is none, or its arrays do not fit together.
    """
    file = read_model(path, KIND)
    about, arrays = file.head.description, file.arrays
    shape, dtype = about.get("shape"), about.get("dtype")
    total = about.get("total_variance")
    problem = f"{printable(path)}: is damaged or hostile: "
    if (
        not isinstance(shape, list)
        or len(shape) not in (2, 3)
        or any(type(side) is not int or side < 1 for side in shape)
        or (len(shape) == 3 and shape[2] > MAX_CHANNELS)
        or math.prod(shape) > MAX_VARIABLES
        or dtype not in _DTYPES
    ):
        raise ModelError(f"{problem}shape {shape!r:.40} and dtype {dtype!r:.20}")
    if set(arrays) != {"mean", "deviation", "variances", "components"} or any(
        array.dtype != np.float32 or not np.isfinite(array).all() for array in arrays.values()
    ):
        raise ModelError(f"{problem}want four arrays of finite float32")
    size, count = math.prod(shape), arrays["variances"].size
    wanted: dict[str, tuple[int, ...]] = {
        "mean": (size,),
        "deviation": (size,),
        "variances": (count,),
    }
    wanted["components"] = (count, size)
    if any(arrays[name].shape != wanted[name] for name in wanted):
        raise ModelError(f"{problem}its arrays do not fit a picture of shape {shape}")
    held = float(arrays["variances"].astype(np.float64).sum())
    if (
        arrays["deviation"].min() < 0
        or (count and arrays["variances"].min() <= 0)
        or not isinstance(total, int | float)
        # JSON has integers that no float can hold.
        or not held * (1 - 1e-5) <= total <= sys.float_info.max
    ):
        raise ModelError(f"{problem}a deviation or a variance is out of range")
    return FrameModel(
        file.head.model_id, tuple(shape), np.dtype(dtype), arrays["mean"], arrays["deviation"],
        arrays["variances"], arrays["components"], float(total),
    )  # fmt: skip


def frame_model_facts(path: Path) -> dict[str, Any]:
    """Say what pictures a model file is for and how much of their variance it holds.

    Raises
    ------
    ModelError
        As `load_frame_model`.
    """
    model = load_frame_model(path)
    held = float(model.variances.astype(float).sum())
    return {
        "shape": list(model.shape),
        "dtype": str(model.dtype),
        "components": len(model.variances),
        "variance_held": held / model.total_variance if model.total_variance else 1.0,
    }


def find_frame_model(
    model_id: bytes | None, models: ModelFolder, last: FrameModel | None
) -> FrameModel:
    """Return the model that a packet names, `last` if it is that one.

    Raises
    ------
    UnknownModelError
        If it is not there or cannot be used.
    PayloadError
        If the packet names none.
    """
    if model_id is None:
        raise PayloadError("got a packet of pca frames without a model id")
    if last is not None and last.model_id == model_id:
        return last
    model = models.load(model_id, load_frame_model)
    if model is None:
        raise UnknownModelError(
            f"needs model {model_id.hex()}, which the folder of models does not have: "
            "copy the sender's .rkm file into it"
        )
    return model


def pack_scores(model: FrameModel, scores: NDArray[np.float64], step: float) -> bytes:
    """Code the scores (k,) of a picture in multiples of `step`."""
    values = np.clip(np.rint(scores / step), -_MOST, _MOST).astype(np.int64)
    data = np.empty(16 * values.size + 64, np.uint8)
    classes = _classes(model, values.size, step)
    size = _PACK(values, classes, values.size, data, data.size)
    if size < 0:
        raise AssertionError("the buffer was too small")
    return data[:size].tobytes()


def unpack_scores(model: FrameModel, body: memoryview, k: int, step: float) -> NDArray[np.float64]:
    """Read scores of `pack_scores`.

    Raises
    ------
    PayloadError
        If the bytes are not exactly these.
    """
    values = np.zeros(k, np.int64)
    data = np.frombuffer(body, np.uint8)
    if _UNPACK(data, data.size, _classes(model, k, step), k, values) < 0:
        raise PayloadError("the scores end early or go on after the last")
    with np.errstate(over="ignore"):  # hostile steps
        return np.asarray(values * step, np.float64)


def _classes(model: FrameModel, k: int, step: float) -> NDArray[np.uint8]:
    """Return the set of models of each score, by the bits that its variance needs."""
    with np.errstate(over="ignore"):  # hostile steps
        sizes = np.sqrt(model.variances[:k].astype(np.float64)) / step
    bits = [min(int(min(size, float(_MOST))).bit_length(), _CLASSES - 1) for size in sizes]
    return np.array(bits, np.uint8)
