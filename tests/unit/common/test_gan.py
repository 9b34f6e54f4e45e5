"""Codec `gan` with models that were trained here for a few steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

import rankcast
from conformance import check_codec, psnr_db
from rankcast.commands.train import train
from rankcast.errors import (
    ModelError,
    PayloadError,
    SettingsError,
    UnknownModelError,
    UnsupportedImageError,
    WireError,
)
from rankcast.frame import Pixels
from rankcast.imagefile import read_image, write_image
from rankcast.learned import model as learned_model
from rankcast.learned.footage import Footage, read_footage
from rankcast.learned.model import load_model
from rankcast.learned.objective import ms_ssim
from rankcast.learned.training import Training
from rankcast.ledger import REFUSED_PACKET, Ledger
from rankcast.modelfile import read_model, write_model
from rankcast.wire import Limits, pack, unpack
from rankcast_receiver.stream import CameraStream

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "gan"
HEIGHT, WIDTH = 44, 60


def clip(count: int, colour: bool = True) -> list[Pixels]:
    """A fixed camera: texture, a disc that moves before it, drifting exposure, noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    wall = 110 + 40 * np.sin(x / 3) * np.cos(y / 4) + rng.normal(0, 12, (HEIGHT, WIDTH))
    frames = []
    for number in range(count):
        inside = (x - 5 - 2 * number % WIDTH) ** 2 + (y - 20) ** 2 < 40
        luma = np.where(inside, 220, wall) * (1 + 0.05 * math.sin(number / 5))
        luma = luma + rng.normal(0, 1, luma.shape)
        tint = np.array([0.8, 1.0, 0.9]) if colour else np.ones(1)
        frames.append((luma[:, :, None] * tint).clip(0, 255).astype(np.uint8).squeeze())
    return frames


def trained(footage: list[Footage], steps: int, **options: Any) -> Training:
    training = Training(footage, width=8, **options)
    training.run(5.0, stopped=lambda: training.step >= steps)
    return training


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two cameras of one size, one of them grey."""
    path = tmp_path_factory.mktemp("models") / "camera.rkm"
    footage = [Footage("belt", clip(20)), Footage("door", clip(12, colour=False))]
    training = trained(footage, 4)
    training.model().save(path, training.about())
    return path


@pytest.fixture(scope="module")
def any_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a background, for pictures of every size."""
    path = tmp_path_factory.mktemp("models") / "any.rkm"
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (n, 70 - n, 3), dtype=np.uint8) for n in (20, 33, 50)]
    training = trained([Footage("any", pictures)], 2)
    assert training.architecture.sizes == ((0, 0),)
    training.model().save(path, training.about())
    return path


def test_training_beats_the_transform_that_it_starts_from() -> None:
    frames = clip(60)
    held_out = frames[-6:]

    def cost(training: Training) -> float:
        model, total = training.model(), 0.0
        for frame in held_out:
            body = model.encode(frame, 0, 1.0)
            rebuilt = model.decode(memoryview(body), frame.shape, 0, 1.0)
            error = np.mean((frame / 255.0 - rebuilt / 255.0) ** 2)
            total += 20 * error + 0.1 * 8 * len(body) / (HEIGHT * WIDTH)
        return total

    training = Training([Footage("belt", frames[:-6])], width=8, seed=1)
    before = cost(training)
    training.run(5.0, stopped=lambda: training.step >= 80)
    assert cost(training) < 0.97 * before
    assert {"adversarial", "discriminator"} <= trained_terms(frames)


def trained_terms(frames: list[Pixels]) -> set[str]:
    """Terms of the loss once the warm-up is over."""
    training = Training([Footage("belt", frames)], width=8)
    training.elapsed_s = 59.0
    judge = {n: p.detach().clone() for n, p in training._discriminator.named_parameters()}
    training.run(1.0, stopped=lambda: training.step >= 2)
    after = dict(training._discriminator.named_parameters())
    assert any(not p.equal(after[n]) for n, p in judge.items()), "D learned nothing"
    return set(training.history[-1][1])


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 7), (7, 1), (2, 3), (33, 17), (48, 64), (20, 30, 1), (31, 20, 3), (8, 8, 3)],
)
def test_a_model_without_background_codes_every_size(any_size: Path, shape: Any) -> None:
    rng = np.random.default_rng(sum(shape))
    ramp = np.linspace(0, 255, int(np.prod(shape))).reshape(shape).astype(np.uint8)
    pictures = [np.zeros(shape, np.uint8), ramp, np.full(shape, 255, np.uint8)]
    check_codec("gan", pictures, 15.0, model=str(any_size), step=0.5)
    noise = rng.integers(0, 256, shape).astype(np.uint8)
    check_codec("gan", [noise], 8.0, model=str(any_size), step=0.25)


