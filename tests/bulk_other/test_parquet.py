"""Parquet made of lines of JSON: nothing is lost, whatever the columns hold."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from welkin_async import ConfigurationError
from welkin_async.bulk.export import lines as export_lines
from welkin_async.bulk.export.parquet import check_parquet, to_parquet

pa: Any = pytest.importorskip("pyarrow")
parquet: Any = pytest.importorskip("pyarrow.parquet")


def turned(tmp_path: Path, rows: list[dict[str, Any]]) -> Any:
    lines, path = tmp_path / "lines", tmp_path / "file.parquet"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with path.open("wb") as file:
        to_parquet(lines, file, Event())
    return parquet.read_table(path)


def test_columns_take_the_type_of_what_they_hold(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "whole": 1, "real": 1, "flag": True, "gone": None, "list": [1, None], "deep": {"x": {"y": "z"}}},
        {"id": "b", "real": 0.5, "list": [], "deep": {"x": None, "more": 2}, "when": "2021-03-01T00:00:00.000Z"},
        {"id": "c", "whole": 2**62},
    ]
    table = turned(tmp_path, rows)
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "id": "string",
        "whole": "int64",
        "real": "double",
        "flag": "bool",
        "gone": "string",
        "list": "list<element: int64>",
        "deep": "struct<x: struct<y: string>, more: int64>",
        "when": "string",
    }
    assert table["whole"].to_pylist() == [1, None, 2**62]
    assert table["real"].to_pylist() == [1.0, 0.5, None]
    assert table["list"].to_pylist() == [[1, None], [], None]
    assert table["deep"].to_pylist()[1] == {"x": None, "more": 2}


def test_values_that_do_not_agree_are_kept_as_json(tmp_path: Path) -> None:
    deep: Any = "end"
    for _ in range(40):
        deep = {"in": deep}
    rows: list[dict[str, Any]] = [
        {"mixed": "1", "big": 2**70, "close": 2**60 + 1, "empty": {}, "deep": deep, "text": "\ud800"},
        {"mixed": 1, "big": 1, "close": 0.5, "empty": None, "wide": {str(number): 1 for number in range(2100)}},
        {"mixed": [{"a": 1}]},
    ]
    table = turned(tmp_path, rows)
    for name in ("mixed", "big", "close"):
        assert [json.loads(text) for text in table[name].to_pylist() if text] == [
            row[name] for row in rows if name in row
        ]
    assert table["empty"].to_pylist() == ["{}", None, None]
    assert len(json.loads(table["wide"].to_pylist()[1])) == 2100
    assert "end" in str(table["deep"].to_pylist()[0])
    assert table["text"].to_pylist()[0] == "\ufffd"


def test_batches_are_bounded_and_stop_when_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_lines, "_ROWS", 10)
    table = turned(tmp_path, [{"id": str(number)} for number in range(95)])
    assert table["id"].to_pylist() == [str(number) for number in range(95)]
    assert parquet.ParquetFile(tmp_path / "file.parquet").num_row_groups == 10
    stop = Event()
    stop.set()
    with (tmp_path / "other").open("wb") as file:
        to_parquet(tmp_path / "lines", file, stop)
    assert (tmp_path / "other").read_bytes() == b""


def test_nothing_at_all_is_a_file_too(tmp_path: Path) -> None:
    assert turned(tmp_path, []).num_rows == 0


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigurationError, match="parquet"):
        check_parquet()
