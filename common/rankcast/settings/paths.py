"""Types of the settings fields that hold paths."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from rankcast.user_path import expand_optional_path, expand_path

SettingsPath: TypeAlias = Annotated[str, AfterValidator(expand_path)]
"""A path in a settings table, expanded as `rankcast.user_path` defines."""
OptionalPath: TypeAlias = Annotated[str, AfterValidator(expand_optional_path)]
"""The same, but empty text disables the feature."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


SettingsPaths: TypeAlias = Annotated[list[SettingsPath], BeforeValidator(_listed)]
"""Several paths; one alone needs no list."""
