"""Selects the candidates that ``--codecs`` names and that can encode the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rankcast.codec import CODECS, Codec, Sweep
from rankcast.commands.compare.candidate import Candidate, codec_candidate, format_candidate
from rankcast.commands.compare.reference_format import FORMATS, Format
from rankcast.errors import RankcastError, SettingsError
from rankcast.frame import Pixels

_SWEEPS: Final[Mapping[str, tuple[Codec, Sweep]]] = {
    sweep.name: (codec, sweep) for codec in CODECS.values() for sweep in codec.sweeps
}
_FORMATS: Final[Mapping[str, Format]] = {kind.name: kind for kind in FORMATS}
CODEC_NAMES: Final = tuple(_SWEEPS)
FORMAT_NAMES: Final = tuple(_FORMATS)
NAMES: Final = (*CODEC_NAMES, *FORMAT_NAMES)
"""All names accepted by ``--codecs``."""
WITH_MODEL: Final = tuple(name for name, (_, sweep) in _SWEEPS.items() if sweep.needs_model)
WITH_ENGINE: Final[Mapping[str, str]] = {
    name: sweep.options["engine"] for name, (_, sweep) in _SWEEPS.items()
    if "engine" in sweep.options
}  # fmt: skip
"""Engine with which a candidate computes its factors, if there is a choice."""
PROBE_SIDE: Final = 48
"""Side of the corner that is encoded first, to load a candidate's kernels before timing."""


def parse_codecs(text: str) -> list[str]:
    """Parse ``svd,kmeans,jpeg``; drop repeated names.

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
    """A candidate that cannot encode the picture."""

    name: str
    reason: str
    """Reason, in one line."""
    error: RankcastError


def candidates_for(
    names: Sequence[str], pixels: Pixels, model: Mapping[str, str]
) -> tuple[list[Candidate], list[LeftOut]]:
    """Set up the candidates that can encode the picture.

    Parameters
    ----------
    names : sequence of str
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    model : mapping
        Options `model` and `label` of the codecs that need one; empty without a model.

    Returns
    -------
    list of Candidate, list of LeftOut

    Raises
    ------
    SettingsError
        If the model cannot be read, belongs to another codec, or does not contain the label.
    """
    candidates, left_out = [], []
    for name in names:
        if name in WITH_MODEL and "model" not in model:
            train = f"`rankcast train {_SWEEPS[name][0].name}`"
            reason = f"no model: name one with --model FILE.rkm, which {train} creates"
            error = SettingsError(f"got --codecs {name} with {reason}")
            left_out.append(LeftOut(name, reason, error))
            continue
        try:
            candidates.append(_candidate(name, pixels, model))
        except SettingsError as exc:
            # A wrong --model or --label is a user error and ends the command. A missing library,
            # or a picture that the codec does not support, only omits the candidate.
            if name in WITH_MODEL and not _SWEEPS[name][0].missing():
                raise
            left_out.append(LeftOut(name, str(exc), exc))
        except RankcastError as exc:
            left_out.append(LeftOut(name, str(exc), exc))
    return candidates, left_out


def _candidate(name: str, pixels: Pixels, model: Mapping[str, str]) -> Candidate:
    """Set up a candidate; encode a corner first, so that no measured time includes loading."""
    corner = np.ascontiguousarray(pixels[:PROBE_SIDE, :PROBE_SIDE])
    if name in _FORMATS:
        candidate = format_candidate(_FORMATS[name], pixels)
        probe = format_candidate(_FORMATS[name], corner)
    else:
        codec, sweep = _SWEEPS[name]
        options = model if sweep.needs_model else {}
        candidate = probe = codec_candidate(codec, sweep, pixels, options)
        if not sweep.needs_model:  # a model may accept only pictures of its own size
            probe = codec_candidate(codec, sweep, corner, options)
    for code in probe.coders.values():
        code(probe.steps.settings[0])
    return candidate
