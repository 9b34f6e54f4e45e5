"""What ``rankcast info`` and ``rankcast compare`` print about a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rankcast.codec import CODECS
from rankcast.commands.terminal import size_text
from rankcast.models import read_head, read_model
from rankcast.printable import printable

_FACTS: Final = {
    kind: facts for codec in CODECS.values() for kind, facts in codec.model_facts.items()
}


def model_fields(path: Path) -> dict[str, Any]:
    """Return all fields of a model file after verifying its SHA-256.

    Raises
    ------
    ModelError
        If the file is not a model, is damaged, or lacks the arrays of its kind.
    """
    file = read_model(path, read_head(path).kind)
    head, facts = file.head, _FACTS.get(file.head.kind)
    return {
        "kind": head.kind,
        "model_id": head.model_id.hex(),
        "bytes": file.size_bytes,
        "arrays": len(file.arrays),
        "samples": sum(array.size for array in file.arrays.values()),
        **({} if facts is None else facts(path)),
        "description": head.description,
    }


def model_rows(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields as rows of a table."""
    rows = [
        ("kind", f"model of {fields['kind']} (SHA-256 verified)"),
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


_MAX_DEPTH: Final = 3
"""Deepest nesting of lists that is printed; Rankcast models nest once."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """Facts about a model to state with results that depend on it."""

    model_id: str
    size_bytes: int
    training: str
    """Training in one line; empty if the file does not describe it."""


def summarise_model(path: Path) -> ModelSummary:
    """Read the size of a model file and how it was trained, but not its arrays.

    Raises
    ------
    ModelError
        If the file is not a model, or is of another version.
    """
    head = read_head(path)
    facts = [
        f"{_name(key)} {_words(key, value)}"
        for key, value in _training(head.description).items()
        if not isinstance(value, Mapping)  # losses and weights, which `rankcast info` lists
    ]
    return ModelSummary(head.model_id.hex(), head.whole_bytes, printable(", ".join(facts)))


def _training(description: Mapping[str, Any]) -> Mapping[str, Any]:
    training = description.get("training")
    return training if isinstance(training, Mapping) else {}


def _name(key: str) -> str:
    return key.removesuffix("_s").replace("_", " ")


def _words(key: str, value: Any, depth: int = 0) -> str:
    """Format a JSON value for reading: ``600.3 s``, ``951, 200``, ``mse 8, rate 0.1``."""
    if depth == _MAX_DEPTH:
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
