"""What lets a viewer join in the middle of a chain, without a key frame that all others pay for."""

from rankcast_sender.joins.camera_joins import MOST_PACKETS, CameraJoins
from rankcast_sender.joins.group import Group, Link, link_of
from rankcast_sender.joins.reference_thread import ReferenceThread

__all__ = ["MOST_PACKETS", "CameraJoins", "Group", "Link", "ReferenceThread", "link_of"]
