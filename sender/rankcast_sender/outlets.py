"""The outlet that the address of a sender asks for."""

from __future__ import annotations

from dataclasses import replace

from rankcast.errors import SettingsError
from rankcast.nats import NatsAddress, is_nats
from rankcast_sender.control import Relaying
from rankcast_sender.outlet import Outlet
from rankcast_sender.sender_sockets import SenderOptions, SenderSockets


def check_outlet(options: SenderOptions) -> None:
    """Check all that the outlet needs without opening anything.

    Raises
    ------
    SettingsError
        As `SenderOptions.check`; for a NATS server as `NatsOptions.check`, and if an option does
        not go with one.
    """
    if not is_nats(options.bind):
        options.check()
        return
    address = NatsAddress.of(options.bind)
    for name, given, instead in (
        ("--key", options.key, "a NATS server has users of its own, see [nats]"),
        ("--control", options.control, "requests go to the subjects of the cameras"),
        ("--no-realtime", not options.realtime, "a viewer cannot hold a NATS server up"),
    ):
        if given:
            raise SettingsError(f"got {name} with {address}: {instead}; leave it out")
    replace(options.nats, insecure=options.nats.insecure or options.insecure).check(address)


def open_outlet(options: SenderOptions, relaying: Relaying | None = None) -> Outlet:
    """Return the outlet of an address, not started; of a relay, with what it does otherwise.

    Raises
    ------
    SettingsError
        As `check_outlet`.
    """
    if not is_nats(options.bind):
        return SenderSockets(options, relaying)
    check_outlet(options)
    from rankcast_sender.nats import NatsOutlet, NatsOutletOptions

    return NatsOutlet(
        NatsOutletOptions(
            NatsAddress.of(options.bind),
            replace(options.nats, insecure=options.nats.insecure or options.insecure),
            options.keep,
            options.socket.queue_messages,
            options.socket.buffer_bytes,
            options.linger_s,
            options.max_packet_bytes,
            options.max_requests_s,
        ),
        relaying,
    )
