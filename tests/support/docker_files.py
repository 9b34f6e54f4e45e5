"""What the Dockerfiles and the compose file of config/docker say."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, Final

import yaml

DOCKER: Final = Path(__file__).resolve().parents[2] / "config" / "docker"


def instructions(end: str) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile with their arguments, continued lines joined."""
    text = (DOCKER / f"{end}.Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.split("\n"))]


def stages(end: str) -> list[list[tuple[str, str]]]:
    """The same by stage, without what precedes the first one."""
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions(end):
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def image_command(end: str) -> list[str]:
    """Entry point of an image and what the compose file adds, without the program."""
    entry = json.loads(dict(stages(end)[-1])["ENTRYPOINT"])
    assert entry[0] == "rankcast"
    return [*entry[1:], *compose()["services"][end]["command"]]


def image_environment(end: str) -> dict[str, str]:
    """Variables that an image sets for Rankcast."""
    settings = [rest for word, rest in stages(end)[-1] if word == "ENV"]
    pairs = (pair.partition("=") for rest in settings for pair in shlex.split(rest))
    return {name: value for name, _, value in pairs if name.startswith("RANKCAST_")}


def health_check(end: str) -> list[str]:
    """Command of the health check."""
    check = dict(stages(end)[-1])["HEALTHCHECK"].partition("CMD ")[2]
    command = json.loads(check)
    assert isinstance(command, list)
    return command
