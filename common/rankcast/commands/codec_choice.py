"""Which codec an offline command uses: ``--codec NAME`` and ``--set codec.NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from rankcast.codec import codec_named
from rankcast.encoder import check_options
from rankcast.settings import CodecTable, Layer, Table, option_layers, set_layers, validate

F = TypeVar("F", bound=Callable[..., Any])

OFFLINE_CODEC = "svd"
"""Not the default of streams: single pictures at a chosen rank are what the articles are about."""


@dataclass(frozen=True, slots=True)
class CodecChoice:
    """A codec and its options, both checked."""

    name: str
    options: Mapping[str, Any]

    def with_options(self, **options: Any) -> CodecChoice:
        """Return the same codec with other options on top, checked again."""
        merged = {**self.options, **options}
        check_options(self.name, merged)
        return CodecChoice(self.name, merged)

    def has_option(self, name: str) -> bool:
        """Say whether the codec knows an option of that name."""
        return name in codec_named(self.name).options.model_fields


class _Offline(Table):
    codec: CodecTable


def codec_options(command: F) -> F:
    """Give a command the options ``--codec`` and ``--set``."""
    command = click.option(
        "--set", "sets", multiple=True, metavar="codec.NAME=VALUE",
        help="An option of the codec, for example codec.rank=0.2. May be repeated.",
    )(command)  # fmt: skip
    return click.option("--codec", metavar="NAME", help=f"The codec.  [default: {OFFLINE_CODEC}]")(
        command
    )


def choose_codec(name: str | None, sets: Iterable[str]) -> CodecChoice:
    """Check what the command line says of the codec.

    Raises
    ------
    SettingsError
        If codec, option or value is none that exists.
    """
    layers = [
        Layer("default", {"codec": {"name": OFFLINE_CODEC}}),
        *set_layers(sets),
        *option_layers({"--codec": ("codec.name", name)}),
    ]
    codec = validate(_Offline, layers).codec
    choice = CodecChoice(codec.name, codec.chosen)
    # A single picture has no earlier one to start warm from, and nobody waits for it.
    if choice.has_option("engine") and "engine" not in choice.options:
        choice = choice.with_options(engine="exact")
    return choice
