"""The methods that `rankcast compare --codecs` holds against each other, each with its one knob."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from rankcast.codec.gan.halves import has_torch
from rankcast.codec.kmeans.distinct import distinct_colours
from rankcast.codec.pca.options import DEFAULT_PATCH
from rankcast.commands.comparison import Coded
from rankcast.commands.reference import FORMATS, Reference, refusal
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder, check_options
from rankcast.errors import RankcastError, SettingsError, UnsupportedImageError
from rankcast.frame import Pixels, channels_of
from rankcast.metrics import psnr_db, squared_error, ssim
from rankcast.opencv import cv2
from rankcast.wire import OFFLINE, PPB, unpack

NAMES: Final = (
    "svd", "svd-patch", "pca", "pca-patches", "kmeans", "gan", "jpeg", "webp", "lossless",
)  # fmt: skip
PCA_PATCHES: Final = {"pca": 0, "pca-patches": DEFAULT_PATCH}
"""Side of the patches that are observations; 0 means rows."""
MOST_COLOURS: Final = 4096
"""Palettes above it take seconds each, and are larger than the picture's JPEG."""
_COLOURS: Final = tuple(
    sorted({round(step * 2**octave) for octave in range(1, 13) for step in (1, 1.5)} | {5, 10, 20})
)
_FINE: Final = 64
"""Numbers of colours are searched between those listed down to a 64th: a few palettes more."""
_GAN_STEPS: Final = tuple(float(4.0 * 2 ** (-k / 4)) for k in range(17))

Setting = int | float


