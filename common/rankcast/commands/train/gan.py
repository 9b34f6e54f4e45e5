"""``rankcast train gan``: train a model of codec `gan`, with checkpoints and pictures."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rankcast.atomic_file import check_writable
from rankcast.codec.gan.halves import INSTALL, has_torch
from rankcast.commands.contact_sheet import SheetRow, contact_sheet
from rankcast.commands.plotting import DPI, MUTED, STYLE, require_matplotlib, save
from rankcast.commands.terminal import psnr_text
from rankcast.errors import SettingsError, TrainingError
from rankcast.frame import Pixels
from rankcast.images import write_image
from rankcast.models import SUFFIX
from rankcast.numerics import psnr_db
from rankcast.path_parameter import PATH
from rankcast.printable import printable
from rankcast.runtime import StopFlag, stop_flag

if TYPE_CHECKING:
    from rankcast.models.gan.footage import Footage
    from rankcast.models.gan.model import GanModel
    from rankcast.models.gan.training import Training

CHECKPOINT_INTERVAL_S: Final = 30.0
SAMPLES: Final = 4
SAMPLE_STEPS: Final = (0.7, 1.4)
JUDGED: Final = 12
"""Held-out frames per label that are encoded at each of `SAMPLE_STEPS`."""
_TERMS: Final = {
    "distortion": ("1 - MS-SSIM", "#2f6fd0"),
    "mse": ("squared error", "#7b5ea7"),
    "bits": ("bit/pixel", "#c2410c"),
    "adversarial": ("G against D", "#2a9d5c"),
    "discriminator": ("D", "#d1495b"),
}


@click.command()
@click.option(
    "--data", "data", multiple=True, required=True, type=PATH, metavar="PATH",
    help="Image, folder of images, or video; repeatable, once for each camera.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=PATH, metavar="MODEL.rkm",
    help="Model file to write.",
)  # fmt: skip
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True,
    metavar="M", help="Training time, including earlier runs that --resume continues.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True,
    help="Device to train on.",
)  # fmt: skip
@click.option(
    "--label", "labels", multiple=True, metavar="NAME",
    help="Camera name of each --data, in order; repeat it for data of one camera.  "
    "[default: name of the file or folder]",
)  # fmt: skip
@click.option(
    "--hold-out", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True,
    metavar="SHARE", help="Share at the end of each clip to keep for evaluation.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue from the checkpoint next to MODEL.rkm.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Random seed of weights and crops.",
)
@click.option(
    "--pictures/--no-pictures", default=True, show_default=True,
    help="Draw loss plot and samples (needs matplotlib).",
)  # fmt: skip
def train_gan(
    data: tuple[Path, ...],
    out: Path,
    minutes: float,
    device: str,
    labels: tuple[str, ...],
    hold_out: float,
    resume: bool,
    seed: int,
    pictures: bool,
) -> None:
    """Train a model of codec gan for M minutes.

    Writes MODEL.rkm, MODEL.checkpoint.rkm (every half minute and at the end), MODEL.loss.png
    and MODEL.samples.png. Ctrl-C ends the training early and still writes all of them.
    """
    if out.suffix != SUFFIX:
        raise SettingsError(f"got --out {out}, want a name that ends in {SUFFIX}")
    if not math.isfinite(minutes):
        raise SettingsError(f"got --minutes {minutes}, want a finite number above 0")
    checkpoint = out.with_name(f"{out.stem}.checkpoint{SUFFIX}")
    plot, sheet = (out.with_name(f"{out.stem}.{what}.png") for what in ("loss", "samples"))
    for path in (out, checkpoint, *((plot, sheet) if pictures else ())):
        check_writable(path)
    if resume and not checkpoint.is_file():
        raise SettingsError(
            f"got --resume, but {checkpoint} does not exist: train without --resume first"
        )
    # OpenMP reads it when torch loads. On two shared processors, spinning threads made a step take
    # five times the CPU time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not has_torch():
        raise SettingsError(INSTALL)
    if pictures:
        require_matplotlib()
    from rankcast.models.gan.footage import read_footage
    from rankcast.models.gan.training import Training, check_device

    check_device(device)
    with stop_flag() as flag:
        console = Console(stderr=True, highlight=False)
        footage = read_footage(data, labels, hold_out)
        training = Training(footage, device=device, seed=seed)
        if resume:
            training.resume(checkpoint)
            _require_time_left(training, minutes)
        for line in _plan(training):
            click.echo(line)
        if resume:
            spent = f"{training.elapsed_s / 60:.1f} of {minutes:g} minutes"
            click.echo(f"continuing from step {training.step}, after {spent}")
        failure = _train(training, minutes, checkpoint, flag, console, kept=resume)
        model = training.model()
        model_id = model.save(out, training.about())
        click.echo(
            f"{printable(out)}: {out.stat().st_size:,} bytes, model {model_id.hex()}, "
            f"{training.step} steps in {training.elapsed_s / 60:.1f} minutes"
        )
        for line in _judgement(model, footage):
            click.echo(line)
        if pictures:
            draw_losses(plot, training)
            write_image(sheet, contact_sheet(list(_samples(model, footage))))
            click.echo(f"pictures: {printable(plot.name)}, {printable(sheet.name)}")
        if failure is not None:
            raise TrainingError(
                f"{failure}; {out} holds the model of the last checkpoint, step "
                f"{training.step}, after {training.elapsed_s / 60:.1f} minutes"
            ) from failure


def _require_time_left(training: Training, minutes: float) -> None:
    if training.elapsed_s >= 60 * minutes:
        spent = training.elapsed_s / 60
        raise SettingsError(
            f"got --resume with --minutes {minutes:g}, but {spent:.1f} minutes are done: "
            "want more minutes, or no --resume to start again"
        )


def _plan(training: Training) -> Iterator[str]:
    """Describe the training data, one line per label, with omissions and their reasons."""
    for one, size in zip(training.footage, training.architecture.sizes, strict=True):
        count = len(one.frames) + len(one.held_out)
        frames = "1 frame" if count == 1 else f"{count:,} frames"
        if one.found > count:
            frames = f"{count:,} of {one.found:,} frames (as many as fit into 1 GiB)"
        if one.held_out:
            frames += f", the last {len(one.held_out):,} held out"
        how = f"background {size[1]} x {size[0]}"
        if size == (0, 0):
            how = "no common background"
            if one.shape is None:
                how += ": they differ in size"
        yield f"{one.label}: {frames}, {how}"


def _train(
    training: Training, minutes: float, checkpoint: Path, flag: StopFlag, console: Console,
    *, kept: bool,
) -> TrainingError | None:  # fmt: skip
    """Train and save checkpoints; if training fails, restore the last one if `kept`.

    Raises
    ------
    TrainingError
        If training fails and there is no checkpoint.
    """
    columns = (
        TextColumn("training"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(), TextColumn("{task.fields[line]}"),
    )  # fmt: skip
    saved = time.monotonic()
    with Bar(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=60 * minutes, line="")

        def show(now: Any) -> None:  # Any: rankcast.models.gan.training.Progress, torch behind it
            nonlocal saved, kept
            line = f"step {now.step}, 1 - MS-SSIM {now.losses['distortion']:.4f}, "
            bar.update(
                task, completed=now.elapsed_s, line=line + f"{now.losses['bits']:.3f} bit/pixel"
            )
            if time.monotonic() - saved >= CHECKPOINT_INTERVAL_S:
                training.save_checkpoint(checkpoint)
                saved, kept = time.monotonic(), True

        try:
            training.run(minutes, show, lambda: flag.requested)
            training.save_checkpoint(checkpoint)
        except TrainingError as failure:
            if not kept:
                raise
            training.resume(checkpoint)
            return failure
    return None


@dataclass(frozen=True, slots=True)
class _Sample:
    """One frame, encoded with the model."""

    frame: Pixels
    rebuilt: Pixels
    coded_bytes: int
    ms_ssim: float

    @property
    def bit_per_pixel(self) -> float:
        height, width = self.frame.shape[:2]
        return 8 * self.coded_bytes / float(height * width)


def _sample(model: GanModel, frame: Pixels, label: int, step: float) -> _Sample:
    from rankcast.models.gan.objective import luma_ms_ssim

    body = model.encode(frame, label, step)
    rebuilt = model.decode(memoryview(body), frame.shape, label, step)
    return _Sample(frame, rebuilt, len(body), luma_ms_ssim(frame, rebuilt))


def _spread(frames: Sequence[Pixels], most: int) -> list[tuple[int, Pixels]]:
    """Return at most `most` frames, evenly spread, with their numbers."""
    return list(enumerate(frames))[:: max(1, len(frames) // most)][:most]


def _judgement(model: GanModel, footage: Sequence[Footage]) -> Iterator[str]:
    """Evaluate the model on held-out frames, one line per label."""
    for label, one in enumerate(footage):
        frames = [frame for _, frame in _spread(one.held_out, JUDGED)]
        if not frames:
            continue
        found = []
        for step in SAMPLE_STEPS:
            samples = [_sample(model, frame, label, step) for frame in frames]
            likeness = fmean(sample.ms_ssim for sample in samples)
            rate = fmean(sample.bit_per_pixel for sample in samples)
            found.append(f"{likeness:.4f} at {rate:.3f} bit/pixel (step {step})")
        frames_held = f"{len(frames)} of {len(one.held_out):,} held-out frames"
        yield f"{one.label}: luma MS-SSIM of {frames_held} {', '.join(found)}"


def _samples(model: GanModel, footage: Sequence[Footage]) -> Iterator[SheetRow]:
    """Encode a few frames of every label, held out if possible, at alternating steps."""
    for label, one in enumerate(footage):
        kind = "held-out frame" if one.held_out else "trained on, frame"
        for row, (number, frame) in enumerate(_spread(one.held_out or one.frames, SAMPLES)):
            step = SAMPLE_STEPS[row % len(SAMPLE_STEPS)]
            made = _sample(model, frame, label, step)
            captions = (
                f"{one.label}, {kind} {number}",
                f"step {step}: {made.coded_bytes:,} bytes, {made.bit_per_pixel:.3f} bit/pixel",
                f"error x 8, {psnr_text(psnr_db(frame, made.rebuilt))}, "
                f"luma MS-SSIM {made.ms_ssim:.4f}",
            )
            yield SheetRow(frame, made.rebuilt, captions)


def draw_losses(path: Path, training: Training) -> None:
    """Draw every term of the loss over time, each on its own scale.

    Raises
    ------
    RankcastError
        If the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = [name for name in _TERMS if any(name in losses for _, losses in training.history)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 1.2 + 1.9 * max(1, len(shown))), dpi=DPI, layout="constrained")
        steps = "1 step" if training.step == 1 else f"{training.step:,} steps"
        heading = f"Training losses, {steps}; running means of about 50"
        figure.suptitle(heading, fontweight="bold", x=0.02, ha="left")
        first = None
        for index, name in enumerate(shown):
            # One time axis for all, because the terms of D begin later.
            axes = figure.add_subplot(len(shown), 1, index + 1, sharex=first)
            first = first or axes
            title, colour = _TERMS[name]
            points = [(at / 60, losses[name]) for at, losses in training.history if name in losses]
            dot = "o" if len(points) == 1 else None
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.5, marker=dot)
            axes.set_ylabel(title)
            axes.set_xlim(0, 1.01 * training.history[-1][0] / 60 or 1)
            axes.set_ylim(0, 1.08 * max(value for _, value in points))
            if name == "discriminator":
                # Least-squares loss of a D that always outputs 1/2.
                axes.axhline(0.5, color=MUTED, linewidth=1, linestyle="--")
                axes.annotate("undecided", (0, 0.5), color=MUTED, xytext=(4, 4),
                              textcoords="offset points", fontsize="small")  # fmt: skip
            axes.yaxis.set_major_formatter("{x:g}")
        figure.align_ylabels()
        figure.supxlabel("minutes", color=MUTED, fontsize="medium")
        save(figure, path)
