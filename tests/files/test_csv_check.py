"""Rows read are rows written; and where quoting is malformed, no text of a cell becomes a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from welkin_async.files.errors import FileError
from welkin_async.files.readers.csv.quoting_check import LONGEST_CELL
from welkin_async.files.readers.input_file import check_input
from welkin_async.files.readers.lines import UNDECODABLE

from .reading import Row, good, read, rows_of, source_rows, written

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
QUOTED_TEXT = st.text(st.sampled_from("ab ,;\t\"\\\n\r'|"), max_size=12)
CELL = TEXT | QUOTED_TEXT | st.sampled_from(["", "1", "-0.5", '"', '""', ',"', '",', "\\", '\\"', "a\nb,c,d\ne"])
NAME = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=6).filter(str.strip)
NONNUMERIC, MINIMAL, ALL = csv.QUOTE_NONNUMERIC, csv.QUOTE_MINIMAL, csv.QUOTE_ALL


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    header = draw(
        st.lists(NAME.filter(lambda name: not name.startswith(("_", "sep"))), min_size=2, max_size=5, unique=True)
    )
    row = st.lists(CELL, min_size=len(header), max_size=len(header)).filter(lambda cells: any(map(str.strip, cells)))
    return header, draw(st.lists(row, max_size=8))


def text_of(header: Sequence[str], rows: Sequence[Sequence[str]], **options: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **options).writerows([header, *rows])
    return text.getvalue()


@settings(max_examples=300, deadline=None)
@given(
    table=tables(),
    dialect=st.sampled_from(["excel", "excel-tab", "unix"]),
    quoting=st.sampled_from([MINIMAL, ALL, NONNUMERIC]),
)
def test_rows_read_are_rows_written(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[str], list[list[str]]], dialect: str, quoting: int
) -> None:
    header, rows = table
    if dialect == "unix" and quoting != ALL:
        # Before Python 3.13 the writer leaves a carriage return bare where rows end in a line feed alone.
        rows = [[cell.replace("\r", "") or "x" for cell in row] for row in rows]
    delimiter = csv.get_dialect(dialect).delimiter
    path = written(tmp_path_factory.mktemp("csv") / "f.csv", text_of(header, rows, dialect=dialect, quoting=quoting))
    file = check_input(path, delimiter=delimiter)
    assert file.csv is not None
    assert not file.csv.refused
    reader = file.open()
    assert reader.columns == tuple(header)
    assert [row.values for row in source_rows(reader)] == rows
    assert [row for row in rows_of(file) if row[2] is not None] == []


def escaped(cell: str, how: str) -> str:
    """A cell as a faulty writer has it: quotes escaped by backslashes, or not at all."""
    if how == "backslash":
        cell = cell.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{cell}"'


INNER = st.sampled_from(["M-9,x,y", "text", "a,b,c", "Zelda,Quux,1980", "", "a,b"])
FIRST = st.sampled_from(['say "stop"', '5" tube', '"hi" there', "one, two", 'x "y", z', "plain", '"q"'])
FAULTY_CELL = st.tuples(FIRST, st.lists(INNER, max_size=4)).map(lambda lines: "\n".join([lines[0], *lines[1]]))
PLAIN_CELL = st.sampled_from(["a", "b c", "12", "plain text"])


@st.composite
def faulty_files(draw: st.DrawFn) -> tuple[str, dict[int, list[str]]]:
    """The text of a file of which the cells' inner lines hold no quotes, and its true rows by their first lines."""
    how = draw(st.sampled_from(["backslash", "none"]))
    text, rows = "mrn,name,notes\n", {}
    for _ in range(draw(st.integers(3, 12))):
        cells = [(draw(FAULTY_CELL), True) if draw(st.booleans()) else (draw(PLAIN_CELL), False) for _ in range(3)]
        rows[text.count("\n") + 1] = [cell for cell, _ in cells]
        text += ",".join(escaped(cell, how) if quoted else cell for cell, quoted in cells) + "\n"
    return text, rows


def invented(rows: list[Row], true: dict[int, list[str]]) -> list[Row]:
    """Rows that begin where no row was written."""
    return [row for row in rows if row[2] is None and row[0] not in true]


@settings(max_examples=500, deadline=None)
@given(file=faulty_files())
def test_a_faulty_writer_has_nothing_sent_or_no_row_invented(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[str, dict[int, list[str]]]
) -> None:
    text, true = file
    path = written(tmp_path_factory.mktemp("csv") / "f.csv", text)
    found = check_input(path, malformed="refuse")
    assert found.csv is not None
    if not found.csv.malformed:
        return  # it happens to be well-formed
    with pytest.raises(FileError, match="Nothing was sent"):
        check_input(path)
    rows = rows_of(found)
    assert invented(rows, true) == []
    refused = {row[0] for row in rows if row[2] is not None}
    lines = [number for number, line in enumerate(text.splitlines(), 1) if number > 1 and line]
    assert {row[0] for row in rows} | refused <= set(lines)  # what is not a row is counted and reported as a line
    assert any("refused" in warning for warning in found.warnings)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), table=tables(), quoting=st.sampled_from([MINIMAL, ALL]))
