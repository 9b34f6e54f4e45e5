"""Responder: answers who asks for the cameras of a sender, in the thread that runs it.

Importing this module loads zeroconf and asyncio.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from zeroconf import ServiceInfo

from rankcast.discovery.announcement import SERVICE_TYPE, Announcement
from rankcast.discovery.camera_facts import CameraFacts
from rankcast.discovery.multicast import Multicast
from rankcast.discovery.reach import Adapter, Reach, host_name, reach_of
from rankcast.errors import TransportError

log = logging.getLogger(__name__)

GOODBYE_S: Final = 0.8
"""zeroconf says goodbye three times, an eighth of a second apart."""
LOOK_S: Final = 1.0
"""Interval between looks at what the cameras are like."""
RESCAN_S: Final = 10.0
"""Interval between looks at the addresses of this machine."""
RETRY_S: Final = 30.0
TTL_S: Final = 120
"""How long other machines remember a sender that ended without saying goodbye."""
HOST_CHARS: Final = 12
"""Of the host in the name of a service, which has 63 bytes; the whole is in its text."""


@dataclass(slots=True)
class _Announced:
    """What is announced at present, and the broadcasts under way."""

    facts: dict[str, CameraFacts] = field(default_factory=dict)
    services: dict[str, ServiceInfo] = field(default_factory=dict)
    broadcasts: set[asyncio.Future[Any]] = field(default_factory=set)

    def keep(self, broadcast: Any) -> None:
        task = asyncio.ensure_future(broadcast)
        self.broadcasts.add(task)
        task.add_done_callback(self.broadcasts.discard)


class Responder:
    """Announces cameras while `run` runs; parameters as those of `Announcer`."""

    def __init__(
        self,
        host: str,
        port: int,
        cameras: Callable[[], Sequence[CameraFacts]],
        key: bytes,
        known: Callable[[], Sequence[Adapter]],
    ) -> None:
        self._host = host
        self._port = port
        self._cameras = cameras
        self._key = key
        self._known = known
        self._id = secrets.token_hex(8)
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup: asyncio.Event | None = None
        self._lock = threading.Lock()
        self._told = ""

    def run(self) -> None:
        """Announce the cameras until `stop`, then say goodbye."""
        while not self._stopping.is_set():
            try:
                asyncio.run(self._run())
            except OSError as exc:  # too few file descriptors, for one
                self._tell_failure(exc.strerror or str(exc))
                self._stopping.wait(RETRY_S)

    def stop(self) -> None:
        """Let `run` return soon; from any thread."""
        self._stopping.set()
        with self._lock:
            if self._loop is not None and self._wakeup is not None:
                self._loop.call_soon_threadsafe(self._wakeup.set)

    async def _run(self) -> None:
        with self._lock:
            self._loop, self._wakeup = asyncio.get_running_loop(), asyncio.Event()
        try:
            while not self._stopping.is_set():
                try:
                    await self._announce(reach_of(self._host, self._known()))
                except TransportError as exc:
                    self._tell_failure(str(exc))
                    await self._wait(RETRY_S)
        finally:
            with self._lock:
                self._loop = None

    def _tell_failure(self, reason: str) -> None:
        """Log why nothing is announced, once for each reason."""
        if reason != self._told:
            log.warning("not announced by mDNS, the stream goes on: %s", reason)
        self._told = reason

    async def _announce(self, reach: Reach) -> None:
        """Announce all cameras until the addresses of this machine change, or `stop`."""
        if not reach.interfaces:
            raise TransportError(
                f"no network interface has the address {self._host}; bind a numeric address, "
                "the name of an interface or *"
            )
        multicast = Multicast(reach)
        announced = _Announced()
        try:
            await multicast.wait_for_start()
            self._told = ""
            log.info("announced by mDNS as %s, at %s",
                     ", ".join(f"{each.name}@{host_name()}" for each in self._cameras()),
                     ", ".join(reach.addresses))  # fmt: skip
            scan_s = time.monotonic() + RESCAN_S
            while not self._stopping.is_set():
                await self._tell(multicast, reach, announced)
                await self._wait(LOOK_S)
                if time.monotonic() > scan_s:
                    scan_s = time.monotonic() + RESCAN_S
                    if reach_of(self._host, self._known()) != reach:
                        log.info("the addresses of this machine have changed, announcing again")
                        return
        finally:
            await self._say_goodbye(multicast, announced)

    async def _tell(self, multicast: Multicast, reach: Reach, announced: _Announced) -> None:
        """Announce what is new about the cameras, and say goodbye for those that have ended."""
        cameras = self._cameras()
        for name in announced.facts.keys() - {camera.name for camera in cameras}:
            del announced.facts[name]
            info = announced.services.pop(name)
            announced.keep(await multicast.async_unregister_service(info))
        for camera in cameras:
            before = announced.facts.get(camera.name)
            if before == camera:
                continue
            info = self._service(camera, reach)
            if before is None:
                # The name has a random part: nobody needs to be asked whether it is free.
                broadcast = await multicast.async_register_service(
                    info, cooperating_responders=True
                )
            else:
                broadcast = await multicast.async_update_service(info)
            announced.facts[camera.name], announced.services[camera.name] = camera, info
            announced.keep(broadcast)

    def _service(self, camera: CameraFacts, reach: Reach) -> ServiceInfo:
        host = host_name()
        said = Announcement(
            camera.name, host, self._port, reach.addresses, camera.codec, camera.size, self._key
        )
        return ServiceInfo(
            SERVICE_TYPE,
            f"{camera.name}@{host[:HOST_CHARS]} {self._id}.{SERVICE_TYPE}",
            port=self._port,
            properties=said.texts(),
            # Not the name of the machine, which its own responder answers for.
            server=f"rankcast-{self._id}.local.",
            host_ttl=TTL_S,
            other_ttl=TTL_S,
            parsed_addresses=list(reach.addresses),
        )

    async def _say_goodbye(self, multicast: Multicast, announced: _Announced) -> None:
        for task in list(announced.broadcasts):
            task.cancel()
        await asyncio.gather(*announced.broadcasts, return_exceptions=True)
        try:
            async with asyncio.timeout(GOODBYE_S):
                await multicast.async_unregister_all_services()
        except TimeoutError:
            log.debug("no goodbye by mDNS within %g s", GOODBYE_S)
        await multicast.close_sockets()

    async def _wait(self, seconds: float) -> None:
        """Wait; `stop` ends it."""
        assert self._wakeup is not None
        if self._stopping.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wakeup.wait()
        except TimeoutError:
            return
