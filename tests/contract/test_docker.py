"""config/docker: what is copied exists, what is started is a command, and containers may little."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from rankcast_receiver.cli import receive
from rankcast_relay.cli import relay
from rankcast_sender.cli import send
from support.docker_files import (
    compose,
    health_check,
    image_command,
    image_environment,
    instructions,
    stages,
)

REPOSITORY = Path(__file__).resolve().parents[2]
COMMANDS: dict[str, click.Command] = {"sender": send, "relay": relay, "receiver": receive}
HEALTH = {"sender": "127.0.0.1:9464", "receiver": "127.0.0.1:9465", "relay": "127.0.0.1:9466"}
"""Different, because containers may share the network of the host."""

of_each_end = pytest.mark.parametrize("end", sorted(COMMANDS))


def options_of(end: str) -> set[str]:
    return {name for option in COMMANDS[end].params for name in option.opts + option.secondary_opts}


def given_options(end: str) -> list[str]:
    """Options that the image and the compose file start an end with."""
    words = image_command(end)
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
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    for folder in (package.partition("/")[0] for package in packages):
        assert f"{folder} {folder}" in copied, folder


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
    assert image_command(end)[0] == COMMANDS[end].name
    ((name, address),) = image_environment(end).items()
    assert name == f"RANKCAST_{image_command(end)[0].upper()}__METRICS__LISTEN"
    assert address == HEALTH[end]
    code = health_check(end)[-1]
    compile(code, "HEALTHCHECK", "exec")
    assert f"os.environ['{name}']" in code


@of_each_end
def test_the_options_of_the_containers_are_options_of_the_commands(end: str) -> None:
    assert set(given_options(end)) <= options_of(end)


@pytest.mark.parametrize("name", ["keys", "sender", "relay-keys", "relay", "receiver"])
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
    for end, maker in (("sender", "keys"), ("relay", "relay-keys"), ("receiver", "keys")):
        assert "--key" in given_options(end)
        assert services[end]["depends_on"][maker]["condition"] == "service_completed_successfully"
        # The end reads keys that only the services `keys` and `relay-keys` write.
        assert [volume for volume in services[end]["volumes"] if volume.endswith("keys:ro")]


def test_a_port_without_tls_is_open_to_this_machine_alone() -> None:
    receiver = compose()["services"]["receiver"]
    assert "--insecure" in receiver["command"]
    assert all(port.startswith("127.0.0.1:") for port in receiver["ports"])


def test_a_relay_starts_only_if_it_is_asked_for() -> None:
    services = compose()["services"]
    optional = {name for name, service in services.items() if service.get("profiles") == ["relay"]}
    assert optional == {"relay-keys", "relay"}
    assert not [name for name in services.keys() - optional
                if optional & services[name].get("depends_on", {}).keys()]  # fmt: skip


def test_every_volume_is_declared_and_used() -> None:
    loaded = compose()
    used = {
        volume.partition(":")[0]
        for service in loaded["services"].values()
        for volume in service["volumes"]
    }
    assert used == set(loaded["volumes"])
