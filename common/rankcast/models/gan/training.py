"""Training of codec `gan`: E and G against D, limited by time instead of a number of steps.

`rankcast.models.gan.objective` defines the loss. D joins after a warm-up, when E and G produce
pictures worth judging; from then on D and the other two alternate.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from rankcast import pool
from rankcast.codec.gan.symbols import coder_from, learned_priors
from rankcast.entropy.rangecoder import Coder
from rankcast.errors import ModelError, SettingsError, TrainingError
from rankcast.models.gan.architecture import Architecture, check_labels
from rankcast.models.gan.checkpoint import Parts, broken, read_checkpoint, write_checkpoint
from rankcast.models.gan.crops import Crops
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.model import LARGEST_WEIGHT, MAX_PIXELS, GanModel, load_model, new_model
from rankcast.models.gan.network import Discriminator, GanNetwork
from rankcast.models.gan.objective import TRAINING_STRIDES, RateModel, ms_ssim
from rankcast.models.gan.pictures import Planes, apply_exposures
from rankcast.models.gan.threads import torch_threads

MAX_TRAINED_PIXELS: Final = 28_000_000
"""Limit for all backgrounds: a checkpoint stores 36 bytes a pixel and has at most 1 GiB."""
BATCH: Final = {"cpu": 4, "cuda": 16}
WARM_UP: Final = 0.4
"""Share of the time before D joins."""
LEARNING_RATE: Final = 5e-4
BACKGROUND_RATE: Final = 3e-4
RATE_MODEL_RATE: Final = 5e-3
DISCRIMINATOR_RATE: Final = 2e-4
STEP_RANGE: Final = (0.25, 2.5)
"""Steps are drawn log-uniformly from this range, so that one model serves many rates."""
CHROMA_WEIGHT: Final = 4.0
"""Weight of the squared error of Cb and Cr. MS-SSIM covers only luma: without this term an object
that has left the scene leaves a coloured ghost behind."""
DEAD_ZONE: Final = 0.15
"""Rounding threshold above 1/2, which imitates the encoder's rate-distortion choice of levels."""
_PRIOR_FRAMES: Final = 12
_PRIOR_STEPS: Final = (0.5, 0.8, 1.0, 1.4, 2.0)
_HISTORY: Final = 2000
"""Most points of the loss plot; beyond that, every second one is dropped."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the terms of the loss."""

    mse: float = 8.0
    rate: float = 0.1
    adversarial: float = 0.003


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a training after a step."""

    elapsed_s: float
    step: int
    losses: Mapping[str, float]
    """Running means of loss, distortion (1 - MS-SSIM), mse and bits per pixel; once D has joined,
    also of adversarial and discriminator."""


class Training:
    """A training run, which can be saved and resumed.

    Parameters
    ----------
    footage : sequence of Footage
    device : str
        ``cpu`` or ``cuda``.
    weights : Weights
    seed : int
        0 or more. Equal footage, seed, device, threads and clock give equal weights.
    width : int
        Channels of the hidden layers.
    clock : callable
        Returns seconds since an arbitrary start.

    Raises
    ------
    SettingsError
        If the device is missing, or a model or checkpoint cannot hold the labels or frame sizes.
    """

    def __init__(
        self,
        footage: Sequence[Footage],
        *,
        device: str = "cpu",
        weights: Weights | None = None,
        seed: int = 0,
        width: int = 32,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_device(device)
        check_labels([one.label for one in footage])
        largest = max(frame.shape[0] * frame.shape[1] for one in footage for frame in one.frames)
        if largest > MAX_PIXELS:
            raise SettingsError(
                f"got frames of {largest} pixels, gan supports at most {MAX_PIXELS}"
            )
        backgrounds = [one.background() for one in footage]
        sizes = tuple((0, 0) if b is None else (b.shape[1], b.shape[2]) for b in backgrounds)
        if (pixels := sum(h * w for h, w in sizes)) > MAX_TRAINED_PIXELS:
            raise SettingsError(
                f"got cameras of {pixels:,} pixels in all, training supports at most "
                f"{MAX_TRAINED_PIXELS:,}: use fewer cameras or smaller frames"
            )
        self.device = torch.device(device)
        self.footage = footage
        self.weights = weights or Weights()
        self.elapsed_s = 0.0
        self.step = 0
        self.judging = False
        """True once D has joined; remains true if a resumed training gets more time."""
        self.history: list[tuple[float, dict[str, float]]] = []
        self._every = 1
        self._recent: dict[str, float] = {}
        self._clock = clock
        self._random = np.random.default_rng(seed)
        self._noise = torch.Generator(self.device).manual_seed(seed)
        labels = tuple(one.label for one in footage)
        self.architecture = Architecture(labels, sizes, width=width)
        with torch.random.fork_rng(devices=[]):  # leave the caller's random numbers alone
            torch.default_generator.manual_seed(seed)
            self._make_networks()
        pictures = [_grey() if b is None else b for b in backgrounds]
        with torch.no_grad():
            for parameter, picture in zip(self.network.backgrounds, pictures, strict=True):
                parameter.copy_(torch.from_numpy(picture)[None])
        self._crops = Crops(footage, pictures, self._random)

    def _make_networks(self) -> None:
        self.network = GanNetwork(self.architecture).to(self.device)
        self._rate = RateModel(self.architecture.channels).to(self.device)
        self._discriminator = Discriminator(self.architecture).to(self.device)
        pictures = list(self.network.backgrounds.parameters())
        others = [p for n, p in self.network.named_parameters() if "backgrounds" not in n]
        self._optimiser = torch.optim.Adam(
            [
                {"params": others, "lr": LEARNING_RATE},
                {"params": pictures, "lr": BACKGROUND_RATE},
                {"params": list(self._rate.parameters()), "lr": RATE_MODEL_RATE},
            ]
        )
        self._judge = torch.optim.Adam(
            self._discriminator.parameters(), DISCRIMINATOR_RATE, betas=(0.5, 0.9)
        )
        self._base_rates = [group["lr"] for group in self._optimiser.param_groups]

    def run(
        self,
        minutes: float,
        progress: Callable[[Progress], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train until `minutes` have been spent in total, earlier runs included.

        Parameters
        ----------
        minutes : float
        progress : callable
            Called after every step.
        stopped : callable
            Called after every step; True ends the training early.

        Raises
        ------
        SettingsError
            If `minutes` is not a positive number.
        TrainingError
            If the loss or a gradient diverges; the step is not applied.
        """
        if not 0 < minutes < math.inf:
            raise SettingsError(f"got {minutes} minutes, want more than 0")
        self.network.train()
        before, started = self.elapsed_s, self._clock()
        with torch_threads(pool.threads()):
            while (share := self.elapsed_s / (60 * minutes)) < 1 and not stopped():
                for group, rate in zip(self._optimiser.param_groups, self._base_rates, strict=True):
                    group["lr"] = rate * (1.03 - share)
                self.judging = self.judging or share >= WARM_UP
                losses = self._one_step(adversarial=self.judging)
                self.step += 1
                self.elapsed_s = before + self._clock() - started
                self._note(losses)
                progress(Progress(self.elapsed_s, self.step, dict(self._recent)))

    def _one_step(self, *, adversarial: bool) -> dict[str, float]:
        batch = self._crops.draw(BATCH[self.device.type], self.network.backgrounds, self.device)
        x, label = batch.x, batch.label
        least, most = (math.log(step) for step in STEP_RANGE)
        drawn = torch.rand(len(x), generator=self._noise, device=self.device)
        step = torch.exp(least + drawn * (most - least))
        predicted = apply_exposures(batch.background, batch.exposures)
        scale = self.network.scale(predicted, label, step)
        z = self.network.encode(x, predicted, scale, label, step)
        # Straight through (Bengio et al. 2013, arXiv:1308.3432): rounding has no gradient.
        levels = z.sign() * (z.abs() + 0.5 - DEAD_ZONE).floor()
        w = z + (levels - z).detach()
        pixels = x.shape[2] * x.shape[3]
        rate = self._rate(z, self._noise).sum((1, 2, 3)) / pixels
        y = self.network.generate(w, predicted, scale, label, step)
        distortion = (1 - ms_ssim(x[:, :1], y[:, :1], TRAINING_STRIDES)).mean()
        error = (y - x) ** 2
        mse = error[:, :1].mean() + CHROMA_WEIGHT * error[:, 1:].mean()
        loss = distortion + self.weights.mse * mse
        loss = loss + self.weights.rate * (step * step * rate).mean()
        losses = {"distortion": distortion, "mse": mse, "bits": rate.mean()}
        given = (predicted.detach(), (levels * scale).detach(), label)
        if adversarial and self.weights.adversarial:
            self._discriminator.requires_grad_(False)
            fooled = ((self._discriminator(y, *given) - 1) ** 2).mean()
            self._discriminator.requires_grad_(True)
            loss = loss + self.weights.adversarial * fooled
            losses["adversarial"] = fooled
        self._optimiser.zero_grad()
        loss.backward()
        slope = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        # Checked before the step, because a NaN would stay in Adam's moments for good.
        self._check_finite("the loss", loss)
        self._check_finite("its gradient", slope)
        self._optimiser.step()
        if adversarial and self.weights.adversarial:
            judged = ((self._discriminator(x, *given) - 1) ** 2).mean()
            judged = judged + (self._discriminator(y.detach(), *given) ** 2).mean()
            self._check_finite("the loss of D", judged)
            self._judge.zero_grad()
            judged.backward()
            self._judge.step()
            losses["discriminator"] = judged
        return {"loss": loss.item(), **{name: value.item() for name, value in losses.items()}}

    def _check_finite(self, what: str, value: Tensor) -> None:
        if not math.isfinite(value.item()):
            raise TrainingError(f"training diverged: {what} is {value.item()} at step {self.step}")

    def check_weights(self) -> None:
        """Check that a model file can store the weights.

        Raises
        ------
        TrainingError
            If a weight is not finite, or one of E or G exceeds float16.
        """
        for part, module in self._modules().items():
            limit = LARGEST_WEIGHT if module is self.network else math.inf
            for name, value in module.state_dict().items():
                largest = float(value.abs().max())
                if not math.isfinite(largest) or largest > limit:
                    raise TrainingError(
                        f"training diverged: {part}.{name} reaches {largest:g} at step {self.step}"
                    )

    def _note(self, losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            self._recent[name] = value + (self._recent.get(name, value) - value) * 0.98
        if self.step % self._every == 0:
            self.history.append((self.elapsed_s, dict(self._recent)))
            if len(self.history) > _HISTORY:
                self.history = self.history[::2]
                self._every *= 2

    def model(self) -> GanModel:
        """Return the current model in the precision of the file, with statistics of its code.

        Frames of every label are coded at several steps; each packet starts from the probabilities
        to which the entropy coder has adapted on them.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.rkm"
            cpu = GanNetwork(self.architecture)
            cpu.load_state_dict(self.network.state_dict())
            new_model(cpu).save(path, {})
            rounded = load_model(path)
        coder = coder_from(rounded.priors)
        coders: list[Coder] = []
        for label, one in enumerate(self.footage):
            for frame in one.frames[:: max(1, len(one.frames) // _PRIOR_FRAMES)]:
                for step in _PRIOR_STEPS:
                    # One coder for all frames: priors need many symbols.
                    rounded.encode(frame, label, step, coder)
                    coders.append(coder.copy())
        return GanModel(rounded.network, learned_priors(coders[len(coders) // 3 :]), rounded.table)

    def about(self) -> dict[str, Any]:
        """Return the record of the training for the model file."""
        return {
            "elapsed_s": round(self.elapsed_s, 1),
            "steps": self.step,
            "frames": [len(one.frames) for one in self.footage],
            "held_out": [len(one.held_out) for one in self.footage],
            "device": self.device.type,
            "losses": {name: round(value, 6) for name, value in self._recent.items()},
            "weights": asdict(self.weights),
        }

    def save_checkpoint(self, path: Path) -> None:
        """Save everything that `resume` needs, atomically.

        Raises
        ------
        TrainingError
            If a model file cannot hold the weights; an earlier checkpoint stays.
        RankcastError
            If the file cannot be written.
        """
        self.check_weights()
        counted = {
            "elapsed_s": self.elapsed_s,
            "step": self.step,
            "judging": self.judging,
            "every": self._every,
            "frames": self._frames(),
            "recent": self._recent,
            "history": self.history,
        }
        write_checkpoint(path, self._parts(), counted)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises
        ------
        ModelError
            If the file is not a checkpoint of these labels, frame sizes and networks, or if its
            training may have used frames that are now held out.
        """
        state = read_checkpoint(path, self._parts())
        if any(one.held_out for one in self.footage) and state.get("frames") != self._frames():
            raise ModelError(
                f"{path}: was not trained with these frames held out: give the --data and "
                "--hold-out that it started with, or omit --resume"
            )
        try:
            self.elapsed_s, self.step = float(state["elapsed_s"]), int(state["step"])
            self.judging, self._every = bool(state["judging"]), int(state["every"])
            self._recent = {str(k): float(v) for k, v in state["recent"].items()}
            self.history = [
                (float(at), {str(k): float(v) for k, v in losses.items()})
                for at, losses in state["history"]
            ]
            if not 0 <= self.elapsed_s < math.inf or self._every < 1:
                raise ValueError(f"got {self.elapsed_s} s, every {self._every}")
            self.check_weights()
        except (KeyError, TypeError, ValueError, AttributeError, TrainingError) as exc:
            raise broken(path, exc) from exc

    def _frames(self) -> list[list[int]]:
        """Return the numbers of training and of held-out frames of each label."""
        return [[len(one.frames), len(one.held_out)] for one in self.footage]

    def _parts(self) -> Parts:
        optimisers = {"adam": self._optimiser, "adam_judge": self._judge}
        return Parts(self.architecture, self._modules(), optimisers, self._random, self._noise)

    def _modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "rate": self._rate, "judge": self._discriminator}


def check_device(device: str) -> None:
    """Check that this machine has the device.

    Raises
    ------
    SettingsError
        If it is neither ``cpu`` nor a CUDA device that torch finds.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "got device cuda, but torch finds no CUDA device: use cpu, or install a build of "
            "torch with CUDA on a machine that has one"
        )
    if device not in BATCH:
        raise SettingsError(f"got device {device!r:.20}, want one of {', '.join(BATCH)}")


def _grey() -> Planes:
    """Return the background of footage without a common one: a single colour."""
    return np.array([0.5, 0, 0], np.float32)[:, None, None]
