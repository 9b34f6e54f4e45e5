"""One candidate of `rankcast compare --codecs`: a codec or format at the settings tried so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple

from rankcast.codec import Codec, Setting, Steps, Sweep, linear_steps
from rankcast.commands.compare.measurement import Measurement
from rankcast.commands.compare.reference_format import QUALITIES, Format, Reference, refusal
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder, check_options
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels, channels_of
from rankcast.numerics import psnr_db, squared_error, ssim
from rankcast.opencv import cv2
from rankcast.wire import OFFLINE, PPB, unpack

MOST_COLOURS: Final = 4096
"""Larger palettes take seconds each and cost more than the picture's JPEG: beyond this, only the
palette of all colours is tried, which needs no fit."""
_MANY_COLOURS: Final = 256
"""Above this number of colours, fitting a palette takes seconds."""
_FINE: Final = 64
_COARSE: Final = 16
"""Between listed numbers of colours the search narrows to a 64th, above `_MANY_COLOURS` to a 16th,
which differ by at most half a decibel but by two palettes to fit."""
_PNG: Final = (
    cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT,
)  # fmt: skip
"""OpenCV's default strategy detects only runs, which doubles the size of files with few colours."""


class Choice(NamedTuple):
    """A chroma resolution and a setting to encode the picture with."""

    chroma: str
    """``4:2:0`` or ``4:4:4``; empty if there is no choice."""
    setting: Setting


