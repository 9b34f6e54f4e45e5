"""Recordings of a folder: what they hold, and playing them to pages."""

from rankcast_receiver.web.recordings.routes import RecordingRoutes

__all__ = ["RecordingRoutes"]
