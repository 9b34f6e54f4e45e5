"""Promises of the documents: links lead somewhere, and what the code has is named there."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from rankcast import errors
from rankcast.frame import Frame
from rankcast.net import DEFAULT_ENDPOINT, control_endpoint
from rankcast.runtime import ledger
from rankcast_receiver.report import Outcome, Tally, build_report
from rankcast_receiver.settings import ReceiverSettings
from rankcast_receiver.sinks import SinkRunner
from rankcast_receiver.sinks.count import CountSink
from rankcast_receiver.sinks.description import describe
from rankcast_receiver.sinks.display.keys import KEYS
from rankcast_relay.settings import RelaySettings
from rankcast_sender.grabber import CameraOptions
from rankcast_sender.settings import SenderSettings
from rankcast_sender.sources.replay import ReplayOptions
from rankcast_sender.sources.synthetic import ConveyorOptions
from rankcast_sender.sources.uri import SourceOptions
from support.fakes import free_address, picture
from support.processes import read_report, run

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md")
    for path in REPOSITORY.glob(pattern)
)
MANUAL = {
    name: (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
    for name in ("getting-started.md", "operations.md")
}
USER_PAGES = ("README.md", "CHANGELOG.md", *(f"docs/{name}" for name in MANUAL))
DEPENDENCIES = (REPOSITORY / "docs" / "adr" / "0002-dependencies.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
_PATH = re.compile(
    r"(?:common|sender|receiver|tests|config|docs|scripts|benchmarks)/[\w/.-]*\.(?:py|md|toml|sh)"
)
_ROW = re.compile(r"^\| (.+?) \|", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


def section(title: str) -> str:
    """Text under a heading of the manual, up to the next one of its level or above."""
    pages = [page for page in MANUAL.values() if f"\n{title}\n" in page]
    assert len(pages) == 1, f"{len(pages)} pages have the heading {title}"
    level = len(title) - len(title.lstrip("#"))
    start = pages[0].index(f"\n{title}\n") + len(title) + 2
    end = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(pages[0], start)
    return pages[0][start : end.start() if end else None]


def first_cells(text: str) -> list[str]:
    """The first cell of every row of the tables in `text` that names something in code type."""
    return [row for row in _ROW.findall(text) if row.startswith("`")]


def names(text: str) -> set[str]:
    """Everything in code type in the first cells of the tables in `text`."""
    return {name for cell in first_cells(text) for name in _CODE.findall(cell)}


def anchors(path: Path) -> set[str]:
    """Anchors of the headings of a document, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix()
)
def test_every_link_leads_to_a_file_and_heading_that_exist(path: Path) -> None:
    for target, anchor in _LINK.findall(path.read_text(encoding="utf-8")):
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(file), f"{target} has no heading {anchor}"


@pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix()
)
def test_every_file_that_is_named_exists(path: Path) -> None:
    for name in _PATH.findall(path.read_text(encoding="utf-8")):
        # A file that a reader is told to write has NAME for its name.
        if "NAME" not in name:
            assert (REPOSITORY / name).exists(), f"{name} does not exist"


@pytest.mark.parametrize("name", USER_PAGES)
def test_prose_and_code_of_a_users_page_fit_100_columns(name: str) -> None:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    # A row of a table cannot be broken, and the headline figures are generated.
    lines = re.sub(r"<!-- figures -->.*<!-- /figures -->", "", text, flags=re.DOTALL).splitlines()
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []


