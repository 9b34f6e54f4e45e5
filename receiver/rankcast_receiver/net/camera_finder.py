"""CameraFinder: finds the senders of cameras by name, and accepts only the keys that they had."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rankcast.discovery import AnnouncedName, Announcement, Browse, browse, choose
from rankcast.errors import NoStreamError, RankcastError
from rankcast.net import (
    KNOWN_CAMERAS,
    CurveClient,
    KnownCameras,
    Whereabouts,
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


@dataclass(frozen=True, slots=True)
class FoundSenders:
    """Result of one search."""

    senders: Sequence[SenderAddress] = ()
    missing: Sequence[AnnouncedName] = ()
    """Cameras that nobody announces."""
    refused: Sequence[str] = ()
    """Why each camera that is announced, but not in a way that can be trusted, is not taken."""

    @property
    def lack(self) -> str:
        """Why cameras were not found, in one line; empty if all were."""
        names = ", ".join(map(str, self.missing))
        missing = [f"not announced by mDNS: {names}"] if names else []
        return "; ".join([*self.refused, *missing])


@dataclass(frozen=True, slots=True)
class _Trust:
    """Which announcements of one camera are accepted."""

    accepts: Callable[[bytes], bool]
    """Given the key of an announcement; empty: none."""
    wanted: str
    """What the others lack."""


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

    def find(self, timeout_s: float, stopped: Callable[[], bool] = lambda: False) -> FoundSenders:
        """Return the senders that were found, and why others were not.

        Raises
        ------
        SettingsError
            If the file of known keys cannot be used.
        RankcastError
            If multicast is impossible, or a key cannot be kept.
        """
        trusts = {name: self._trust(name) for name in self._names}
        waiting = set(self._names)

        def all_found(announced: Announcement) -> bool:
            waiting.difference_update(
                [name for name in waiting
                 if name.means(announced) and trusts[name].accepts(announced.key)]
            )  # fmt: skip
            return not waiting

        found = self._search(timeout_s, wanted=all_found, stopped=stopped).found
        senders: dict[str, list[tuple[AnnouncedName, Announcement]]] = {}
        missing, refused = [], []
        for name, trust in trusts.items():
            try:
                announced = _choose(name, trust, found)
                if announced is None:
                    missing.append(name)
                    continue
                self._keep(name, announced)
            except NoStreamError as exc:  # what the network says is no setting of this station
                refused.append(str(exc))
                continue
            senders.setdefault(announced.server, []).append((name, announced))
        return FoundSenders(
            [self._address(cameras) for cameras in senders.values()], missing, refused
        )

    def _trust(self, name: AnnouncedName) -> _Trust:
        """Return which key a camera must have."""
        if self._own is None:
            return _Trust(
                lambda key: not key,
                "want none: make a key with `rankcast keys new` and give --key",
            )
        if self._servers:
            return _Trust(
                self._servers.__contains__,
                "want one of --server-key: copy its .pub file from the sender",
            )
        assert self._known is not None
        pinned = self._known.key_of(str(name))
        if pinned is None:
            return _Trust(
                bool, "want one, because of --key: start the sender with --key, or leave it out"
            )
        return _Trust(
            pinned.__eq__,
            f"want {fingerprint(pinned)} as before: somebody may impersonate it; if its key was "
            f"replaced, remove its line from {self._known.path}",
        )

    def _keep(self, name: AnnouncedName, announced: Announcement) -> None:
        """Keep the key of a camera, if this is the first time that it was found.

        Raises
        ------
        NoStreamError
            If another receiver has kept another key meanwhile.
        """
        if self._known is None:
            return
        before = self._known.key_of(str(name))
        kept = before or self._known.add(str(name), announced.key)
        if kept != announced.key:
            raise NoStreamError(
                f"{name} at {announced.endpoint} has the key {fingerprint(announced.key)}, want "
                f"{fingerprint(kept)}, which another program has just kept in {self._known.path}"
            )
        if before is not None:
            return
        log.warning(
            "%s at %s is new: its key %s is trusted from now on, kept in %s; compare it with what "
            "the sender logs at its start", name, announced.endpoint, fingerprint(announced.key),
            self._known.path,
        )  # fmt: skip

    def _address(self, cameras: Sequence[tuple[AnnouncedName, Announcement]]) -> SenderAddress:
        name, announced = cameras[0]
        first: list[Announcement] = [announced]

        def look_up(_host: str) -> Whereabouts:
            now = first.pop() if first else self._look_again(name, announced)
            return Whereabouts(now.addresses, now.port)

        return SenderAddress(
            endpoint=f"tcp://{name}:{announced.port}",
            cameras=tuple(camera.camera for camera, _ in cameras),
            curves=self._curves(announced),
            look_up=look_up,
        )

    def _curves(self, announced: Announcement) -> tuple[CurveClient, ...]:
        return () if self._own is None else (pinned_keys(self._own, announced.key),)

    def _look_again(self, name: AnnouncedName, before: Announcement) -> Announcement:
        """Return where a camera is now; for a connection that has failed, in its own thread.

        Raises
        ------
        OSError
            If it is not announced, or not with the key that it had.
        """
        try:
            search = self._search(
                LOOK_UP_S, wanted=lambda each: name.means(each) and each.key == before.key
            )
            same = [each for each in search.found if each.key == before.key]
            now = choose(name, same)
        except RankcastError as exc:
            raise OSError(str(exc)) from exc
        if now is not None:
            return now
        others = [each for each in search.found if name.means(each)]
        if others:
            has = f"the key {fingerprint(others[0].key)}" if others[0].key else "no key"
            wanted = fingerprint(before.key) if before.key else "none"
            raise OSError(f"it is announced with {has}, want {wanted} as before")
        raise OSError("it is not announced by mDNS")


def _choose(
    name: AnnouncedName, trust: _Trust, found: Sequence[Announcement]
) -> Announcement | None:
    """Return the camera that `name` means and whose key is the right one.

    Raises
    ------
    NoStreamError
        If all that are announced have a wrong key, or several a right one.
    """
    fitting = [announced for announced in found if name.means(announced)]
    trusted = [announced for announced in fitting if trust.accepts(announced.key)]
    if fitting and not trusted:
        key = fitting[0].key
        has = f"the key {fingerprint(key)}" if key else "no key"
        raise NoStreamError(f"{name} at {fitting[0].endpoint} has {has}, {trust.wanted}")
    return choose(name, trusted)
