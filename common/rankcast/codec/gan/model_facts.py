"""What `rankcast info` prints about a model file of codec `gan`; torch is not needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rankcast.models import read_head

CHECKPOINT_KIND: Final = "gan-checkpoint"
"""Kind of the checkpoints of a training, which hold what a model holds and more."""


def gan_model_facts(path: Path) -> dict[str, Any]:
    """Name the cameras of a model or checkpoint and the sizes of their frames.

    Raises
    ------
    ModelError
        If the file is no model, or its description is damaged.
    """
    from rankcast.models.gan.architecture import architecture_from

    architecture = architecture_from(read_head(path).description)
    sizes = [None if size == (0, 0) else list(size) for size in architecture.sizes]
    return {"labels": list(architecture.labels), "sizes": sizes}
