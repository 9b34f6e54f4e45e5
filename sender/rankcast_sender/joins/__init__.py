"""What lets a viewer join in the middle of a chain, without a key frame that all others pay for."""

from rankcast_sender.joins.camera_joins import MOST_PACKETS, PEER, CameraJoins
from rankcast_sender.joins.group import Group, Link, link_of
from rankcast_sender.joins.reference_thread import STOP_S as REFERENCES_STOP_S
from rankcast_sender.joins.reference_thread import ReferenceThread

__all__ = [
    "MOST_PACKETS",
    "PEER",
    "REFERENCES_STOP_S",
    "CameraJoins",
    "Group",
    "Link",
    "ReferenceThread",
    "link_of",
]
