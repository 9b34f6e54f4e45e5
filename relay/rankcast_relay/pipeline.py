"""RelayPipeline: a thread passes the packets of all cameras on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final

from rankcast.errors import SettingsError
from rankcast.nats import is_nats
from rankcast.runtime import Pulse, Worker
from rankcast.wire import check_name, split_stream
from rankcast_receiver.state import CameraState, LinkFacts
from rankcast_receiver.stream import CameraPacket
from rankcast_receiver.subscriber import Subscriber
from rankcast_relay.camera_name import name_here
from rankcast_relay.relayed_camera import MakeJoins, RelayedCamera
from rankcast_relay.substreams import Substreams
from rankcast_sender.outlet import Outlet

log = logging.getLogger(__name__)

PIPELINE_STOP_S: Final = 10.0
LOOK_S: Final = 0.05


class RelayPipeline:
    """Passes the packets of all cameras of some senders on, as they are.

    Parameters
    ----------
    open_subscriber : callable
        Creates the subscriber, in the thread that passes packets on; its argument is a function
        that returns True once the subscriber must stop.
    outlet : Outlet
        Owned, and closed, by the caller.
    make_joins : callable, optional
        Lets viewers of a camera join in the middle of a group; None where one viewer alone cannot
        be reached.
    relay_id : str
    addresses : sequence of str
        Those of the senders, in the order of the subscriber.
    site : str
        The only site that is relayed of NATS servers; empty for every site.
    no_substreams : str
        Why substreams are not passed on; empty if they are.
    """

    def __init__(
        self,
        open_subscriber: Callable[[Callable[[], bool]], Subscriber],
        outlet: Outlet,
        make_joins: MakeJoins | None,
        relay_id: str,
        addresses: Sequence[str],
        site: str = "",
        *,
        no_substreams: str = "",
    ) -> None:
        self._open_subscriber = open_subscriber
        self._outlet = outlet
        self._make_joins = make_joins
        self._relay_id = relay_id
        self._addresses = addresses
        self._site = site
        self._given_up: set[int] = set()
        self._stop = threading.Event()
        self._done = threading.Event()
        self.subscriber: Subscriber | None = None
        """What receives; None before, and once it was closed."""
        self._reconnects = 0
        self._looked_s = float("-inf")
        self._cameras: dict[str, RelayedCamera] = {}
        """By their names at the subscriber, with the substreams that are followed."""
        self._substreams = Substreams(no_substreams)
        self._pulse = Pulse("forward")
        self._forwarder = Worker("rankcast-forward", self._run, self._ended, task="forwarding")

    @property
    def cameras(self) -> Mapping[str, RelayedCamera]:
        """All cameras that have been heard of, by their names here; a copy, for any thread."""
        return {camera.name: camera for camera in dict(self._cameras).values()}

    def arriving_name(self, name: str) -> str:
        """Return the name at the subscriber of a camera of this relay; from any thread."""
        camera = self.cameras.get(name)
        return name if camera is None else camera.stream.camera

    @property
    def reconnects(self) -> int:
        """Connections to senders replaced after silence or a refusal."""
        subscriber = self.subscriber
        if subscriber is not None:
            self._reconnects = subscriber.reconnects
        return self._reconnects

    @property
    def pulses(self) -> Sequence[Pulse]:
        """Pulses of the threads that receive and pass on."""
        subscriber = self.subscriber
        receiving = () if subscriber is None else subscriber.pulses
        return (*receiving, self._pulse)

    def start(self) -> None:
        """Start the thread."""
        self._forwarder.start()

    def stop(self) -> None:
        """Ask the thread to stop, without waiting."""
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; True once nothing will be passed on any more."""
        return self._done.wait(timeout_s)

    def join(self, timeout_s: float = PIPELINE_STOP_S) -> None:
        """Wait until the thread has ended; raise the exception that ended it."""
        self.stop()
        self._forwarder.join(timeout_s)

    def _run(self) -> None:
        self._pulse.beat()
        with self._open_subscriber(self._stopped) as subscriber:
            self.subscriber = subscriber
            try:
                with closing(subscriber.packets()) as batches:
                    for batch in batches:
                        # Puts packets in order and counts gaps; nothing is decoded here.
                        for arrived in subscriber.decoder.decode(batch):
                            for item in arrived.catch_up[:1]:
                                self._camera(item, subscriber).begin_with(arrived.catch_up)
                            for item in arrived.messages:
                                self._pass_on(item, subscriber)
                        self._look_after(subscriber, batch.links)
            finally:
                self._reconnects = subscriber.reconnects
                self.subscriber = None

    def _pass_on(self, item: CameraPacket, subscriber: Subscriber) -> None:
        camera = self._camera(item, subscriber)
        with self._pulse.resting():  # where every frame is kept, viewers set the pace
            camera.take(item)

    def _camera(self, item: CameraPacket, subscriber: Subscriber) -> RelayedCamera:
        camera = self._cameras.get(item.camera)
        if camera is None:
            camera = self._cameras[item.camera] = self._add(item.camera, subscriber)
        return camera

    def _add(self, name: str, subscriber: Subscriber) -> RelayedCamera:
        number = subscriber.sender_of(name) or 0
        at_server = is_nats(self._addresses[number])
        # Over ZeroMQ ``NAME.SUB`` is a substream.
        here, why = name_here(name, self._site) if at_server else name, ""
        try:
            check_name(split_stream(here)[0])
        except SettingsError as exc:
            why = str(exc)
        if here in self.cameras:
            why = f"{self.cameras[here].stream.camera} is called {here} here already: give --site"
        camera = RelayedCamera(
            # Refused under the name by which it came, which no other one has.
            name if why else here,
            subscriber.streams[name],
            number,
            at_server,
            self._relay_id,
            self._outlet,
            self._make_joins,
            self._outlet.add_relayed,
        )
        if why:
            camera.leave(why)
        return camera

    def utc_there_ns(self, camera: str, utc_here_ns: int) -> int | None:
        """Convert a time of this station to that of the station of a camera; None if unknown."""
        cameras = self.cameras
        # Without a name it is the first station, whose cameras name none.
        first = (each for each in cameras.values() if not each.station)
        found = cameras.get(camera) or next(first, None)
        if found is None or found.stream.clock.error_there_ms is None:
            return None
        return found.stream.clock.utc_there_ns(utc_here_ns)

    def _look_after(self, subscriber: Subscriber, links: Sequence[LinkFacts]) -> None:
        """Look at uplinks and at key frames that are wanted, not for every packet."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        for number, link in enumerate(links):
            if link.relay_id == self._relay_id:
                self._give_up(number, subscriber)
        for camera in self._cameras.values():
            # Of a server with many stations only the camera is left, which says so itself.
            if camera.is_own and not camera.at_server:
                self._give_up(camera.sender_number, subscriber)
        states: dict[str, CameraState] = {state.camera: state for state in subscriber.states}
        for name, camera in self._cameras.items():
            # What is known of a substream without frames is that its camera arrives, or does not.
            seen = split_stream(name)[0] if camera.stream.apart else name
            camera.uplink = states.get(seen)
            camera.tick()
        self._substreams.look(self._cameras, subscriber, now_s)

    def _give_up(self, number: int, subscriber: Subscriber) -> None:
        """Leave a sender that is this relay itself, directly or through others."""
        if number in self._given_up:
            return
        self._given_up.add(number)
        subscriber.give_up(number)
        address = self._addresses[number]
        if len(self._given_up) == len(self._addresses):
            raise SettingsError(
                f"{address} leads back to this relay itself: give --from the address of a sender"
            )
        log.error("%s leads back to this relay itself and is left out", address)

    def _stopped(self) -> bool:
        self._pulse.beat()
        return self._stop.is_set()

    def _ended(self) -> None:
        self._pulse.rest()
        self._done.set()
