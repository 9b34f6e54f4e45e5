"""Where settings come from: files in any encoding, variables with any content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rankcast.errors import SettingsError
from rankcast.settings import Table, parse_set, set_layers, validate
from rankcast.settings.layers import MAX_FILE_BYTES, environment_layer, file_layer

TEXT = '[belt]\nname = "ß"\n'


class Belt(Table):
    name: str = "belt"


class Plant(Table):
    belt: Belt = Belt()


def refusal_of(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        file_layer(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(TEXT, encoding=encoding)
    assert validate(Plant, [file_layer(path)]).belt.name == "ß"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("marked", [True, False])
def test_other_encodings_are_named(tmp_path: Path, encoding: str, marked: bool) -> None:
    path = tmp_path / "plant.toml"
    mark = "\ufeff" if marked and encoding[-2:] in ("le", "be") else ""
    text = TEXT if marked else TEXT.replace("ß", "s")
    data = (mark + text).encode(encoding)
    path.write_bytes(data)
    said = refusal_of(path)
    assert "UTF-8" in said
    assert "UTF-16" in said or "UTF-32" in said or "not UTF-8" in said


def test_a_byte_of_another_encoding_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_bytes(TEXT.encode("latin-1"))
    assert "line 2 has a byte that is not UTF-8 (0xdf)" in refusal_of(path)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000 + "]" * 5000, "a = " + "9" * 5000, ".".join("a" * 3000) + " = 1", "a ="],
    ids=["brackets", "digits", "dots", "nothing"],
)
def test_hostile_text_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        validate(Plant, [file_layer(path)])
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_settings_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    assert "at most" in refusal_of(path)
    assert "cannot be read" in refusal_of(tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices")
def test_an_endless_device_ends() -> None:
    assert "at most" in refusal_of(Path("/dev/zero"))


@pytest.mark.parametrize(
    "text",
    ["belt.name=" + "[" * 5000, "belt.name=" + "9" * 5000, "belt.name=\x00"],
    ids=["brackets", "digits", "nul"],
)
def test_a_value_that_is_no_toml_is_text(text: str) -> None:
    assert parse_set(text)[1] == text.partition("=")[2]
    assert validate(Plant, set_layers([text])).belt.name == text.partition("=")[2]


def test_a_key_of_many_parts_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"want table\.key=value"):
        parse_set(".".join("a" * 3000) + "=1")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PLANT__", "1", "want PLANT__TABLE__KEY"),
        ("PLANT____NAME", "1", "want PLANT__TABLE__KEY"),
        ("PLANT__BELT__", "1", "want PLANT__TABLE__KEY"),
        ("PLANT__" + "__".join("A" * 3000), "1", "want PLANT__TABLE__KEY"),
        ("PLANT__BELT__NAME", os.fsdecode(b"\xff"), "not valid text"),
        ("PLANT__BELT", "3", "want a table"),
        ("PLANT__BELT__SPEED", "3", "speed is unknown"),
    ],
)
def test_rubbish_in_a_variable_names_the_variable(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        validate(Plant, environment_layer("PLANT__", {name: value}))
    assert words in str(caught.value)
    assert name[:40] in str(caught.value)
    assert "\n" not in str(caught.value)
