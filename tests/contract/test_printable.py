"""Text is escaped in one place: the log formatter for logs, the runner for errors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def escapes(source: str) -> list[int]:
    """Lines of log calls and of errors in which `printable` is called."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and (_is_log_call(node.func) or _is_error(node.func))
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Name)
        and inner.func.id == "printable"
    ]


def _is_log_call(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in LEVELS
        and isinstance(function.value, ast.Name)
        and function.value.id in ("log", "logger", "logging")
    )


def _is_error(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id.endswith(("Error", "Exception"))


@pytest.mark.parametrize("package", ["common", "sender", "receiver", "relay"])
def test_no_log_call_and_no_error_escapes_text_by_itself(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in escapes(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("log.info('%s', printable(name))", [1]),
        ("log.log(level, '%s', printable(name))", [1]),
        ("raise SettingsError(f'{printable(name)}: is wrong')", [1]),
        ("\nraise RankcastError('a' + printable(b)) from None", [2]),
        ("click.echo(printable(name))", []),
        ("log.info('%s', name)", []),
    ],
)
def test_the_rule_finds_what_it_forbids(source: str, lines: list[int]) -> None:
    assert escapes(source) == lines
