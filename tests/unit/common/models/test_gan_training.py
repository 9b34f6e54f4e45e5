"""Training of codec `gan`: it learns, goes on where it stopped, and says when it fails."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

from rankcast.errors import ModelError, SettingsError, TrainingError
from rankcast.frame import Pixels
from rankcast.models import read_model, write_model
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.objective import luma_ms_ssim, ms_ssim
from rankcast.models.gan.training import Training, Weights
from rankcast.opencv import cv2
from support.conformance import check_codec
from support.gan_camera import HEIGHT, WIDTH, clip, trained


@pytest.mark.slow
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


def trained_terms(frames: list[Pixels], weights: Weights | None = None) -> set[str]:
    """Terms of the loss once the warm-up is over; D has learned if it has a term."""
    training = Training([Footage("belt", frames)], width=8, weights=weights)
    training.elapsed_s = 59.0
    judge = {n: p.detach().clone() for n, p in training._discriminator.named_parameters()}
    training.run(1.0, stopped=lambda: training.step >= 2)
    after = dict(training._discriminator.named_parameters())
    learned = any(not p.equal(after[n]) for n, p in judge.items())
    assert learned == ("discriminator" in training.history[-1][1])
    return set(training.history[-1][1])


def test_luma_is_what_two_pictures_are_compared_by() -> None:
    frame = clip(1)[0]
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    assert luma_ms_ssim(frame, frame) == pytest.approx(1, abs=1e-4)
    # Blue for red at the same luma, within rounding.
    tinted = frame.astype(float) + np.array([0.299, 0.0, -0.114]) * 60
    assert luma_ms_ssim(frame, tinted.clip(0, 255).round().astype(np.uint8)) > 0.98
    noisy = (grey + np.random.default_rng(1).normal(0, 20, grey.shape)).clip(0, 255)
    assert luma_ms_ssim(grey, noisy.astype(np.uint8)) < 0.95


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


def ticking(footage: list[Footage], width: int = 8, **options: Any) -> Training:
    """A training whose steps take a second each, by its own clock."""
    seconds = itertools.count()
    return Training(footage, width=width, clock=lambda: float(next(seconds)), **options)


@pytest.mark.slow
def test_a_resumed_training_ends_as_the_one_that_never_stopped(tmp_path: Path) -> None:
    footage = [Footage("belt", clip(10)), Footage("door", clip(9, colour=False))]
    whole = ticking(footage, seed=3)
    whole.run(10 / 60)
    assert (whole.step, whole.judging) == (10, True)
    path = tmp_path / "c.checkpoint.rkm"
    for stop in (2, 6):  # before D takes part, and after
        first = ticking(footage, seed=3)
        first.run(10 / 60, stopped=lambda first=first, stop=stop: first.step >= stop)
        first.save_checkpoint(path)
        again = ticking(footage, seed=9)
        again.resume(path)
        assert (again.step, again.elapsed_s, again.judging) == (stop, stop, stop > 4)
        again.run(10 / 60)
        assert again.history == whole.history
        for module in ("network", "rate", "judge"):
            wanted = whole._modules()[module].state_dict()
            for name, value in again._modules()[module].state_dict().items():
                assert value.equal(wanted[name]), name


@pytest.mark.slow
def test_nothing_is_learned_from_frames_that_are_held_out() -> None:
    frames = clip(14)
    white = [np.full_like(frame, 255) for frame in frames[:4]]
    models = []
    for held_out in ((), frames[10:], white):
        training = ticking([Footage("belt", frames[:10], held_out=held_out)])
        training.run(3 / 60)
        models.append(training.model())
    wanted = models[0].network.state_dict()
    for other in models[1:]:
        assert np.array_equal(other.priors, models[0].priors)
        for name, value in other.network.state_dict().items():
            assert value.equal(wanted[name]), name


def test_a_checkpoint_that_may_have_seen_what_is_held_out_now_is_refused(tmp_path: Path) -> None:
    frames = clip(14)
    path = tmp_path / "c.rkm"
    trained([Footage("belt", frames)], 1).save_checkpoint(path)
    held_out = [Footage("belt", frames[:10], held_out=frames[10:])]
    with pytest.raises(ModelError, match="was not trained with these frames held out"):
        Training(held_out, width=8).resume(path)
    trained(held_out, 1).save_checkpoint(path)
    Training(held_out, width=8).resume(path)
    Training([Footage("belt", frames)], width=8).resume(path)


def test_without_an_adversarial_weight_the_discriminator_takes_no_part() -> None:
    terms = trained_terms(clip(10), Weights(adversarial=0.0))
    assert terms == {"loss", "distortion", "mse", "bits"}


def two_patterns(count: int, sign: int) -> list[Pixels]:
    """A sensor with a fixed pattern below what it sees, and pictures of two sizes.

    Their sizes have no background in common: only the label can tell what the pattern is.
    """
    rng = np.random.default_rng(4 + sign)
    pattern = np.random.default_rng(1).choice([-24.0, 24.0], (4, 4))
    pattern = np.tile(pattern - pattern.mean(), (8, 10))
    pictures = []
    for number in range(count):
        coarse = rng.normal(128, 50, (4, 5))
        picture = cv2.resize(coarse, (40, 32), interpolation=cv2.INTER_CUBIC) + sign * pattern
        picture = (picture + rng.normal(0, 1, picture.shape)).clip(0, 255).astype(np.uint8)
        pictures.append(picture[: 32 - 8 * (number % 2)])
    return pictures


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_label_says_more_than_the_background() -> None:
    import torch

    cameras = [two_patterns(60, sign) for sign in (1, -1)]
    footage = [Footage(name, seen[:48]) for name, seen in zip("ab", cameras, strict=True)]
    training = ticking(footage, width=16, seed=1)
    assert training.architecture.sizes == ((0, 0), (0, 0))
    # Long before D takes part.
    training.run(60.0, stopped=lambda: training.step >= 240)
    model = training.model()
    with torch.no_grad():  # the same colour for both: what is left of a label is its embedding
        first, second = model.network.backgrounds
        second.copy_(first)

    def cost(label: int, camera: int) -> float:
        total = 0.0
        for frame in cameras[camera][48:]:
            body = model.encode(frame, label, 1.0)
            rebuilt = model.decode(memoryview(body), frame.shape, label, 1.0)
            error = np.mean((frame / 255.0 - rebuilt / 255.0) ** 2)
            total += 8 * error + 0.1 * 8 * len(body) / frame.size
        return total

    for camera in (0, 1):
        assert cost(camera, camera) < 0.98 * cost(1 - camera, camera)


@pytest.mark.slow
def test_more_minutes_do_not_send_the_discriminator_away(tmp_path: Path) -> None:
    footage = [Footage("belt", clip(10))]
    first = ticking(footage)
    first.run(5 / 60)
    first.save_checkpoint(tmp_path / "c.rkm")
    again = ticking(footage)
    again.resume(tmp_path / "c.rkm")
    judge = [p.detach().clone() for p in again._discriminator.parameters()]
    again.run(1.0, stopped=lambda: again.step >= 6)
    assert any(
        not p.equal(q) for p, q in zip(judge, again._discriminator.parameters(), strict=True)
    )


def test_torchs_own_random_numbers_are_left_alone() -> None:
    import torch

    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    trained([Footage("belt", clip(10))], 1, seed=5)
    assert torch.rand(3).equal(wanted)


@pytest.mark.parametrize(("part", "value"), [("network", "inf"), ("judge", "nan")])
def test_a_step_without_a_finite_result_is_not_taken(part: str, value: str) -> None:
    import torch

    training = trained([Footage("belt", clip(10))], 2)
    training.elapsed_s = 299.0
    before = {n: p.clone() for n, p in training.network.state_dict().items()}
    if part == "network":
        training.weights = Weights(mse=math.inf)
    else:
        with torch.no_grad():
            training._discriminator.out.weight.fill_(math.nan)
    with pytest.raises(TrainingError, match=f"training diverged: the loss is {value} at step 2"):
        training.run(5.0)
    assert training.step == 2
    assert all(p.equal(before[n]) for n, p in training.network.state_dict().items())


@pytest.mark.parametrize("weight", [math.nan, math.inf, 70_000.0])
def test_weights_that_no_file_can_hold_leave_the_last_checkpoint(
    tmp_path: Path, weight: float
) -> None:
    import torch

    training = trained([Footage("belt", clip(10))], 2)
    path = tmp_path / "c.rkm"
    training.save_checkpoint(path)
    with torch.no_grad():
        training.network.generator_out.bias[0] = weight
    with pytest.raises(TrainingError, match=r"network\.generator_out\.bias reaches .* at step 2"):
        training.save_checkpoint(path)
    training.resume(path)
    training.check_weights()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d, _: d["counted"].update(elapsed_s=-1), "got -1.0 s"),
        (lambda d, _: d["counted"].pop("judging"), "judging"),
        (lambda d, _: d["random"].update(state={"state": -1, "inc": 1 << 200}), "checkpoint: "),
        (lambda d, _: d.update(counted=[1]), "checkpoint: "),
        (lambda _, a: a.update(noise=a["noise"][:5]), "checkpoint: "),
        (lambda _, a: a["network.analysis"].fill(math.nan), "network.analysis reaches nan"),
        (lambda _, a: a.pop("network.analysis"), "checkpoint: "),
    ],
)
def test_a_damaged_checkpoint_is_one_clear_error(tmp_path: Path, change: Any, said: str) -> None:
    training = trained([Footage("belt", clip(10))], 1)
    path = tmp_path / "c.rkm"
    training.save_checkpoint(path)
    file = read_model(path, "gan-checkpoint")
    description, arrays = json.loads(json.dumps(dict(file.head.description))), dict(file.arrays)
    change(description, arrays)
    write_model(path, "gan-checkpoint", description, arrays)
    with pytest.raises(ModelError, match=said) as caught:
        training.resume(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([""], "got label ''"),
        (["a" * 65], "want 1 to 64 printable"),
        (["a\x1b[2J"], "want 1 to 64 printable"),
        (["a", "a"], "label 'a' twice"),
        ([str(n) for n in range(65)], "65 labels, want 1 to 64"),
        ([], "0 labels"),
    ],
)
def test_labels_that_no_model_can_keep_are_refused_at_once(labels: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Training([Footage(label, clip(1)) for label in labels])


def test_cameras_that_no_checkpoint_can_hold_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    footage = [Footage("belt", clip(10)), Footage("door", clip(10))]
    monkeypatch.setattr("rankcast.models.gan.training.MAX_TRAINED_PIXELS", 2 * HEIGHT * WIDTH)
    Training(footage, width=8)
    monkeypatch.setattr("rankcast.models.gan.training.MAX_TRAINED_PIXELS", 2 * HEIGHT * WIDTH - 1)
    with pytest.raises(SettingsError, match="cameras of 5,280 pixels in all"):
        Training(footage, width=8)


@pytest.mark.parametrize("minutes", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(minutes: float) -> None:
    with pytest.raises(SettingsError, match="want more than 0"):
        Training([Footage("belt", clip(1))], width=8).run(minutes)


def test_a_device_that_is_not_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SettingsError, match="torch finds no CUDA device: use cpu"):
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
