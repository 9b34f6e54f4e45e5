"""What a codec is: two halves, their options and what one coded frame consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, model_validator

from rankcast.frame import Frame, Pixels, plain_scalar
from rankcast.models import ModelFolder
from rankcast.wire import Header, Limits


class CodecOptions(BaseModel):
    """Options of a codec: checked at construction, unknown ones refused, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of options of which at most one may be given."""
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """The option of each group that counts where none is given, with its value."""

    @model_validator(mode="before")
    @classmethod
    def _plain_values(cls, values: Any) -> Any:  # Any: foreign input, before validation
        # A strict model takes no numpy scalar for an integer, but takes its float for one:
        # np.int64(1) would become the share 1.0.
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
        """Every option that counts, with the value that it has, defaults included."""
        values = self.model_dump(exclude_none=True)
        for group in self.exclusive:
            if not any(name in values for name in group):
                values |= {name: v for name, v in self.exclusive_defaults.items() if name in group}
        return values


@dataclass(frozen=True, slots=True)
class Coded:
    """One coded frame: what the codec contributes to the packet."""

    body: bytes
    params: tuple[int | float, ...] = ()
    ref_sequence: int | None = None
    """Sequence of the frame that this one is predicted from; None makes it a key frame."""
    squared_error: int | None = None
    """Sum of squared errors over all samples, 0 only if every sample is exact; None is unknown."""
    energy: float | None = None
    """Share of the sum of squared singular values that was kept, 0..1."""
    rank: tuple[int, ...] = ()
    model_id: bytes | None = None
    checksum: int | None = None
    significant_bits: int = 0
    """Bits that carry the picture, where the codec knows better than the frame; 0: it does not."""


class CodecEncoder(Protocol):
    """The encoding half; holds whatever the next frame is coded against."""

    def encode(self, frame: Frame, sequence: int) -> Coded:
        """Code one frame, which the packet will carry as `sequence`.

        Raises
        ------
        UnsupportedImageError
            If the codec cannot code such images. The next frame may be another.
        """

    def request_keyframe(self) -> None:
        """Make the next frame a key frame; nothing to do where every frame is one."""


@runtime_checkable
class Reconfigurable(Protocol):
    """An encoder whose options can change without losing what it predicts from."""

    def reconfigure(self, options: Any) -> None:  # Any: an instance of the codec's options
        """Go on with other options from the next frame on."""


@runtime_checkable
class CountsPackets(Protocol):
    """An encoder that keeps to a bit rate, and so must know what a packet adds to a body."""

    def packet_made(self, size_bytes: int) -> None:
        """Take note of the size of the packet that the last frame became."""


@runtime_checkable
class UsesModels(Protocol):
    """A decoder that needs learned models, which packets name by their id."""

    def use_models(self, models: ModelFolder) -> None:
        """Look for models there from now on."""


class CodecDecoder(Protocol):
    """The decoding half; trusts nothing in the body."""

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild the picture of a packet whose header was checked against the limits.

        Returns
        -------
        ndarray
            Shape and dtype of the header; a new array, or one that nobody writes again.

        Raises
        ------
        PayloadError
            If the body does not hold what the header promises.
        NeedKeyframe
            If the reference of a predicted frame is missing or was not rebuilt exactly.
        """


@dataclass(frozen=True, slots=True)
class Codec:
    """One row of the table of codecs."""

    wire_id: int
    """Number on the wire; names the decoder and is never given to another one."""
    name: str
    """Name in settings, commands and reports."""
    options: type[CodecOptions]
    """The options that the encoder takes."""
    make_encoder: Callable[[Any], CodecEncoder]  # Any: an instance of `options`
    """Makes the encoder of a new stream."""
    make_decoder: Callable[[Limits], CodecDecoder]
    """Makes the decoder of a new stream."""
