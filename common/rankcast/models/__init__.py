"""Model files, which codecs `pca` and `gan` need at both ends."""

from rankcast.models.model_file import SUFFIX, read_head, read_model, write_model
from rankcast.models.model_folder import ModelFolder

__all__ = [
    "SUFFIX",
    "ModelFolder",
    "read_head",
    "read_model",
    "write_model",
]
