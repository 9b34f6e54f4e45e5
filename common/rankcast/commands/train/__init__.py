"""The command ``rankcast train CODEC``: learn a model from pictures or videos."""

from __future__ import annotations

import click

from rankcast.commands.train.gan import train_gan
from rankcast.commands.train.pca import train_pca


@click.group()
def train() -> None:
    """Train a model file (.rkm) for a codec that needs one."""


train.add_command(train_gan, "gan")
train.add_command(train_pca, "pca")
