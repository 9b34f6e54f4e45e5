"""Everything Rankcast raises on purpose: one root, one child per thing the operator does next."""

from __future__ import annotations


class RankcastError(Exception):
    """Root of all errors that Rankcast raises on purpose.

    The message says what was got, what is wanted and the limit, in one line.
    ``exit_code`` is what the command line returns when the error ends a command.
    """

    exit_code = 1


class SettingsError(RankcastError):
    """A setting, option or argument is wrong: correct it and start again."""

    exit_code = 2


class SourceError(RankcastError):
    """A camera or replay cannot be opened or read: check the device or the path."""


class ImageFileError(SourceError):
    """An image file cannot be read or written."""


class DamagedImageError(ImageFileError):
    """The data of an image file are damaged: restore the file, or ask for what is left of it."""


class SinkError(RankcastError):
    """Frames cannot be displayed or stored: check the disk, the folder or the screen."""


class TransportError(RankcastError):
    """A socket cannot be opened: check address, port and network."""


class NoStreamError(RankcastError):
    """Nothing came within the time-out: check that the sender runs and can be reached."""

    exit_code = 4


class RequestRefusedError(RankcastError):
    """The sender refused a request on its control channel: the message says why."""


class UnsupportedImageError(RankcastError):
    """The codec cannot code images of this shape or type: choose another codec."""


class ModelError(SettingsError):
    """A model file is none, damaged, of another version or kind: train or copy it again."""


class TrainingError(RankcastError):
    """A training came to what is no number: train with other data, or from its checkpoint."""


class WorkerError(RankcastError):
    """A worker thread failed or did not stop: the cause is chained."""


class WireError(RankcastError):
    """A packet was refused: it costs one frame, and the peer that made it is at fault."""


class UnknownVersionError(WireError):
    """The packet was written by another version of the wire format: update the older end."""


class UnknownCodecError(WireError):
    """The packet names a codec that this installation does not have: update the receiver."""


class UnknownModelError(WireError):
    """The packet needs a learned model that this installation does not have: copy its file."""


class LimitError(WireError):
    """The packet promises more than the settable limits allow."""


class PayloadError(WireError):
    """The body does not hold what the header promises."""


class NeedKeyframe(RankcastError):  # noqa: N818 - part of the public contract; it asks, it does not blame
    """The frame cannot be shown before the next keyframe: ask for one and go on."""


class ChecksumMismatch(NeedKeyframe):
    """Both ends rebuilt another picture from the same packets: a defect of one of them."""
