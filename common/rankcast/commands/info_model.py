"""What ``rankcast info`` says of a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rankcast.codec.pca.frames import KIND as PCA
from rankcast.codec.pca.frames import load_frame_model
from rankcast.commands.terminal import size_text
from rankcast.models import read_head, read_model
from rankcast.models.gan.architecture import architecture_from
from rankcast.printable import printable


def model_fields(path: Path) -> dict[str, Any]:
    """Everything that a model file says, after its SHA-256 was found to be good.

    Raises
    ------
    ModelError
        If it is no model file, damaged, or its arrays are not those of its kind.
    """
    file = read_model(path, read_head(path).kind)
    head, fields = file.head, dict[str, Any]()
    if head.kind == PCA:
        model = load_frame_model(path)
        held = float(model.variances.astype(float).sum())
        fields = {
            "shape": list(model.shape),
            "dtype": str(model.dtype),
            "components": len(model.variances),
            "variance_held": held / model.total_variance if model.total_variance else 1.0,
        }
    elif "labels" in head.description:  # of `gan`, and of the checkpoints of its training
        architecture = architecture_from(head.description)
        sizes = [None if size == (0, 0) else list(size) for size in architecture.sizes]
        fields = {"labels": list(architecture.labels), "sizes": sizes}
    return {
        "kind": head.kind,
        "model_id": head.model_id.hex(),
        "bytes": file.size_bytes,
        "arrays": len(file.arrays),
        "samples": sum(array.size for array in file.arrays.values()),
        **fields,
        "description": head.description,
    }


def model_rows(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same as lines of a table."""
    rows = [
        ("kind", f"model of {fields['kind']} (SHA-256 good)"),
        ("id", fields["model_id"]),
        (
            "bytes",
            f"{fields['bytes']:,} ({fields['arrays']} arrays, {fields['samples']:,} samples)",
        ),
    ]
    if "shape" in fields:
        rows.append(("pictures", size_text(tuple(fields["shape"]), fields["dtype"])))
        held = f"{100 * fields['variance_held']:.4g} % of the variance"
        rows.append(("components", f"{fields['components']}, {held}"))
    for label, size in zip(fields.get("labels", ()), fields.get("sizes", ()), strict=True):
        rows.append(("label", f"{label}: {f'{size[1]} x {size[0]}' if size else 'any size'}"))
    training = _training(fields["description"])
    rows.extend((f"training {_name(key)}", _words(key, value)) for key, value in training.items())
    return rows


_DEEPEST: Final = 3
"""Lists within lists that are shown: no model of ours has more than one."""


@dataclass(frozen=True, slots=True)
class ModelSaid:
    """What stands beside figures that were reached with a model."""

    model_id: str
    size_bytes: int
    training: str
    """One line; empty where the file does not say."""


def model_said(path: Path) -> ModelSaid:
    """Read the size of a model file and how it was trained, without its arrays.

    Raises
    ------
    ModelError
        If it is no model file, or of another version.
    """
    head = read_head(path)
    facts = [
        f"{_name(key)} {_words(key, value)}"
        for key, value in _training(head.description).items()
        if not isinstance(value, Mapping)  # losses and weights, which `rankcast info` lists
    ]
    return ModelSaid(head.model_id.hex(), head.whole_bytes, printable(", ".join(facts)))


def _training(description: Mapping[str, Any]) -> Mapping[str, Any]:
    training = description.get("training")
    return training if isinstance(training, Mapping) else {}


def _name(key: str) -> str:
    return key.removesuffix("_s").replace("_", " ")


def _words(key: str, value: Any, depth: int = 0) -> str:
    """Say a value of plain JSON in words: ``600.3 s``, ``951, 200``, ``mse 8, rate 0.1``."""
    if depth == _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(name, one, depth + 1)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(_words(key, one, depth + 1) for one in value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        text = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
        return f"{text} s" if key.endswith("_s") else text
    return str(value)
