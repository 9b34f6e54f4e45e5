"""Fuzz target `status`: status and end messages, between frames of the same stream."""

from __future__ import annotations

from harness import CodecTarget, main


class StatusTarget(CodecTarget):
    """Reached: a status in a valid packet. Accepted: with a valid body, too."""

    def __init__(self) -> None:
        from rankcast_receiver.stream import received_packet as stream

        super().__init__("status", "rankcast.codec.raw:RawDecoder")
        inner = stream.parse_status

        def counted(packet: object) -> object:
            self._reached_now = True
            status = inner(packet)
            self._accepted_now = True
            for text in (status.state, status.source, status.codec, *status.lost):
                assert text.isprintable()
            return status

        stream.parse_status = counted

    def _count(self, decoder: object) -> None:
        """Ignore the frames between."""


if __name__ == "__main__":
    main(StatusTarget)
