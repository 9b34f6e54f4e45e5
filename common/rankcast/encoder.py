"""Encoder: pixels to complete wire packets, one per stream."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from rankcast.boot_clock import boot_ns
from rankcast.codec import DEFAULT_CODEC, codec_named
from rankcast.codec.options import CodecOptions
from rankcast.codec.protocol import CodecEncoder, CountsPackets, Reconfigurable
from rankcast.errors import RankcastError, SettingsError, UnsupportedImageError, one_line
from rankcast.frame import CFA_PATTERNS, Frame, Pixels, Scalar
from rankcast.validation_text import reason_of
from rankcast.wire import OFFLINE, PPB, STREAM_ID_BYTES, Chain, Header, Kind, pack


class OptionError(SettingsError):
    """A codec option is wrong.

    Callers that know where the option was set can name that place in their own message.
    """

    def __init__(self, message: str, option: str, reason: str) -> None:
        super().__init__(message)
        self.option = option
        """Name of the option; empty if several options contradict each other."""
        self.reason = reason
        """Reason alone, without the codec and the value."""


def check_options(codec: str, options: Mapping[str, Any]) -> CodecOptions:
    """Check the options of a codec.

    Parameters
    ----------
    codec : str
        Name of the codec.
    options : mapping
        Names and values, as in keyword arguments or ``--set codec.NAME=VALUE``.

    Raises
    ------
    SettingsError
        If the codec is unknown; `OptionError` if an option is unknown or its value is not allowed.
    """
    model = codec_named(codec).options
    try:
        return model(**options)
    except ValidationError as exc:
        known = ", ".join(model.model_fields) or "none"
        first = exc.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        if first["type"] == "extra_forbidden":
            message = f"codec {codec} has no option {name!r:.60}; its options are: {known}"
            raise OptionError(message, name, message) from None
        got = f"codec {codec}, {name} = {options.get(name)!r:.60}" if name else f"codec {codec}"
        reason = f"{reason_of(first)} (options of {codec}: {known})"
        raise OptionError(f"{got}: {reason}", name, reason) from None


def replace_options(codec: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `new` options into `old` ones; a new option replaces those that it excludes.

    Raises
    ------
    SettingsError
        If the codec is unknown.
    """
    merged = {**old, **new}
    for group in codec_named(codec).options.exclusive:
        if any(name in new for name in group):
            for name in set(group) - set(new):
                merged.pop(name, None)
    return merged


@dataclass(frozen=True, slots=True, eq=False)
class TrialEncoder:
    """A codec that has started with certain options, and has coded nothing for a stream yet."""

    options: Mapping[str, Any]
    """The options as given."""
    checked: CodecOptions
    half: CodecEncoder


