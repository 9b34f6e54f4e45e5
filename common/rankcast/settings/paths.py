"""Types of paths: of settings fields, and of arguments and options on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import click
from pydantic import AfterValidator

from rankcast.user_path import expand_optional_path, expand_path

SettingsPath: TypeAlias = Annotated[str, AfterValidator(expand_path)]
"""A path in a settings table; `rankcast.user_path` has the rule."""
OptionalPath: TypeAlias = Annotated[str, AfterValidator(expand_optional_path)]
"""The same, where the empty text turns the feature off."""


if TYPE_CHECKING:  # generic in the stubs of click, but not at run time before 8.2
    _ParamType = click.ParamType[Path]
else:
    _ParamType = click.ParamType


class PathParameter(_ParamType):
    """A path on the command line, by the same rule.

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
        try:
            path = Path(expand_path(str(value)))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
        if self._existing_folder and not path.is_dir():
            self.fail(f"{str(path)!r} is not a folder", param, ctx)
        return path


PATH: Final = PathParameter()
EXISTING_FOLDER: Final = PathParameter(existing_folder=True)