def test_a_fixed_camera_keeps_the_promises_of_every_codec(camera: Path) -> None:
    check_codec("gan", clip(6), 24.0, model=str(camera), label="belt")
    grey = clip(6, colour=False)
    check_codec("gan", grey, 24.0, model=str(camera), label="door")
    check_codec("gan", [g[:, :, None] for g in grey], 24.0, model=str(camera), label="door")
    # A grey frame of a camera that was learned in colour costs no colour.
    check_codec("gan", [f[:, :, 1] for f in clip(3)], 20.0, model=str(camera), label="belt")


def test_a_larger_step_is_smaller_and_coarser(camera: Path) -> None:
    frame = clip(9)[8]
    found = []
    for step in (0.25, 1.0, 4.0):
        packet = rankcast.Encoder("gan", model=str(camera), label="belt", step=step).encode(frame)
        found.append((len(packet), psnr_db(frame, rankcast.Decoder().decode(packet))))
    assert found[0][0] > found[1][0] > found[2][0]
    assert found[0][1] > found[1][1] > found[2][1]


def test_the_packet_names_model_label_and_step(camera: Path) -> None:
    packet = rankcast.Encoder("gan", model=str(camera), label="door", step=2).encode(clip(1)[0])
    header = unpack(packet).header
    assert header.model_id == load_model(camera).model_id
    assert header.params == (1, 2.0)


def test_what_gan_cannot_code_is_refused_with_the_reason(camera: Path) -> None:
    encoder = rankcast.Encoder("gan", model=str(camera), label="belt")
    for image, said in [
        (np.zeros((HEIGHT, WIDTH), np.uint16), "8-bit samples, got uint16"),
        (np.zeros((HEIGHT, WIDTH, 2), np.uint8), "1 or 3 channels, got 2"),
        (np.zeros((WIDTH, HEIGHT), np.uint8), "44 x 60 pixels, label 'belt' was .* 60 x 44"),
    ]:
        with pytest.raises(UnsupportedImageError, match=said):
            encoder.encode(image)
    assert encoder.sequence == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "want the .rkm file"),
        ({"model": "nowhere/none.rkm"}, "none.rkm: cannot be read"),
        ({"label": "roof"}, "label = 'roof': want one that the model knows: belt, door"),
        ({"label": ""}, "want one that the model knows: belt, door"),
        ({"step": 0.1}, "step = 0.1"),
        ({"step": 9.0}, "step = 9.0"),
    ],
)
def test_a_wrong_option_is_one_clear_error(camera: Path, options: Any, said: str) -> None:
    given = {"model": str(camera), "label": "belt"} | options if options else {}
    with pytest.raises(SettingsError, match=said) as caught:
        rankcast.Encoder("gan", **given)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def coded(model: Path, **options: Any) -> bytes:
    return rankcast.Encoder("gan", model=str(model), label="belt", **options).encode(clip(5)[4])


@pytest.mark.parametrize(
    "changes",
    [
        {"params": (0,)},
        {"params": (0, 1.0, 1)},
        {"params": (2, 1.0)},
        {"params": (-1, 1.0)},
        {"params": (0.0, 1.0)},
        {"params": (0, 1)},
        {"params": (0, math.nan)},
        {"params": (0, math.inf)},
        {"params": (0, 0.01)},
        {"params": (0, 1e30)},
        {"shape": (HEIGHT, WIDTH, 2)},
        {"shape": (WIDTH, HEIGHT, 3)},
        {"shape": (8192, 8192, 1)},
        {"dtype_bytes": 2},
        {"model_id": None},
    ],
)
def test_a_header_that_no_encoder_wrote_is_refused(camera: Path, changes: Any) -> None:
    packet = unpack(coded(camera))
    with pytest.raises(PayloadError):
        rankcast.Decoder().decode(pack(replace(packet.header, **changes), packet.body))


