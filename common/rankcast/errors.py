"""Exceptions of Rankcast: one base class, with one subclass per action the operator can take."""

from __future__ import annotations

from typing import Final

_MAX_CHARS: Final = 300


class RankcastError(Exception):
    """Base class of all errors that Rankcast raises deliberately.

    The message states in one line what was given, what is allowed and how to fix it.
    ``exit_code`` is what the command line returns when the error ends a command.
    """

    exit_code = 1


class SettingsError(RankcastError):
    """A setting, option or argument is wrong: correct it and start again."""

    exit_code = 2


class SourceError(RankcastError):
    """A camera or replay cannot be opened or read: check the device or the path."""


class ImageFileError(SourceError):
    """An image file cannot be read or written without changing its picture."""


class DamagedImageError(ImageFileError):
    """An image file contains damaged data: restore it, or allow it to be sent as damaged."""


class SinkError(RankcastError):
    """Frames cannot be displayed or stored: check the disk, the folder or the screen."""


class RecordingError(RankcastError):
    """A recording cannot be written or read: check the disk and the file, or repair the file."""


class TransportError(RankcastError):
    """A socket cannot be opened: check address, port and network."""


class StoreError(TransportError):
    """A stream that a NATS server keeps cannot be made or read: the message states the reason."""

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number
        """The server's own number of the error; 0 if it gave none."""


class NameTakenError(RankcastError):
    """Another recorder took the durable name while this one was cut off: start again."""


class NoStreamError(RankcastError):
    """No frame arrived within the time-out: check that the sender runs and can be reached."""

    exit_code = 4


class RequestRefusedError(RankcastError):
    """The sender refused a request on its control channel: the message states the reason."""


class UnsupportedImageError(RankcastError):
    """The codec cannot code images of this shape or type: choose another codec."""


class ModelError(SettingsError):
    """A file is not a model, is damaged, or of another version or kind: train or copy it again."""


class TrainingError(RankcastError):
    """A training diverged: train with other data, or resume from its checkpoint."""


class WorkerError(RankcastError):
    """A worker thread failed or did not stop: the cause is chained."""


class WireError(RankcastError):
    """A packet was refused: it costs one frame, and the peer that sent it is at fault."""


class UnknownVersionError(WireError):
    """The packet has another version of the wire format: update the older end."""


class UnknownCodecError(WireError):
    """The packet names a codec that this installation does not have: update the receiver."""


class UnknownModelError(WireError):
    """The packet needs a learned model that this installation does not have: copy its file."""


class LimitError(WireError):
    """The packet exceeds the configured limits."""


class PayloadError(WireError):
    """The body of a packet does not match its header."""


class NeedKeyframe(RankcastError):  # noqa: N818 - part of the public contract; not a failure
    """The frame cannot be decoded before the next keyframe: request one and continue."""


class ChecksumMismatch(NeedKeyframe):
    """The decoded picture differs from the encoder's: a defect of one end. Request a keyframe."""


def one_line(exc: BaseException) -> str:
    """Return the text of an exception as one line, after its class if it is no RankcastError."""
    text = " ".join(str(exc).split())
    if isinstance(exc, RankcastError):
        return text
    # Libraries may quote their whole input.
    return f"{type(exc).__name__}: {text}".removesuffix(": ")[:_MAX_CHARS]
