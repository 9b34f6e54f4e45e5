"""config/docker: what is copied exists, what is started is a command, and containers may little."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from rankcast_receiver.cli import receive
from rankcast_sender.cli import send

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKER = REPOSITORY / "config" / "docker"
COMMANDS: dict[str, click.Command] = {"sender": send, "receiver": receive}
HEALTH = "127.0.0.1:9464"

of_each_end = pytest.mark.parametrize("end", sorted(COMMANDS))


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


def options_of(end: str) -> set[str]:
    return {name for option in COMMANDS[end].params for name in option.opts + option.secondary_opts}


def given_options(end: str) -> list[str]:
    """Options that the image and the compose file start an end with."""
    entry = json.loads(dict(stages(end)[-1])["ENTRYPOINT"])
    words = [*entry[2:], *compose()["services"][end]["command"]]
    return [word.partition("=")[0] for word in words if word.startswith("--")]


@of_each_end
def test_every_file_that_is_copied_exists(end: str) -> None:
    copied = [
        name
        for word, rest in instructions(end)
        if word == "COPY" and not rest.startswith("--from")
        for name in shlex.split(rest)[:-1]
    ]
    assert "pyproject.toml" in copied
    for name in copied:
        assert (REPOSITORY / name).exists(), name


@of_each_end
def test_what_the_build_of_the_wheel_reads_is_copied(end: str) -> None:
    copied = " ".join(rest for word, rest in stages(end)[0] if word == "COPY")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "config/systemd"):
        assert name in copied, name


@of_each_end
def test_the_last_stage_has_no_compiler_and_an_unprivileged_user(end: str) -> None:
    build, last = stages(end)
    assert [rest for word, rest in last if word == "COPY"] == [
        "--from=build /opt/rankcast /opt/rankcast"
    ]
    assert "opencv_fallback.py" in str(build)
    assert not re.search(r"apt-get|\bpip\b|ziglang|gcc", str(last))
    after_user = [word for word, _ in last[[word for word, _ in last].index("USER") :]]
    assert dict(last)["USER"] == "10001:10001"
    assert "RUN" not in after_user


@of_each_end
def test_the_health_check_asks_where_the_command_answers(end: str) -> None:
    last = dict(stages(end)[-1])
    entry = json.loads(last["ENTRYPOINT"])
    assert entry[:2] == ["rankcast", COMMANDS[end].name]
    assert entry[entry.index("--metrics") + 1] == HEALTH
    check = last["HEALTHCHECK"].partition("CMD ")[2]
    code = json.loads(check)[-1]
    compile(code, "HEALTHCHECK", "exec")
    assert f"http://{HEALTH}/healthz" in code


@of_each_end
def test_the_options_of_the_containers_are_options_of_the_commands(end: str) -> None:
    later = {"--metrics", "--web"} - options_of(end)
    if end == "sender":
        later.discard("--web")
    if later:
        pytest.skip(f"this build has no {' and '.join(sorted(later))} yet")
    assert set(given_options(end)) <= options_of(end)


@pytest.mark.parametrize("name", ["keys", "sender", "receiver"])
def test_containers_may_no_more_than_they_need(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert "privileged" not in service
    assert service.get("network_mode") != "host"


def test_a_sender_has_shared_memory_for_its_cameras() -> None:
    assert compose()["services"]["sender"]["shm_size"] == "256m"


def test_all_traffic_between_the_containers_is_encrypted() -> None:
    services = compose()["services"]
    for end in ("sender", "receiver"):
        assert "--key" in given_options(end)
        assert services[end]["depends_on"]["keys"]["condition"] == "service_completed_successfully"
        # The end reads keys that only the service `keys` writes.
        assert [volume for volume in services[end]["volumes"] if volume.endswith("keys:ro")]


def test_a_port_without_tls_is_open_to_this_machine_alone() -> None:
    receiver = compose()["services"]["receiver"]
    assert "--insecure" in receiver["command"]
    assert all(port.startswith("127.0.0.1:") for port in receiver["ports"])


def test_every_volume_is_declared_and_used() -> None:
    loaded = compose()
    used = {
        volume.partition(":")[0]
        for service in loaded["services"].values()
        for volume in service["volumes"]
    }
    assert used == set(loaded["volumes"])
