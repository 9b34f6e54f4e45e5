"""The command `rankcast send`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rankcast.path_parameter import PATH
from rankcast.settings import command_layers
from rankcast_sender.camera_tables import camera_settings, cameras_to_toml

ENVIRONMENT_PREFIX = "RANKCAST_SEND__"


@click.command()
@click.option("--source", metavar="URI", help="camera:0, camera:/dev/video0, replay:PATH, "
              "synthetic:conveyor; options as ?width=1920&height=1080.")  # fmt: skip
@click.option("--bind", metavar="ADDRESS", help="Where viewers connect [tcp://127.0.0.1:5555].")
@click.option("--control", metavar="ADDRESS",
              help="Where clients ask and set; off for none [port of --bind and 10].")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the camera [cam].")
@click.option(
    "--codec", metavar="NAME", help="svd-patch, svd, jpeg, ...; options by --set codec.X=Y."
)
@click.option("--fps", type=float, metavar="F", help="Frames a second [the source's own].")
@click.option("--frames", type=int, metavar="N", help="Stop after N grabbed frames.")
@click.option("--loop", is_flag=True, default=None, help="Start a replay again at its end.")
@click.option("--realtime/--no-realtime", default=None,
              help="Newest frame wins, or every frame is sent [realtime].")  # fmt: skip
@click.option("--wait-viewers", type=int, metavar="N", help="Start when N viewers subscribed.")
@click.option("--audit", type=PATH, metavar="DIR", help="Keep originals of some published frames.")
@click.option("--audit-every", type=int, metavar="N", help="Each N-th of them [20].")
@click.option("--key", type=PATH, metavar="NAME.key",
              help="Secret key of this station: encrypts everything.")  # fmt: skip
@click.option("--authorized", type=PATH, metavar="DIR", help="Folder of the keys that are let in.")
@click.option("--insecure", is_flag=True, default=None,
              help="Let everybody watch and control, from other machines too.")  # fmt: skip
@click.option("--report", type=PATH, metavar="FILE.json",
              help="Write totals at the end.")  # fmt: skip
@click.option("--config", "config_file", type=PATH, metavar="FILE",
              help="Settings file, see config/sender.toml.")  # fmt: skip
@click.option("--set", "sets", multiple=True, metavar="A.B=C", help="Any setting; repeatable.")
@click.option("--check", is_flag=True, help="Print the effective settings and stop.")
def send(
    config_file: Path | None,
    sets: tuple[str, ...],
    check: bool,
    report: Path | None,
    **options: Any,
) -> int:
    """Camera station: grab, encode and publish frames until the source ends or Ctrl-C."""
    named = {
        "--source": ("camera.source", options["source"]),
        "--name": ("camera.name", options["name"]),
        "--fps": ("camera.fps", options["fps"]),
        "--frames": ("camera.frames", options["frames"]),
        "--loop": ("camera.loop", options["loop"]),
        "--realtime": ("camera.realtime", options["realtime"]),
        "--bind": ("network.bind", options["bind"]),
        "--control": ("network.control", options["control"]),
        "--wait-viewers": ("network.wait_viewers", options["wait_viewers"]),
        "--codec": ("codec.name", options["codec"]),
        "--audit": ("audit.dir", options["audit"]),
        "--audit-every": ("audit.every", options["audit_every"]),
        "--key": ("security.key", options["key"]),
        "--authorized": ("security.authorized", options["authorized"]),
        "--insecure": ("security.insecure", options["insecure"]),
    }
    layers = command_layers(config_file, ENVIRONMENT_PREFIX, named, sets)
    cameras = camera_settings(layers)
    # The composition root loads every source: only once the settings stand.
    from rankcast_sender import app

    if check:
        for settings in cameras:
            app.source_opener(settings.camera)
        click.echo(cameras_to_toml(cameras), nl=False)
        return 0
    return app.run(cameras, report)
