"""What the options of every codec have in common; only encoders load it, and pydantic with it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from rankcast.frame import plain_scalar
from rankcast.user_path import expand_optional_path, expand_path

PathOption: TypeAlias = Annotated[str, AfterValidator(expand_path)]
"""Type of an option that names a file: `rankcast.user_path` has the rule."""
OptionalPathOption: TypeAlias = Annotated[str, AfterValidator(expand_optional_path)]
"""The same, for an option that may be empty."""


class CodecOptions(BaseModel):
    """Options of a codec: checked at construction, unknown ones refused, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of mutually exclusive options."""
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Default of each group: the option that applies where none of the group is given."""

    @model_validator(mode="before")
    @classmethod
    def _plain_values(cls, values: Any) -> Any:  # Any: foreign input, before validation
        # A strict model refuses numpy integers but accepts them for a float: np.int64(1) would
        # become the share 1.0.
        if isinstance(values, Mapping):
            return {name: plain_scalar(value) for name, value in values.items()}
        return values

    @model_validator(mode="after")
    def _at_most_one(self) -> CodecOptions:
        for group in self.exclusive:
            given = [name for name in group if getattr(self, name) is not None]
            if len(given) > 1:
                raise ValueError(
                    f"got {' and '.join(given)}, want at most one of {', '.join(group)}"
                )
        return self

    def effective(self) -> dict[str, Any]:
        """Every option in effect with its value, defaults included."""
        values = self.model_dump(exclude_none=True)
        for group in self.exclusive:
            if not any(name in values for name in group):
                values |= {name: v for name, v in self.exclusive_defaults.items() if name in group}
        return values


class NoOptions(CodecOptions):
    """Options of a codec that has none."""
