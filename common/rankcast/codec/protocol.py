"""The codec contract: two halves, one coded frame, one row of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rankcast.codec.sweep import Sweep
from rankcast.frame import Frame, Pixels
from rankcast.wire import Header, Limits, Packet

if TYPE_CHECKING:
    from rankcast.codec.options import CodecOptions, NoOptions
    from rankcast.codec.svd import Band
    from rankcast.models import ModelFolder


@dataclass(frozen=True, slots=True)
class Coded:
    """One coded frame: the codec's share of the packet."""

    body: bytes
    params: tuple[int | float, ...] = ()
    ref_sequence: int | None = None
    """Sequence of the frame that this one is predicted from; None for a key frame."""
    squared_error: int | None = None
    """Sum of squared errors over all samples; 0 only if every sample is exact, None if unknown."""
    energy: float | None = None
    """Share of the sum of squared singular values that was kept, 0..1."""
    rank: tuple[int, ...] = ()
    model_id: bytes | None = None
    checksum: int | None = None
    significant_bits: int = 0
    """Bits that carry the picture, if the codec knows better than the frame; 0 otherwise."""


class CodecEncoder(Protocol):
    """The encoding half; it keeps the state that the next frame is predicted from."""

    def encode(self, frame: Frame, sequence: int) -> Coded:
        """Code one frame; `sequence` is the number of its packet.

        Raises
        ------
        UnsupportedImageError
            If the codec cannot code such a picture. The stream may go on with another one.
        """

    def request_keyframe(self) -> None:
        """Make the next frame a key frame; a codec whose frames all are does nothing."""


@runtime_checkable
class Reconfigurable(Protocol):
    """An encoder that can change its options and keep its prediction state."""

    def reconfigure(self, options: Any) -> None:  # Any: an instance of the codec's options
        """Apply other options from the next frame on."""


@runtime_checkable
class CountsPackets(Protocol):
    """An encoder that controls its bit rate and must know the size of the whole packet."""

    def packet_made(self, size_bytes: int) -> None:
        """Record the size of the packet of the last frame."""


@runtime_checkable
class UsesModels(Protocol):
    """A decoder that needs learned models, which packets refer to by id."""

    def use_models(self, models: ModelFolder) -> None:
        """Look models up in `models` from now on."""


class CodecDecoder(Protocol):
    """The decoding half; it trusts nothing in the body."""

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild the picture of a packet whose header was checked against the limits.

        Returns
        -------
        ndarray
            Of the shape and dtype in the header; nobody writes to it afterwards.

        Raises
        ------
        PayloadError
            If the body does not match the header.
        NeedKeyframe
            If the reference of a predicted frame is missing or was rebuilt differently.
        """


@runtime_checkable
class HoldsReference(CodecDecoder, Protocol):
    """A decoder of predicted frames: it can hand on what it predicts from."""

    def reference_packet(self) -> bytes:
        """Return a packet from which another decoder goes on as this one would.

        Raises
        ------
        NeedKeyframe
            If no picture is held.
        """


@dataclass(frozen=True, slots=True)
class Codec:
    """One row of the codec table: all that the rest of Rankcast knows of a codec."""

    wire_id: int
    """Number in the packet header; it selects the decoder and is never reused."""
    name: str
    """Name in settings, commands and reports."""
    load_options: Callable[[], type[CodecOptions]]
    """Imports `options`, and pydantic with them, which take longer than all that decodes."""
    make_encoder: Callable[[Any], CodecEncoder]  # Any: an instance of `options`
    """Makes the encoder of a new stream."""
    make_decoder: Callable[[Limits], CodecDecoder]
    """Makes the decoder of a new stream."""
    sender_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Options whose defaults differ in `rankcast send`."""
    still_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Options whose defaults differ for a single picture, which has no earlier one to build on."""
    sweeps: tuple[Sweep, ...] = ()
    """How `rankcast compare --codecs` runs it; empty: it does not."""
    missing: Callable[[], str] = lambda: ""
    """What this installation lacks to run the codec, in one line; empty where it lacks nothing."""
    preload_models: Callable[[Path, Callable[[], bool]], bool] | None = None
    """Loads the models of a folder before a receiver subscribes; False when it was stopped."""
    model_facts: Mapping[str, Callable[[Path], Mapping[str, Any]]] = field(default_factory=dict)
    """Facts that `rankcast info` prints about a model file, by the kind of the file."""
    in_pages: bool = False
    """True if a browser decodes it, by the core or by itself."""
    read_bands: Callable[[Packet], Sequence[Band]] | None = None
    """What a packet holds at each rank that it can be cut to, from the lowest to its own; None
    where packets have one rank or none."""
    cut: Callable[[Packet, int], tuple[Packet, bytes]] | None = None
    """Returns a packet cut to at most a rank, or to the lowest that it has, and its bytes, without
    decoding it; the packet itself and no bytes if there is nothing to cut."""

    @property
    def options(self) -> type[CodecOptions]:
        """Options of the encoder."""
        return self.load_options()


def no_options() -> type[NoOptions]:
    """Import the options of a codec that has none."""
    from rankcast.codec.options import NoOptions

    return NoOptions
