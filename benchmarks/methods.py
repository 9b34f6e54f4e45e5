"""The codecs pca and kmeans: agreement with scikit-learn, and their place among the codecs.

    python benchmarks/methods.py [--data DIR] [--images N] [--gan FILE.rkm] [--quick]
                                 [--output FILE.json]

With ``--data`` the pictures are kodak/*.png, otherwise synthetic. ``--gan`` adds that codec with a
model for pictures of any size, which should not have been trained on those here. scikit-learn
comes with the extra `test`.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from command_line import data_name, finish, option_parser
from method_pictures import stills
from record import Record, Row, at_most, rounded
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import rankcast
from rankcast.codec.pca.components import principal_components, standardise
from rankcast.commands.compare.candidate_choice import candidates_for
from rankcast.commands.compare.codec_comparison import choose
from rankcast.commands.compare.measurement import Measurement
from rankcast.wire import unpack

NAMES: Final = ("svd-patch", "webp", "jpeg", "kmeans", "pca-patches", "svd", "pca", "lossless")
COLOURS: Final = (8, 20, 64, 256)
"""Sizes of the palettes whose distortion is compared."""


def distortion(name: str, pixels: Any, k: int) -> dict[str, Any]:
    """Compare the squared error of k colours with scikit-learn's best of three."""
    points = pixels.reshape(-1, 3).astype(np.float32)
    theirs = KMeans(k, n_init=3, random_state=0).fit(points).inertia_
    ours = unpack(rankcast.Encoder("kmeans", k=k).encode(pixels)).header.squared_error
    assert ours is not None
    return {"picture": name, "k": k, "of_scikit_learn": ours / theirs}


def agreement(name: str, pixels: Any) -> dict[str, Any]:
    """Return the largest distances to scikit-learn's PCA of the same standardised matrix."""
    worst = {"variances": 0.0, "shares": 0.0, "rebuilt": 0.0}
    for channel in range(3):
        x = pixels[:, :, channel].astype(np.float64)
        z, _, _ = standardise(x)
        ours = principal_components(x)
        theirs = PCA(svd_solver="full").fit(z)
        k = len(ours.variances)
        relative = np.abs(ours.variances / theirs.explained_variance_[:k] - 1)[: k // 2]
        worst["variances"] = max(worst["variances"], float(relative.max()))
        shares = np.abs(ours.shares - theirs.explained_variance_ratio_[:k])
        worst["shares"] = max(worst["shares"], float(shares.max()))
        for kept in (10, 50):
            some = PCA(kept, svd_solver="full").fit(z)
            want = some.inverse_transform(some.transform(z))
            got = z @ ours.vectors[:kept].T @ ours.vectors[:kept]
            worst["rebuilt"] = max(worst["rebuilt"], float(np.abs(got - want).max()))
    return {"picture": name, **worst}


def kept_by_default(name: str, pixels: Any) -> dict[str, Any]:
    """Return components kept and bytes with `variance=0.98`, by layout."""
    found: dict[str, Any] = {"picture": name}
    for layout in ("rows", "patches"):
        packet = rankcast.Encoder("pca", layout=layout, engine="exact").encode(pixels)
        header = unpack(packet).header
        found[layout] = {
            "components": header.rank, "psnr_db": header.psnr_db,
            "bits_per_pixel": 8 * len(packet) / (pixels.shape[0] * pixels.shape[1]),
        }  # fmt: skip
    return found


def places(name: str, pixels: Any, bits: float, gan: Path | None) -> dict[str, Any]:
    """Return the quality of every method at `bits` a pixel."""
    area = pixels.shape[0] * pixels.shape[1]

    def distance(coded: Measurement) -> float:
        return math.log(8 * coded.coded_bytes / area / bits)

    names = [*NAMES, "gan"] if gan else NAMES
    candidates, left_out = candidates_for(names, pixels, {"model": str(gan)} if gan else {})
    assert not left_out, left_out
    found = {}
    for candidate in candidates:
        for chroma in candidate.coders:
            candidate.search(chroma, distance)
        found[candidate.name] = candidate.whole(choose(candidate.tried, "bytes", distance))
    return {
        "picture": name,
        "bits_per_pixel": bits,
        "psnr_db": {each: min(coded.psnr_db, 999.0) for each, coded in found.items()},
        "ssim": {each: coded.ssim for each, coded in found.items()},
        "at": {each: coded.setting for each, coded in found.items()},
        "reached": {each: 8 * coded.coded_bytes / area for each, coded in found.items()},
    }


def means(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, float]:
    """Return the mean over pictures of each method's figure."""
    return {name: statistics.mean(row[key][name] for row in rows) for name in rows[0][key]}


def rows(
    agreements: Sequence[Mapping[str, Any]],
    distortions: Sequence[Mapping[str, Any]],
    defaults: Sequence[Mapping[str, Any]],
    ranking: Mapping[float, Sequence[Mapping[str, Any]]],
) -> list[Row]:
    """Return the figures, means or worst cases over all pictures."""
    sklearn = "scikit-learn"
    found = [
        Row(f"pca in double precision, largest difference of {what}",
            max(one[what] for one in agreements), "", at_most(1e-8), sklearn)
        for what in ("variances", "shares", "rebuilt")
    ]  # fmt: skip
    found += [
        Row(f"kmeans of {k} colours, distortion, the worst", None, "", at_most(1.04), sklearn,
            max(one["of_scikit_learn"] for one in distortions if one["k"] == k))
        for k in sorted({one["k"] for one in distortions})
    ]  # fmt: skip
    for layout in ("rows", "patches"):
        components = [one[layout]["components"] for one in defaults]
        kept = statistics.mean(statistics.mean(counts) for counts in components)
        found += [
            Row(f"pca of {layout}, variance=0.98: components a channel", kept),
            *(
                Row(f"pca of {layout}, variance=0.98: {what}",
                    statistics.mean(one[layout][key] for one in defaults), unit)
                for what, key, unit in (
                    ("size", "bits_per_pixel", "bit/pixel"), ("PSNR", "psnr_db", "dB")
                )
            ),
        ]  # fmt: skip
    for bits, measured in ranking.items():
        ssim = means(measured, "ssim")
        reached = means(measured, "reached")
        for name, psnr_db in means(measured, "psnr_db").items():
            if name == "lossless":  # at no target, and of infinite PSNR
                continue
            at = f"{reached[name]:.2f} bit/pixel, SSIM {ssim[name]:.3f}"
            found.append(Row(f"{name} nearest to {bits:g} bit/pixel ({at})", psnr_db, "dB"))
    return found


def main() -> int:
    """Measure all pictures and write the record."""
    parser = option_parser(__doc__, data=True)
    parser.add_argument("--images", type=int, default=0, help="default 4, 1 with --quick")
    parser.add_argument("--gan", type=Path, metavar="FILE.rkm")
    options = parser.parse_args()
    images = list(stills(options.data, options.images or (1 if options.quick else 4)))
    agreements = [agreement(*image) for image in images]
    distortions = [distortion(*image, k) for image in images for k in COLOURS]
    defaults = [kept_by_default(*image) for image in images]
    ranking = {bits: [places(*image, bits, options.gan) for image in images] for bits in (1.0, 2.0)}
    record = Record(
        "methods",
        "Codecs pca and kmeans, and all methods at equal bytes",
        f"{len(images)} pictures. Agreement: the same standardised matrix; distortion: squared"
        " error over scikit-learn's best of three. Quality at equal bytes: means of the setting"
        " nearest to the target; PSNR over all samples.",
        rounded(rows(agreements, distortions, defaults, ranking)),
        data=data_name(options.data),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
