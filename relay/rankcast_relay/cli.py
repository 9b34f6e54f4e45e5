"""The command `rankcast relay`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from rankcast.path_parameter import PATH
from rankcast.settings import command_layers, to_toml, validate
from rankcast_relay.settings import RelaySettings

ENVIRONMENT_PREFIX: Final = "RANKCAST_RELAY__"


@click.command()
@click.option("--from", "senders", metavar="ADDRESS", multiple=True,
              help="Address of a sender or another relay, or nats://HOST:PORT of a NATS "
              "server; repeatable [tcp://127.0.0.1:5555].")  # fmt: skip
@click.option("--to", "bind", metavar="ADDRESS",
              help="Address for viewers, or nats://HOST:PORT of a NATS server to publish to "
              "[tcp://127.0.0.1:6000].")  # fmt: skip
@click.option("--control", metavar="ADDRESS",
              help="Address for control requests, or off [--to port + 10].")  # fmt: skip
@click.option("--site", metavar="NAME",
              help="With nats:// in --to: the site to publish as [default]; in --from: the only "
              "site to relay [all].")  # fmt: skip
@click.option("--camera", metavar="NAME[,NAME]", help="Cameras to relay [all].")
@click.option("--rank", type=int, metavar="N",
              help="Cut packets of codec svd to at most this rank [off].")  # fmt: skip
@click.option("--realtime/--no-realtime", default=None,
              help="Pass the newest frame on, or every frame [realtime].")  # fmt: skip
@click.option("--key", type=PATH, metavar="NAME.key",
              help="Secret key of this relay, for senders and viewers.")  # fmt: skip
@click.option(
    "--server-key", type=PATH, multiple=True, metavar="NAME.pub",
    help="Public key of a sender; repeatable: each new connection tries the next one.",
)  # fmt: skip
@click.option("--authorized", type=PATH, metavar="DIR",
              help="Directory of the public keys of the viewers that may connect.")  # fmt: skip
@click.option("--insecure", is_flag=True, default=None,
              help="Let anybody on the network watch and control, without keys.")  # fmt: skip
@click.option("--metrics", metavar="HOST:PORT",
              help="Serve metrics and health here, for Prometheus.")  # fmt: skip
@click.option("--report", type=PATH, metavar="FILE.json",
              help="Write totals to this file at the end.")  # fmt: skip
@click.option("--config", "config_file", type=PATH, metavar="FILE",
              help="Settings file; config/relay.toml lists all settings.")  # fmt: skip
@click.option("--set", "sets", multiple=True, metavar="A.B=C",
              help="Change any setting; repeatable.")  # fmt: skip
@click.option("--verbose", is_flag=True, help="Log the status every second [every 60 s].")
@click.option("--check", is_flag=True, help="Check and print the effective settings, and exit.")
def relay(
    config_file: Path | None,
    sets: tuple[str, ...],
    check: bool,
    verbose: bool,
    report: Path | None,
    **options: Any,
) -> int:
    """Relay cameras to any number of viewers over one connection to each sender."""
    senders = options["senders"]
    named = {
        "--from": ("uplink.connect", list(senders) if len(senders) > 1 else "".join(senders)),
        "--site": ("nats.site", options["site"]),
        "--camera": ("uplink.camera", options["camera"]),
        "--rank": ("stream.rank", options["rank"]),
        "--to": ("network.bind", options["bind"]),
        "--control": ("network.control", options["control"]),
        "--realtime": ("network.realtime", options["realtime"]),
        "--key": ("security.key", options["key"]),
        "--server-key": ("security.server_keys", list(options["server_key"]) or None),
        "--authorized": ("security.authorized", options["authorized"]),
        "--insecure": ("security.insecure", options["insecure"]),
        "--metrics": ("metrics.listen", options["metrics"]),
        "--verbose": ("log.status_interval_s", 1.0 if verbose else None),
    }
    if not senders:
        del named["--from"]
    layers = command_layers(config_file, ENVIRONMENT_PREFIX, named, sets)
    settings = validate(RelaySettings, layers)
    # The composition root imports both ends: do so only once the settings are valid.
    from rankcast_relay import app

    if check:
        app.check(settings, report)
        click.echo(to_toml(settings), nl=False)
        return 0
    return app.run(settings, report)