def try_options(codec: str, options: Mapping[str, Any]) -> TrialEncoder:
    """Start a codec with options: the only way to learn whether its model, say, can be used.

    Raises
    ------
    SettingsError
        If the codec is unknown, an option is wrong, or the codec fails to start for any reason.
    UnsupportedImageError
        If the model holds too little for the options.
    """
    row = codec_named(codec)
    try:
        checked = check_options(codec, options)
        return TrialEncoder(dict(options), checked, row.make_encoder(checked))
    except RankcastError:
        raise
    except Exception as exc:
        # A library may raise anything for a file or a size that it does not like.
        raise SettingsError(f"codec {codec} does not start: {one_line(exc)}") from exc


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One coded picture: the bytes to send, and its header."""

    data: bytes
    """The complete wire packet."""
    header: Header
    """Complete; that of a predicted frame is sent short."""


class Encoder:
    """Encode the frames of one stream into packets.

    Parameters
    ----------
    codec : str
        Name of the codec; the default is that of ``rankcast send``.
    **options
        Options of the codec, see docs/methods.md.

    Raises
    ------
    SettingsError
        If the codec or an option is unknown or a value is not allowed.

    Notes
    -----
    An encoder is stateful: use one per stream, from one thread at a time. It owns no threads and
    needs no closing.
    """

    def __init__(self, codec: str = DEFAULT_CODEC, **options: Any) -> None:
        self._codec = codec_named(codec)
        self._trial = try_options(codec, options)
        self._encoder = self._trial.half
        self.stream_id = os.urandom(STREAM_ID_BYTES)
        self._sequence = 0
        self._chain = Chain()
        self.max_packet_bytes = OFFLINE.max_packet_bytes
        """Packets above this size are an error, because every reader would refuse them."""

    @property
    def codec(self) -> str:
        """Name of the codec."""
        return self._codec.name

    @property
    def sequence(self) -> int:
        """Sequence number of the next packet: the number of packets made so far."""
        return self._sequence

    @property
    def options(self) -> dict[str, Any]:
        """Options in effect and their values, defaults included."""
        return self._trial.checked.effective()

    def set(self, **options: Any) -> None:
        """Change codec options from the next picture on; options not given keep their values.

        Among options that exclude each other (quality, step, psnr and bitrate of `svd-patch`;
        rank, energy and psnr of `svd`) the new one replaces the old.

        Raises
        ------
        SettingsError
            If an option is unknown or a value is not allowed; no option changes in that case.
        """
        merged = replace_options(self._codec.name, self._trial.options, options)
        self.use(try_options(self._codec.name, merged))

    def use(self, trial: TrialEncoder) -> TrialEncoder:
        """Go on with the options of `trial` from the next picture on.

        Returns
        -------
        TrialEncoder
            The options in use until now: `use` goes back to them.
        """
        before = replace(self._trial, half=self._encoder)
        if isinstance(self._encoder, Reconfigurable):
            self._encoder.reconfigure(trial.checked)  # keeps the picture to predict from
        else:
            # This codec makes only key frames: the other half needs nothing of this one.
            self._encoder = trial.half
        self._trial = trial
        return before

    def request_keyframe(self) -> None:
        """Make the next packet a key frame, which decodes without any earlier packet."""
        self._encoder.request_keyframe()

    def encode(self, image: Pixels | Frame, *, meta: Mapping[str, Scalar] | None = None) -> bytes:
        """Encode one picture.

        Parameters
        ----------
        image : ndarray, shape (H, W) or (H, W, C), uint8 or uint16; or Frame
            Colour is BGR. An array, or a frame whose clocks are both 0, is stamped with the
            current time; any other frame keeps its own time.
        meta : mapping of str to scalar, optional
            User metadata, at most 4 KiB once packed; replaces the metadata of the frame.

        Returns
        -------
        bytes
            The complete wire packet.

        Raises
        ------
        UnsupportedImageError
            If the codec cannot encode this picture; the stream continues with the next one.
        SettingsError
            If the metadata is not a flat map of scalars within 4 KiB.
        """
        return self.encode_packet(image, meta=meta).data

    def frame_of(self, image: Pixels | Frame, *, meta: Mapping[str, Scalar] | None = None) -> Frame:
        """Check one picture and its metadata, and return them as the frame to encode.

        Raises
        ------
        UnsupportedImageError
            If Rankcast does not carry such pixels.
        SettingsError
            If the metadata are not a flat map of scalars.
        """
        frame = image if isinstance(image, Frame) else Frame(image, frame=self._sequence)
        if not frame.t_capture_mono_ns and not frame.t_capture_utc_ns:
            frame = replace(frame, t_capture_mono_ns=boot_ns(), t_capture_utc_ns=time.time_ns())
        return frame if meta is None else replace(frame, meta=meta)

    def encode_packet(
        self, image: Pixels | Frame, *, meta: Mapping[str, Scalar] | None = None
    ) -> EncodedPacket:
        """Encode one picture, as `encode` does, and return its header with the packet."""
        frame = self.frame_of(image, meta=meta)
        coded = self._encoder.encode(frame, self._sequence)
        header = Header(
            kind=Kind.KEY if coded.ref_sequence is None else Kind.PREDICTED,
            stream_id=self.stream_id,
            sequence=self._sequence,
            frame=frame.frame,
            ref_sequence=coded.ref_sequence,
            codec=self._codec.wire_id,
            params=coded.params,
            shape=frame.pixels.shape,
            dtype_bytes=frame.pixels.dtype.itemsize,
            significant_bits=coded.significant_bits or frame.significant_bits,
            cfa=CFA_PATTERNS.index(frame.cfa),
            t_capture_mono_ns=frame.t_capture_mono_ns,
            t_capture_utc_ns=frame.t_capture_utc_ns,
            device_frame_id=frame.device_frame_id,
            device_time_ns=frame.device_time_ns,
            squared_error=coded.squared_error,
            energy_ppb=None if coded.energy is None else _ppb(coded.energy),
            rank=coded.rank,
            model_id=coded.model_id,
            checksum=coded.checksum,
            meta=frame.meta,
        )
        try:
            data = pack(self._chain.shorten(header), coded.body)
        except BaseException:
            # No decoder will see this picture (its metadata may not fit): predict nothing from it.
            self._encoder.request_keyframe()
            raise
        if len(data) > self.max_packet_bytes:
            self._encoder.request_keyframe()
            raise UnsupportedImageError(
                f"got a packet of {len(data)} bytes, the limit is {self.max_packet_bytes} "
                "(limits.max_packet_bytes): use another codec or a lower quality"
            )
        if isinstance(self._encoder, CountsPackets):
            self._encoder.packet_made(len(data))
        self._chain.add(header)
        self._sequence += 1
        return EncodedPacket(data, header)


def _ppb(share: float) -> int:
    # Rounding errors in the sums of squares can make the share slightly greater than 1.
    return min(PPB, max(0, round(share * PPB)))
