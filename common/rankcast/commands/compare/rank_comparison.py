"""Measurement for `compare`: several ranks of one codec and image files of about equal size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.commands.codec_choice import CodecChoice
from rankcast.commands.compare.article_count import ArticleCount, article_count, article_rank
from rankcast.commands.compare.measurement import Curve, Measurement, curve_of
from rankcast.commands.compare.reference_format import (
    FORMATS,
    QUALITIES,
    Reference,
    ReferenceFile,
    refusal,
)
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder, check_options
from rankcast.errors import LimitError
from rankcast.frame import Pixels, channels_of
from rankcast.numerics import psnr_db, ssim
from rankcast.wire import OFFLINE, PPB, unpack

SWEEP: Final = (2, 5, 10, 20, 35, 50, 65, 80, 90, 95, 100)
"""Qualities of the reference curves, dense where the curves bend."""
NEAR: Final = 1.1
"""Files within this factor of a packet count as matched."""
ARTICLE_SHARE: Final = 0.1
"""Share of the singular values that the colour article keeps."""


@dataclass(frozen=True, slots=True)
class RankGroup:
    """One rank, and the reference files nearest to it in bytes."""

    coded: Measurement
    article: ArticleCount
    references: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True)
class RankComparison:
    """All data shown in table, gallery, plot and JSON."""

    pixels: Pixels
    codec: CodecChoice
    groups: tuple[RankGroup, ...]
    article: RankGroup
    """Result at the colour article's setting."""
    curves: tuple[Curve, ...]
    spectra: tuple[NDArray[np.float64], ...]
    """Singular values of each channel, decreasing."""
    notes: tuple[str, ...]


def usable_ranks(wanted: Sequence[int], min_side: int) -> tuple[list[int], list[str]]:
    """Limit the requested ranks to those of the picture, and report the changes.

    Ranks above `min_side` would all result in full rank, which replaces them once.

    Returns
    -------
    list of int, list of str
        Ranks in decreasing order, each once; notes for the reader.
    """
    ranks = sorted({min(rank, min_side) for rank in wanted}, reverse=True)
    above = sorted({rank for rank in wanted if rank > min_side}, reverse=True)
    if not above:
        return ranks, []
    names = ", ".join(map(str, above))
    plural = "s" if len(above) > 1 else ""
    return ranks, [
        f"rank{plural} {names} above the {min_side} singular values of a channel: "
        f"full rank {min_side} is shown instead"
    ]


def step_count(ranks: Sequence[int], pixels: Pixels, choice: CodecChoice) -> int:
    """Return how often `compare_ranks` will call `advance`."""
    formats = sum(refusal(kind, pixels) is None for kind in FORMATS)
    coded = (len(ranks) + 1) * (1 + formats)
    second = 0 if _other_factors(choice) is None else len(ranks)
    return channels_of(pixels.shape) + coded + second + formats * len(SWEEP)


def compare_ranks(
    pixels: Pixels,
    choice: CodecChoice,
    ranks: Sequence[int],
    notes: Iterable[str] = (),
    advance: Callable[[], Any] = lambda: None,
) -> RankComparison:
    """Encode `pixels` at every rank, and as image files of about the same size.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    choice : CodecChoice
        A codec with the option `rank`.
    ranks : sequence of int
        Each at most min(H, W).
    notes : iterable of str, optional
        Listed in the result before the notes of the comparison.
    advance : callable, optional
        Called after every step, `step_count` times.
    """
    references, left_out = _references(pixels)
    _warm_up(pixels, choice)

    def group(rank: int) -> RankGroup:
        coded = encode_rank(pixels, choice, rank)
        advance()
        matched = []
        for reference in references:
            matched.append(_measure(reference, reference.nearest(coded.coded_bytes)))
            advance()
        m, n = pixels.shape[:2]
        count = article_count(m, n, channels_of(pixels.shape), rank)
        return RankGroup(coded, count, tuple(matched))

    groups = tuple(group(rank) for rank in ranks)
    tenth = group(article_rank(pixels.shape[0], pixels.shape[1], ARTICLE_SHARE))
    curves = [curve_of(_label(choice), (g.coded for g in groups))]
    second = _other_factors(choice)
    if second is not None:
        points = []
        for rank in ranks:
            points.append(encode_rank(pixels, second, rank, for_curve=True))
            advance()
        curves.append(curve_of(_label(second), points))
    for reference in references:
        for quality in SWEEP:
            reference.at_quality(quality)
            advance()
        # The files of the bisection become points of the curve too, at the cost of decoding them.
        files = reference.files.values()
        points = [_measure(reference, file, for_curve=True) for file in files]
        curves.append(curve_of(reference.format.label, points))
    return RankComparison(
        pixels=pixels,
        codec=choice,
        groups=groups,
        article=tenth,
        curves=tuple(curves),
        spectra=_spectra(pixels, advance),
        notes=(*notes, *left_out, *_kept_note(groups), *_ends(references, groups)),
    )