def test_the_documents_that_the_others_rest_on_were_found() -> None:
    found = {path.relative_to(REPOSITORY).as_posix() for path in DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md"} <= found
    assert {f"docs/{name}" for name in MANUAL} <= found


def test_every_record_of_a_decision_has_context_decision_and_consequences() -> None:
    records = sorted((REPOSITORY / "docs" / "adr").glob("*.md"))
    assert len(records) >= 7
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert re.match(rf"# {int(path.name[:4])}\. \S", text), f"{path.name}: number and title"
        for heading in ("Context", "Decision", "Consequences"):
            assert f"\n## {heading}\n" in text, f"{path.name}: {heading}"


def test_every_cause_of_loss_is_explained() -> None:
    causes = {
        value for name, value in vars(ledger).items() if name.isupper() and isinstance(value, str)
    }
    assert "mailbox" in causes
    assert names(section("## Lost frames")) == causes


def test_the_table_of_keys_is_that_of_the_window() -> None:
    rows = re.findall(r"(?m)^\| `([^`]+)` \| (.+) \|$", section("### The window"))
    assert rows == [(row.label, row.text) for row in KEYS]


def fields(report: Mapping[str, Any]) -> Iterator[str]:
    """Names of a report that do not depend on what happened."""
    for name, value in report.items():
        yield name
        # Below `lost` stand causes and below `sinks` the names of sinks.
        if isinstance(value, dict) and name not in ("lost", "sinks"):
            yield from fields(value)


def test_every_field_of_the_receivers_report_is_explained() -> None:
    runners = [SinkRunner("count", CountSink, live=True)]
    report = build_report(runners, Tally(), Outcome(), 0.0)
    text = section("### Report of receive")
    assert names(text) == set(report)
    explained = set(_CODE.findall(text))
    assert set(fields(report)) | set(report["sinks"]["count"]) <= explained


def test_every_field_of_the_senders_report_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "sent.json"
    done = run(
        "send", "--source", "synthetic:conveyor?width=64&height=48", "--codec", "raw",
        "--frames", "1", "--bind", free_address(), "--report", str(path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert names(section("### Report of send")) == set(read_report(path))


def environment_names(path: Path) -> Iterator[str]:
    """Names of environment variables that a module reads or sets, as text or by a constant."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        name: ast.expr | None = None
        if isinstance(node, ast.Subscript) and _is_environment(node.value):
            name = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if _is_environment(node.func.value) and node.args:
                name = node.args[0]
        elif isinstance(node, ast.Compare) and any(map(_is_environment, node.comparators)):
            name = node.left
        if isinstance(name, ast.Constant):
            yield str(name.value)
        elif isinstance(name, ast.Name):
            yield from _texts_of(name.id, tree)


def _texts_of(name: str, tree: ast.Module) -> Iterator[str]:
    """Texts that `name` is assigned, that a loop runs it through, or that calls pass for it."""
    for node in ast.walk(tree):
        values: list[ast.expr] = []
        if isinstance(node, ast.FunctionDef) and any(arg.arg == name for arg in node.args.args):
            place = [arg.arg for arg in node.args.args].index(name)
            values = [
                call.args[place]
                for call in ast.walk(tree)
                if isinstance(call, ast.Call)
                and _is_name(call.func, node.name)
                and len(call.args) > place
            ]
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            values = [node.value] if any(_is_name(target, name) for target in targets) else []
        elif isinstance(node, ast.For) and _is_name(node.target, name):
            values = list(node.iter.elts) if isinstance(node.iter, ast.Tuple | ast.List) else []
        for value in values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_environment(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def test_every_environment_variable_is_explained() -> None:
    modules = [
        *(
            path
            for room in ("common", "sender", "receiver", "relay")
            for path in REPOSITORY.glob(f"{room}/**/*.py")
        ),
        REPOSITORY / "tests" / "conftest.py",
        REPOSITORY / "scripts" / "build_core.py",
        REPOSITORY / "hatch_build.py",
    ]
    read = {name for path in modules for name in environment_names(path)}
    assert {"RANKCAST_LEVEL", "RANKCAST_LOG_LEVEL", "RANKCAST_TEST_DATA"} <= read
    read |= {f"RANKCAST_{name}__TABLE__KEY" for name in ("SEND", "RECEIVE", "RELAY")}
    assert names(section("### Environment variables")) == read


@pytest.mark.parametrize(
    ("command", "model"),
    [("send", SenderSettings), ("receive", ReceiverSettings), ("relay", RelaySettings)],
)
def test_the_setting_beside_an_option_exists(command: str, model: type[BaseModel]) -> None:
    tables = model().model_dump()
    rows = re.findall(r"^\| `--[^|]*\| `(\w+)\.(\w+)` \|", section(f"### rankcast {command}"), re.M)
    assert len(rows) >= 10
    for table, key in rows:
        assert key in tables[table], f"{table}.{key} is no setting"


def test_every_key_of_the_tag_in_saved_files_is_explained() -> None:
    tag = json.loads(describe(Frame(picture(), camera="cam"), lossy_file=False))
    formats = {"png", "jpeg", "tiff"}
    assert names(section("### Saved pictures")) - formats == set(tag)


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    codes = {error.exit_code for error in vars(errors).values() if isinstance(error, type)}
    rows = re.findall(r"^\| (\d+) \|", section("## Exit codes"), re.MULTILINE)
    assert {int(row) for row in rows} == codes | {0}


@cache
def texts_of_the_product() -> tuple[str, ...]:
    """Every string of the product's code; an ellipsis stands for what is filled in."""
    return tuple(_texts_of_the_product())


def _texts_of_the_product() -> Iterator[str]:
    for room in ("common", "sender", "receiver", "relay"):
        for path in REPOSITORY.glob(f"{room}/**/*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, ast.JoinedStr):
                    yield "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "..."
                        for part in node.values
                    )


@pytest.mark.parametrize(
    "title", ["## Keys", "## Watch health", "## States of a camera", "## Troubleshooting"]
)
def test_a_message_that_an_operator_may_look_up_is_written_as_the_program_writes_it(
    title: str,
) -> None:
    quoted = {
        text
        for text in _CODE.findall(re.sub(r"```.*?```", "", section(title), flags=re.DOTALL))
        # Not commands, settings and file formats.
        if " " in text and not re.match(r"rankcast |keys |pip |--|\{", text) and " = " not in text
    }
    # States are words with underscores, and shown without.
    product = [text.replace("_", " ") for text in texts_of_the_product()]
    for text in sorted(quoted):
        for part in text.split("..."):
            assert any(part.strip().replace("_", " ") in known for known in product), (
                f"nothing says {text!r}"
            )


def test_the_tables_of_ports_name_the_defaults() -> None:
    frames = int(DEFAULT_ENDPOINT.rpartition(":")[2])
    control = int(control_endpoint(DEFAULT_ENDPOINT).rpartition(":")[2])
    for port in (frames, control):
        assert f"| {port} |" in section("## Ports")
        assert f"| {port}/tcp |" in section("## Ports and firewalls")


def test_every_socket_option_has_a_reason() -> None:
    text = (REPOSITORY / "docs" / "adr" / "0003-transport.md").read_text(encoding="utf-8")
    modules = (
        "common/rankcast/net/transport.py",
        "common/rankcast/net/control_client.py",
        "sender/rankcast_sender/sockets/frames_socket.py",
        "sender/rankcast_sender/sockets/xpub.py",
        "sender/rankcast_sender/control/control_thread.py",
    )  # fmt: skip
    options = {
        option
        for module in modules
        for option in re.findall(
            r"setsockopt\(zmq\.(\w+)", (REPOSITORY / module).read_text(encoding="utf-8")
        )
    }
    assert {"LINGER", "XPUB_NODROP"} <= options
    for option in options:
        assert re.search(rf"^\|[^|]*\b{option}\b", text, re.MULTILINE), option


COMMANDS = {entry.name: entry for entry in entry_points(group="rankcast.commands")}


def commands() -> dict[str, click.Command]:
    """Every command by its name; of a group each one, where each has a section of its own."""
    found = {name: entry.load() for name, entry in COMMANDS.items()}
    for name, command in list(found.items()):
        if isinstance(command, click.Group) and any(
            f"\n### rankcast {name} " in page for page in MANUAL.values()
        ):
            del found[name]
            found |= {f"{name} {sub}": below for sub, below in command.commands.items()}
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_options_of_a_command_are_those_of_the_document(name: str) -> None:
    command = commands()[name]
    assert isinstance(command, click.Command)
    parts = command.commands.values() if isinstance(command, click.Group) else [command]
    has = {
        "/".join((*option.opts, *option.secondary_opts))
        for part in parts
        for option in part.params
        if isinstance(option, click.Option)
    }
    told = {cell.strip("`").split()[0] for cell in first_cells(section(f"### rankcast {name}"))}
    assert told == has


def requirements() -> list[str]:
    """Every distribution that pyproject.toml asks for, by name."""
    groups = [PYPROJECT["dependencies"], *PYPROJECT["optional-dependencies"].values()]
    found = [re.match(r"[\w.-]+", line) for group in groups for line in group]
    return sorted({match[0] for match in found if match} - {"rankcast"})


@pytest.mark.parametrize("name", requirements())
def test_every_dependency_has_a_reason(name: str) -> None:
    rows = re.findall(rf"^\| {re.escape(name)} \| (.+) \| (.+) \|$", DEPENDENCIES, re.MULTILINE)
    assert len(rows) == 1, f"{name} has {len(rows)} lines in ADR 0002"


def test_no_reason_is_left_of_a_dependency_that_is_gone() -> None:
    told = set(_ROW.findall(DEPENDENCIES)) - {"package"}
    assert {name for name in told if not name.startswith("-")} == set(requirements())


@pytest.mark.parametrize(
    ("scheme", "options"),
    [("camera", CameraOptions), ("replay", ReplayOptions), ("synthetic", ConveyorOptions)],
)
def test_the_options_of_a_source_are_those_of_the_document(
    scheme: str, options: type[SourceOptions]
) -> None:
    assert names(section(f"### {scheme}")) == set(options.model_fields)