@dataclass(slots=True)
class Method:
    """One way to code a picture, tried at whatever settings were needed, each once."""

    name: str
    pixels: Pixels
    knob: str
    """The option that trades bytes for quality; empty where there is none."""
    settings: Sequence[Setting]
    """Its values, in the order of rising bytes."""
    code: Callable[[Setting], Coded]
    tried: dict[Setting, Coded] = field(default_factory=dict)
    """Without the rebuilt pictures: of a large one a dozen would fill the memory."""
    errors: dict[Setting, int] = field(default_factory=dict)
    """Sum of squared errors: of `kmeans` the within-cluster sum of squares."""
    png_bytes: dict[Setting, int] = field(default_factory=dict)
    """Of the rebuilt picture as PNG, the article's measure; of `kmeans` alone."""

    def at(self, setting: Setting) -> Coded:
        """Code the picture at one setting."""
        if setting not in self.tried:
            coded = self.code(setting)
            self.tried[setting] = replace(coded, pixels=None)
            if self.name == "kmeans":
                assert coded.pixels is not None
                self.errors[setting] = squared_error(self.pixels, coded.pixels)
                self.png_bytes[setting] = png_size(coded.pixels)
        return self.tried[setting]

    def nearest(self, distance: Callable[[Coded], float]) -> Setting:
        """Find the setting whose result is nearest to a target, by bisection.

        Parameters
        ----------
        distance : callable
            Of a result: rising with bytes and quality, 0 at the target.
        """
        low, high = 0, len(self.settings) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if distance(self.at(self.settings[middle])) < 0:
                low = middle
            else:
                high = middle
        ends = {self.settings[low], self.settings[high]}
        if self.knob == "k":
            ends = self._between(min(ends), max(ends), distance)
        return min(sorted(ends), key=lambda setting: abs(distance(self.at(setting))))

    def _between(
        self, low: Setting, high: Setting, distance: Callable[[Coded], float]
    ) -> set[Setting]:
        """Narrow two settings down to neighbours, or nearly: those listed are far apart."""
        if distance(self.at(low)) < 0 < distance(self.at(high)):
            while high - low > max(1, low // _FINE):
                middle = int(low + high) // 2
                if distance(self.at(middle)) < 0:
                    low = middle
                else:
                    high = middle
        return {low, high}

    def spread(self, count: int) -> list[Setting]:
        """Return `count` settings or fewer for a curve, evenly spread in ratio."""
        last = len(self.settings) - 1
        if last < count:
            return list(self.settings)
        if self.knob in ("rank", "components"):
            # Half of all are more bytes than the samples themselves.
            places = np.geomspace(1, max(1, last // 2), count) - 1
        else:
            places = np.linspace(0, last, count)
        return [self.settings[place] for place in sorted({round(float(p)) for p in places})]


def parse_codecs(text: str) -> list[str]:
    """Read ``svd,kmeans,jpeg``.

    Raises
    ------
    SettingsError
        If a name is unknown or there is none.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in NAMES:
            raise SettingsError(f"got --codecs {name!r:.40}, want some of {','.join(NAMES)}")
    if not names:
        raise SettingsError(f"got no --codecs, want some of {','.join(NAMES)}")
    return list(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A method that cannot code the picture."""

    name: str
    reason: str
    """One line."""
    error: RankcastError


def methods_for(
    names: Sequence[str], pixels: Pixels, gan: Mapping[str, str]
) -> tuple[list[Method], list[LeftOut]]:
    """Set up the methods that can code the picture.

    Parameters
    ----------
    names : sequence of str
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    gan : mapping
        Options of `gan`: its model, and its label if the model has several.

    Returns
    -------
    list of Method, list of LeftOut

    Raises
    ------
    SettingsError
        If the model of `gan` cannot be read, is none of `gan`, or does not know the label.
    """
    methods, left_out = [], []
    for name in names:
        try:
            method = _method(name, pixels, gan)
            # Once beforehand, so that no setting is timed with the loading of kernels or networks:
            # on a corner, but gan has a size of its own.
            probe = method
            if name != "gan":
                probe = _method(name, np.ascontiguousarray(pixels[:48, :48]), gan)
            probe.code(probe.settings[0])
            methods.append(method)
        except SettingsError as exc:
            # A wrong --model or --label is a slip of the user's, as one that is missing is; torch
            # that is not there, or a picture that a method does not take, is none.
            if name == "gan" and has_torch():
                raise
            left_out.append(LeftOut(name, str(exc), exc))
        except RankcastError as exc:
            left_out.append(LeftOut(name, str(exc), exc))
    return methods, left_out


def png_size(pixels: Pixels) -> int:
    """Bytes of a PNG file of the picture, as OpenCV writes it by default."""
    if channels_of(pixels.shape) not in (1, 3, 4):
        pixels = pixels.reshape(pixels.shape[0], -1)
    done, data = cv2.imencode(".png", pixels)
    assert done, f"PNG refused {pixels.shape}"
    return len(data)


def _method(name: str, pixels: Pixels, gan: Mapping[str, str]) -> Method:
    least = min(pixels.shape[:2])
    if name in ("jpeg", "webp"):
        return _reference(name, pixels)
    if name == "svd":
        return _codec(name, name, pixels, "rank", range(1, least + 1), engine="exact")
    if name == "svd-patch":
        return _codec(name, name, pixels, "quality", range(1, 101))
    if name == "pca":
        return _codec(name, "pca", pixels, "components", range(1, least + 1), engine="exact")
    if name == "pca-patches":
        observations = math.ceil(pixels.shape[0] / 8) * math.ceil(pixels.shape[1] / 8)
        most = min(64, observations)
        return _codec(
            name, "pca", pixels, "components", range(1, most + 1),
            layout="patches", engine="exact",
        )  # fmt: skip
    if name == "kmeans":
        flat = np.ascontiguousarray(pixels).reshape(-1, channels_of(pixels.shape))
        flat.flags.writeable = False
        most = len(distinct_colours(flat, MOST_COLOURS))
        return _codec(name, name, pixels, "k", [k for k in _COLOURS if k <= most] or [1])
    if name == "lossless":
        return _codec(name, name, pixels, "", [0])
    return _codec(name, name, pixels, "step", _GAN_STEPS, **gan)


def _codec(
    name: str, codec: str, pixels: Pixels, knob: str, settings: Sequence[Setting], **options: Any
) -> Method:
    def code(setting: Setting) -> Coded:
        chosen: Mapping[str, Any] = {**options, **({knob: setting} if knob else {})}
        encoder, decoder = Encoder(codec, **chosen), Decoder(OFFLINE)
        start = time.perf_counter()
        packet = encoder.encode(pixels)
        encoded = time.perf_counter()
        rebuilt = decoder.decode(packet)
        decoded = time.perf_counter()
        header = unpack(packet, OFFLINE).header
        return Coded(
            codec=name,
            setting=setting_text(knob, setting),
            coded_bytes=len(packet),
            psnr_db=psnr_db(pixels, rebuilt),
            ssim=ssim(pixels, rebuilt),
            encode_ms=1e3 * (encoded - start),
            decode_ms=1e3 * (decoded - encoded),
            kept=header.rank,
            energy=None if header.energy_ppb is None else header.energy_ppb / PPB,
            pixels=rebuilt,
        )

    if not settings:
        raise UnsupportedImageError(f"{name} has no setting for a picture of {pixels.shape}")
    if codec != "gan":  # its options name a file: opening it is the encoder's affair
        check_options(codec, {**options, **({knob: settings[0]} if knob else {})})
    return Method(name, pixels, knob, settings, code)


def _reference(name: str, pixels: Pixels) -> Method:
    kind = next(each for each in FORMATS if each.name == name)
    reason = refusal(kind, pixels)
    if reason is not None:
        raise UnsupportedImageError(f"{kind.label} {reason}")
    reference = Reference(kind, pixels)

    def code(setting: Setting) -> Coded:
        file = reference.at_quality(int(setting))
        rebuilt, decode_ms = reference.decode(file)
        return Coded(
            codec=name,
            setting=setting_text("quality", setting),
            coded_bytes=len(file.data),
            psnr_db=psnr_db(pixels, rebuilt),
            ssim=ssim(pixels, rebuilt),
            encode_ms=file.encode_ms,
            decode_ms=decode_ms,
            pixels=rebuilt,
        )

    return Method(name, pixels, "quality", range(1, 101), code)


def setting_text(knob: str, setting: Setting) -> str:
    """``rank 50``, ``k 20``, ``q 75``; empty for a method without a knob."""
    short = {"quality": "q", "components": "n"}.get(knob, knob)
    if not knob:
        return ""
    return f"{short} {setting:.3g}" if isinstance(setting, float) else f"{short} {setting}"
