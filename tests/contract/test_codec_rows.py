"""Codecs are added in one place: outside codec/ nothing asks which codec it deals with."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankcast.codec import CODECS, CODECS_BY_NAME

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = [
    path
    for root in ("common", "sender", "receiver", "relay")
    for path in sorted((REPOSITORY / root).rglob("*.py"))
    if "common/rankcast/codec/" not in path.as_posix()
]
NAMES = {*CODECS_BY_NAME, *(sweep.name for codec in CODECS.values() for sweep in codec.sweeps)}
OTHER_MEANINGS = {
    # A file format of saved pictures.
    ("receiver/rankcast_receiver/settings.py", "jpeg"),
    ("receiver/rankcast_receiver/sinks/save.py", "jpeg"),
    ("receiver/rankcast_receiver/web/pictures/snapshot.py", "jpeg"),
    # What a page gets of a camera that it does not decode.
    ("receiver/rankcast_receiver/web/live/page_messages.py", "jpeg"),
    # A key of the report: whether a picture is exact.
    ("common/rankcast/commands/info.py", "lossless"),
    ("common/rankcast/commands/compare/measurement.py", "lossless"),
    ("common/rankcast/commands/compare/clips/clip_report.py", "lossless"),
}


def _names(node: ast.AST) -> Iterator[str]:
    """Names of codecs among the constants of an expression, inside tuples and lists too."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and part.value in NAMES:
            yield part.value


def questions(source: str) -> set[str]:
    """Names of codecs that a module compares with, matches, or keeps a table by."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                if not isinstance(side, ast.Call):
                    found.update(_names(side))
        elif isinstance(node, ast.Dict):
            for key in node.keys:
                found.update(_names(key) if key is not None else ())
        elif isinstance(node, ast.MatchValue):
            found.update(_names(node.value))
        elif isinstance(node, ast.Subscript):
            found.update(_names(node.slice))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_key = node.func.attr in ("get", "startswith", "endswith")
            found.update(name for argument in node.args[:of_key] for name in _names(argument))
    return found


def test_no_module_outside_codec_asks_for_a_codec_by_name() -> None:
    asked = {
        (path.relative_to(REPOSITORY).as_posix(), name)
        for path in FILES
        for name in questions(path.read_text(encoding="utf-8"))
    }
    assert asked - OTHER_MEANINGS == set(), "give the row of the codec a field"


def test_every_exception_is_still_needed() -> None:
    for file, name in OTHER_MEANINGS:
        assert name in questions((REPOSITORY / file).read_text(encoding="utf-8")), file


@pytest.mark.parametrize(
    "source",
    [
        'if name == "gan": pass',
        'if "pca" != codec.name: pass',
        'if name in ("svd", "svd-patch"): pass',
        'DEFAULTS = {"kmeans": 3}',
        'value = DEFAULTS["kmeans"]',
        'value = DEFAULTS.get("pca-patches")',
        'match name:\n    case "jpeg":\n        pass',
        'kind = "gan" if names == {"gan"} else ""',
    ],
)
def test_the_search_finds_what_it_is_for(source: str) -> None:
    assert questions(source)


def test_the_search_leaves_a_choice_of_codec_alone() -> None:
    assert not questions('DEFAULT = "svd"\nencoder = Encoder("lossless")\nprint("gan")')


def test_names_and_numbers_of_the_rows_are_their_own() -> None:
    sweeps = [sweep.name for codec in CODECS.values() for sweep in codec.sweeps]
    assert len(set(sweeps)) == len(sweeps)
    assert len(CODECS_BY_NAME) == len(CODECS)
    assert {codec.wire_id: codec.name for codec in CODECS.values()} == dict(
        zip(CODECS, CODECS_BY_NAME, strict=True)
    )
    kinds = [kind for codec in CODECS.values() for kind in codec.model_facts]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize("name", list(CODECS_BY_NAME))
def test_the_options_in_a_row_are_options_of_the_codec(name: str) -> None:
    codec = CODECS_BY_NAME[name]
    given = [codec.sender_defaults, codec.still_defaults]
    for sweep in codec.sweeps:
        given += [sweep.options, *sweep.chroma.values(), {sweep.option: 0} if sweep.option else {}]
    for options in given:
        assert set(options) <= set(codec.options.model_fields)
    for options in given[:2]:
        codec.options(**options)
