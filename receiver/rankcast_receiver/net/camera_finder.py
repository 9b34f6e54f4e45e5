"""CameraFinder: finds the senders of cameras by name, and accepts only the keys that they had."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rankcast.discovery import AnnouncedName, Announcement, Browse, browse, choose
from rankcast.errors import RankcastError, SettingsError
from rankcast.net import (
    KNOWN_CAMERAS,
    CurveClient,
    KnownCameras,
    fingerprint,
    pinned_keys,
    read_public,
)
from rankcast_receiver.net.endpoints import SenderAddress

log = logging.getLogger(__name__)

LOOK_UP_S: Final = 2.0
"""Longest search for a sender whose connection has failed."""


@dataclass(frozen=True, slots=True)
class StationKeys:
    """The key files of this station."""

    own: Path | None = None
    """Secret key; None: no encryption."""
    servers: Sequence[Path] = ()
    """Public keys of senders; empty: a sender has the key that it had when it was first found."""


class CameraFinder:
    """Finds cameras that senders announce.

    Parameters
    ----------
    names : sequence of AnnouncedName
    keys : StationKeys
    search : callable
        As `rankcast.discovery.browse`.

    Raises
    ------
    SettingsError
        If a key file cannot be used.

    Notes
    -----
    Anybody on the network can announce any camera with any address and any key. What is announced
    therefore decides where to connect, and never by itself whom to trust: the key must be one of
    those in `keys.servers` or, without them, the one that was announced when the camera was first
    found, which is kept beside the secret key of this station.
    """

    def __init__(
        self,
        names: Sequence[AnnouncedName],
        keys: StationKeys,
        search: Callable[..., Browse] = browse,
    ) -> None:
        self._names = names
        self._own = keys.own
        self._search = search
        self._servers = frozenset(read_public(path).public for path in keys.servers)
        self._known: KnownCameras | None = None
        if keys.own is not None and not self._servers:
            self._known = KnownCameras(keys.own.parent / KNOWN_CAMERAS)

    def find(
        self, timeout_s: float, stopped: Callable[[], bool] = lambda: False
    ) -> tuple[list[SenderAddress], list[AnnouncedName]]:
        """Return the senders that were found, and the names that were not.

        Raises
        ------
        SettingsError
            If several senders have a camera of that name, or it has another key than before.
        RankcastError
            If multicast is impossible, or a key cannot be kept.
        """
        waiting = set(self._names)

        def all_found(announced: Announcement) -> bool:
            waiting.difference_update([name for name in waiting if name.means(announced)])
            return not waiting

        found = self._search(timeout_s, wanted=all_found, stopped=stopped).found
        chosen = {name: self._choose(name, found) for name in self._names}
        senders: dict[str, list[tuple[AnnouncedName, Announcement]]] = {}
        for name, announced in chosen.items():
            if announced is not None:
                self._keep(name, announced)
                senders.setdefault(announced.server, []).append((name, announced))
        missing = [name for name, announced in chosen.items() if announced is None]
        return [self._address(cameras) for cameras in senders.values()], missing

    def _choose(self, name: AnnouncedName, found: Sequence[Announcement]) -> Announcement | None:
        """Return the camera that `name` means and whose key is the right one."""
        fitting = [announced for announced in found if name.means(announced)]
        if self._own is None:
            trusted = [announced for announced in fitting if not announced.key]
            wanted = "want none: make a key with `rankcast keys new` and give --key"
        elif self._servers:
            trusted = [announced for announced in fitting if announced.key in self._servers]
            wanted = "want one of --server-key: copy its .pub file from the sender"
        else:
            assert self._known is not None
            pinned = self._known.key_of(str(name))
            if pinned is None:
                trusted = [announced for announced in fitting if announced.key]
                wanted = "want one, because of --key: start the sender with --key, or leave it out"
            else:
                trusted = [announced for announced in fitting if announced.key == pinned]
                wanted = (
                    f"want {fingerprint(pinned)} as before: somebody may impersonate it; if its "
                    f"key was replaced, remove its line from {self._known.path}"
                )
        if fitting and not trusted:
            key = fitting[0].key
            has = f"the key {fingerprint(key)}" if key else "no key"
            raise SettingsError(f"{name} at {fitting[0].endpoint} has {has}, {wanted}")
        return choose(name, trusted)

    def _keep(self, name: AnnouncedName, announced: Announcement) -> None:
        """Keep the key of a camera that was found for the first time."""
        if self._known is None or self._known.key_of(str(name)) is not None:
            return
        self._known.add(str(name), announced.key)
        log.warning(
            "%s at %s is new: its key %s is trusted from now on, kept in %s; compare it with what "
            "the sender logs at its start", name, announced.endpoint, fingerprint(announced.key),
            self._known.path,
        )  # fmt: skip

    def _address(self, cameras: Sequence[tuple[AnnouncedName, Announcement]]) -> SenderAddress:
        name, announced = cameras[0]
        first: list[Announcement] = [announced]

        def look_up(_host: str) -> Sequence[str]:
            if first:
                return first.pop().addresses
            return self._look_again(name, announced)

        return SenderAddress(
            endpoint=f"tcp://{name}:{announced.port}",
            cameras=tuple(camera.camera for camera, _ in cameras),
            curves=self._curves(announced),
            look_up=look_up,
        )

    def _curves(self, announced: Announcement) -> tuple[CurveClient, ...]:
        return () if self._own is None else (pinned_keys(self._own, announced.key),)

    def _look_again(self, name: AnnouncedName, before: Announcement) -> Sequence[str]:
        """Return where a camera is now; for a connection that has failed, in its own thread.

        Raises
        ------
        OSError
            If it is not announced, or not with the key and the port that it had.
        """
        try:
            search = self._search(
                LOOK_UP_S, wanted=lambda each: name.means(each) and each.key == before.key
            )
            same = [each for each in search.found if each.key == before.key]
            now = choose(name, same)
        except RankcastError as exc:
            raise OSError(str(exc)) from exc
        if now is None:
            raise OSError("it is not announced")
        if now.port != before.port:
            raise OSError(f"it moved from port {before.port} to {now.port}; start again")
        return now.addresses
