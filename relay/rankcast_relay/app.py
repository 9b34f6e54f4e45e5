"""Composition root of the relay."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankcast.atomic_file import check_writable
from rankcast.errors import WorkerError
from rankcast.nats import NatsAddress, NatsOptions, is_nats
from rankcast.net import CurveClient, client_keys
from rankcast.runtime import (
    Pulse,
    ServiceManager,
    configure_logs,
    doing,
    stop_flag,
    stuck,
    supervise,
    workers_running,
)
from rankcast_receiver.net import sender_addresses
from rankcast_receiver.subscriber import Subscriber
from rankcast_relay.passed_on import PassedOn
from rankcast_relay.pipeline import PIPELINE_STOP_S, RelayPipeline
from rankcast_relay.relay_path import new_id
from rankcast_relay.report import build_report, log_totals, write_report
from rankcast_relay.settings import RelaySettings
from rankcast_relay.supervision import RelaySupervision
from rankcast_sender.control import Relaying
from rankcast_sender.outlet import Outlet
from rankcast_sender.outlets import check_outlet, open_outlet
from rankcast_sender.peers import CAN_TELL
from rankcast_sender.sender_sockets import SenderOptions, SenderSockets
from rankcast_sender.sockets import KeyPolicy

if TYPE_CHECKING:
    from rankcast.web import HttpServer

log = logging.getLogger(__name__)


def check(settings: RelaySettings, report: Path | None = None) -> Sequence[CurveClient]:
    """Check all that a relay reads before it opens anything; return the keys of its uplinks.

    Raises
    ------
    SettingsError
        If a key or the file of the report cannot be used, or other machines can reach an address
        that has no keys.
    """
    if report is not None:
        check_writable(report)
    options = _sender_options(settings)
    check_outlet(options)
    for address in filter(is_nats, settings.uplink.addresses):
        NatsOptions.of(settings.nats).check(NatsAddress.of(address))
    if options.authorized is not None:
        KeyPolicy(Path(options.authorized))
    if settings.metrics.listen:
        from rankcast.metrics import check_metrics

        check_metrics(settings.metrics)
    security = settings.security
    if not security.server_keys:
        return ()
    return client_keys(Path(security.key), [Path(path) for path in security.server_keys])


def run(settings: RelaySettings, report: Path | None = None) -> int:
    """Relay until a signal stops it.

    Returns
    -------
    int
        Exit code, 0.

    Raises
    ------
    RankcastError
        If the relay cannot start, a socket fails, or every uplink leads back to the relay itself.
    """
    configure_logs(settings.log.format)
    with ServiceManager() as manager:
        return _run(settings, report, manager)


def _run(settings: RelaySettings, report: Path | None, manager: ServiceManager) -> int:
    curves = check(settings, report)
    started_s = time.monotonic()
    pipeline: RelayPipeline
    # In the order in which a subscriber numbers them.
    addresses, relay_id = sorted(settings.uplink.addresses, key=is_nats), new_id()
    passed_on = PassedOn(
        lambda: pipeline.subscriber,
        lambda name: pipeline.arriving_name(name),
        one_station=len(addresses) == 1 and not is_nats(addresses[0]),
    )
    relaying = Relaying(relay_id, passed_on, lambda *times: pipeline.utc_there_ns(*times))
    outlet = open_outlet(_sender_options(settings), relaying)
    open_subscriber = partial(_subscriber, settings, curves)
    # Over a NATS server there is no way to one viewer alone.
    make_joins = outlet.make_joins if isinstance(outlet, SenderSockets) else None
    pipeline = RelayPipeline(
        open_subscriber, outlet, make_joins, relay_id, addresses, settings.nats.site,
        no_substreams=_no_substreams(settings),
    )  # fmt: skip
    pulse = Pulse("main")
    server: HttpServer | None = None

    def report_values(found: Sequence[str]) -> Mapping[str, Any]:
        return build_report(
            pipeline.cameras, pipeline.reconnects, started_s, found, rank=settings.stream.rank
        )

    def keep_report() -> None:
        states = ", ".join(f"{name} {c.state}" for name, c in pipeline.cameras.items())
        flag.keep_state(states or "no camera yet")
        if report is not None:
            # Whatever is still in progress when only the guard process can write a report.
            flag.keep_report(report, report_values(("unknown",)))

    with stop_flag() as flag:
        try:
            manager.starting()
            server = _metrics_server(settings, pipeline, outlet, passed_on, pulse, manager)
            outlet.start()
            network = settings.network
            log.info("relaying %s at %s", ", ".join(settings.uplink.addresses), network.bind)
            log.info("control channel: %s", outlet.control or "off")
            if report is not None:
                flag.last_report = lambda found: write_report(report, report_values(found))
            keep_report()
            pipeline.start()
            if server is not None:
                server.start()
            manager.ready()
            supervise(
                RelaySupervision(pipeline, outlet, flag, keep_report),
                manager,
                pulse,
                settings.log.status_interval_s,
            )
        finally:
            manager.stopping()
            if server is not None:
                server.end()
            pipeline.stop()
            if flag.requested:
                outlet.hurry()
            try:
                try:
                    pipeline.join(flag.left_s(PIPELINE_STOP_S))
                finally:
                    with ExitStack() as ends:  # each of them ends, whatever happens to the others
                        if server is not None:
                            ends.callback(server.stop)
                        with doing("closing the outlet"):
                            outlet.close(lambda: flag.requested)
            finally:
                found = stuck() if workers_running() else []
                log_totals(pipeline.cameras, found)
                if report is not None:
                    with doing(f"writing the report {report}"):
                        write_report(report, report_values(found))
                flag.drop_report()
    if found:
        raise WorkerError(flag.stuck_line(found))
    return 0


def _no_substreams(settings: RelaySettings) -> str:
    """Return why this relay passes no substreams on; empty if it does."""
    if is_nats(settings.network.bind):
        return "to a NATS server main streams go alone"
    if not settings.network.realtime:
        return "with --no-realtime main streams go alone"
    return "" if CAN_TELL else "only Linux can withhold them from who subscribes to everything"


def _sender_options(settings: RelaySettings) -> SenderOptions:
    network, security, limits = settings.network, settings.security, settings.limits
    keyed = bool(security.authorized)
    return SenderOptions(
        bind=network.bind,
        control=network.control,
        socket=network.socket,
        realtime=network.realtime,
        linger_s=network.linger_s,
        max_packet_bytes=limits.max_packet_bytes,
        max_requests_s=limits.max_requests_s,
        max_connections=limits.max_connections,
        key=security.key if keyed else None,
        authorized=security.authorized or None,
        insecure=security.insecure,
        nats=NatsOptions.of(settings.nats),
    )


def _subscriber(
    settings: RelaySettings, curves: Sequence[CurveClient], stopped: Callable[[], bool]
) -> Subscriber:
    limits = settings.limits.limits()
    return Subscriber(
        sender_addresses(settings.uplink.addresses),
        camera=settings.uplink.cameras,
        live=settings.network.realtime,
        stay=True,
        rank=settings.stream.rank,
        limits=limits,
        buffer_bytes=settings.uplink.buffer_bytes,
        stopped=stopped,
        curves=curves,
        max_messages_s=settings.limits.max_messages_s,
        nats=NatsOptions.of(settings.nats),
        on_demand=True,
        reply_limits=limits,
    )


def _metrics_server(
    settings: RelaySettings,
    pipeline: RelayPipeline,
    outlet: Outlet,
    passed_on: PassedOn,
    pulse: Pulse,
    manager: ServiceManager,
) -> HttpServer | None:
    """Take the address of metrics; None if none is wanted."""
    if not settings.metrics.listen:
        return None
    from rankcast_relay.metrics import RelayMetrics, open_metrics

    return open_metrics(
        settings,
        RelayMetrics(pipeline, outlet, lambda: passed_on.requests),
        lambda: [pulse, *outlet.pulses, *pipeline.pulses],
        manager.watchdog_s,
    )