def broken(body: bytes) -> Iterator[bytes]:
    rng = np.random.default_rng(7)
    for end in range(0, len(body), 3):
        yield body[:end]
    for at in range(len(body)):
        yield body[:at] + bytes([body[at] ^ (1 << int(rng.integers(8)))]) + body[at + 1 :]
    for _ in range(60):
        yield rng.bytes(int(rng.integers(0, 2 * len(body))))
        yield body[:8] + rng.bytes(len(body))
    yield body + bytes(300)


def test_a_broken_body_is_refused_or_harmless(camera: Path) -> None:
    packet = unpack(coded(camera, step=0.5))
    decoder, refused = rankcast.Decoder(), 0
    want = decoder.decode_packet(packet)
    for body in broken(bytes(packet.body)):
        try:
            pixels = decoder.decode(pack(packet.header, body))
        except WireError:
            refused += 1
            continue
        assert pixels.shape == want.shape
        assert pixels.dtype == want.dtype
    assert refused > 20
    assert np.array_equal(decoder.decode_packet(packet), want)


def forget_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has opened no model yet."""
    monkeypatch.setattr(learned_model, "loaded_model", lambda _: None)
    monkeypatch.setattr("rankcast.modelfolder.known_file", lambda _: None)


def test_a_receiver_without_the_model_says_which_it_needs(
    camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet = coded(camera)
    model_id = load_model(camera).model_id.hex()
    forget_models(monkeypatch)
    for decoder, said in [
        (rankcast.Decoder(), "no folder of models is named"),
        (rankcast.Decoder(models=tmp_path), str(tmp_path)),
    ]:
        with pytest.raises(UnknownModelError, match=f"needs model {model_id}.*{said}"):
            decoder.decode(packet)
    (tmp_path / "renamed.rkm").write_bytes(camera.read_bytes())
    found = rankcast.Decoder(models=tmp_path)
    assert found.decode(packet).shape == (HEIGHT, WIDTH, 3)


def test_a_stream_without_its_model_is_counted_and_told_of_once_a_second(
    camera: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = rankcast.Encoder("gan", model=str(camera), label="belt")
    packets = [unpack(encoder.encode(frame)) for frame in clip(8)]
    forget_models(monkeypatch)
    ledger = Ledger()
    stream = CameraStream("cam", Limits(), ledger)
    for packet in packets:
        stream.accept(packet)
        assert stream.decode() is None
    assert ledger.balance().lost == {REFUSED_PACKET: 8}
    lines = [record.message for record in caplog.records if "needs model" in record.message]
    assert len(lines) == 1
    assert load_model(camera).model_id.hex() in lines[0]


def damaged(path: Path, folder: Path, change: Any) -> Path:
    """A model file that is whole as a file, but not what it says."""
    file = read_model(path, "gan")
    description, arrays = dict(file.head.description), dict(file.arrays)
    change(description, arrays)
    target = folder / "hostile.rkm"
    write_model(target, "gan", description, arrays)
    return target


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d, _: d.update(network=2), "network is of version 2"),
        (lambda d, _: d.update(width=100_000), "width of the network is 100000"),
        (lambda d, _: d.update(width=16), "does not fit its architecture"),
        (lambda d, _: d.update(luma=65), "luma"),
        (lambda d, _: d.update(chroma=True), "chroma"),
        (lambda d, _: d.update(labels=["a", "a"]), "labels"),
        (lambda d, _: d.update(labels=["a"]), "labels"),
        (lambda d, _: d.update(labels="ab"), "labels"),
        (lambda d, _: d.update(sizes=[[0, 5], [5, 5]]), "labels"),
        (lambda d, _: d.update(sizes=[[8192, 8193]] * 2), "labels"),
        (lambda d, _: d.update(sizes=[[8192, 8192]] * 2), "more than 67108864 pixels"),
        (lambda _, a: a.pop("priors"), "priors"),
        (lambda _, a: a.update(more=a["priors"]), "more"),
        (lambda _, a: a.update(priors=a["priors"][:-1]), "priors"),
        (lambda _, a: a.update(priors=a["priors"].astype(np.int64)), "dtype int64"),
        (lambda _, a: a.update(log_steps=a["log_steps"].astype(np.float64)), "dtype float64"),
        (lambda _, a: a["log_steps"].fill(np.nan), "no finite number"),
        (lambda _, a: a["analysis"].fill(np.inf), "no finite number"),
    ],
)
def test_a_hostile_model_is_one_clear_error(
    camera: Path, tmp_path: Path, change: Any, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        rankcast.Encoder("gan", model=str(damaged(camera, tmp_path, change)), label="belt")
    assert "\n" not in str(caught.value)
    assert "hostile.rkm" in str(caught.value)


def test_a_model_of_extreme_weights_still_gives_pictures(camera: Path, tmp_path: Path) -> None:
    def change(_: Any, arrays: dict[str, Any]) -> None:
        for name in ("log_steps", "synthesis", "generator_out.weight"):
            arrays[name] = np.full_like(arrays[name], 60_000.0)

    path = damaged(camera, tmp_path, change)
    encoder = rankcast.Encoder("gan", model=str(path), label="belt")
    assert rankcast.Decoder().decode(encoder.encode(clip(1)[0])).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("onednn", [True, False])
def test_pixels_agree_with_a_stored_reference(
    onednn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another machine: within 1 level, and all but a thousandth of the samples exactly.

    Convolutions without oneDNN add up in another order, as another processor does.
    """
    import torch

    before = torch._C._get_mkldnn_enabled()
    monkeypatch.setattr(learned_model, "THREADS", 1 if onednn else 2)
    decoder = rankcast.Decoder(models=GOLDEN)
    for name in ("colour", "grey"):
        try:
            torch.backends.mkldnn.set_flags(onednn)
            pixels = decoder.decode((GOLDEN / f"{name}.rkc").read_bytes())
        finally:
            torch.backends.mkldnn.set_flags(before)
        want = read_image(GOLDEN / f"{name}.png")
        assert pixels.shape == want.shape
        difference = np.abs(pixels.astype(int) - want)
        assert difference.max() <= 1
        assert np.mean(difference > 0) <= 1e-3


