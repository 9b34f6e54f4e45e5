"""Discovery: senders announce their cameras by multicast DNS (mDNS), receivers find them.

zeroconf and asyncio are imported when something is announced or looked for, not before.
"""

from rankcast.discovery.announced_name import AnnouncedName, choose
from rankcast.discovery.announcement import SERVICE_TYPE, Announcement, parse
from rankcast.discovery.announcer import ANNOUNCER_STOP_S, Announcer
from rankcast.discovery.browser import MAX_SERVICES, Browse, browse
from rankcast.discovery.camera_facts import CameraFacts
from rankcast.discovery.reach import Adapter, Reach, adapters, host_name, reach_of

__all__ = [
    "ANNOUNCER_STOP_S",
    "MAX_SERVICES",
    "SERVICE_TYPE",
    "Adapter",
    "AnnouncedName",
    "Announcement",
    "Announcer",
    "Browse",
    "CameraFacts",
    "Reach",
    "adapters",
    "browse",
    "choose",
    "host_name",
    "parse",
    "reach_of",
]
