"""Fuzz target `wire`: the parser of packets; accepted packets are written and parsed again."""

from __future__ import annotations

from harness import main


class WireTarget:
    """Reached: the header was unpacked. Accepted: a whole packet."""

    name = "wire"

    def __init__(self) -> None:
        from rankcast import errors
        from rankcast.wire import packet as wire
        from rankcast.wire import topic
        from support.intake import check_line

        self._check_line = check_line
        self.reached = self.accepted = 0
        self._errors, self._topic, self._wire = errors, topic, wire
        self._reached_now = False
        inner = wire.parse_header

        def counted(data: memoryview, limits: object) -> object:
            self._reached_now = True
            return inner(data, limits)

        wire.parse_header = counted

    def run(self, messages: list[bytes]) -> None:
        """Parse each message."""
        self._reached_now = accepted = False
        for message in messages:
            try:
                _, _, data = self._topic.split_message(memoryview(message))
                packet = self._wire.unpack(data, self._wire.Limits())
            except self._errors.WireError as exc:
                self._check_line(exc)
                continue
            accepted = True
            self._write_again(packet)
        self.reached += self._reached_now
        self.accepted += accepted

    def _write_again(self, packet: object) -> None:
        wire = self._wire
        try:
            once = wire.pack(packet.header, packet.body)
        except self._errors.SettingsError:
            # A float of 4 bytes is written with 8 and may now be too long.
            return
        again = wire.unpack(once)
        # Compare bytes: NaN is never equal to itself.
        assert wire.pack(again.header, again.body) == once
        assert bytes(again.body) == bytes(packet.body)


if __name__ == "__main__":
    main(WireTarget)