def encode_rank(
    pixels: Pixels, choice: CodecChoice, rank: int, *, for_curve: bool = False
) -> Measurement:
    """Encode and rebuild `pixels` at one rank; `for_curve` omits SSIM and the rebuilt picture."""
    encoder = Encoder(choice.name, **choice.with_options(rank=rank).options)
    decoder = Decoder(OFFLINE)
    start = time.perf_counter()
    packet = encoder.encode(pixels)
    encoded = time.perf_counter()
    if len(packet) > OFFLINE.max_packet_bytes:
        raise LimitError(
            f"rank {rank} results in a packet of {len(packet):,} bytes, the limit of a file is "
            f"{OFFLINE.max_packet_bytes:,}: choose lower ranks"
        )
    rebuilt = decoder.decode(packet)
    decoded = time.perf_counter()
    header = unpack(packet, OFFLINE).header
    return Measurement(
        codec=choice.name,
        setting=f"rank {rank}",
        coded_bytes=len(packet),
        psnr_db=psnr_db(pixels, rebuilt),
        ssim=None if for_curve else ssim(pixels, rebuilt),
        encode_ms=1e3 * (encoded - start),
        decode_ms=1e3 * (decoded - encoded),
        rank=rank,
        kept=header.rank,
        energy=None if header.energy_ppb is None else header.energy_ppb / PPB,
        pixels=None if for_curve else rebuilt,
    )


def _measure(reference: Reference, file: ReferenceFile, *, for_curve: bool = False) -> Measurement:
    rebuilt, decode_ms = reference.decode(file)
    return Measurement(
        codec=reference.format.name,
        setting=f"q {file.quality}",
        coded_bytes=len(file.data),
        psnr_db=psnr_db(reference.pixels, rebuilt),
        ssim=None if for_curve else ssim(reference.pixels, rebuilt),
        encode_ms=file.encode_ms,
        decode_ms=decode_ms,
    )


def _kept_note(groups: Sequence[RankGroup]) -> list[str]:
    """List the ranks whose packets contain fewer singular values, as the picture has no more."""
    fewer = [
        f"{group.coded.rank} ({'/'.join(map(str, group.coded.kept))})"
        for group in groups
        if group.coded.rank is not None and min(group.coded.kept, default=0) < group.coded.rank
        and group.coded.kept
    ]  # fmt: skip
    return [f"fewer singular values kept than requested: rank {', '.join(fewer)}"] if fewer else []


def _ends(references: Sequence[Reference], groups: Sequence[RankGroup]) -> list[str]:
    """List the packets whose size no file of a format matches at any quality."""
    notes = []
    for reference in references:
        largest = len(reference.at_quality(QUALITIES[-1]).data)
        smallest = len(reference.at_quality(QUALITIES[0]).data)
        label = reference.format.label
        above = [f"{g.coded.rank}" for g in groups if g.coded.coded_bytes > NEAR * largest]
        below = [f"{g.coded.rank}" for g in groups if NEAR * g.coded.coded_bytes < smallest]
        if above:
            notes.append(
                f"{label} ends at quality {QUALITIES[-1]} with {largest:,} bytes, "
                f"less than rank {', '.join(above)}"
            )
        if below:
            notes.append(
                f"{label} begins at quality {QUALITIES[0]} with {smallest:,} bytes, "
                f"more than rank {', '.join(below)}"
            )
    return notes


def _references(pixels: Pixels) -> tuple[list[Reference], list[str]]:
    references, left_out = [], []
    for kind in FORMATS:
        reason = refusal(kind, pixels)
        if reason is None:
            references.append(Reference(kind, pixels))
        else:
            left_out.append(f"{kind.label} {reason}: left out")
    return references, left_out


def _warm_up(pixels: Pixels, choice: CodecChoice) -> None:
    """Encode a corner first, so that no measured time includes loading kernels."""
    corner = np.ascontiguousarray(pixels[:32, :32])
    for each in (choice, _other_factors(choice)):
        if each is not None:
            encode_rank(corner, each, 1, for_curve=True)


def _other_factors(choice: CodecChoice) -> CodecChoice | None:
    """Return the same codec with float32 factors, or with coded ones if it has float32 already."""
    if not choice.has_option("factors"):
        return None
    chosen = check_options(choice.name, choice.options).model_dump()["factors"]
    return choice.with_options(factors="coded" if chosen == "float32" else "float32")


def _label(choice: CodecChoice) -> str:
    if not choice.has_option("factors"):
        return choice.name
    factors = check_options(choice.name, choice.options).model_dump()["factors"]
    return f"{choice.name}, {factors} factors"


def _spectra(pixels: Pixels, advance: Callable[[], Any]) -> tuple[NDArray[np.float64], ...]:
    planes = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    spectra: list[NDArray[np.float64]] = []
    for channel in range(planes.shape[2]):
        plane = planes[:, :, channel].astype(np.float64)
        spectra.append(np.asarray(np.linalg.svd(plane, compute_uv=False), np.float64))
        advance()
    return tuple(spectra)
