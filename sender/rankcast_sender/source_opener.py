"""The source of a URI: for `app`, the only module that knows concrete sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from rankcast.errors import SettingsError
from rankcast.recordings import SUFFIX
from rankcast_sender.settings import CameraTable
from rankcast_sender.sources import URL_SCHEMES, Source, SourceUri, check_query, parse_source

_Kind: TypeAlias = tuple[Any, Callable[..., Any]]
"""Options and class of a source."""


def _camera_kind() -> _Kind:
    from rankcast_sender.grabber import CameraOptions, open_camera

    return CameraOptions, open_camera


def _basler_kind() -> _Kind:
    from rankcast_sender.grabber import BaslerOptions, open_basler, require_pypylon

    require_pypylon()
    return BaslerOptions, open_basler


def _aravis_kind() -> _Kind:
    from rankcast_sender.grabber import AravisOptions, open_aravis, require_linux

    require_linux()
    return AravisOptions, open_aravis


def _stream_kind() -> _Kind:
    from rankcast_sender.grabber import StreamOptions, open_stream

    return StreamOptions, open_stream


def _python_kind() -> _Kind:
    from rankcast_sender.sources.python_source import PythonOptions, PythonSource

    return PythonOptions, PythonSource


def _replay_kind() -> _Kind:
    from rankcast_sender.sources.replay import ReplayOptions, ReplaySource

    return ReplayOptions, ReplaySource


def _recording_kind() -> _Kind:
    from rankcast_sender.sources.recording import RecordingOptions, RecordingSource

    return RecordingOptions, RecordingSource


def _synthetic_kind() -> _Kind:
    from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource

    return ConveyorOptions, ConveyorSource


_RECORDING: Final = "replay of a recording"
"""Kind of ``replay:FILE.mcap``: a source of packets, which need no encoder."""

# By scheme of the source URI. Only the kind in use is imported: FFmpeg, which plays clips, takes
# 16 MB of memory.
_SOURCES: Final[Mapping[str, Callable[[], _Kind]]] = MappingProxyType(
    {
        "camera": _camera_kind,
        "basler": _basler_kind,
        "aravis": _aravis_kind,
        **dict.fromkeys(URL_SCHEMES, _stream_kind),
        "python": _python_kind,
        "replay": _replay_kind,
        _RECORDING: _recording_kind,
        "synthetic": _synthetic_kind,
    }
)
_GRABBED: Final = frozenset({"camera", "basler", "aravis", *URL_SCHEMES})
"""Schemes whose source a grabber process reads."""
RETRIED: Final = _GRABBED | {"python"}
"""Schemes whose source is reopened after a failure; retrying an unreadable file is pointless."""


def source_opener(camera: CameraTable) -> Callable[[], Source]:
    """Check the source URI and its options; return a callable that opens the source.

    Raises
    ------
    SettingsError
        If the scheme or an option is wrong.
    """
    uri = parse_source(camera.source)
    model, make = _SOURCES[_kind_of(uri)]()
    # The rate of a network camera is a matter of its own query.
    uri = uri.with_options(model.model_fields.keys() - {"fps"})
    loop = camera.loop or None
    if loop and "loop" not in model.model_fields:
        raise SettingsError(f"got --loop with source {uri.scheme!r}: only a replay can loop")
    overrides = {"loop": loop} if loop else {}
    options = check_query(model, uri, fps=camera.fps or None, **overrides)
    path = f"{uri.scheme}:{uri.path}" if uri.is_url else uri.path
    if uri.scheme in _GRABBED:
        return partial(make, path, options, newest_wins=camera.realtime)
    return partial(make, path, options)


def plays_recording(uri: SourceUri) -> bool:
    """Return whether a source yields packets of a recording, which need no encoder."""
    return _kind_of(uri) == _RECORDING


def _kind_of(uri: SourceUri) -> str:
    """Return the key of a source in `_SOURCES`."""
    if uri.scheme == "replay" and uri.path.lower().endswith(SUFFIX):
        return _RECORDING
    return uri.scheme
