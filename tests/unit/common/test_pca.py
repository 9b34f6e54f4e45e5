"""`pca`: agreement with scikit-learn and the definition, layouts, model files, what is refused."""

from __future__ import annotations

from pathlib import Path
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
from rankcast.codec.pca.frames import write_frame_model
from rankcast.codec.pca.layout import from_matrix, matrix_shape, to_matrix
from rankcast.codec.pca.statistics import Statistics, pack, unpack
from rankcast.errors import (
    ModelError,
    PayloadError,
    SettingsError,
    UnknownModelError,
    UnsupportedImageError,
)
from rankcast.frame import Pixels
from rankcast.metrics import psnr_db, squared_error
from rankcast.modelfile import write_model
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
def test_components_agree_with_scikit_learn_to_1e_8(shape: tuple[int, int]) -> None:
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
    with pytest.raises(UnsupportedImageError, match="got components 61, the limit is 60"):
        rankcast.Encoder("pca", components=61).encode(scene())
    with pytest.raises(UnsupportedImageError, match="the limit is 4"):
        rankcast.Encoder("pca", components=5, layout="patches").encode(scene((16, 16)))


# Frames ---------------------------------------------------------------------------------------


def frames(count: int = 40, shape: tuple[int, ...] = (12, 14, 3), dtype: str = "uint8") -> Any:
    """Pictures that vary in five ways."""
    rng = np.random.default_rng(2)
    ways = cv2.GaussianBlur(rng.normal(0, 1, (shape[0], shape[1], 15)), (0, 0), 2.0)
    ways = ways.reshape(shape[0], shape[1], 3, 5)[:, :, : 1 if len(shape) == 2 else 3]
    pictures = ways @ rng.normal(0, 1, (5, count))
    pictures = np.moveaxis(pictures, -1, 0).reshape(count, *shape)
    pictures = (pictures - pictures.min()) / np.ptp(pictures)
    return (pictures * np.iinfo(dtype).max).astype(dtype)


def trained(path: Path, pictures: Any, count: int = 10) -> Path:
    found = principal_components(pictures.reshape(len(pictures), -1))
    write_frame_model(path, found, count, pictures.shape[1:], pictures.dtype)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(12, 14), (12, 14, 3), (28, 28)])
def test_whole_pictures_take_a_few_scores(
    tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    pictures = frames(shape=shape, dtype=dtype)
    model = trained(tmp_path / "m.rkm", pictures)
    encoder = rankcast.Encoder("pca", layout="frames", model=str(model), components=5)
    decoder = rankcast.Decoder()
    for picture in pictures[:5]:
        packet = unpack_packet(encoder.encode(picture))
        assert packet.header.rank == (5,)
        assert len(packet.body) < 40
        rebuilt = decoder.decode_packet(packet)
        assert rebuilt.shape == picture.shape
        assert psnr_db(picture, rebuilt) > 35
        assert packet.header.squared_error == squared_error(picture, rebuilt)


def test_a_receiver_finds_the_model_in_its_folder_or_says_which_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = frames()
    (tmp_path / "models").mkdir()
    model = trained(tmp_path / "models" / "m.rkm", pictures)
    packet = rankcast.Encoder("pca", layout="frames", model=str(model)).encode(pictures[0])
    model_id = unpack_packet(packet).header.model_id
    assert model_id is not None
    monkeypatch.setattr("rankcast.modelfolder.known_file", lambda _: None)
    with pytest.raises(UnknownModelError, match=model_id.hex()):
        rankcast.Decoder().decode(packet)
    with pytest.raises(UnknownModelError):
        rankcast.Decoder(models=tmp_path).decode(packet)
    assert rankcast.Decoder(models=tmp_path / "models").decode(packet).shape == pictures[0].shape


def test_a_copy_with_a_flipped_byte_does_not_hide_the_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = frames()
    model = trained(tmp_path / "b.rkm", pictures)
    packet = rankcast.Encoder("pca", layout="frames", model=str(model)).encode(pictures[0])
    monkeypatch.setattr("rankcast.modelfolder.known_file", lambda _: None)
    whole = model.read_bytes()
    (tmp_path / "a.rkm").write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert rankcast.Decoder(models=tmp_path).decode(packet).shape == pictures[0].shape
    model.unlink()
    with pytest.raises(UnknownModelError, match=r"a\.rkm: .* damaged"):
        rankcast.Decoder(models=tmp_path).decode(packet)


def test_a_model_file_that_is_not_there_is_a_wrong_option(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.rkm: cannot be read"):
        rankcast.Encoder("pca", layout="frames", model=str(tmp_path / "none.rkm"))


@pytest.mark.parametrize("spoil", ["another model", "another kind", "cut"])
def test_a_file_that_changed_under_its_id_is_a_refused_packet(tmp_path: Path, spoil: str) -> None:
    file = trained(tmp_path / "m.rkm", frames())
    packet = rankcast.Encoder("pca", layout="frames", model=str(file)).encode(frames()[0])
    if spoil == "another model":
        trained(file, frames()[:20])
    elif spoil == "another kind":
        write_model(file, "gan", {}, {"mean": np.zeros(3, np.float32)})
    else:
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UnknownModelError):
        rankcast.Decoder(models=tmp_path).decode(packet)


def test_frames_of_another_shape_or_too_many_components_are_refused(tmp_path: Path) -> None:
    model = str(trained(tmp_path / "m.rkm", frames()))
    with pytest.raises(UnsupportedImageError, match="the model is of"):
        rankcast.Encoder("pca", layout="frames", model=model).encode(np.zeros((5, 5), np.uint8))
    with pytest.raises(UnsupportedImageError, match="the limit is those of the model, 10"):
        rankcast.Encoder("pca", layout="frames", model=model, components=11)


def test_a_variance_that_the_file_does_not_hold_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 6, 6)).astype(np.uint8)
    model = str(trained(tmp_path / "m.rkm", noise, count=3))
    with pytest.raises(UnsupportedImageError, match="train more components"):
        rankcast.Encoder("pca", layout="frames", model=model, variance=0.9)
    assert rankcast.Encoder("pca", layout="frames", model=model, variance=0.1).encode(noise[0])


