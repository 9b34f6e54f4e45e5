"""What ``rankcast info`` says of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rankcast.codec.pca.frames import KIND as PCA
from rankcast.codec.pca.frames import load_frame_model
from rankcast.commands.terminal import size_text
from rankcast.learned.architecture import architecture_from
from rankcast.modelfile import read_head, read_model


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
    training = fields["description"].get("training")
    if isinstance(training, Mapping):
        rows.extend((f"training {key}", str(value)) for key, value in training.items())
    return rows
