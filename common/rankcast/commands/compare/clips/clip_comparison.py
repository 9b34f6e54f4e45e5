"""Measurement for `compare CLIP`: coders at several settings, and bytes at equal quality."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rankcast.codec import Setting
from rankcast.commands.compare.candidate_choice import LeftOut
from rankcast.commands.compare.clips.clip import Clip
from rankcast.commands.compare.clips.clip_coder import ClipCoder
from rankcast.errors import RankcastError, SourceError, UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.numerics import one_blas_thread
from rankcast.rate_distortion import (
    ClipFormat,
    Curve,
    Quality,
    QualityMeter,
    Trial,
    by_psnr,
    by_ssim,
    mean_ratio,
    run_trial,
)

SIMILARITY_EVERY: Final = 4
"""SSIM of every frame would take longer than most coders."""
SHOWN_DB: Final = 40.0
"""PSNR at which time and delay are shown: beyond it few viewers see a difference."""
_WARM_FRAMES: Final = 2


@dataclass(frozen=True, slots=True)
class EqualQuality:
    """Bytes of a coder over those of the base where their quality is equal."""

    ratio: float
    from_db: float
    to_db: float


@dataclass(frozen=True, slots=True)
class CoderResult:
    """One coder, at all settings."""

    name: str
    label: str
    trials: tuple[Trial, ...]
    """From coarse to fine."""
    equal_psnr: EqualQuality | None
    """None where the curves share no quality, as for a coder of one setting."""
    equal_ssim: EqualQuality | None
    shown: Trial
    """The trial whose time and delay are shown."""

    def curve(self, quality: Quality) -> Curve:
        """Return bytes against a measure of quality."""
        return Curve([trial.point for trial in self.trials], quality)


@dataclass(frozen=True, slots=True)
class ClipComparison:
    """All data shown in table, plot, report and JSON."""

    clip: ClipFormat
    frames: int
    damaged: int
    base: str
    shown_db: float
    results: tuple[CoderResult, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def seconds(self) -> float:
        """Length of what was coded."""
        return self.frames / self.clip.fps

    def kbit_per_s(self, trial: Trial) -> float:
        """Return the bit rate of a trial."""
        return 8e-3 * trial.point.size_bytes / self.seconds

    def shown_kbit_per_s(self, result: CoderResult) -> float | None:
        """Return the bit rate at `shown_db`; that of its only setting for an exact coder.

        None if the curve does not reach `shown_db`.
        """
        if math.isinf(result.shown.point.psnr_db):
            return self.kbit_per_s(result.shown)
        size_bytes = result.curve(by_psnr).bytes_at(self.shown_db)
        return None if size_bytes is None else 8e-3 * size_bytes / self.seconds


def step_count(clip: Clip, coders: Sequence[ClipCoder]) -> int:
    """Return how often `compare_clip` will call `advance`: once a frame at most."""
    pixels = next(iter(clip))
    return clip.most_frames * sum(
        len(coder.settings(pixels)) for coder in coders if coder.refusal(clip.format) is None
    )


def compare_clip(
    clip: Clip,
    coders: Sequence[ClipCoder],
    base: str | None = None,
    advance: Callable[[], Any] = lambda: None,
) -> ClipComparison:
    """Code the clip with every coder at every setting.

    Parameters
    ----------
    clip : Clip
    coders : sequence of ClipCoder
    base : str, optional
        Name of the coder that bytes are divided by; by default the first one that codes the clip.
    advance : callable, optional
        Called for every frame.

    Raises
    ------
    SourceError
        If the clip cannot be read.
    UnsupportedImageError
        If no coder can code it, or the base cannot.
    """
    pixels = next(iter(clip))
    measured: dict[str, tuple[ClipCoder, tuple[Trial, ...]]] = {}
    left_out = []
    # Spinning BLAS threads between two calls would count as processor time of the codec.
    with one_blas_thread():
        for coder in coders:
            reason = coder.refusal(clip.format)
            if reason is not None:
                left_out.append(LeftOut(coder.name, reason, UnsupportedImageError(reason)))
                continue
            try:
                trials = [
                    _trial(clip, coder, setting, advance) for setting in coder.settings(pixels)
                ]
            except SourceError:
                raise
            except RankcastError as exc:
                left_out.append(LeftOut(coder.name, str(exc), exc))
                continue
            measured[coder.name] = coder, tuple(trials)
    if not measured:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in left_out)
        raise UnsupportedImageError(f"no codec can code the clip: {reasons}")
    chosen = next(iter(measured)) if base is None else base
    if chosen not in measured:
        reason = next(each.reason for each in left_out if each.name == chosen)
        raise UnsupportedImageError(f"got --base {chosen}, which cannot code the clip: {reason}")
    shown_db = _shown_db(measured[chosen][1])
    return ClipComparison(
        clip.format,
        measured[chosen][1][0].frames,
        clip.damaged,
        chosen,
        shown_db,
        tuple(
            _result(coder, trials, measured[chosen][1], shown_db)
            for coder, trials in measured.values()
        ),
        tuple(left_out),
    )


def _trial(clip: Clip, coder: ClipCoder, setting: Setting, advance: Callable[[], Any]) -> Trial:
    def frames() -> Iterator[Pixels]:
        for pixels in clip:
            yield pixels
            advance()

    # The first frames load kernels, tables and memory, which is no part of the time of a frame;
    # they are coded by a stream of their own.
    warm = coder.start(clip.format, setting)
    for _, pixels in zip(range(_WARM_FRAMES), clip, strict=False):
        for packet in warm.encode(pixels):
            warm.decode(packet)
    warm.finish()  # SVT-AV1 prints an error about a stream that does not end
    meter = QualityMeter(clip.format.peak, similarity_every=SIMILARITY_EVERY)
    return run_trial(
        frames(), coder.start(clip.format, setting), meter, coder.setting_text(setting)
    )


def _shown_db(trials: Sequence[Trial]) -> float:
    curve = Curve(trial.point for trial in trials)
    if not curve.usable:
        return SHOWN_DB
    low, high = curve.range_db
    return SHOWN_DB if low <= SHOWN_DB <= high else round((low + high) / 2)


def _result(
    coder: ClipCoder, trials: tuple[Trial, ...], base: tuple[Trial, ...], shown_db: float
) -> CoderResult:
    # An exact picture is infinitely far from any PSNR, but the nearest of a lossless coder.
    shown = min(trials, key=lambda trial: abs(min(trial.point.psnr_db, 1e3) - shown_db))
    return CoderResult(
        coder.name,
        coder.label,
        trials,
        _equal(trials, base, by_psnr),
        _equal(trials, base, by_ssim),
        shown,
    )


def _equal(trials: Sequence[Trial], base: Sequence[Trial], quality: Quality) -> EqualQuality | None:
    test, anchor = (Curve([trial.point for trial in each], quality) for each in (trials, base))
    found = mean_ratio(test, anchor)
    return None if found is None else EqualQuality(**found)