def test_constant_pictures_have_a_model_too(tmp_path: Path) -> None:
    pictures = np.full((4, 5, 6), 99, np.uint8)
    model = str(trained(tmp_path / "m.rkm", pictures))
    packet = rankcast.Encoder("pca", layout="frames", model=model).encode(pictures[0])
    assert np.array_equal(rankcast.Decoder().decode(packet), pictures[0])


GOOD: dict[str, Any] = {
    "mean": np.zeros(6, np.float32), "deviation": np.ones(6, np.float32),
    "variances": np.ones(2, np.float32), "components": np.eye(2, 6, dtype=np.float32),
}  # fmt: skip
ABOUT: dict[str, Any] = {"shape": [2, 3], "dtype": "uint8", "total_variance": 3.0}


@pytest.mark.parametrize(
    ("about", "arrays"),
    [
        ({"shape": [2, 4]}, {}),
        ({"shape": [2]}, {}),
        ({"shape": [0, 3]}, {}),
        ({"shape": [1 << 20, 3]}, {}),
        ({"shape": "2x3"}, {}),
        ({"dtype": "float32"}, {}),
        ({"total_variance": 0.5}, {}),
        ({"total_variance": None}, {}),
        ({}, {"mean": np.full(6, np.nan, np.float32)}),
        ({}, {"mean": np.zeros(6)}),
        ({}, {"mean": np.zeros(5, np.float32)}),
        ({}, {"deviation": -np.ones(6, np.float32)}),
        ({}, {"variances": np.zeros(2, np.float32)}),
        ({}, {"components": np.eye(3, 6, dtype=np.float32)}),
        ({}, {"other": np.zeros(1, np.float32)}),
    ],
)
def test_a_hostile_model_is_refused_in_one_line(
    tmp_path: Path, about: dict[str, Any], arrays: dict[str, Any]
) -> None:
    path = tmp_path / "m.rkm"
    write_model(path, "pca", ABOUT | about, GOOD | arrays)
    with pytest.raises(ModelError, match="damaged or hostile") as error:
        rankcast.Encoder("pca", layout="frames", model=str(path))
    assert "\n" not in str(error.value)


def test_the_model_that_the_hostile_ones_differ_from_is_good(tmp_path: Path) -> None:
    path = tmp_path / "m.rkm"
    write_model(path, "pca", ABOUT, GOOD)
    assert rankcast.Encoder("pca", layout="frames", model=str(path), components=2)


def test_truncated_models_and_those_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = trained(tmp_path / "m.rkm", frames())
    whole = path.read_bytes()
    for size in (0, 5, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError):
            rankcast.Encoder("pca", layout="frames", model=str(path))
    write_model(path, "other", ABOUT, GOOD)
    with pytest.raises(ModelError, match="other"):
        rankcast.Encoder("pca", layout="frames", model=str(path))


def test_broken_scores_are_refused_or_harmless(tmp_path: Path) -> None:
    from dataclasses import replace

    from rankcast.wire import pack as pack_packet

    pictures = frames()
    model = str(trained(tmp_path / "m.rkm", pictures))
    packet = unpack_packet(
        rankcast.Encoder("pca", layout="frames", model=model, components=5).encode(pictures[0])
    )
    decoder, rng = rankcast.Decoder(), np.random.default_rng(0)
    for _ in range(200):
        body = rng.bytes(int(rng.integers(0, 30)))
        try:
            seen = decoder.decode(pack_packet(packet.header, body))
        except PayloadError:
            continue
        assert seen.shape == pictures[0].shape
    for changes in (
        {"params": (2, float("nan"))}, {"params": (2, -1.0)}, {"params": (2,)},
        {"params": (3, 1.0)},
        {"rank": (11,)}, {"rank": ()}, {"model_id": None}, {"shape": (12, 14)},
    ):  # fmt: skip
        with pytest.raises(PayloadError):
            decoder.decode(pack_packet(replace(packet.header, **changes), bytes(packet.body)))  # type: ignore[arg-type]
