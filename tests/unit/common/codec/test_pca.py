"""`pca`: agreement with scikit-learn and the definition, layouts, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.codec.pca.components import (
    components_for,
    factors_of,
    principal_components,
    standardise,
)
from rankcast.codec.pca.encoder import PcaEncoder
from rankcast.codec.pca.layout import from_matrix, matrix_shape, to_matrix
from rankcast.codec.pca.statistics import Statistics, pack, unpack
from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.numerics import psnr_db, squared_error
from rankcast.opencv import cv2
from rankcast.wire import unpack as unpack_packet


def scene(shape: tuple[int, ...] = (60, 80, 3), seed: int = 1, dtype: str = "uint8") -> Pixels:
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.normal(0, 1, shape), (0, 0), 4.0).reshape(shape)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return (smooth * 0.9 * np.iinfo(dtype).max).astype(dtype)


def aligned(a: Any, b: Any) -> Any:
    """Rows of `a` with the signs of those of `b`: eigenvectors have none of their own."""
    return a * np.sign(np.sum(a * b, axis=1))[:, None]


@pytest.mark.parametrize("shape", [(40, 12), (90, 30), (30, 30)])
def test_components_of_a_matrix_agree_with_scikit_learn_to_1e_8(shape: tuple[int, int]) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    # Columns of different scale; variances that are well apart have well-defined vectors.
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, shape) @ rng.normal(0, 1, (shape[1], shape[1])) * rng.uniform(1, 50)
    scaler = preprocessing.StandardScaler().fit(x)
    z, mean, deviation = standardise(x)
    assert np.allclose(z, scaler.transform(x), rtol=0, atol=1e-8)
    assert np.allclose(mean, scaler.mean_, rtol=0, atol=1e-8)
    assert np.allclose(deviation, scaler.scale_, rtol=0, atol=1e-8)
    theirs = decomposition.PCA().fit(scaler.transform(x))
    ours = principal_components(x)
    k = len(ours.variances)
    assert k == min(shape[0] - 1, shape[1])
    assert np.allclose(ours.variances, theirs.explained_variance_[:k], rtol=1e-8, atol=1e-8)
    assert np.allclose(ours.shares, theirs.explained_variance_ratio_[:k], rtol=0, atol=1e-8)
    leading = min(k, 20)
    own, other = ours.vectors[:leading], theirs.components_[:leading]
    assert np.allclose(aligned(own, other), other, rtol=0, atol=1e-8)
    # What is rebuilt from some of them is what counts in the end.
    for kept in (1, k // 2):
        mine = z @ ours.vectors[:kept].T @ ours.vectors[:kept]
        some = decomposition.PCA(kept, svd_solver="full").fit(z)
        assert np.allclose(mine, some.inverse_transform(some.transform(z)), rtol=0, atol=1e-8)


def test_the_number_for_a_share_of_variance_agrees_with_scikit_learn() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    z, _, _ = standardise(scene((50, 40)))
    variances = principal_components(scene((50, 40))).variances
    for share in (0.5, 0.9, 0.98, 0.999):
        want = decomposition.PCA(share, svd_solver="full").fit(z).n_components_
        assert components_for(variances, share) == want


def factorised(monkeypatch: pytest.MonkeyPatch, pixels: Pixels, **options: Any) -> Any:
    """The matrix of a grey picture that the encoder really factorised, and what it made of it."""
    seen: list[Any] = []
    inner = PcaEncoder._factorise

    def factorise(encoder: PcaEncoder, planes: Any, rule: Any) -> Any:
        found = inner(encoder, planes, rule)
        seen.extend(zip(planes, found, strict=True))
        return found

    monkeypatch.setattr(PcaEncoder, "_factorise", factorise)
    rankcast.Encoder("pca", engine="exact", **options).encode(pixels)
    ((plane, factors),) = seen
    return plane.a, factors


@pytest.mark.parametrize(
    ("dtype", "rounding", "kind"),
    # What is left of 1e-8 in float32 is its own rounding, half of 2^-24 in numbers up to 1.
    [("uint8", 6e-8, np.float32), ("uint16", 1e-12, np.float64)],
)
@pytest.mark.parametrize(
    "options",
    [{"components": 12}, {"variance": 0.98}, {"layout": "patches", "components": 9},
     {"layout": "patches", "variance": 0.98}],
)  # fmt: skip
def test_the_encoder_keeps_and_projects_what_scikit_learn_does_on_the_same_matrix(
    monkeypatch: pytest.MonkeyPatch, dtype: str, rounding: float, kind: Any, options: Any
) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    z, found = factorised(monkeypatch, scene((90, 120), dtype=dtype), **options)
    assert z.dtype == found.u.dtype == found.v.dtype == kind
    z, k = z.astype(np.float64), found.rank
    # Means were rounded before they were subtracted: scikit-learn must not centre once more.
    theirs = decomposition.TruncatedSVD(k, algorithm="arpack").fit(z)
    largest = theirs.singular_values_[0]
    assert np.allclose(found.s, theirs.singular_values_, rtol=0, atol=1e-12 * largest)
    components = found.v.T.astype(np.float64)
    own = aligned(components, theirs.components_)
    assert np.allclose(own, theirs.components_, rtol=0, atol=rounding)
    scores = found.u.astype(np.float64) * found.s
    own_scores = aligned(scores.T, theirs.transform(z).T).T
    assert np.allclose(own_scores, theirs.transform(z), rtol=0, atol=rounding * largest)
    rebuilt = scores @ components
    mine_of_theirs = theirs.inverse_transform(theirs.transform(z))
    assert np.allclose(rebuilt, mine_of_theirs, rtol=0, atol=rounding * largest)
    # One that centres finds the same number for a share, and nearly the same picture.
    centring = decomposition.PCA(options.get("variance", k), svd_solver="full").fit(z)
    assert centring.n_components_ == k
    near = centring.inverse_transform(centring.transform(z))
    assert np.abs(rebuilt - near).max() < (3e-3 if dtype == "uint8" else 5e-5)


def test_constant_columns_are_zero_and_have_no_component() -> None:
    x = scene((30, 20)).astype(float)
    x[:, 3] = 77.1
    z, mean, deviation = standardise(x)
    assert deviation[3] == 0
    assert mean[3] == pytest.approx(77.1)
    assert not z[:, 3].any()
    found = principal_components(x)
    assert np.allclose(found.vectors[:, 3], 0, atol=1e-9)
    assert not principal_components(np.full((5, 4), 7.0)).variances.size


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (1, 5), (5, 1)])
def test_the_covariance_gives_the_singular_value_decomposition(shape: tuple[int, int]) -> None:
    z = np.random.default_rng(0).normal(0, 1, shape)
    found = factors_of(z, float((z * z).sum()))
    assert np.allclose(found.s, np.linalg.svd(z, compute_uv=False), atol=1e-8)
    assert np.allclose(found.u * found.s @ found.v.T, z, atol=1e-8)


def coded(pixels: Pixels, **options: Any) -> tuple[Any, Pixels]:
    packet = rankcast.Encoder("pca", **options).encode(pixels)
    return unpack_packet(packet).header, rankcast.Decoder().decode(packet)


def test_rows_keep_the_components_that_the_variance_asks_for() -> None:
    pixels = scene()
    for share in (0.6, 0.9, 0.98):
        header, rebuilt = coded(pixels, variance=share)
        want = tuple(
            components_for(principal_components(pixels[:, :, c]).variances, share) for c in range(3)
        )
        # Means and deviations are rounded before they are used.
        assert all(abs(a - b) <= 1 for a, b in zip(header.rank, want, strict=True))
        assert header.energy_ppb >= share * 1e9
        assert header.squared_error == squared_error(pixels, rebuilt)


def test_coding_costs_little_beside_the_exact_projection() -> None:
    pixels = scene((80, 90))
    k = 12
    x = pixels.astype(float)
    z, mean, deviation = standardise(x)
    vectors = principal_components(x).vectors[:k]
    exact = np.clip(np.rint(z @ vectors.T @ vectors * deviation + mean), 0, 255).astype(np.uint8)
    _, rebuilt = coded(pixels, components=k)
    assert psnr_db(pixels, rebuilt) > psnr_db(pixels, exact) - 0.8


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("layout", ["rows", "patches"])
def test_the_warm_engine_is_as_good_as_all_eigenvectors(layout: str, dtype: str) -> None:
    pixels = scene((280, 300), dtype=dtype)
    encoder = rankcast.Encoder("pca", components=20, layout=layout)
    for _ in range(3):
        warm = unpack_packet(encoder.encode(pixels)).header
    exact, _ = coded(pixels, components=20, layout=layout, engine="exact")
    assert warm.psnr_db > exact.psnr_db - 0.3


def test_patches_of_a_side_are_what_is_coded() -> None:
    header, _ = coded(scene((41, 50)), layout="patches", patch=5)
    assert header.params == (1, 5)
    assert coded(scene((41, 50)), layout="patches")[0].params == (1, 8)
    assert coded(scene((41, 50)))[0].params == (0,)


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([0, 2, 5, 8]))
@settings(max_examples=40)
def test_channels_come_back_from_their_matrices(height: int, width: int, patch: int) -> None:
    channel = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    x = to_matrix(channel, patch)
    assert x.shape == matrix_shape(height, width, patch)
    assert np.array_equal(from_matrix(x, height, width, patch), channel)


@given(st.data())
@settings(max_examples=40)
def test_statistics_come_back(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    widths = data.draw(st.lists(st.integers(1, 20), min_size=1, max_size=3))
    planes = [Statistics(rng.integers(0, 4081, n), rng.integers(0, 2000, n), 16) for n in widths]
    seen = unpack(memoryview(pack(planes)), widths, np.dtype(np.uint8))
    for a, b in zip(planes, seen, strict=True):
        assert np.array_equal(a.means, b.means)
        assert np.array_equal(a.deviations, b.deviations)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"variance": 1.01}, "variance"), ({"variance": 0.0}, "variance"), ({"components": 0}, "comp"),
     ({"variance": 0.9, "components": 3}, "at most one"), ({"layout": "frames"}, "model"),
     ({"model": "x.rkm"}, "model"), ({"patch": 8}, "patch"),
     ({"layout": "patches", "patch": 65}, "patch"), ({"layout": "columns"}, "layout")],
)  # fmt: skip
def test_wrong_options_are_refused_at_construction(options: dict[str, Any], word: str) -> None:
    with pytest.raises(SettingsError, match=word) as error:
        rankcast.Encoder("pca", **options)
    assert "\n" not in str(error.value)


def test_more_components_than_there_can_be_are_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="got components 61, want at most 60"):
        rankcast.Encoder("pca", components=61).encode(scene())
    with pytest.raises(UnsupportedImageError, match="want at most 4,"):
        rankcast.Encoder("pca", components=5, layout="patches").encode(scene((16, 16)))
