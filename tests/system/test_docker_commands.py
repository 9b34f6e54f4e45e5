"""The commands of the images in config/docker, run for real with keys and ports of this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from rankcast.net import Role, authorize, new_key
from support.docker_files import health_check, image_command, image_environment
from support.fakes import free_address
from support.processes import rankcast, rankcast_environment, run

VIEWER = "line3: live"


class Images:
    """Commands and environments of both ends, with what a container has replaced.

    Both use the network of this machine, like containers with ``network_mode: host``.
    """

    def __init__(self, folder: Path) -> None:
        self.address = free_address()
        self.web = free_address().removeprefix("tcp://")
        self._replaced = {"tcp://*:5555": self.address, "tcp://sender:5555": self.address,
                          "0.0.0.0:8080": f"0.0.0.0:{self.web.partition(':')[2]}"}  # fmt: skip
        for end, name in (("sender", "line3"), ("receiver", "viewer1")):
            (folder / end).mkdir(mode=0o700)
            new_key(folder / end, name)
        authorize(
            folder / "receiver" / "viewer1.pub", folder / "sender" / "authorized", Role.VIEWER
        )
        public = (folder / "sender" / "line3.pub").read_bytes()
        (folder / "receiver" / "line3.pub").write_bytes(public)
        self._folder = folder
        self.health = {"sender": _free(), "receiver": _free()}

    def command(self, end: str) -> list[str]:
        words = []
        for word in image_command(end):
            option, equals, value = word.partition("=")
            value = self._replaced.get(value, value)
            value = value.replace("/etc/rankcast/keys", str(self._folder / end))
            words.append(option + equals + value)
        return words

    def environment(self, end: str) -> dict[str, str]:
        (name,) = image_environment(end)
        return {name: self.health[end]}

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


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(tmp_path)


@pytest.mark.parametrize("end", ["sender", "receiver"])
def test_the_settings_of_an_image_are_right(images: Images, end: str) -> None:
    done = run(*images.command(end), "--check", **images.environment(end))
    assert (done.returncode, done.stderr) == (0, "")
    assert images.health[end] in done.stdout


@pytest.mark.slow
def test_the_images_stream_with_keys_and_are_healthy_beside_each_other(images: Images) -> None:
    with (
        rankcast(*images.command("sender"), **images.environment("sender")) as sender,
        rankcast(*images.command("receiver"), **images.environment("receiver")) as receiver,
    ):
        receiver.wait_line(VIEWER)
        for end in ("sender", "receiver"):
            answer = httpx.get(f"http://{images.health[end]}/healthz")
            assert answer.status_code == 200, answer.text
            assert images.is_healthy(end)
        assert httpx.get(f"http://{images.web}/").status_code == 200
        assert receiver.stop(signal.SIGTERM) == 0
        assert not images.is_healthy("receiver")
        assert sender.stop(signal.SIGTERM) == 0


def test_the_images_have_ports_of_their_own_in_the_network_of_the_host() -> None:
    (sender,), (receiver,) = (image_environment(end).values() for end in ("sender", "receiver"))
    assert sender != receiver
