"""The methods that `rankcast compare --codecs` holds against each other, each with its one knob."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from rankcast.codec.gan.halves import has_torch
from rankcast.codec.kmeans.distinct import distinct_colours
from rankcast.codec.kmeans.options import MAX_K
from rankcast.codec.pca.options import DEFAULT_PATCH
from rankcast.commands.compare.comparison import Measurement
from rankcast.commands.compare.method import Method, Setting
from rankcast.commands.compare.reference import FORMATS, JPEG_444, Format, Reference, refusal
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder, check_options
from rankcast.errors import RankcastError, SettingsError, UnsupportedImageError
from rankcast.frame import Pixels, channels_of
from rankcast.numerics import psnr_db
from rankcast.wire import OFFLINE, PPB, unpack

NAMES: Final = (
    "svd", "svd-patch", "pca", "pca-patches", "kmeans", "gan", "jpeg", "webp", "lossless",
)  # fmt: skip
PCA_PATCHES: Final = {"pca": 0, "pca-patches": DEFAULT_PATCH}
"""Side of the patches that are observations; 0 means rows."""
ENGINE: Final = "exact"
"""A single picture has no earlier one to start warm from."""
WITH_ENGINE: Final = ("svd", "pca", "pca-patches")
_COLOURS: Final = tuple(
    sorted({round(step * 2**octave) for octave in range(1, 13) for step in (1, 1.5)} | {5, 10, 20})
)
_CURVE_COLOURS: Final = (2, 5, 10, 20, 48, 96, 256)
"""Up to 256 a first frame takes some tenths of a second, beyond up to ten times that."""
_CURVE_POINTS: Final = 9
_GAN_STEPS: Final = tuple(float(4.0 * 2 ** (-k / 4)) for k in range(17))
_CHROMA: Final = {"4:2:0": "ycc420", "4:4:4": "ycc444"}
_NO_MODEL: Final = "want its model with --model FILE.rkm, which `rankcast train gan` makes"


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
        if name == "gan" and "model" not in gan:
            error = SettingsError(f"got --codecs gan, {_NO_MODEL}")
            left_out.append(LeftOut(name, _NO_MODEL, error))
            continue
        try:
            method = _method(name, pixels, gan)
            # Once beforehand, so that no setting is timed with the loading of kernels or networks:
            # on a corner, but gan has a size of its own.
            probe = method
            if name != "gan":
                probe = _method(name, np.ascontiguousarray(pixels[:48, :48]), gan)
            for code in probe.forms.values():
                code(probe.settings[0])
            methods.append(method)
        except SettingsError as exc:
            # A wrong --model or --label is a slip of the user's; torch that is not there, or a
            # picture that a method does not take, is none.
            if name == "gan" and has_torch():
                raise
            left_out.append(LeftOut(name, str(exc), exc))
        except RankcastError as exc:
            left_out.append(LeftOut(name, str(exc), exc))
    return methods, left_out


def _method(name: str, pixels: Pixels, gan: Mapping[str, str]) -> Method:
    least = min(pixels.shape[:2])
    if name in ("jpeg", "webp"):
        return _reference(name, pixels)
    if name == "svd":
        return _codec(name, name, pixels, "rank", range(1, least + 1), engine=ENGINE)
    if name == "svd-patch":
        return _codec(name, name, pixels, "quality", range(1, 101))
    if name == "pca":
        return _codec(name, "pca", pixels, "components", range(1, least + 1), engine=ENGINE)
    if name == "pca-patches":
        observations = math.ceil(pixels.shape[0] / 8) * math.ceil(pixels.shape[1] / 8)
        most = min(64, observations)
        return _codec(
            name, "pca", pixels, "components", range(1, most + 1),
            layout="patches", engine=ENGINE,
        )  # fmt: skip
    if name == "kmeans":
        return _palettes(name, pixels)
    if name == "lossless":
        return _codec(name, name, pixels, "", [0])
    return _codec(name, name, pixels, "step", _GAN_STEPS, **gan)


def _palettes(name: str, pixels: Pixels) -> Method:
    flat = np.ascontiguousarray(pixels).reshape(-1, channels_of(pixels.shape))
    flat.flags.writeable = False
    count = len(distinct_colours(flat, MAX_K + 1))
    settings = [k for k in _COLOURS if k < count]
    if count <= MAX_K:
        # All colours of the picture: nothing to fit and nothing lost, often fewer bytes than a
        # palette that is a little smaller.
        settings.append(count)
    method = _codec(name, name, pixels, "k", settings)
    method.curve = [k for k in settings if k in _CURVE_COLOURS or k == count]
    return method


def _codec(
    name: str, codec: str, pixels: Pixels, knob: str, settings: Sequence[Setting], **options: Any
) -> Method:
    def code(form: str, setting: Setting) -> Measurement:
        chosen: Mapping[str, Any] = {
            **options,
            **({knob: setting} if knob else {}),
            **({"colour": _CHROMA[form]} if form else {}),
        }
        encoder, decoder = Encoder(codec, **chosen), Decoder(OFFLINE)
        start = time.perf_counter()
        packet = encoder.encode(pixels)
        encoded = time.perf_counter()
        rebuilt = decoder.decode(packet)
        decoded = time.perf_counter()
        header = unpack(packet, OFFLINE).header
        return Measurement(
            codec=name,
            setting=setting_text(knob, setting, form, header.rank),
            coded_bytes=len(packet),
            psnr_db=psnr_db(pixels, rebuilt),
            ssim=None,
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
    names = _CHROMA if codec == "svd-patch" and channels_of(pixels.shape) == 3 else ("",)
    forms = {form: partial(code, form) for form in names}
    return Method(name, pixels, knob, settings, spread(knob, settings), forms)


def _reference(name: str, pixels: Pixels) -> Method:
    kind = next(each for each in FORMATS if each.name == name)
    reason = refusal(kind, pixels)
    if reason is not None:
        raise UnsupportedImageError(f"{kind.label} {reason}")

    def code(form: str, kind: Format, setting: Setting) -> Measurement:
        reference = Reference(kind, pixels)
        file = reference.at_quality(int(setting))
        rebuilt, decode_ms = reference.decode(file)
        return Measurement(
            codec=name,
            setting=setting_text("quality", setting, form),
            coded_bytes=len(file.data),
            psnr_db=psnr_db(pixels, rebuilt),
            ssim=None,
            encode_ms=file.encode_ms,
            decode_ms=decode_ms,
            pixels=rebuilt,
        )

    kinds = {"": kind}
    if name == "jpeg" and channels_of(pixels.shape) == 3:
        kinds = {"4:2:0": kind, "4:4:4": JPEG_444}
    forms = {form: partial(code, form, each) for form, each in kinds.items()}
    qualities = range(1, 101)
    return Method(name, pixels, "quality", qualities, spread("quality", qualities), forms)


def spread(knob: str, settings: Sequence[Setting]) -> list[Setting]:
    """Return a few settings for a curve, evenly spread in ratio."""
    last = len(settings) - 1
    if last < _CURVE_POINTS:
        return list(settings)
    if knob in ("rank", "components"):
        # Half of all are more bytes than the samples themselves.
        places = np.geomspace(1, max(1, last // 2), _CURVE_POINTS) - 1
    else:
        places = np.linspace(0, last, _CURVE_POINTS)
    return [settings[place] for place in sorted({round(float(p)) for p in places})]


def setting_text(knob: str, setting: Setting, form: str = "", kept: Sequence[int] = ()) -> str:
    """``rank 50``, ``k 20``, ``q 75 4:2:0``; empty for a method without a knob.

    Where the packet holds fewer than the knob says, as of a picture without more, it is told:
    ``rank 2 (kept 1)``, ``n 9 (kept 0/3/3)``.
    """
    if not knob:
        return ""
    short = {"quality": "q", "components": "n"}.get(knob, knob)
    text = f"{short} {setting:.3g}" if isinstance(setting, float) else f"{short} {setting}"
    if knob in ("rank", "components") and kept and min(kept) < setting:
        counts = kept if len(set(kept)) > 1 else kept[:1]
        shown = "/".join(map(str, counts)) if len(counts) <= 4 else f"{min(kept)} to {max(kept)}"
        text += f" (kept {shown})"
    return f"{text} {form}" if form else text
