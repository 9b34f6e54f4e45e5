"""The command `rankcast receive`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from rankcast.path_parameter import PATH
from rankcast.settings import (
    command_layers,
    record_options,
    record_settings,
    to_toml,
    validate,
)
from rankcast_receiver.settings import ReceiverSettings

ENVIRONMENT_PREFIX: Final = "RANKCAST_RECEIVE__"


@click.command()
@click.option(
    "--connect", metavar="ADDRESS", multiple=True,
    help="Address of the sender, nats://HOST:PORT of a NATS server, or NAME of a camera, which is "
         "looked up by mDNS and whose key is pinned the first time with --key; repeatable "
         "[tcp://127.0.0.1:5555].",
)  # fmt: skip
@click.option("--camera", metavar="NAME[,NAME]",
              help="Cameras to receive; at a NATS server also SITE.NAME [all].")  # fmt: skip
@click.option("--stream", metavar="NAME",
              help="Stream of each camera: main, the name of a substream, or auto for the largest "
                   "that the link carries [main].")  # fmt: skip
@click.option("--site", metavar="NAME", help="Only cameras of this site at a NATS server [all].")
@click.option("--since", metavar="TIME",
              help="Begin in the past, from what a NATS server keeps: how long ago, as 10m, or a "
                   "time, as 2026-11-29T21:00:00Z.")  # fmt: skip
@click.option("--speed", type=float, metavar="N",
              help="Play the past N times as fast as it was; 0: as fast as possible "
                   "[1 with a window or a web address, else 0].")  # fmt: skip
@click.option("--durable", metavar="NAME",
              help="Record with a durable consumer of a NATS server, which keeps the place of a "
                   "recorder that is restarted.")  # fmt: skip
@click.option("--save", type=PATH, metavar="DIR", help="Save frames in this folder.")
@click.option(
    "--format",
    "picture_format",
    type=click.Choice(["png", "jpeg", "tiff"]),
    help="File format of saved frames [png].",
)
@click.option("--save-every", type=int, metavar="N", help="Save every N-th frame [1].")
@click.option("--save-max-files", type=int, metavar="N", help="Keep only the newest N files.")
@click.option("--save-max-bytes", type=int, metavar="N", help="Keep only the newest N bytes.")
@click.option("--save-max-age", type=float, metavar="S", help="Remove files older than S seconds.")
@click.option("--save-min-free", type=int, metavar="N",
              help="Remove the oldest files while less than N bytes are free.")  # fmt: skip
@click.option("--save-fsync/--no-save-fsync", default=None,
              help="Write each file through to the disk before it counts as saved.")  # fmt: skip
@click.option("--save-sync", type=int, metavar="N",
              help="Write every N-th file and its folder through to the disk.")  # fmt: skip
@click.option("--debayer/--no-debayer", default=None,
              help="Save mosaics of Bayer cameras in colour.")  # fmt: skip
@record_options
@click.option("--display", is_flag=True, default=None, help="Show frames in a window; h: keys.")
@click.option("--levels", metavar="LEVELS",
              help="Window levels: auto, full, minmax, percentile or LOW:HIGH [auto].")  # fmt: skip
@click.option("--web", metavar="HOST:PORT",
              help="Show the cameras in browsers, at http://HOST:PORT/.")  # fmt: skip
@click.option("--web-token", type=PATH, metavar="FILE",
              help="File with the token that browsers have to give.")  # fmt: skip
@click.option("--tls-cert", type=PATH, metavar="FILE.pem", help="Certificate of the web address.")
@click.option("--tls-key", type=PATH, metavar="FILE.pem", help="Key of that certificate.")
@click.option("--web-control", is_flag=True, default=None,
              help="Let pages change the senders.")  # fmt: skip
@click.option("--web-recordings", type=PATH, metavar="DIR",
              help="Let pages play the recordings of this folder.")  # fmt: skip
@click.option("--insecure", is_flag=True, default=None,
              help="Open --web beyond loopback without token or TLS.")  # fmt: skip
@click.option("--frames", type=int, metavar="N", help="Stop after N delivered frames.")
@click.option("--rank", type=int, metavar="N",
              help="Cut packets of codec svd to at most rank N; 0: cut nothing [0].")  # fmt: skip
@click.option("--models", type=PATH, metavar="DIR",
              help="Folder of model files (.rkm) of learned codecs.")  # fmt: skip
@click.option(
    "--timeout", type=float, metavar="S", help="Longest wait for a new frame, in seconds."
)
@click.option("--stay/--no-stay", default=None, help="Wait for the next stream when one ends.")
@click.option("--key", type=PATH, metavar="NAME.key", help="Secret key of this station.")
@click.option(
    "--server-key", type=PATH, multiple=True, metavar="NAME.pub",
    help="Public key of the sender; repeatable: each new connection tries the next one.",
)  # fmt: skip
@click.option("--metrics", metavar="HOST:PORT",
              help="Serve metrics and health here, for Prometheus.")  # fmt: skip
@click.option(
    "--report",
    type=PATH,
    metavar="FILE.json",
    help="Write totals, losses, rates and latency to this file at the end.",
)
@click.option(
    "--config",
    "config_file",
    type=PATH,
    metavar="FILE",
    help="Settings file, see config/receiver.toml.",
)
@click.option("--set", "sets", multiple=True, metavar="A.B=C", help="Any setting; repeatable.")
@click.option("--verbose", is_flag=True, help="Log the status every second [every 60 s].")
@click.option("--check", is_flag=True, help="Check and print the effective settings, and exit.")
def receive(
    config_file: Path | None,
    sets: tuple[str, ...],
    verbose: bool,
    check: bool,
    report: Path | None,
    **options: Any,
) -> int:
    """Receive frames and display, save, record or count them, or show them in browsers.

    Exit code 4 if no stream was received, or fewer frames than --frames.
    """
    named = {
        "--connect": ("network.connect", _one_or_several(options["connect"])),
        "--camera": ("network.camera", options["camera"]),
        "--stream": ("network.stream", options["stream"]),
        "--site": ("nats.site", options["site"]),
        "--since": ("nats.since", options["since"]),
        "--speed": ("nats.speed", options["speed"]),
        "--durable": ("nats.durable", options["durable"]),
        "--timeout": ("network.timeout_s", options["timeout"]),
        "--stay": ("network.stay", options["stay"]),
        "--save": ("save.dir", options["save"]),
        "--format": ("save.format", options["picture_format"]),
        "--save-every": ("save.every", options["save_every"]),
        "--save-max-files": ("save.max_files", options["save_max_files"]),
        "--save-max-bytes": ("save.max_bytes", options["save_max_bytes"]),
        "--save-max-age": ("save.max_age_s", options["save_max_age"]),
        "--save-min-free": ("save.min_free_bytes", options["save_min_free"]),
        "--save-fsync": ("save.fsync", options["save_fsync"]),
        "--save-sync": ("save.sync_frames", options["save_sync"]),
        "--debayer": ("save.debayer", options["debayer"]),
        **record_settings(options),
        "--display": ("display.enabled", options["display"]),
        "--levels": ("display.levels", options["levels"]),
        "--web": ("web.listen", options["web"]),
        "--web-token": ("web.token", options["web_token"]),
        "--tls-cert": ("web.tls_cert", options["tls_cert"]),
        "--tls-key": ("web.tls_key", options["tls_key"]),
        "--web-control": ("web.control", options["web_control"]),
        "--web-recordings": ("web.recordings", options["web_recordings"]),
        "--insecure": ("web.insecure", options["insecure"]),
        "--frames": ("stream.frames", options["frames"]),
        "--rank": ("stream.rank", options["rank"]),
        "--models": ("stream.models", options["models"]),
        "--key": ("security.key", options["key"]),
        "--server-key": ("security.server_keys", list(options["server_key"]) or None),
        "--metrics": ("metrics.listen", options["metrics"]),
        "--verbose": ("log.status_interval_s", 1.0 if verbose else None),
    }
    layers = command_layers(config_file, ENVIRONMENT_PREFIX, named, sets)
    settings = validate(ReceiverSettings, layers)
    # The composition root imports the whole receiver: do so only once the settings are valid.
    from rankcast_receiver import app

    if check:
        app.check(settings, report)
        click.echo(to_toml(settings), nl=False)
        return 0
    return app.run(settings, report)


def _one_or_several(values: tuple[str, ...]) -> str | list[str] | None:
    if len(values) > 1:
        return list(values)
    return values[0] if values else None