def test_the_reference_is_read_to_the_symbol() -> None:
    """What the packet holds does not depend on floats: a clean end of its code says so."""
    for name in ("colour", "grey"):
        packet = unpack((GOLDEN / f"{name}.rkc").read_bytes())
        rankcast.Decoder(models=GOLDEN).decode_packet(packet)
        with pytest.raises(PayloadError):
            rankcast.Decoder(models=GOLDEN).decode(pack(packet.header, bytes(packet.body)[:-9]))


def test_identical_pictures_have_an_ms_ssim_of_one_and_small_ones_fewer_scales() -> None:
    import torch

    a = torch.rand(2, 1, 200, 190)
    assert torch.allclose(ms_ssim(a, a), torch.ones(2), atol=1e-5)
    noisy = (a + 0.2 * torch.rand_like(a)).clamp(0, 1)
    assert (ms_ssim(a, noisy) < 0.99).all()
    near = ms_ssim(a, noisy, (4, 2, 1, 1, 1))
    assert torch.allclose(near, ms_ssim(a, noisy), atol=0.02)
    for side in (1, 2, 10, 11, 40):
        small = torch.rand(1, 1, side, side + 3)
        assert ms_ssim(small, small).item() == pytest.approx(1, abs=1e-4)


def test_a_camera_gets_a_background_and_a_mixed_bag_does_not() -> None:
    background = Footage("belt", clip(20)).background()
    assert background is not None
    assert background.shape == (3, HEIGHT, WIDTH)
    rng = np.random.default_rng(2)
    noise = [rng.integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(20)]
    assert Footage("noise", noise).background() is None
    assert Footage("few", clip(4)).background() is None
    assert Footage("sizes", [*clip(9), np.zeros((8, 8, 3), np.uint8)]).background() is None


