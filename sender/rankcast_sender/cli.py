"""The command `rankcast send`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from rankcast.path_parameter import PATH
from rankcast.settings import command_layers, record_options, record_settings
from rankcast_sender.camera_tables import camera_settings, cameras_to_toml

ENVIRONMENT_PREFIX: Final = "RANKCAST_SEND__"


@click.command()
@click.option("--source", metavar="URI", help="camera:0, rtsp://..., http://..., "
              "replay:PATH, synthetic:conveyor or python:MODULE:FACTORY; add options as in "
              "camera:0?width=1920&height=1080.")  # fmt: skip
@click.option("--bind", "--to", "bind", metavar="ADDRESS",
              help="Address for viewers, or nats://HOST:PORT of a NATS server to publish to "
              "[tcp://127.0.0.1:5555].")  # fmt: skip
@click.option("--control", metavar="ADDRESS",
              help="Address for control requests, or off [--bind port + 10].")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the camera [cam].")
@click.option("--site", metavar="NAME", help="Site of the cameras at a NATS server [default].")
@click.option("--codec", metavar="NAME",
              help="svd-patch, svd, jpeg, ...; set its options with --set codec.X=Y.")  # fmt: skip
@click.option("--fps", type=float, metavar="F", help="Frames per second [rate of the source].")
@click.option("--frames", type=int, metavar="N", help="Stop after N grabbed frames.")
@click.option("--loop", is_flag=True, default=None, help="Restart a replay at its end.")
@click.option("--realtime/--no-realtime", default=None,
              help="Send the newest frame, or send every frame [realtime].")  # fmt: skip
@click.option("--wait-viewers", type=int, metavar="N",
              help="Open the source when N viewers have subscribed.")  # fmt: skip
@click.option(
    "--audit", type=PATH, metavar="DIR", help="Keep originals of some published frames in DIR."
)
@click.option("--audit-every", type=int, metavar="N", help="Keep every N-th original [20].")
@record_options
@click.option(
    "--key", type=PATH, metavar="NAME.key", help="Secret key of this sender; encrypts all traffic."
)
@click.option(
    "--authorized", type=PATH, metavar="DIR", help="Directory of the public keys that may connect."
)
@click.option("--insecure", is_flag=True, default=None,
              help="Let anybody on the network watch and control, without keys.")  # fmt: skip
@click.option("--metrics", metavar="HOST:PORT",
              help="Serve metrics and health here, for Prometheus.")  # fmt: skip
@click.option("--announce/--no-announce", default=None,
              help="Let `rankcast find` find the cameras, no further than --bind listens "
              "[announce].")  # fmt: skip
@click.option("--report", type=PATH, metavar="FILE.json",
              help="Write totals to this file at the end.")  # fmt: skip
@click.option("--config", "config_file", type=PATH, metavar="FILE",
              help="Settings file; config/sender.toml lists all settings.")  # fmt: skip
@click.option("--set", "sets", multiple=True, metavar="A.B=C",
              help="Change any setting; repeatable.")  # fmt: skip
@click.option("--verbose", is_flag=True, help="Log the status every second [every 60 s].")
@click.option("--check", is_flag=True, help="Check and print the effective settings, and exit.")
def send(
    config_file: Path | None,
    sets: tuple[str, ...],
    check: bool,
    verbose: bool,
    report: Path | None,
    **options: Any,
) -> int:
    """Send the frames of cameras to viewers until the source ends or Ctrl-C."""
    named = {
        "--source": ("camera.source", options["source"]),
        "--name": ("camera.name", options["name"]),
        "--fps": ("camera.fps", options["fps"]),
        "--frames": ("camera.frames", options["frames"]),
        "--loop": ("camera.loop", options["loop"]),
        "--realtime": ("camera.realtime", options["realtime"]),
        "--bind": ("network.bind", options["bind"]),
        "--control": ("network.control", options["control"]),
        "--site": ("nats.site", options["site"]),
        "--wait-viewers": ("network.wait_viewers", options["wait_viewers"]),
        "--codec": ("codec.name", options["codec"]),
        "--audit": ("audit.dir", options["audit"]),
        "--audit-every": ("audit.every", options["audit_every"]),
        **record_settings(options),
        "--key": ("security.key", options["key"]),
        "--authorized": ("security.authorized", options["authorized"]),
        "--insecure": ("security.insecure", options["insecure"]),
        "--metrics": ("metrics.listen", options["metrics"]),
        "--announce": ("discovery.enabled", options["announce"]),
        "--verbose": ("log.status_interval_s", 1.0 if verbose else None),
    }
    layers = command_layers(config_file, ENVIRONMENT_PREFIX, named, sets)
    cameras = camera_settings(layers)
    # The composition root imports the whole sender: do so only once the settings are valid.
    from rankcast_sender import app

    if check:
        app.check(cameras, report)
        click.echo(cameras_to_toml(cameras), nl=False)
        return 0
    return app.run(cameras, report)
