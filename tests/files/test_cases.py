"""Small files that people had trouble with, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from welkin_async.files.errors import FileError
from welkin_async.files.readers.file_format import FileFormat
from welkin_async.files.readers.input_file import check_input

from .reading import good, read, rows_of, written

BACKSLASHES = """mrn,medication_name,medication_notes
M-1,Tylenol,"patient said \\"stop\\"
M-2,Penicillin,from the old chart
end"
M-1,Advil,z
"""
PATIENTS = """firstName,lastName,mrn
Dana,Reyes,"M-1 \\"old\\" list:
Zelda,Quux,M-9
end"
Charlie,Taylor,M-2
"""
NEVER_CLOSED = """mrn,medication_name,medication_notes
M-1,A,"not closed
M-2,B,plain
M-2,D,x
"""
SWALLOWED = """mrn,medication_name,medication_notes
M-1,A,"not closed
M-2,B,plain
M-1,C,end with quote"
M-2,D,x
"""


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (BACKSLASHES, [["M-1", "Advil", "z"]]),
        (PATIENTS, [["Charlie", "Taylor", "M-2"]]),
        (NEVER_CLOSED, []),
    ],
)
def test_text_within_a_quoted_cell_never_becomes_a_row(tmp_path: Path, text: str, rows: list[list[str]]) -> None:
    with pytest.raises(FileError, match=r"the quotes of line 2\. Nothing was sent"):
        read(tmp_path / "f.csv", text)
    found = read(tmp_path / "f.csv", text, malformed="refuse")
    assert good(found) == rows
    assert [line for line, _, problem in found if problem] == [2, 3, 4]


def test_rows_swallowed_by_a_cell_are_warned_of(tmp_path: Path) -> None:
    file = check_input(written(tmp_path / "f.csv", SWALLOWED))
    assert good(rows_of(file)) == [
        ["M-1", "A", "not closed\nM-2,B,plain\nM-1,C,end with quote"],
        ["M-2", "D", "x"],
    ]
    (warning,) = file.warnings
    assert "looks like a row of its own: line 3" in warning


def test_a_separator_line_of_excel_is_known(tmp_path: Path) -> None:
    text = "sep=;\r\nmrn;medication_name;medication_refills\r\nM-1;Tylenol;1\r\n"
    assert read(tmp_path / "f.csv", text) == [(3, ["M-1", "Tylenol", "1"], None)]
    for more in ('"sep=|"\na|b\n1|x,y\n', "sep=|\na|b\n1|x,y\n", "\ufeffsep=|\na|b\n1|x,y\n"):
        assert read(tmp_path / "f.csv", more) == [(3, ["1", "x,y"], None)]
    assert read(tmp_path / "f.csv", "sep=,b\n1,x\n") == [(2, ["1", "x"], None)]  # a header
    assert read(tmp_path / "f.csv", text.replace(";", "|").replace("sep=|", "sep=;"), delimiter="|")[0][0] == 3


def test_columns_without_a_name_that_are_empty_are_left_out(tmp_path: Path) -> None:
    file = check_input(written(tmp_path / "f.csv", "mrn,medication_name,,\r\nM-1,Tylenol,,\r\n"))
    reader = file.open()
    assert reader.columns == ("mrn", "medication_name")
    reader.close()
    assert rows_of(file) == [(2, ["M-1", "Tylenol"], None)]
    file = check_input(written(tmp_path / "f.csv", ",mrn, ,name,\n,M-1,,A,\n,M-2,x,B,\n,M-3\n"))
    reader = file.open()
    assert reader.columns == ("mrn", " ", "name")
    reader.close()
    assert [values for _, values, _ in rows_of(file)] == [["M-1", "", "A"], ["M-2", "x", "B"], ["M-3"]]


def test_rows_without_content_are_counted_and_empty_cells_behind_the_last_column_left_out(tmp_path: Path) -> None:
    ghost = "mrn,medication_name\r\nM-1,Tylenol\r\n" + ",\r\n" * 200
    file = check_input(written(tmp_path / "f.csv", ghost))
    reader = file.open()
    assert [row.values for row in reader.read(500)] == [["M-1", "Tylenol"]]
    assert reader.read(500) == []
    assert (file.rows, reader.blank) == (1, 200)
    reader.close()
    rows = read(tmp_path / "f.csv", "mrn,medication_name\r\nM-1,Tylenol,\r\nM-2,Advil,,,\r\n ,\t\r\nM-3,A,,x\r\n")
    assert good(rows) == [["M-1", "Tylenol"], ["M-2", "Advil"]]
    assert rows[2][2] == "more than 2 cells: 4"


def test_a_file_that_begins_with_a_bracket_is_an_array(tmp_path: Path) -> None:
    text = '[\n{"mrn":"M-1","medication_name":"A"},\n{"mrn":"M-2","medication_name":"B"}\n]\n'
    for name in ("f.ndjson", "f.jsonl", "f.json"):
        file = check_input(written(tmp_path / name, text))
        assert file.format is FileFormat.JSON
        assert [values["medication_name"] for values in good(rows_of(file))] == ["A", "B"]


def test_several_objects_on_a_line_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="several JSON values stand on one line"):
        read(tmp_path / "f.ndjson", '{"mrn":"M-1"}{"mrn":"M-2"}\n')
    with pytest.raises(FileError, match="several JSON values stand on one line"):
        read(tmp_path / "f.ndjson", '{"mrn":"M-1"}, {"mrn":"M-2"}\n')


class TestParquet:
    @pytest.fixture
    def arrow(self) -> Any:
        return pytest.importorskip("pyarrow")

    @pytest.fixture
    def stored(self, arrow: Any, tmp_path: Path) -> Any:
        def write(column: Any, name: str = "x") -> Path:
            import pyarrow.parquet as parquet  # type: ignore[import-untyped]

            names = arrow.array(["A", "B"])
            parquet.write_table(
                arrow.table({"mrn": ["M-1", "M-2"], "name": names, name: column}), tmp_path / "f.parquet"
            )
            return tmp_path / "f.parquet"

        return write

    def test_of_a_column_that_is_not_selected_nothing_is_read(self, arrow: Any, stored: Any) -> None:
        moment = 1_700_000_000_123_456_789
        for column in (
            arrow.array([moment, moment], arrow.timestamp("ns")),
            arrow.array([1, 2], arrow.duration("ns")),
            arrow.array([{"a": b"1"}, {"a": b"2"}]),
            arrow.array([float("nan"), 1.0]),
        ):
            file = check_input(stored(column))
            assert rows_of(file, "mrn", "name", "absent") == [
                (1, {"mrn": "M-1", "name": "A"}, None),
                (2, {"mrn": "M-2", "name": "B"}, None),
            ]
            first = rows_of(file)[0]
            assert "column x: holds " in (first[2] or "")
            assert str(moment) not in (first[2] or "")

    def test_a_value_that_cannot_be_held_refuses_its_row_alone(self, arrow: Any, stored: Any) -> None:
        moment = 1_700_000_000_123_456_789
        text = arrow.Array.from_buffers(
            arrow.string(), 2, [None, arrow.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), arrow.py_buffer(b"\xe9B")]
        )
        far = 410_240_000_000_000_000
        for column in (
            arrow.array([moment, 1_700_000_000_123_456_000], arrow.timestamp("ns", "UTC")),
            arrow.array([far, 1_700_000_001_000_000], arrow.timestamp("us", "UTC")),
            arrow.array([far // 1000, 1_700_000_001_000], arrow.timestamp("ms")),
            text,
        ):
            rows = rows_of(check_input(stored(column)))
            assert [problem is None for _, _, problem in rows] == [False, True]
            assert (rows[0][2] or "").startswith("column x: holds a value that cannot be read")

    def test_whole_microseconds_and_identifiers(self, arrow: Any, stored: Any) -> None:
        rows = rows_of(check_input(stored(arrow.array([1_700_000_000_123_456_000] * 2, arrow.timestamp("ns")))))
        assert str(good(rows)[0]["x"]) == "2023-11-14 22:13:20.123456"
        guid = bytes.fromhex("8c86a6c1d2724932839d5d2496afa8bc")
        column = arrow.ExtensionArray.from_storage(arrow.uuid(), arrow.array([guid] * 2, arrow.binary(16)))
        rows = rows_of(check_input(stored(column)))
        assert good(rows)[0]["x"] == "8c86a6c1-d272-4932-839d-5d2496afa8bc"
