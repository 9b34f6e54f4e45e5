"""Fuzz target `control`: the parsers of requests and replies."""

from __future__ import annotations

from harness import main


class ControlTarget:
    """Reached: the map was unpacked. Accepted: a whole request or reply."""

    name = "control"

    def __init__(self) -> None:
        from rankcast import errors
        from rankcast.wire import control_messages as control
        from rankcast.wire import packet as wire
        from support.intake import check_line

        self._check_line = check_line
        self.reached = self.accepted = 0
        self._control, self._errors, self._limits = control, errors, wire.Limits()
        self._reached_now = False
        inner = control.unpack_msgpack

        def counted(data: memoryview, what: str) -> object:
            self._reached_now = True
            return inner(data, what)

        control.unpack_msgpack = counted

    def run(self, messages: list[bytes]) -> None:
        """Parse each message as both; write again what could be parsed."""
        self._reached_now = accepted = False
        control = self._control
        for message in messages:
            try:
                request = control.parse_request(message)
            except self._errors.WireError as exc:
                self._check_line(exc)
            else:
                accepted = True
                again = self._again(control.pack_request, request)
                assert again is None or control.pack_request(control.parse_request(again)) == again
            try:
                reply = control.parse_reply(message, self._limits)
            except self._errors.WireError as exc:
                self._check_line(exc)
            else:
                accepted = True
                assert reply.error.isprintable()
                again = self._again(control.pack_reply, reply)
                assert again is None or control.pack_reply(control.parse_reply(again)) == again
        self.reached += self._reached_now
        self.accepted += accepted

    def _again(self, pack: object, record: object) -> bytes | None:
        try:
            return pack(record)
        except (self._errors.SettingsError, self._errors.LimitError):
            # A float of 4 bytes is written with 8 and may now be too long.
            return None


if __name__ == "__main__":
    main(ControlTarget)
