"""Training of codec `gan`: E and G against D, for a time rather than for a number of steps.

`rankcast.models.gan.objective` says what is minimised. After a warm-up without D, which only has
something to judge once pictures come out, D and the other two take turns.
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

from rankcast.codec.gan.symbols import coder_from, learned_priors
from rankcast.entropy.rangecoder import Coder
from rankcast.errors import ModelError, SettingsError, TrainingError
from rankcast.kernels import pool
from rankcast.models.gan.architecture import Architecture, check_labels
from rankcast.models.gan.checkpoint import Parts, broken, read_checkpoint, write_checkpoint
from rankcast.models.gan.crops import Crops
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.model import LARGEST_WEIGHT, MAX_PIXELS, GanModel, load_model, new_model
from rankcast.models.gan.network import Discriminator, GanNetwork
from rankcast.models.gan.objective import TRAINING_STRIDES, RateModel, ms_ssim
from rankcast.models.gan.pictures import Planes, apply_exposures
from rankcast.models.gan.threads import torch_threads
from rankcast.printable import printable

MAX_TRAINED_PIXELS: Final = 28_000_000
"""Of all backgrounds: a checkpoint keeps 36 bytes of each, and a file has at most 1 GiB."""
BATCH: Final = {"cpu": 4, "cuda": 16}
WARM_UP: Final = 0.4
"""Share of the time before D takes part."""
LEARNING_RATE: Final = 5e-4
BACKGROUND_RATE: Final = 3e-4
RATE_MODEL_RATE: Final = 5e-3
DISCRIMINATOR_RATE: Final = 2e-4
STEP_RANGE: Final = (0.25, 2.5)
"""Steps are drawn from here, evenly by their logarithm: one model serves a range of rates."""
CHROMA_WEIGHT: Final = 4.0
"""Of the squared error of Cb and Cr: MS-SSIM looks at luma alone, and what has left the scene would
stay behind as a coloured ghost of the background."""
DEAD_ZONE: Final = 0.15
"""How much less than 1/2 rounds up, as the choice of levels by rate and distortion does."""
_PRIOR_FRAMES: Final = 12
_PRIOR_STEPS: Final = (0.5, 0.8, 1.0, 1.4, 2.0)
_HISTORY: Final = 2000
"""Points of the loss plot; beyond that many every second one is dropped."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Factors of the terms of the loss."""

    mse: float = 8.0
    rate: float = 0.1
    adversarial: float = 0.003


@dataclass(frozen=True, slots=True)
class Progress:
    """What training says about itself after each of its steps."""

    elapsed_s: float
    step: int
    losses: Mapping[str, float]
    """Means over the last steps: loss, distortion (1 - MS-SSIM), mse, bits a pixel; and, once D
    takes part, adversarial and discriminator."""


