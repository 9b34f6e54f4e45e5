"""The command `rankcast`: subcommands from entry points, and one-line errors."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import click

from rankcast.atomic_file import os_reason
from rankcast.credentials import shown_address, without_secrets
from rankcast.errors import RankcastError, SettingsError
from rankcast.printable import printable
from rankcast.runtime.logs import configure_logs
from rankcast.runtime.standard_streams import WRITE_S, is_writable

GROUP: Final = "rankcast.commands"
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SUMMARIES: Final = {
    "demo": "Stream between a sender and a receiver on this machine.",
    "send": "Send the frames of cameras to viewers.",
    "receive": "Receive frames: display, save, record or count them.",
    "relay": "Pass cameras on to many viewers over one connection.",
    "find": "List the cameras that senders announce.",
    "cameras": "List the cameras of this machine.",
    "control": "Query a running sender, or change it.",
    "keys": "Create keys, and choose which ones may connect.",
    "service": "Install a sender, receiver or relay as a service.",
    "doctor": "Check this station, and say what to do.",
    "compress": "Compress a picture into a packet file.",
    "decompress": "Decode a packet file.",
    "info": "Describe a packet file, a recording or a model.",
    "repair": "Make a damaged recording sound.",
    "export": "Write the pictures of a recording as mp4, PNG or TIFF.",
    "compare": "Compare codecs on pictures, clips and cameras.",
    "train": "Train a model file for a codec that needs one.",
}
"""What `rankcast --help` says, in its order: loading every command for that takes a second."""


class CommandGroup(click.Group):
    """Loads a subcommand only when it runs, so that `receive` and `--help` start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all installed subcommands."""
        found = _entry_points()
        return [name for name in SUMMARIES if name in found] + sorted(found.keys() - SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one subcommand."""
        entry = _entry_points().get(cmd_name)
        if entry is None:
            return None
        command = entry.load()
        assert isinstance(command, click.Command), f"{entry.value} is not a command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands; only those of other packages are loaded for it."""
        rows = []
        for name in self.list_commands(ctx):
            summary = SUMMARIES.get(name)
            if summary is None:
                command = self.get_command(ctx, name)
                summary = "" if command is None else command.get_short_help_str()
            rows.append((name, summary))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rankcast", prog_name="rankcast")
def rankcast() -> None:
    """Stream camera images: sharp, fresh, every frame accounted for."""


def run(command: click.Command, argv: Sequence[str] | None = None, name: str = "rankcast") -> int:
    """Run a command and return its exit code; errors become one line on stderr.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong usage or settings, 4 no stream.
    """
    level = os.environ.get("RANKCAST_LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        given = shown_address(level)
        _report(name, f"got RANKCAST_LOG_LEVEL={given!r:.40}, want one of {', '.join(_LEVELS)}")
        return SettingsError.exit_code
    configure_logs("text", level)
    try:
        result = command.main(args=argv, prog_name=name, standalone_mode=False)
        # Flushed here, so that a full disk or a closed pipe is still reported.
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
        return 1
    except OSError as exc:
        _discard_stdout()
        return report_failure(name, exc)
    except click.ClickException as exc:
        # The usage precedes the error, in several lines that quote the arguments.
        shown = io.StringIO()
        exc.show(shown)
        for line in shown.getvalue().splitlines():
            click.echo(printable(without_secrets(line)), err=True)
        return exc.exit_code
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        _report(name, "interrupted")
        return 1
    except (RankcastError, ImportError, MemoryError) as exc:
        return report_failure(name, exc)
    return result if isinstance(result, int) else 0


def report_failure(name: str, error: BaseException) -> int:
    """Print why a command failed, in one line, and return its exit code."""
    match error:
        case RankcastError():
            _report(name, error)
            return error.exit_code
        case OSError():
            at = f"{error.filename}: " if error.filename is not None else ""
            _report(name, f"{at}{os_reason(error)}")
        case ImportError():
            _report(name, f"{error.name or 'a library'} cannot be imported: {error}")
        case MemoryError():
            _report(name, "not enough memory for images of this size")
        case _:
            _report(name, f"{type(error).__name__}: {error}")
    return 1


def _report(name: str, error: object) -> None:
    """Print one line about `error`, which may quote peers, files and arguments, passwords too."""
    line = f"{name}: {printable(without_secrets(str(error)))}"
    with suppress(AttributeError, OSError, ValueError):  # replaced by a program or a test
        # A reader that reads nothing must not keep the process.
        if not is_writable(sys.stderr.fileno(), WRITE_S):
            return
    click.echo(line, err=True)


def _discard_stdout() -> None:
    """Let the interpreter's final flush succeed if standard output cannot be written."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
