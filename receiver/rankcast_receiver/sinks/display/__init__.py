"""Sink `display`: the newest frame of each camera in one window, and the keys that act on it."""

from rankcast_receiver.sinks.display.display_sink import DisplaySink
from rankcast_receiver.sinks.display.keys import KEYS, KeyRow

__all__ = ["KEYS", "DisplaySink", "KeyRow"]
