"""GigE Vision and USB3 Vision cameras through the GObject bindings of Aravis.

Imports the standard library and those bindings alone.
"""

from rankcast_sender.devices.aravis.bindings import PACKAGES
from rankcast_sender.devices.aravis.device import make_device
from rankcast_sender.devices.aravis.listing import list_devices

__all__ = ["PACKAGES", "list_devices", "make_device"]
