"""Wanted: the cameras at a NATS server that a receiver wants."""

from __future__ import annotations

from collections.abc import Sequence

from rankcast.nats import ANY, STATUS, join_name, subject_of, wanted_camera


class Wanted:
    """Cameras by name, or every one of a site or of all sites.

    Parameters
    ----------
    cameras : sequence of str
        ``CAMERA`` or ``SITE.CAMERA``; empty for all.
    site : str
        The only site; empty for all.

    Raises
    ------
    SettingsError
        As `wanted_camera`.
    """

    def __init__(self, cameras: Sequence[str], site: str) -> None:
        self.site = site or ANY
        self._pairs = frozenset(wanted_camera(name, site) for name in cameras)

    def __contains__(self, pair: tuple[str, str]) -> bool:
        """Return True for site and name of a wanted camera."""
        return not self._pairs or pair in self._pairs or (ANY, pair[1]) in self._pairs

    @property
    def named(self) -> list[str]:
        """Names here of the cameras that are wanted whether they are there or not."""
        return [join_name(*pair) for pair in self._pairs if pair[0] != ANY]

    @property
    def status_subjects(self) -> list[str]:
        """Subjects of the status of every camera that may be wanted, each camera once."""
        return [
            subject_of(site, camera, STATUS)
            for site, camera in self._pairs or {(self.site, ANY)}
            if site == ANY or (ANY, camera) not in self._pairs
        ]
