"""StationClocks: the clocks of the stations whose cameras one address brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rankcast.wire import MAIN, split_stream
from rankcast_receiver.clock.sender_clock import SenderClock

MAX_STATIONS: Final = 15
"""Most stations of a relay with clocks of their own: each costs a ping a second."""
MAX_NAMES: Final = 256
"""Most cameras with a clock, a station or a stream: names come from the peer."""


class StationClocks:
    """Which clock the time stamps of a camera were read from; thread-safe.

    A sender has one clock, a relay those of its stations. Which of both answers, and of which
    station a camera is, is in the status of a camera. Until then its time stamps are compared with
    no clock that was measured: ages would be wrong by as much as two stations' clocks differ.

    Parameters
    ----------
    endpoint : str
        Address of the sender.
    per_camera : bool
        Each camera is of a station of its own, as at a server; pings are somebody else's work.
    """

    def __init__(self, endpoint: str, per_camera: bool) -> None:
        self.sender = SenderClock()
        """Clock of the sender, or of a relay's first station; unused if each camera has its own."""
        self._endpoint = endpoint
        self._per_camera = per_camera
        self._direct = False
        """True once a status has said that the sender itself answers."""
        self._stations: Mapping[str, str] = {}
        """Station of each camera whose status has arrived, "" for the first one."""
        self._measured: Mapping[str, SenderClock] = {}
        """Clocks of the further stations."""
        self._unplaced: dict[str, SenderClock] = {}
        """Clocks that are not pinged, by camera."""
        self._stream_ids: dict[str, bytes] = {}
        """Of the latest packet of each camera. Only the process that chose an id sends it."""
        self._stream_changed = False
        """True if a camera has begun another stream in this session."""
        self._in_doubt = False
        """True in a session with a sender until its first packet."""

    def of(self, camera: str) -> SenderClock:
        """Return the clock of the station of a camera, or of a stream ``NAME.SUB``."""
        station = self._stations.get(camera)
        if station is None:  # a substream is of the station of its camera
            station = self._stations.get(split_stream(camera)[0])
        if self._direct or station == "":
            return self.sender
        clock = None if station is None else self._measured.get(station)
        if clock is None:
            clock = self._unplaced.get(camera)
        if clock is None:
            clock = SenderClock()
            if len(self._unplaced) < MAX_NAMES:
                clock = self._unplaced.setdefault(camera, clock)
        return clock

    @property
    def known(self) -> dict[str, SenderClock]:
        """All clocks, by the address or the names of their cameras."""
        return dict(self._unplaced) if self._per_camera else {self._endpoint: self.sender}

    @property
    def to_ping(self) -> dict[str, SenderClock]:
        """The clocks of all stations, each by the name of one camera; "" is that of the sender."""
        camera_of: dict[str, str] = {}
        for camera, station in self._stations.items():
            # A substream may end before its camera does.
            if station not in camera_of or split_stream(camera)[1] == MAIN:
                camera_of[station] = camera
        return {"": self.sender} | {
            camera_of[station]: clock
            for station, clock in self._measured.items()
            if station in camera_of
        }

    def note(self, camera: str, station: str, relayed: bool) -> None:
        """Note what a status says: the station of a camera, and whether a relay sent it."""
        self._direct = not relayed
        if self._stations.get(camera) == station:
            return
        if camera not in self._stations:
            # A substream is of the station of its camera, unless it says otherwise.
            if self._stations.get(split_stream(camera)[0]) == station:
                return
            if len(self._stations) >= MAX_NAMES:
                return
        if station and station not in self._measured and len(self._measured) < MAX_STATIONS:
            # What the camera's packets told until now is of this station.
            clock = self._unplaced.pop(camera, None) or SenderClock()
            self._measured = {**self._measured, station: clock}
        self._stations = {**self._stations, camera: station}

    def hear(self, camera: str, stream_id: bytes) -> bool:
        """Note the stream of a packet, on arrival.

        Returns
        -------
        bool
            False if it is the first of a session and another process sends it: all measurements
            are discarded.
        """
        known = self._stream_ids.get(camera)
        if known is not None or len(self._stream_ids) < MAX_NAMES:
            self._stream_ids[camera] = stream_id
        if self._in_doubt:
            self._in_doubt = False
            if known == stream_id:
                return True
            self._discard()
            return False
        # It may be of a session that the monitor has not told yet.
        self._stream_changed |= known not in (None, stream_id)
        return True

    def begin_session(self) -> None:
        """Discard all measurements, unless the first packet shows that the sender is the same.

        So the age of a picture from before a suspend is known before the next status. What was a
        sender is taken for one again.
        """
        self._in_doubt = self._direct and not self._stream_changed
        self._stream_changed = False
        if not self._in_doubt:
            self._discard()

    def _discard(self) -> None:
        self._stations, self._measured = {}, {}
        self._unplaced.clear()
        self.sender.restart()
