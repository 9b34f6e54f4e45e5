"""Decoder: from wire packets back to pixels, one per stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rankcast.codec import codec_with_id
from rankcast.codec.protocol import CodecDecoder, HoldsReference, UsesModels
from rankcast.errors import NeedKeyframe, PayloadError, WireError
from rankcast.frame import CFA_PATTERNS, Coding, Frame, Pixels
from rankcast.wire import OFFLINE, Chain, Kind, Limits, Packet, unpack

if TYPE_CHECKING:
    from rankcast.models import ModelFolder


class Decoder:
    """Rebuilds the pictures of one stream.

    Parameters
    ----------
    limits : Limits, optional
        Limits of a packet; the default is that of files, 128 MiB.
    models : Path, optional
        Folder of the model files that packets refer to by id. Models already opened by this
        process, for example to encode, are found without it.
    writable : bool
        True: every picture is a copy that may be modified in place. False: it may be read-only or
        shared with the decoder, which predicts the next picture from it.

    Notes
    -----
    Stateful: a new stream id needs a new decoder. Not for use by several threads at once.
    """

    def __init__(
        self, limits: Limits = OFFLINE, *, models: Path | None = None, writable: bool = False
    ) -> None:
        self._limits = limits
        self._writable = writable
        self._folder = models
        self._models: ModelFolder | None = None
        self._codec_id: int | None = None
        self._codec: CodecDecoder | None = None
        self._chain = Chain()

    def decode(self, packet: bytes | bytearray | memoryview) -> Pixels:
        """Rebuild the picture of one packet.

        Parameters
        ----------
        packet : bytes-like
            One complete packet, as ``Encoder.encode`` returned it.

        Returns
        -------
        ndarray
            Of the shape and dtype of the encoded picture; colour is BGR.

        Raises
        ------
        WireError
            If the packet is damaged, too large, or not a Rankcast packet.
        NeedKeyframe
            If the packet is predicted from a frame that this decoder does not have.
        """
        return self.decode_packet(unpack(packet, self._limits))

    def complete(self, packet: Packet) -> Packet:
        """Return a parsed packet with all fields of its header.

        Raises
        ------
        NeedKeyframe
            If the header leaves out what it shares with a frame that this decoder has not decoded.
        """
        if not packet.header.is_short:
            return packet
        return replace(packet, header=self._chain.complete(packet.header))

    def decode_packet(self, packet: Packet) -> Pixels:
        """Rebuild the picture of a parsed packet, completed or not; see `decode`."""
        header = self.complete(packet).header
        if not header.kind.is_picture:
            raise WireError(f"got a packet of kind {header.kind.name}, want a picture")
        if self._codec is None or header.codec != self._codec_id:
            codec = codec_with_id(header.codec)
            if header.kind is Kind.PREDICTED:
                raise NeedKeyframe(
                    f"frame {header.sequence} is predicted from a frame that has not been decoded"
                )
            self._codec = codec.make_decoder(self._limits)
            if isinstance(self._codec, UsesModels):
                self._codec.use_models(self._model_folder())
            self._codec_id = header.codec
        if header.kind is Kind.REFERENCE and not isinstance(self._codec, HoldsReference):
            raise PayloadError(
                f"got a reference of codec id {header.codec}, which predicts nothing"
            )
        pixels = self._codec.decode(header, packet.body)
        self._chain.add(header)
        return pixels.copy() if self._writable else pixels

    def reference_packet(self) -> bytes:
        """Return a packet from which another decoder goes on as this one would.

        A relay sends it to a viewer that joins in the middle of a group, before the next packet of
        the stream: neither the encoder nor 300 frames of the group are needed.

        Raises
        ------
        NeedKeyframe
            If no picture was decoded yet, or the codec predicts none: its next frame is a key
            frame.
        """
        if not isinstance(self._codec, HoldsReference):
            raise NeedKeyframe("this decoder holds no picture to go on from")
        return self._codec.reference_packet()

    def _model_folder(self) -> ModelFolder:
        if self._models is None:
            from rankcast.models import ModelFolder  # most codecs need no models

            self._models = ModelFolder(self._folder)
        return self._models


def frame_of(packet: Packet, pixels: Pixels, camera: str, *, writable: bool = False) -> Frame:
    """Make a frame of `camera` from decoded `pixels` and the header of their packet.

    Parameters
    ----------
    packet : Packet
        Completed by that decoder.
    pixels : ndarray
        Output of a decoder created with the same `writable`.
    camera : str
    writable : bool
        Leave the pixels writable.
    """
    header = packet.header
    return Frame(
        pixels,
        frame=header.frame,
        t_capture_mono_ns=header.t_capture_mono_ns,
        t_capture_utc_ns=header.t_capture_utc_ns,
        significant_bits=header.significant_bits,
        cfa=CFA_PATTERNS[header.cfa],
        device_frame_id=header.device_frame_id,
        device_time_ns=header.device_time_ns,
        meta=header.meta,
        camera=camera,
        sequence=header.sequence,
        stream_id=header.stream_id,
        writable=writable,
        coding=coding_of(packet),
    )


def coding_of(packet: Packet) -> Coding:
    """Return how a picture was coded, from its completed packet.

    Raises
    ------
    UnknownCodecError
        If this installation does not have the codec.
    """
    header = packet.header
    return Coding(
        codec=codec_with_id(header.codec).name,
        packet_bytes=packet.size,
        rank=header.rank,
        energy=header.energy,
        psnr_db=header.psnr_db,
        key=header.kind is Kind.KEY,
    )
