"""The codec of an offline command: ``--codec NAME`` and ``--set codec.NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from rankcast.codec import codec_named
from rankcast.encoder import check_options
from rankcast.settings import CodecTable, Layer, Table, option_layers, set_layers, validate

F = TypeVar("F", bound=Callable[..., Any])

OFFLINE_CODEC: Final = "svd"
"""Default codec of offline commands. Unlike streams, the articles treat single pictures at a chosen
rank."""


@dataclass(frozen=True, slots=True)
class CodecChoice:
    """A codec and its validated options."""

    name: str
    options: Mapping[str, Any]

    def with_options(self, **options: Any) -> CodecChoice:
        """Return the same codec with some options changed and validated."""
        merged = {**self.options, **options}
        check_options(self.name, merged)
        return CodecChoice(self.name, merged)

    def has_option(self, name: str) -> bool:
        """Return True if the codec has an option of this name."""
        return name in codec_named(self.name).options.model_fields


class _Offline(Table):
    codec: CodecTable


def codec_options(command: F) -> F:
    """Add the options ``--codec`` and ``--set`` to a command."""
    command = click.option(
        "--set", "sets", multiple=True, metavar="codec.NAME=VALUE",
        help="Option of the codec, for example codec.rank=0.2; repeatable.",
    )(command)  # fmt: skip
    return click.option(
        "--codec", metavar="NAME", help=f"Codec to use.  [default: {OFFLINE_CODEC}]"
    )(command)


def choose_codec(name: str | None, sets: Iterable[str]) -> CodecChoice:
    """Check the codec and options of the command line.

    Raises
    ------
    SettingsError
        If the codec or an option is unknown, or a value is not allowed.
    """
    layers = [
        Layer("default", {"codec": {"name": OFFLINE_CODEC}}),
        *set_layers(sets),
        *option_layers({"--codec": ("codec.name", name)}),
    ]
    codec = validate(_Offline, layers).codec
    choice = CodecChoice(codec.name, codec.chosen)
    defaults = codec_named(choice.name).still_defaults
    return choice.with_options(
        **{name: value for name, value in defaults.items() if name not in choice.options}
    )
