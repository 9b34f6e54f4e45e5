"""``rankcast train gan``: files, resume, what is checked first and what is said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

from rankcast.commands.contact_sheet import SheetRow
from rankcast.commands.train import gan as train_gan
from rankcast.commands.train import train
from rankcast.errors import ModelError, SettingsError, TrainingError
from rankcast.images import read_image, write_image
from rankcast.models import read_model
from rankcast.models.gan.model import load_model
from rankcast.models.gan.training import Training
from support.gan_camera import clip


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
    assert f"continuing from step {steps}, " in again.output
    spent = run_train(
        "--data", folder, "--out", out, "--minutes", 0.02, "--label", "belt", "--resume"
    )
    assert isinstance(spent.exception, SettingsError)
    assert "minutes are done: want more minutes" in str(spent.exception)
    other = run_train("--data", folder, "--out", out, "--label", "roof", "--resume")
    assert isinstance(other.exception, ModelError)
    assert "other labels" in str(other.exception)


@pytest.mark.slow
def test_held_out_frames_are_judged_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    drawn: list[SheetRow] = []
    inner = train_gan.contact_sheet
    monkeypatch.setattr(
        train_gan, "contact_sheet", lambda rows: (drawn.extend(rows), inner(rows))[1]
    )
    frames = clip(20)
    folder = frames_in(tmp_path / "belt", len(frames))
    arguments = ("--data", folder, "--out", tmp_path / "m.rkm", "--minutes", 0.001)
    done = run_train(*arguments, "--hold-out", 0.2)
    assert done.exit_code == 0, done.output
    assert "belt: 20 frames, the last 4 held out, background 60 x 44" in done.output
    assert "belt: luma MS-SSIM of 4 of 4 held-out frames 0." in done.output
    assert done.output.count("bit/pixel (step ") == 2
    assert [row.captions[0] for row in drawn] == [f"belt, held-out frame {n}" for n in range(4)]
    for row, frame in zip(drawn, frames[16:], strict=True):
        assert np.array_equal(row.original, frame)
        assert "luma MS-SSIM 0." in row.captions[2]
    about = read_model(tmp_path / "m.rkm", "gan").head.description["training"]
    assert (about["frames"], about["held_out"]) == ([16], [4])
    drawn.clear()
    whole = run_train(*arguments)
    assert "held out" not in whole.output
    assert "MS-SSIM" not in whole.output
    assert [row.captions[0] for row in drawn[:2]] == [
        "belt, trained on, frame 0",
        "belt, trained on, frame 5",
    ]


@pytest.mark.parametrize("share", ["1", "-0.1", "x"])
def test_a_share_that_is_none_is_wrong_usage(tmp_path: Path, share: str) -> None:
    result = run_train("--data", ".", "--out", tmp_path / "m.rkm", "--hold-out", share)
    assert result.exit_code == 2
    assert "--hold-out" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "m.bin"], "ends in .rkm"),
        (["--out", "nowhere/m.rkm"], "folder does not exist"),
        (
            ["--out", "m.rkm", "--resume"],
            "m.checkpoint.rkm does not exist: train without",
        ),
        (["--out", "m.rkm", "--label", "a", "--label", "b"], "2 labels for 1 paths"),
        (["--out", "m.rkm", "--label", "a" * 65], "want 1 to 64 printable characters"),
        (["--out", "m.rkm", "--label", ""], "got label ''"),
        (["--out", "m.rkm", "--minutes", "nan"], "got --minutes nan"),
        (["--out", "m.rkm", "--minutes", "inf"], "got --minutes inf"),
        (["--out", "taken.rkm"], "taken.checkpoint.rkm, want a file: this is a folder"),
    ],
)
def test_a_wrong_argument_ends_the_command_before_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rankcast.models.gan.footage.read_image", None)  # a call would fail
    (tmp_path / "taken.checkpoint.rkm").mkdir()
    write_image(tmp_path / "p.png", clip(1)[0])
    result = run_train("--data", "p.png", "--no-pictures", *arguments)
    assert isinstance(result.exception, SettingsError)
    assert said in str(result.exception)


def frames_in(folder: Path, count: int = 10) -> Path:
    folder.mkdir()
    for number, frame in enumerate(clip(count)):
        write_image(folder / f"{number:02d}.png", frame)
    return folder


def failing(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let a training diverge at step `at`."""
    import torch

    whole = Training._one_step

    def one_step(training: Training, **options: Any) -> dict[str, float]:
        if training.step == at:
            torch.nn.init.constant_(training.network.log_steps, math.nan)
        return whole(training, **options)

    monkeypatch.setattr(Training, "_one_step", one_step)


@pytest.mark.slow
def test_a_training_that_fails_leaves_the_model_of_its_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 3)
    monkeypatch.setattr("rankcast.commands.train.gan.CHECKPOINT_INTERVAL_S", 0.0)
    out = tmp_path / "m.rkm"
    result = run_train("--data", frames_in(tmp_path / "belt"), "--out", out, "--no-pictures")
    assert isinstance(result.exception, TrainingError)
    assert result.exception.exit_code == 1
    said = str(result.exception)
    assert "training diverged: the loss is nan at step 3" in said
    assert "m.rkm holds the model of the last checkpoint, step 3" in said
    assert "\n" not in said
    assert read_model(out, "gan").head.description["training"]["steps"] == 3
    assert load_model(out).labels == ("belt",)


def test_a_training_that_fails_before_its_first_checkpoint_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 1)
    out = tmp_path / "m.rkm"
    result = run_train("--data", frames_in(tmp_path / "belt"), "--out", out, "--no-pictures")
    assert isinstance(result.exception, TrainingError)
    assert not list(tmp_path.glob("*.rkm"))


def test_frames_that_do_not_fit_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = frames_in(tmp_path / "belt", 20)
    monkeypatch.setattr("rankcast.models.gan.footage.MAX_BYTES", 12 * clip(1)[0].nbytes)
    result = run_train(
        "--data", folder, "--out", tmp_path / "m.rkm", "--minutes", 0.001, "--no-pictures"
    )
    assert result.exit_code == 0, result.output
    assert "belt: 10 of 20 frames (as many as fit into 1 GiB), background" in result.output