def test_footage_is_thinned_out_evenly_to_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, frame in enumerate(clip(20)):
        write_image(tmp_path / f"{number:02d}.png", frame)
    (everything,) = read_footage([tmp_path], ["cam"])
    assert (everything.label, len(everything.frames)) == ("cam", 20)
    monkeypatch.setattr("rankcast.learned.footage.MAX_BYTES", 8 * everything.frames[0].nbytes)
    (thinned,) = read_footage([tmp_path], [])
    assert 4 <= len(thinned.frames) <= 8
    assert np.array_equal(thinned.frames[1], everything.frames[20 // len(thinned.frames) // 2 * 2])


def run_train(*arguments: object) -> Any:
    return CliRunner().invoke(train, ["gan", *map(str, arguments)], catch_exceptions=True)


def test_the_command_trains_resumes_and_draws(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(clip(12)):
        write_image(folder / f"{number:02d}.png", frame)
    out = tmp_path / "belt.rkm"
    first = run_train("--data", folder, "--out", out, "--minutes", 0.02, "--label", "belt")
    assert first.exit_code == 0, first.output
    assert "belt: 12 frames, background 60 x 44" in first.output
    model = load_model(out)
    assert model.labels == ("belt",)
    assert model.model_id.hex() in first.output
    about = read_model(out, "gan").head.description["training"]
    steps, minutes = about["steps"], about["elapsed_s"] / 60 + 0.02
    assert steps > 0
    assert read_image(tmp_path / "belt.loss.png").std() > 1
    assert read_image(tmp_path / "belt.samples.png").std() > 1
    again = run_train(
        "--data", folder, "--out", out, "--minutes", minutes, "--label", "belt", "--resume",
        "--no-pictures",
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    about = read_model(out, "gan").head.description["training"]
    assert about["steps"] > steps
    assert about["elapsed_s"] >= 60 * minutes - 0.1
    other = run_train("--data", folder, "--out", out, "--label", "roof", "--resume")
    assert isinstance(other.exception, ModelError)
    assert "other labels" in str(other.exception)


def test_a_resumed_training_is_the_one_that_was_kept(tmp_path: Path) -> None:
    footage = [Footage("belt", clip(10))]
    training = trained(footage, 3)
    path = tmp_path / "c.checkpoint.rkm"
    training.save_checkpoint(path)
    again = Training(footage, width=8, seed=9)
    again.resume(path)
    assert (again.step, again.elapsed_s) == (training.step, training.elapsed_s)
    assert again.history == training.history
    for name, value in training.network.state_dict().items():
        assert value.equal(again.network.state_dict()[name]), name
    kept, taken = (t._optimiser.state_dict()["state"] for t in (training, again))
    assert kept.keys() == taken.keys()
    assert all(kept[i]["exp_avg"].equal(taken[i]["exp_avg"]) for i in kept)
    assert all(kept[i]["step"].item() == taken[i]["step"].item() for i in kept)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "m.bin"], "ends in .rkm"),
        (["--out", "nowhere/m.rkm"], "folder does not exist"),
        (["--out", "m.rkm", "--resume"], "there is no m.checkpoint.rkm"),
        (["--out", "m.rkm", "--label", "a", "--label", "b"], "2 labels for 1 paths"),
    ],
)
def test_a_wrong_argument_ends_the_command_before_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "p.png", clip(1)[0])
    result = run_train("--data", "p.png", "--no-pictures", *arguments)
    assert isinstance(result.exception, SettingsError)
    assert said in str(result.exception)


def test_a_device_that_is_not_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SettingsError, match="torch finds no CUDA device here"):
        Training([Footage("belt", clip(1))], device="cuda")


def test_training_on_a_cuda_device_gives_a_model_for_processors(tmp_path: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    training = trained([Footage("belt", clip(12))], 3, device="cuda")
    training.save_checkpoint(tmp_path / "c.rkm")
    training.resume(tmp_path / "c.rkm")
    training.run(5.0, stopped=lambda: training.step >= 5)
    training.model().save(tmp_path / "m.rkm", training.about())
    check_codec("gan", clip(2), 26.0, model=str(tmp_path / "m.rkm"))
