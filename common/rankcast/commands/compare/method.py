"""One method of `rankcast compare --codecs`: what it was tried at, and where to try it next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from rankcast.commands.compare.comparison import Measurement
from rankcast.frame import Pixels, channels_of
from rankcast.numerics import squared_error, ssim
from rankcast.opencv import cv2

MOST_COLOURS: Final = 4096
"""Palettes above it take seconds each, and are larger than the picture's JPEG: only the one of all
colours, which has nothing to fit, is tried there."""
_MANY_COLOURS: Final = 256
"""Above it a palette takes seconds to fit."""
_FINE, _COARSE = 64, 16
"""Numbers of colours are searched between those listed down to a 64th, many down to a 16th: half a
decibel at most, for two palettes more."""
_PNG: Final = (
    cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT,
)  # fmt: skip
"""OpenCV's own settings look for runs alone, which are twice as large where colours are few."""

Setting = int | float


class Choice(NamedTuple):
    """A form and a setting that a picture can be coded with."""

    form: str
    setting: Setting


@dataclass(slots=True)
class Method:
    """One way to code a picture, tried at whatever settings were needed, each once."""

    name: str
    pixels: Pixels
    knob: str
    """The option that trades bytes for quality; empty where there is none."""
    settings: Sequence[Setting]
    """Its values, in the order of rising bytes."""
    curve: Sequence[Setting]
    """Those of them that a curve is drawn through."""
    forms: Mapping[str, Callable[[Setting], Measurement]]
    """What codes, by its form of chroma; one without a name where there is no choice of it."""
    tried: dict[Choice, Measurement] = field(default_factory=dict)
    """Without SSIM and the rebuilt pictures: of a large one a dozen would fill the memory."""
    errors: dict[Setting, int] = field(default_factory=dict)
    """Sum of squared errors: of `kmeans` the within-cluster sum of squares."""
    png_bytes: dict[Setting, int] = field(default_factory=dict)
    """Of the rebuilt picture as PNG, the article's measure; of `kmeans` at its curve and result."""

    def at(self, choice: Choice) -> Measurement:
        """Code the picture once."""
        if choice not in self.tried:
            coded = self.forms[choice.form](choice.setting)
            self.tried[choice] = replace(coded, pixels=None)
            self._measure_palette(choice.setting, coded, png=choice.setting in self.curve)
        return self.tried[choice]

    def whole(self, choice: Choice) -> Measurement:
        """Code the picture again, with SSIM and what comes back; times are the lesser of both."""
        before = self.at(choice)
        coded = self.forms[choice.form](choice.setting)
        assert coded.pixels is not None
        self._measure_palette(choice.setting, coded, png=True)
        return replace(
            coded,
            ssim=ssim(self.pixels, coded.pixels),
            encode_ms=min(before.encode_ms, coded.encode_ms),
            decode_ms=min(before.decode_ms, coded.decode_ms),
        )

    def search(self, form: str, distance: Callable[[Measurement], float]) -> None:
        """Try settings around a target, by bisection between those that were tried already.

        Parameters
        ----------
        form : str
        distance : callable
            Of a result: rising with bytes and quality, 0 at the target.
        """

        def is_below(place: int) -> bool:
            return distance(self.at(Choice(form, self.settings[place]))) < 0

        low, high = 0, len(self.settings) - 1
        for place, setting in enumerate(self.settings):
            if Choice(form, setting) not in self.tried:
                continue
            if not is_below(place):
                high = place
                break
            low = place
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if is_below(middle) else (low, middle)
        ends_below = (is_below(low), is_below(high))
        if self.knob == "k" and ends_below == (True, False):
            self._search_between(form, self.settings[low], self.settings[high], distance)

    def _search_between(
        self, form: str, low: Setting, high: Setting, distance: Callable[[Measurement], float]
    ) -> None:
        """Narrow two settings down to neighbours, or nearly: those listed are far apart."""
        while low < MOST_COLOURS:
            if high - low <= max(1, low // (_FINE if low < _MANY_COLOURS else _COARSE)):
                break
            middle = int(low + high) // 2
            below = distance(self.at(Choice(form, middle))) < 0
            low, high = (middle, high) if below else (low, middle)

    def _measure_palette(self, setting: Setting, coded: Measurement, *, png: bool) -> None:
        if self.name != "kmeans":
            return
        assert coded.pixels is not None
        self.errors[setting] = squared_error(self.pixels, coded.pixels)
        if png and setting not in self.png_bytes:
            self.png_bytes[setting] = png_size(coded.pixels)


def png_size(pixels: Pixels) -> int:
    """Bytes of a PNG file of the picture at zlib's level 9."""
    if channels_of(pixels.shape) not in (1, 3, 4):
        pixels = pixels.reshape(pixels.shape[0], -1)
    done, data = cv2.imencode(".png", pixels, _PNG)
    assert done, f"PNG refused {pixels.shape}"
    return len(data)