def test_one_quote_lost_or_added_sends_nothing_where_it_shows(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    table: tuple[list[str], list[list[str]]],
    quoting: int,
) -> None:
    text = text_of(*table, quoting=quoting)
    body = text.index("\n") + 1
    at = data.draw(st.integers(min(body, len(text)), len(text)))
    lost = text[at : at + 1] == '"'
    broken = text[:at] + text[at + 1 :] if lost else f'{text[:at]}"{text[at:]}'
    try:
        list(csv.reader(io.StringIO(broken, newline=""), strict=True))
    except csv.Error:
        path = written(tmp_path_factory.mktemp("csv") / "f.csv", broken)
        with pytest.raises(FileError, match="well-formed CSV"):
            check_input(path, delimiter=",")
        check_input(path, delimiter=",", malformed="refuse").open().close()


def test_one_stray_quote_in_a_long_file_refuses_one_line(tmp_path: Path) -> None:
    lines = [f'M-{n},n{n},"as, needed"\n' if n % 3 == 0 else f"M-{n},n,plain\n" for n in range(200_000)]
    lines[100_000] = 'M-100000,"n,plain\n'
    rows = read(tmp_path / "f.csv", "mrn,name,notes\n" + "".join(lines), malformed="refuse")
    assert [row[0] for row in rows if row[2] is not None] == [100_002]
    assert len(good(rows)) == 199_999


def test_the_first_twenty_malformed_lines_are_named(tmp_path: Path) -> None:
    text = "a,b\n" + '1,"x" y"\n2,"z"\n' * 30
    with pytest.raises(FileError) as caught:
        read(tmp_path / "f.csv", text)
    named = ", ".join(str(number) for number in range(2, 42, 2))
    assert f"the quotes of lines {named} and 10 more." in str(caught.value)
    assert "x" not in str(caught.value).replace("next", "").replace("exit", "").split("lines")[1].split(".")[0]


def test_a_cell_may_have_sixteen_mi_characters(tmp_path: Path) -> None:
    long = "a line of the note\n" * 10_000
    assert len(long) > 131_072
    rows = read(tmp_path / "f.csv", f'a,b\n1,"{long}"\n2,x\n')
    assert good(rows) == [["1", long], ["2", "x"]]
    longest = "x" * LONGEST_CELL
    assert good(read(tmp_path / "f.csv", f'a,b\n1,"{longest}"\n2,x\n')) == [["1", longest], ["2", "x"]]
    with pytest.raises(FileError, match="line 2"):
        read(tmp_path / "f.csv", f'a,b\n1,"{longest}y"\n2,x\n')


def test_the_limit_of_the_csv_module_is_raised_and_never_lowered(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    try:
        csv.field_size_limit(1)
        read(tmp_path / "f.csv", "a,b\nlong,longer\n")
        assert csv.field_size_limit() == LONGEST_CELL
        csv.field_size_limit(LONGEST_CELL + 1)
        read(tmp_path / "f.csv", "a,b\nlong,longer\n")
        assert csv.field_size_limit() == LONGEST_CELL + 1
    finally:
        csv.field_size_limit(before)


def test_lines_within_cells_that_look_like_rows_are_warned_of_once(tmp_path: Path) -> None:
    cell = '1,"x\nline,of,three\nmore\na,b,c",z\n'
    path = written(tmp_path / "f.csv", "a,b,c\n" + cell * 12)
    (warning,) = check_input(path).warnings
    assert "lines 3, 7, 11, 15, 19, 23, 27, 31, 35, 39 and 2 more" in warning
    assert "line,of" not in warning
    for text in ('a,b\n1,"x\ny,z"\n', 'a,b,c\n1,"x\ny,z",2\n', "a,b,c\n1,2,3\n"):
        assert check_input(written(path, text)).warnings == ()


def test_a_line_that_is_too_long_is_malformed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.files.readers.lines.LONGEST_LINE", 1000)
    text = 'a,b\n1,"q"\n2,' + "x" * 700_000 + '\n3,x\n4,"q"\n'
    with pytest.raises(FileError, match="line 3"):
        read(tmp_path / "f.csv", text)
    rows = read(tmp_path / "f.csv", text, malformed="refuse")
    assert [(line, problem is None) for line, _, problem in rows] == [(2, True), (3, False), (4, True), (5, True)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_numbers_hold_for_every_kind_of_line_end(tmp_path: Path, end: str) -> None:
    lines = ["a,b", "1,x", "", '2,"y', 'z"', "3,\x0b\x1c\u2028"] + [f"{n},{'x' * (n % 90)}" for n in range(4, 20_000)]
    rows = read(tmp_path / "f.csv", end.join(lines))
    assert [row[0] for row in rows] == [2, 4, *range(6, 20_003)]
    assert good(rows)[1:3] == [["2", f"y{end}z"], ["3", "\x0b\x1c\u2028"]]


def test_bytes_that_are_no_text_refuse_their_row(tmp_path: Path) -> None:
    rows = read(tmp_path / "f.csv", b"a,b\n1,caf\xe9\n2,x\n")
    assert [row[2] for row in rows] == [UNDECODABLE.reason, None]
