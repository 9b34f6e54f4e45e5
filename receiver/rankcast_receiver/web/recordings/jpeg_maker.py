"""JpegMaker: decodes the packets of a recording for one page and makes JPEGs of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rankcast.decoder import Decoder, frame_of
from rankcast.errors import LimitError
from rankcast.wire import Limits, unpack
from rankcast_receiver.web.pictures import PAGE_QUALITY, JpegPiece, encode_jpeg, jpeg_message
from rankcast_receiver.web.recordings.playback import PlayedPiece

MOST_CAMERAS: Final = 64
"""Most cameras of one page: each has a decoder that keeps pictures."""


class JpegMaker:
    """Decodes in the order of the calls; for one thread at a time.

    Parameters
    ----------
    limits : Limits
        Of a packet.
    models : Path or None
        Folder of the model files that packets name.
    """

    def __init__(self, limits: Limits, models: Path | None) -> None:
        self._limits, self._models = limits, models
        self._decoders: dict[str, tuple[bytes, Decoder]] = {}

    def make(self, piece: PlayedPiece, wanted: bool) -> JpegPiece | None:
        """Decode a packet and, if `wanted`, make a JPEG of its picture.

        Raises
        ------
        RankcastError
            If the packet cannot be decoded, or JPEG does not support the picture.
        """
        packet = unpack(memoryview(piece.message)[piece.packet_at :], self._limits)
        decoder = self._decoder_of(piece)
        packet = decoder.complete(packet)
        pixels = decoder.decode_packet(packet)
        if not wanted:
            return None
        frame = frame_of(packet, pixels, piece.camera)
        return JpegPiece(jpeg_message(frame, encode_jpeg(frame, PAGE_QUALITY)), piece.sequence)

    def _decoder_of(self, piece: PlayedPiece) -> Decoder:
        known = self._decoders.get(piece.camera)
        if known is not None and known[0] == piece.stream_id:
            return known[1]
        if known is None and len(self._decoders) >= MOST_CAMERAS:
            raise LimitError(f"the server decodes {MOST_CAMERAS} cameras of a recording at most")
        decoder = Decoder(self._limits, models=self._models)
        self._decoders[piece.camera] = piece.stream_id, decoder
        return decoder
