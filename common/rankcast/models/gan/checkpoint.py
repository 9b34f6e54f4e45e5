"""Checkpoint of a training: everything that it needs to go on as if it had not stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rankcast.codec.gan.model_facts import CHECKPOINT_KIND
from rankcast.errors import ModelError
from rankcast.models import read_model, write_model
from rankcast.models.gan.architecture import Architecture
from rankcast.printable import printable

_NOISE: Final = "noise"


@dataclass(frozen=True, slots=True)
class Parts:
    """What changes while a training runs, beside the numbers that it counts."""

    architecture: Architecture
    modules: Mapping[str, nn.Module]
    optimisers: Mapping[str, torch.optim.Optimizer]
    random: np.random.Generator
    """Of crops."""
    noise: torch.Generator
    """Of steps and rounding, on the device."""


def write_checkpoint(path: Path, parts: Parts, counted: Mapping[str, Any]) -> None:
    """Keep a training, whole or not at all.

    Parameters
    ----------
    path : Path
    parts : Parts
    counted : mapping
        Plain JSON that `read_checkpoint` gives back.

    Raises
    ------
    RankcastError
        If the disk or the folder does not take it.
    """
    arrays: dict[str, NDArray[Any]] = {_NOISE: parts.noise.get_state().numpy()}
    for part, module in parts.modules.items():
        for name, value in module.state_dict().items():
            arrays[f"{part}.{name}"] = value.detach().cpu().numpy()
    for part, optimiser in parts.optimisers.items():
        for index, values in optimiser.state_dict()["state"].items():
            for name, value in values.items():
                arrays[f"{part}.{index}.{name}"] = value.detach().cpu().numpy()
    description = parts.architecture.described() | {
        "counted": dict(counted),
        "random": parts.random.bit_generator.state,
        "device": parts.noise.device.type,
    }
    write_model(path, CHECKPOINT_KIND, description, arrays)


def read_checkpoint(path: Path, parts: Parts) -> Mapping[str, Any]:
    """Set `parts` to what `write_checkpoint` kept; returns what was counted.

    Raises
    ------
    ModelError
        If the file is no whole checkpoint, or one of other labels, sizes or networks.
    """
    file = read_model(path, CHECKPOINT_KIND)
    said = file.head.description
    wanted = parts.architecture.described()
    if {name: said.get(name) for name in wanted} != wanted:
        raise ModelError(
            f"{printable(path)}: is a checkpoint of other labels, frame sizes or networks"
        )
    try:
        for part, module in parts.modules.items():
            module.load_state_dict(_tensors(file.arrays, f"{part}."))
        for part, optimiser in parts.optimisers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in _tensors(file.arrays, f"{part}.").items():
                index, _, field = name.partition(".")
                state.setdefault(int(index), {})[field] = value
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": state, "param_groups": groups})
        parts.random.bit_generator.state = said["random"]
        # Noise of a processor cannot go on as that of a CUDA device, nor the other way round.
        if said["device"] == parts.noise.device.type:
            parts.noise.set_state(torch.from_numpy(file.arrays[_NOISE]))
        return dict(said["counted"])
    except (
        KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError
    ) as exc:  # fmt: skip
        raise broken(path, exc) from exc


def broken(path: Path, reason: object) -> ModelError:
    """Return the error of a file that is a checkpoint, but not a whole one."""
    lines = str(reason).splitlines() or [""]
    return ModelError(f"{printable(path)}: is no whole checkpoint: {lines[0]:.200}")


def _tensors(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, Tensor]:
    return {
        name[len(prefix) :]: torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
