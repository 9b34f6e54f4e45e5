"""Habits that no linter checks: constants are Final, Markdown is wrapped."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = (
    "common/rankcast", "sender/rankcast_sender", "receiver/rankcast_receiver",
    "relay/rankcast_relay", "benchmarks",
)  # fmt: skip
PACKAGES = {f"{room}/__init__.py" for room in ROOMS}
"""They import nothing that `python -m` could find in the current folder, `typing` included."""
MODULES = sorted(
    path
    for room in ROOMS
    for path in (REPOSITORY / room).rglob("*.py")
    if path.relative_to(REPOSITORY).as_posix() not in PACKAGES
)
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "tests/**/*.md")
    for path in REPOSITORY.glob(pattern)
)
MAX_COLUMNS = 100

_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+")
_LINK_ALONE = re.compile(r"[\s>*-]*!?\[[^\]]*\]\([^)]*\)[.,;:]?")


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def constants_without_final(tree: ast.Module) -> Iterator[str]:
    """Yield module constants whose annotation is not Final."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, annotation = node.targets, None
        elif isinstance(node, ast.AnnAssign):
            targets, annotation = [node.target], ast.unparse(node.annotation)
        else:
            continue
        names = [name.id for target in targets for name in ast.walk(target)
                 if isinstance(name, ast.Name)]  # fmt: skip
        if annotation is None or not re.match(r"Final\b", annotation):
            yield from (name for name in names if _CONSTANT.fullmatch(name))


def long_lines(text: str) -> Iterator[int]:
    """Yield the numbers of lines that are too long, tables, code and lone links apart."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif len(line) > MAX_COLUMNS and not (
            fenced or line.startswith(("|", "    ")) or _LINK_ALONE.fullmatch(line)
        ):
            yield number


def test_module_constants_are_final() -> None:
    found = [
        f"{name_of(path)}: {name}"
        for path in MODULES
        for name in constants_without_final(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == [], "write NAME: Final = ..."


def test_markdown_is_wrapped() -> None:
    found = [
        f"{name_of(path)}:{number}"
        for path in PAGES
        for number in long_lines(path.read_text(encoding="utf-8"))
    ]
    assert found == [], f"over {MAX_COLUMNS} columns"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("LIMIT = 3", ["LIMIT"]),
        ("LIMIT: int = 3", ["LIMIT"]),
        ("LIMIT: Final = 3", []),
        ("_LIMIT: Final[int] = 3", []),
        ("WIDTH, HEIGHT = 3, 4", ["WIDTH", "HEIGHT"]),
        ("log = 3\nAlias = int\nT = 3", []),
    ],
)
def test_a_constant_without_final_is_found(source: str, names: list[str]) -> None:
    assert list(constants_without_final(ast.parse(source))) == names


def test_a_long_line_is_found_unless_it_cannot_be_wrapped() -> None:
    long = "word " * 30
    link = f"[text]({'x' * 120})"
    assert list(long_lines(f"# x\n\n{long}\n")) == [3]
    assert list(long_lines(f"| {long} |\n    {long}\n- {link}\n```\n{long}\n```\n")) == []
    assert list(long_lines(f"```\nx\n```\n{long}")) == [4]


def test_the_modules_and_pages_were_found() -> None:
    assert len(MODULES) > 100
    assert {"README.md", "docs/operations.md", "docs/benchmarks.md"} <= set(map(name_of, PAGES))
