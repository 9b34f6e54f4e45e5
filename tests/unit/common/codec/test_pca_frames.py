"""`pca` of whole pictures: model files, what becomes of frames, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankcast
from rankcast.codec.pca import frames as frame_models
from rankcast.codec.pca.components import principal_components
from rankcast.codec.pca.frames import (
    FrameModel,
    load_frame_model,
    pack_scores,
    unpack_scores,
    write_frame_model,
)
from rankcast.errors import (
    ModelError,
    PayloadError,
    SettingsError,
    UnknownModelError,
    UnsupportedImageError,
)
from rankcast.models import write_model
from rankcast.numerics import psnr_db, squared_error
from rankcast.opencv import cv2
from rankcast.wire import unpack as unpack_packet


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


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pictures_are_projected_and_rebuilt_in_parts_as_in_one_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    picture = frames(dtype=dtype)[7]
    path = trained(tmp_path / "m.rkm", frames(dtype=dtype))
    model = load_frame_model(path)
    scale = model.scale()
    monkeypatch.setattr(frame_models, "PART", 100)  # 20 samples of 5 components
    z = (picture.reshape(-1) - model.mean.astype(np.float64)) / model.deviation
    scores, energy = model.project(picture, scale, 5)
    assert np.allclose(scores, model.components[:5].astype(np.float64) @ z, rtol=1e-12)
    assert energy == pytest.approx(float(z @ z), rel=1e-12)
    packet = rankcast.Encoder("pca", layout="frames", model=str(path), components=5).encode(picture)
    body = unpack_packet(packet).body
    step = float(unpack_packet(packet).header.params[1])
    wanted = unpack_scores(model, body, 5, step) @ model.components[:5].astype(np.float64)
    wanted = np.rint(model.mean + model.deviation * wanted).clip(0, np.iinfo(dtype).max)
    assert np.array_equal(rankcast.Decoder().decode(packet), wanted.reshape(picture.shape))
    assert np.array_equal(scale > 0, model.deviation > 0)


def test_a_receiver_finds_the_model_in_its_folder_or_says_which_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = frames()
    (tmp_path / "models").mkdir()
    model = trained(tmp_path / "models" / "m.rkm", pictures)
    packet = rankcast.Encoder("pca", layout="frames", model=str(model)).encode(pictures[0])
    model_id = unpack_packet(packet).header.model_id
    assert model_id is not None
    monkeypatch.setattr("rankcast.models.model_folder.known_file", lambda _: None)
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
    monkeypatch.setattr("rankcast.models.model_folder.known_file", lambda _: None)
    whole = model.read_bytes()
    (tmp_path / "a.rkm").write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert rankcast.Decoder(models=tmp_path).decode(packet).shape == pictures[0].shape
    model.unlink()
    with pytest.raises(UnknownModelError, match=r"a\.rkm: damaged"):
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
    with pytest.raises(UnsupportedImageError, match="on which the model was trained"):
        rankcast.Encoder("pca", layout="frames", model=model).encode(np.zeros((5, 5), np.uint8))
    with pytest.raises(UnsupportedImageError, match="want at most 10, those of the model"):
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


def test_scores_of_every_size_come_back() -> None:
    powers = 2.0 ** np.arange(40)
    scores = np.concatenate([powers - 1, -powers, powers + 1, 1 - powers])
    variances = np.linspace(1e12, 1e-3, scores.size).astype(np.float32)
    empty = np.zeros(0, np.float32)
    model = FrameModel(
        b"",
        (1, 1),
        np.dtype(np.uint8),
        empty,
        empty,
        variances,
        empty[None],
        float(variances.sum()),
    )
    for step in (0.5, 1.0, 1e5):
        body = memoryview(pack_scores(model, scores * step, step))
        assert np.array_equal(unpack_scores(model, body, scores.size, step), scores * step)
    beyond = memoryview(pack_scores(model, scores * 1e30, 1.0))
    assert np.abs(unpack_scores(model, beyond, scores.size, 1.0)).max() == 2**40 - 1


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
    endless = replace(packet.header, params=(2, 1e300))
    assert decoder.decode(pack_packet(endless, packet.body)).shape == pictures[0].shape
    for changes in (
        {"params": (2, float("nan"))}, {"params": (2, -1.0)}, {"params": (2,)},
        {"params": (3, 1.0)},
        {"rank": (11,)}, {"rank": ()}, {"model_id": None}, {"shape": (12, 14)},
    ):  # fmt: skip
        with pytest.raises(PayloadError):
            decoder.decode(pack_packet(replace(packet.header, **changes), bytes(packet.body)))  # type: ignore[arg-type]
