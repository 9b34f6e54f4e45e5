"""Wanted cameras at a NATS server: ``CAMERA`` of any site, or ``SITE.CAMERA``."""

from __future__ import annotations

from collections.abc import Iterable

from rankcast.errors import SettingsError
from rankcast.nats.subjects import ANY, split_name
from rankcast.wire import check_name


def wanted_camera(name: str, site: str = "") -> tuple[str, str]:
    """Return site, or `ANY`, and camera of a wanted camera.

    Parameters
    ----------
    name : str
        ``CAMERA`` or ``SITE.CAMERA``.
    site : str
        The only site that is wanted; empty for all.

    Raises
    ------
    SettingsError
        If the name is invalid, or is one of another site.
    """
    if "." not in name:
        return site or ANY, check_name(name)
    found, camera = split_name(name)
    if site and found != site:
        raise SettingsError(f"got camera {name} with site {site}: give only one of the two sites")
    return found, camera


def check_cameras(names: Iterable[str], site: str, *, at_servers: bool) -> None:
    """Check wanted cameras.

    Parameters
    ----------
    names : iterable of str
    site : str
        See `wanted_camera`.
    at_servers : bool
        Whether all addresses are those of NATS servers.

    Raises
    ------
    SettingsError
        As `wanted_camera`, or if a sender without a site is asked for ``SITE.CAMERA``.
    """
    for name in names:
        _, camera = wanted_camera(name, site)
        if camera != name and not at_servers:
            raise SettingsError(
                f"got camera {name}: only cameras at nats:// addresses have a site; give "
                f"--camera {camera}, or --connect nats://HOST:PORT alone"
            )
