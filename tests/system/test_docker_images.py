"""The images of config/docker are built and stream, where a Docker daemon runs."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from support.processes import REPOSITORY

FOLDER = REPOSITORY / "config" / "docker"
BUILD_S = 1200


def why_not() -> str:
    """Why images cannot be built here; empty if they can."""
    if shutil.which("docker") is None:
        return "no docker on this machine"
    probe = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if probe.returncode:
        reason = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"no Docker daemon answers: {reason}"
    probe = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return "docker has no compose here: install docker-compose-plugin" if probe.returncode else ""


def compose(*arguments: str) -> str:
    done = subprocess.run(
        ["docker", "compose", "--project-name", "rankcast-test", "-f",
         str(FOLDER / "compose.yaml"), "--profile", "relay", *arguments],
        capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(2 * BUILD_S)
def test_the_containers_of_the_compose_file_become_healthy() -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    try:
        # Fails unless all health checks succeed.
        compose(
            "up", "--build", "--detach", "--wait", "--wait-timeout", "120",
            "sender", "relay", "receiver",
        )  # fmt: skip
        assert "line3: live" in compose("logs", "relay")
        assert "line3: live" in compose("logs", "receiver")
    finally:
        compose("down", "--volumes")
