"""RecordTable: the table ``[record]`` of a settings file, the same at both ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click
from pydantic import Field, field_validator, model_validator

from rankcast.path_parameter import PATH
from rankcast.settings.paths import OptionalPath
from rankcast.settings.schema import Table

SUFFIX: Final = ".mcap"


class RecordTable(Table):
    """``[record]``: packets on disk, all the time or around events."""

    file: OptionalPath = ""
    """First segment of the recording, ``FILE.mcap``; empty records nothing."""
    sync_frames: int = Field(default=0, ge=0)
    """Wait for the disk after this many frames; 0: once a second, without holding frames up."""
    segment_bytes: int = Field(default=512 * 1024 * 1024, ge=65_536)
    """Begin another segment at the first key frame after this size."""
    segment_s: float = Field(default=600.0, ge=1.0)
    """Begin another segment at the first key frame after this time."""
    max_bytes: int = Field(default=0, ge=0)
    """Remove the oldest segments beyond this total size; 0: no limit."""
    max_age_s: float = Field(default=0.0, ge=0.0)
    """Remove segments that were last written longer ago; 0: no limit."""
    min_free_bytes: int = Field(default=0, ge=0)
    """Remove the oldest segments while the file system has less free space; 0: no limit."""
    pre_s: float = Field(default=0.0, ge=0.0, le=3600.0)
    """Record around events only, beginning this long before each; 0: see `post_s`."""
    post_s: float = Field(default=0.0, ge=0.0, le=3600.0)
    """Record around events only, for this long after the last trigger; both 0: all the time."""
    ring_bytes: int = Field(default=256 * 1024 * 1024, ge=65_536)
    """Most bytes of packets that wait in memory for an event."""
    trigger_meta: str = Field(default="", max_length=64)
    """Key of the metadata of frames whose value starts an event when it becomes true."""

    @field_validator("file")
    @classmethod
    def _file_is_mcap(cls, file: str) -> str:
        if file and (not file.endswith(SUFFIX) or file.endswith(f"/{SUFFIX}") or file == SUFFIX):
            raise ValueError(f"want a name that ends in {SUFFIX}, as in station.mcap")
        return file

    @model_validator(mode="after")
    def _all_needs_a_file(self) -> RecordTable:
        if not self.file and (given := self._given()):
            raise ValueError(f"{', '.join(given)} without a recording: give --record FILE.mcap too")
        if self.trigger_meta and not self.events:
            raise ValueError(
                "trigger_meta starts events: give --pre-trigger or --post-trigger "
                "(record.pre_s, record.post_s) too"
            )
        return self

    @model_validator(mode="after")
    def _a_segment_may_go(self) -> RecordTable:
        if 0 < self.max_bytes < 2 * self.segment_bytes:
            raise ValueError(
                f"max_bytes = {self.max_bytes} holds less than two files of segment_bytes = "
                f"{self.segment_bytes}, and the one that is written always stays: give "
                f"--record-segment-bytes {max(65_536, self.max_bytes // 4)}, say, or a larger limit"
            )
        return self

    def _given(self) -> list[str]:
        """Return the settings that are not the default, by their options."""
        options = {key: option for option, (_, key, *_) in _OPTIONS.items()}
        return [
            f"{options[key]} (record.{key})" if key in options else f"record.{key}"
            for key, field in type(self).model_fields.items()
            if getattr(self, key) != field.default
        ]

    @property
    def events(self) -> bool:
        """True to record around events only."""
        return bool(self.pre_s or self.post_s)


_OPTIONS: Final[Mapping[str, tuple[str, str, Any, str, str]]] = {
    "--record": (
        "record", "file", PATH, "FILE.mcap", "Record the packets in this file.",
    ),
    "--sync": (
        "sync", "sync_frames", int, "N",
        "Wait for the disk after every N-th recorded frame; by default a thread writes through "
        "once a second and holds no frame up.",
    ),
    "--record-segment-bytes": (
        "record_segment_bytes", "segment_bytes", int, "N",
        "Begin another file after N bytes [512 MiB].",
    ),
    "--record-segment": (
        "record_segment", "segment_s", float, "S", "Begin another file after S seconds [600].",
    ),
    "--record-max-bytes": (
        "record_max_bytes", "max_bytes", int, "N", "Keep only the newest N bytes of recordings.",
    ),
    "--record-max-age": (
        "record_max_age", "max_age_s", float, "S", "Remove recordings older than S seconds.",
    ),
    "--record-min-free": (
        "record_min_free", "min_free_bytes", int, "N",
        "Remove the oldest recordings while less than N bytes are free.",
    ),
    "--pre-trigger": (
        "pre_trigger", "pre_s", float, "S",
        "Record around events only, from S seconds before each.",
    ),
    "--post-trigger": (
        "post_trigger", "post_s", float, "S",
        "Record around events only, for S seconds after the last trigger.",
    ),
}  # fmt: skip
"""Of each option: its parameter, its key, its type, its metavariable and its help."""


def record_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of ``[record]`` to a command, in their order."""
    for option, (name, _, kind, metavar, text) in reversed(list(_OPTIONS.items())):
        command = click.option(option, name, type=kind, metavar=metavar, help=text)(command)
    return command


def record_settings(options: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return the setting and the value of each of these options."""
    return {
        option: (f"record.{key}", options[name]) for option, (name, key, *_) in _OPTIONS.items()
    }
