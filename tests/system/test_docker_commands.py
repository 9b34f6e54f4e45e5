"""The commands of the images in config/docker, run for real with keys and ports of this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from support.docker_files import compose, health_check, image_command, image_environment
from support.fakes import free_address
from support.processes import Rankcast, rankcast, rankcast_environment, run

ENDS = ("sender", "relay", "receiver")
VIEWER = "line3: live"


class Images:
    """Commands and environments of all ends, with what a container has replaced.

    All use the network of this machine, like containers with ``network_mode: host``. A volume is a
    folder here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address, self.relayed = free_address(), free_address()
        self.web = free_address().removeprefix("tcp://")
        self._replaced = {
            "tcp://*:5555": self.address,
            "tcp://sender:5555": self.address,
            "tcp://*:6000": self.relayed,
            "0.0.0.0:8080": f"0.0.0.0:{self.web.partition(':')[2]}",
        }
        for volume in compose()["volumes"]:
            (folder / volume).mkdir(mode=0o700)
        self.health = {end: _free() for end in ENDS}

    def in_folders(self, service: str, text: str) -> str:
        """Replace the places of the volumes of a service by their folders."""
        for volume in compose()["services"][service]["volumes"]:
            name, place, *_ = volume.split(":")
            text = text.replace(place, str(self._folder / name))
        return text

    def make_keys(self) -> None:
        """Run what the services `keys` and `relay-keys` run before the others."""
        programs = self._folder / "programs"
        programs.mkdir(exist_ok=True)
        program = programs / "rankcast"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m rankcast "$@"\n')
        program.chmod(0o755)
        environment = rankcast_environment()
        environment["PATH"] = f"{programs}:{environment['PATH']}"
        for name in ("keys", "relay-keys"):
            service = compose()["services"][name]
            (script,) = service["command"]
            subprocess.run(
                [*service["entrypoint"], self.in_folders(name, script)],
                env=environment, check=True, timeout=50,
            )  # fmt: skip

    def command(self, end: str) -> list[str]:
        words = []
        for word in image_command(end):
            option, equals, value = word.partition("=")
            value = self.in_folders(end, self._replaced.get(value, value))
            words.append(option + equals + value)
        return words

    def environment(self, end: str) -> dict[str, str]:
        (name,) = image_environment(end)
        return {name: self.health[end]}

    def start(self, end: str) -> AbstractContextManager[Rankcast]:
        return rankcast(*self.command(end), **self.environment(end))

    def is_healthy(self, end: str) -> bool:
        """Run the health check of the image."""
        program, *rest = health_check(end)
        assert program == "python"
        done = subprocess.run(
            [sys.executable, *rest],
            env=rankcast_environment(**self.environment(end)),
            stderr=subprocess.PIPE,
            timeout=20,
        )
        return done.returncode == 0


def _free() -> str:
    return free_address().removeprefix("tcp://")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    images = Images(tmp_path_factory.mktemp("images"))
    images.make_keys()
    return images


@pytest.mark.parametrize("end", ENDS)
def test_the_settings_of_an_image_are_right(images: Images, end: str) -> None:
    done = run(*images.command(end), "--check", **images.environment(end))
    assert (done.returncode, done.stderr) == (0, "")
    assert images.health[end] in done.stdout


@pytest.mark.slow
def test_the_images_stream_with_keys_and_are_healthy_beside_each_other(images: Images) -> None:
    with (
        images.start("sender") as sender,
        images.start("relay") as relay,
        images.start("receiver") as receiver,
        rankcast(
            "receive", "--connect", images.relayed,
            "--key", images.in_folders("receiver", "/etc/rankcast/keys/viewer1.key"),
            "--server-key", images.in_folders("relay", "/etc/rankcast/keys/site1.pub"),
        ) as viewer_of_the_relay,
    ):  # fmt: skip
        receiver.wait_line(VIEWER)
        viewer_of_the_relay.wait_line(VIEWER)
        for end in ENDS:
            answer = httpx.get(f"http://{images.health[end]}/healthz")
            assert answer.status_code == 200, answer.text
            assert images.is_healthy(end)
        assert httpx.get(f"http://{images.web}/").status_code == 200
        assert receiver.stop(signal.SIGTERM) == 0
        assert not images.is_healthy("receiver")
        assert relay.stop(signal.SIGTERM) == 0
        assert sender.stop(signal.SIGTERM) == 0


def test_the_keys_are_made_once(images: Images) -> None:
    place = "/etc/rankcast/keys/"
    names = [("sender", "line3.key"), ("relay", "site1.key"), ("receiver", "viewer1.key")]
    files = [Path(images.in_folders(end, place + name)) for end, name in names]
    before = [file.read_bytes() for file in files]
    images.make_keys()
    assert [file.read_bytes() for file in files] == before


def test_the_images_have_ports_of_their_own_in_the_network_of_the_host() -> None:
    addresses = [address for end in ENDS for address in image_environment(end).values()]
    assert len(set(addresses)) == len(ENDS)
