"""The type of paths on the command line: click arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rankcast.user_path import expand_path

if TYPE_CHECKING:  # generic in the stubs of click, but not at run time before 8.2
    _ParamType = click.ParamType[Path]
else:
    _ParamType = click.ParamType


class PathParameter(_ParamType):
    """A path, expanded as `rankcast.user_path` defines.

    Shells expand ``~`` only at the start of a word, so not in ``--save=~/pictures``.
    """

    name = "path"

    def __init__(self, *, existing_folder: bool = False) -> None:
        self._existing_folder = existing_folder

    def convert(
        self,
        value: str | Path,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Expand and check the path."""
        if isinstance(value, Path):  # a default, or converted before
            return value
        try:
            path = Path(expand_path(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
        if self._existing_folder and not path.is_dir():
            self.fail(f"{str(path)!r} is not a folder", param, ctx)
        return path


PATH: Final = PathParameter()
EXISTING_FOLDER: Final = PathParameter(existing_folder=True)