class Training:
    """One training, which can be kept and taken up again.

    Parameters
    ----------
    footage : sequence of Footage
    device : str
        ``cpu`` or ``cuda``.
    weights : Weights
    seed : int
        0 or more. The same footage, seed, device, threads and times give the same weights.
    width : int
        Channels of the hidden layers.
    clock : callable
        Seconds from any start.

    Raises
    ------
    SettingsError
        If there is no such device, or labels or sizes of the frames are none that a model or its
        checkpoint can have.
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
            raise SettingsError(f"got frames of {largest} pixels, gan takes at most {MAX_PIXELS}")
        backgrounds = [one.background() for one in footage]
        sizes = tuple((0, 0) if b is None else (b.shape[1], b.shape[2]) for b in backgrounds)
        if (pixels := sum(h * w for h, w in sizes)) > MAX_TRAINED_PIXELS:
            raise SettingsError(
                f"got cameras of {pixels:,} pixels together, training takes at most "
                f"{MAX_TRAINED_PIXELS:,}: want fewer cameras, or smaller frames"
            )
        self.device = torch.device(device)
        self.footage = footage
        self.weights = weights or Weights()
        self.elapsed_s = 0.0
        self.step = 0
        self.judging = False
        """D takes part; what has begun does not end when a resumed training gets more time."""
        self.history: list[tuple[float, dict[str, float]]] = []
        self._every = 1
        self._recent: dict[str, float] = {}
        self._clock = clock
        self._random = np.random.default_rng(seed)
        self._noise = torch.Generator(self.device).manual_seed(seed)
        labels = tuple(one.label for one in footage)
        self.architecture = Architecture(labels, sizes, width=width)
        with torch.random.fork_rng(devices=[]):  # others' random numbers are not ours to choose
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
        """Train until `minutes` have been spent altogether, earlier runs included.

        Parameters
        ----------
        minutes : float
        progress : callable
            Called after every step.
        stopped : callable
            Asked after every step; True ends the training early.

        Raises
        ------
        SettingsError
            If `minutes` is no time.
        TrainingError
            If a step came to no finite number; nothing of that step is kept.
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
        # Before the step, because Adam would carry what is no number on for ever.
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
            raise TrainingError(f"training came to no finite number at step {self.step}: {what}")

    def check_weights(self) -> None:
        """Refuse weights that no model file can hold.

        Raises
        ------
        TrainingError
            If one is no finite number, or one of E or G too large for float16.
        """
        for part, module in self._modules().items():
            limit = LARGEST_WEIGHT if module is self.network else math.inf
            for name, value in module.state_dict().items():
                largest = float(value.abs().max())
                if not math.isfinite(largest) or largest > limit:
                    raise TrainingError(
                        f"training came to {largest:g} in {part}.{name} by step {self.step}"
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
        """The model as it stands, in the precision of the file, with statistics of the code.

        Frames of every label are coded at several steps: the probabilities that the coder ends
        with are those that every packet starts from.
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
                    # One coder for all: only what has seen much is worth a prior.
                    rounded.encode(frame, label, step, coder)
                    coders.append(coder.copy())
        return GanModel(rounded.network, learned_priors(coders[len(coders) // 3 :]), rounded.table)

    def about(self) -> dict[str, Any]:
        """What the model file says of its training."""
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
        """Keep everything that `resume` needs, whole or not at all.

        Raises
        ------
        TrainingError
            If the weights are none that a model can have: what was kept before stays.
        RankcastError
            If the disk or the folder does not take it.
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
        """Go on where `save_checkpoint` left off.

        Raises
        ------
        ModelError
            If the file is no checkpoint, or one of other labels, sizes or networks, or may have
            learned from frames that are held out now.
        """
        said = read_checkpoint(path, self._parts())
        if any(one.held_out for one in self.footage) and said.get("frames") != self._frames():
            raise ModelError(
                f"{printable(path)}: was not trained with these frames held out: want the --data "
                "and --hold-out that it began with, or no --resume"
            )
        try:
            self.elapsed_s, self.step = float(said["elapsed_s"]), int(said["step"])
            self.judging, self._every = bool(said["judging"]), int(said["every"])
            self._recent = {str(k): float(v) for k, v in said["recent"].items()}
            self.history = [
                (float(at), {str(k): float(v) for k, v in losses.items()})
                for at, losses in said["history"]
            ]
            if not 0 <= self.elapsed_s < math.inf or self._every < 1:
                raise ValueError(f"got {self.elapsed_s} s, every {self._every}")
            self.check_weights()
        except (KeyError, TypeError, ValueError, AttributeError, TrainingError) as exc:
            raise broken(path, exc) from exc

    def _frames(self) -> list[list[int]]:
        """Frames of each label that are learned from, and that are not."""
        return [[len(one.frames), len(one.held_out)] for one in self.footage]

    def _parts(self) -> Parts:
        optimisers = {"adam": self._optimiser, "adam_judge": self._judge}
        return Parts(self.architecture, self._modules(), optimisers, self._random, self._noise)

    def _modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "rate": self._rate, "judge": self._discriminator}


def check_device(device: str) -> None:
    """Refuse a device that is not here.

    Raises
    ------
    SettingsError
        If it is neither ``cpu`` nor a CUDA device that torch finds.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "got device cuda, but torch finds no CUDA device here: want cpu, or a machine and "
            "a build of torch with CUDA"
        )
    if device not in BATCH:
        raise SettingsError(f"got device {device!r:.20}, want one of {', '.join(BATCH)}")


def _grey() -> Planes:
    """The background of pictures that have none in common: one colour."""
    return np.array([0.5, 0, 0], np.float32)[:, None, None]
