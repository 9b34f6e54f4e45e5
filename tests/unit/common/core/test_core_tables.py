"""The tables of the core are those of their formulas."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[4]


def make_core_tables() -> ModuleType:
    path = REPOSITORY / "scripts" / "make_core_tables.py"
    spec = importlib.util.spec_from_file_location("make_core_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLES = make_core_tables()


@pytest.mark.parametrize("name", TABLES.TABLES)
def test_a_table_is_what_its_formula_gives(name: str) -> None:
    assert (TABLES.SOURCES / name).read_text() == TABLES.TABLES[name]()