@dataclass(slots=True)
class Candidate:
    """A codec with fixed options, or a format, for one picture; each setting is encoded once."""

    sweep: Sweep
    pixels: Pixels
    steps: Steps
    coders: Mapping[str, Callable[[Setting], Measurement]]
    """Encodes the picture, by chroma resolution."""
    tried: dict[Choice, Measurement] = field(default_factory=dict)
    """Measurements without SSIM and rebuilt pictures, a dozen of which could fill the memory."""
    squared_errors: dict[Setting, int] = field(default_factory=dict)
    """Within-cluster sum of squares of a palette codec."""
    png_bytes: dict[Setting, int] = field(default_factory=dict)
    """Size as PNG of the picture rebuilt by a palette codec, at the settings shown."""

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return self.sweep.name

    def at(self, choice: Choice) -> Measurement:
        """Encode the picture, unless this choice was tried before."""
        if choice not in self.tried:
            measured = self.coders[choice.chroma](choice.setting)
            self.tried[choice] = replace(measured, pixels=None)
            shown = choice.setting in self.steps.curve
            self._measure_palette(choice.setting, measured, png=shown)
        return self.tried[choice]

    def whole(self, choice: Choice) -> Measurement:
        """Encode the picture again for SSIM and pixels; keep the shorter times of both runs."""
        before = self.at(choice)
        measured = self.coders[choice.chroma](choice.setting)
        assert measured.pixels is not None
        self._measure_palette(choice.setting, measured, png=True)
        return replace(
            measured,
            ssim=ssim(self.pixels, measured.pixels),
            encode_ms=min(before.encode_ms, measured.encode_ms),
            decode_ms=min(before.decode_ms, measured.decode_ms),
        )

    def search(self, chroma: str, distance: Callable[[Measurement], float]) -> None:
        """Try settings near a target, by bisection between those already tried.

        Parameters
        ----------
        chroma : str
        distance : callable
            Maps a measurement to its distance: 0 at the target, rising with bytes and quality.
        """
        settings = self.steps.settings

        def is_below(place: int) -> bool:
            return distance(self.at(Choice(chroma, settings[place]))) < 0

        low, high = 0, len(settings) - 1
        for place, setting in enumerate(settings):
            if Choice(chroma, setting) not in self.tried:
                continue
            if not is_below(place):
                high = place
                break
            low = place
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if is_below(middle) else (low, middle)
        ends_below = (is_below(low), is_below(high))
        if self.sweep.palette and ends_below == (True, False):
            self._search_between(chroma, settings[low], settings[high], distance)

    def _search_between(
        self, chroma: str, low: Setting, high: Setting, distance: Callable[[Measurement], float]
    ) -> None:
        """Narrow down the number of colours, because the listed numbers are far apart."""
        while low < MOST_COLOURS:
            if high - low <= max(1, low // (_FINE if low < _MANY_COLOURS else _COARSE)):
                break
            middle = int(low + high) // 2
            below = distance(self.at(Choice(chroma, middle))) < 0
            low, high = (middle, high) if below else (low, middle)

    def _measure_palette(self, setting: Setting, measured: Measurement, *, png: bool) -> None:
        if not self.sweep.palette:
            return
        assert measured.pixels is not None
        self.squared_errors[setting] = squared_error(self.pixels, measured.pixels)
        if png and setting not in self.png_bytes:
            self.png_bytes[setting] = png_size(measured.pixels)


def codec_candidate(
    codec: Codec, sweep: Sweep, pixels: Pixels, options: Mapping[str, Any]
) -> Candidate:
    """Set up a codec for a picture.

    Parameters
    ----------
    codec : Codec
    sweep : Sweep
        One of the codec's own.
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    options : mapping
        Options from the user, in addition to the fixed ones of the sweep.

    Raises
    ------
    UnsupportedImageError
        If the picture leaves no setting to try.
    SettingsError
        If an option is wrong.
    """

    def chosen(chroma: str, setting: Setting) -> dict[str, Any]:
        of_setting = {sweep.option: setting} if sweep.option else {}
        return {**sweep.options, **options, **of_setting, **sweep.chroma.get(chroma, {})}

    def code(chroma: str, setting: Setting) -> Measurement:
        encoder, decoder = Encoder(codec.name, **chosen(chroma, setting)), Decoder(OFFLINE)
        start = time.perf_counter()
        packet = encoder.encode(pixels)
        encoded = time.perf_counter()
        rebuilt = decoder.decode(packet)
        decoded = time.perf_counter()
        header = unpack(packet, OFFLINE).header
        return Measurement(
            codec=sweep.name,
            setting=setting_text(sweep, setting, chroma, header.rank),
            coded_bytes=len(packet),
            psnr_db=psnr_db(pixels, rebuilt),
            ssim=None,
            encode_ms=1e3 * (encoded - start),
            decode_ms=1e3 * (decoded - encoded),
            kept=header.rank,
            energy=None if header.energy_ppb is None else header.energy_ppb / PPB,
            pixels=rebuilt,
        )

    steps = sweep.steps(pixels)
    if not steps.settings:
        raise UnsupportedImageError(f"{sweep.name} has no setting for a picture of {pixels.shape}")
    names = tuple(sweep.chroma) if channels_of(pixels.shape) == 3 else ()
    names = names or ("",)
    if not sweep.needs_model:  # the encoder opens the model and reports its errors
        check_options(codec.name, chosen(names[0], steps.settings[0]))
    return Candidate(sweep, pixels, steps, {chroma: partial(code, chroma) for chroma in names})


def format_candidate(kind: Format, pixels: Pixels) -> Candidate:
    """Set up a reference format for a picture.

    Raises
    ------
    UnsupportedImageError
        If the format does not support the picture.
    """
    reason = refusal(kind, pixels)
    if reason is not None:
        raise UnsupportedImageError(f"{kind.label} {reason}")
    steps = linear_steps(QUALITIES)
    sweep = Sweep(kind.name, "quality", lambda _: steps, symbol="q")

    def code(chroma: str, of_chroma: Format, setting: Setting) -> Measurement:
        reference = Reference(of_chroma, pixels)
        file = reference.at_quality(int(setting))
        rebuilt, decode_ms = reference.decode(file)
        return Measurement(
            codec=kind.name,
            setting=setting_text(sweep, setting, chroma),
            coded_bytes=len(file.data),
            psnr_db=psnr_db(pixels, rebuilt),
            ssim=None,
            encode_ms=file.encode_ms,
            decode_ms=decode_ms,
            pixels=rebuilt,
        )

    forms = kind.chroma_forms(pixels)
    coders = {chroma: partial(code, chroma, of_chroma) for chroma, of_chroma in forms.items()}
    return Candidate(sweep, pixels, steps, coders)


def setting_text(sweep: Sweep, setting: Setting, chroma: str = "", kept: Sequence[int] = ()) -> str:
    """Return a setting as tables show it: ``rank 50``, ``k 20``, ``q 75 4:2:0``.

    If the packet contains fewer values than requested, because the picture has no more, the text
    says so: ``rank 2 (kept 1)``, ``n 9 (kept 0/3/3)``. A codec without an option has no text.
    """
    if not sweep.option:
        return ""
    symbol = sweep.symbol or sweep.option
    text = f"{symbol} {setting:.3g}" if isinstance(setting, float) else f"{symbol} {setting}"
    if sweep.counts_kept and kept and min(kept) < setting:
        counts = kept if len(set(kept)) > 1 else kept[:1]
        shown = "/".join(map(str, counts)) if len(counts) <= 4 else f"{min(kept)} to {max(kept)}"
        text += f" (kept {shown})"
    return f"{text} {chroma}" if chroma else text


def png_size(pixels: Pixels) -> int:
    """Return the size in bytes of the picture as a PNG file at zlib level 9."""
    if channels_of(pixels.shape) not in (1, 3, 4):
        pixels = pixels.reshape(pixels.shape[0], -1)
    done, data = cv2.imencode(".png", pixels, _PNG)
    assert done, f"PNG refused {pixels.shape}"
    return len(data)
