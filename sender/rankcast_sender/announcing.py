"""What a sender announces by mDNS: its cameras, where viewers connect, and its key."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from rankcast.discovery import Announcer, CameraFacts
from rankcast.nats import is_nats
from rankcast.net import fingerprint, ipc_path, read_secret, split_endpoint
from rankcast_sender.camera import Camera
from rankcast_sender.settings import SenderSettings

log = logging.getLogger(__name__)


def announcer_of(settings: SenderSettings, cameras: Sequence[Camera]) -> Announcer | None:
    """Return the announcer of a sender, not started; None if nothing is to be announced.

    Raises
    ------
    SettingsError
        If the key file cannot be used.
    """
    bind = settings.network.bind
    if not settings.discovery.enabled or is_nats(bind) or ipc_path(bind):
        return None
    key = b""
    if settings.security.key:
        key = read_secret(Path(settings.security.key)).public
        log.info("the key of this sender has the fingerprint %s", fingerprint(key))

    def facts() -> list[CameraFacts]:
        return [
            CameraFacts(camera.name, camera.codec, camera.picture_size)
            for camera in cameras
            if not camera.ended
        ]

    return Announcer(*split_endpoint(bind), facts, key)
