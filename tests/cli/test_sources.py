from __future__ import annotations

from pathlib import Path

import pytest

from welkin_async.files.errors import FileError
from welkin_async.files.readers.file_reader import FileReader
from welkin_async.files.readers.input_file import check_input


def rows_of(source: FileReader, most: int = 3) -> list[tuple[int, object, str | None]]:
    rows: list[tuple[int, object, str | None]] = []
    try:
        while batch := source.read(most):
            assert len(batch) <= most
            rows += [(row.line, row.values, row.problem and row.problem.reason) for row in batch]
    finally:
        source.close()
    return rows


def read(path: Path, content: bytes, **options: object) -> list[tuple[int, object, str | None]]:
    path.write_bytes(content)
    return rows_of(check_input(path, **options).open())  # type: ignore[arg-type]


def test_csv_rows_know_their_line(folder: Path) -> None:
    content = b'\xef\xbb\xbfa,b\r\n1,"x\r\ny"\r\n\r\n2,\xc3\xa9\r\n3,z\r\n'
    assert read(folder / "f.csv", content) == [
        (2, ["1", "x\r\ny"], None),
        (5, ["2", "é"], None),
        (6, ["3", "z"], None),
    ]
    assert check_input(folder / "f.csv").rows == 3


def test_malformed_csv_is_refused_as_a_whole_or_where_it_is_in_doubt(folder: Path) -> None:
    lines = [b"a,b", b"1", b"2,x,y", b'3,"open', b"4,ok", b'5,"5" tube"', b"6,\xff", b"7,ok", b'8,"open at the end']
    content = b"\n".join(lines)
    with pytest.raises(FileError, match=r"the quotes of lines 4, 6\. Nothing was sent"):
        read(folder / "f.csv", content)
    rows = read(folder / "f.csv", content, malformed="refuse")
    assert [(line, values) for line, values, _ in rows] == [
        (2, ["1"]),
        (3, ["2", "x", "y"]),
        (4, '3,"open'),
        (5, "4,ok"),
        (6, '5,"5" tube"'),
        (7, "6,\udcff"),
        (8, "7,ok"),
        (9, '8,"open at the end'),
    ]
    doubt = "text of a quoted cell"
    expected = ["short", "more than", "well-formed", doubt, "well-formed", doubt, doubt, doubt]
    for (_, _, reason), part in zip(rows, expected, strict=True):
        assert part in (reason or "")
    lines[3] = lines[5] = b"3,x"
    rows = read(folder / "f.csv", b"\n".join(lines[:-1]))
    assert [reason and reason.split()[0] for _, _, reason in rows] == ["the", "more", None, None, None, "not", None]


def test_a_quote_open_to_the_end_leaves_all_behind_it_in_doubt(folder: Path) -> None:
    content = b'a,b\n0,"open\n' + b"1,some text of a row\n" * 20_000
    rows = read(folder / "f.csv", content, malformed="refuse")
    assert [row[0] for row in rows if row[2]] == list(range(2, 20_003))
    rows = read(folder / "f.csv", content + b'2,"quoted"\n', malformed="refuse")  # no text of a cell is like that
    assert len(rows) == 20_002
    assert [row[0] for row in rows if row[2]] == [2]


def test_csv_with_tabs_and_another_encoding(folder: Path) -> None:
    content = "a\tb\n1\té\n".encode("cp1252")
    assert read(folder / "f.csv", content, encoding="cp1252", delimiter="\t") == [(2, ["1", "é"], None)]


@pytest.mark.parametrize(
    ("content", "options", "part"),
    [
        (b"", {}, "empty"),
        (b"\n\n", {}, "empty"),
        (b"a,_line\n", {}, "kept for reject files"),
        (b'a,"b\n', {}, "well-formed"),
        (b"a,\xff\n", {}, "give encoding="),
        (b"a\n", {"encoding": "utf-7-and-a-half"}, "encoding"),
        (b"a\n", {"encoding": "utf-16"}, "encoding"),
        (b"a\n", {"delimiter": "||"}, "delimiter"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    folder: Path, content: bytes, options: dict[str, object], part: str
) -> None:
    with pytest.raises(FileError, match=part):
        read(folder / "f.csv", content, **options)


def test_other_files_are_refused(folder: Path) -> None:
    with pytest.raises(FileError, match=r"\.csv, .* and text compressed as"):
        read(folder / "f.docx", b"")
    with pytest.raises(FileError, match="cannot be opened"):
        check_input(folder / "absent.csv")


def test_ndjson(folder: Path) -> None:
    lines = [
        b'{"p": "1", "n": 1}',
        b"",
        b"{nonsense",
        b"[1]",
        b'{"p": "2", "p": "3"}',
        b'{"p": NaN}',
        b'{"p": 1e999}',
        b'{"p": "\xff"}',
        b'{"p": "4"}\r',
    ]
    rows = read(folder / "f.ndjson", b"\n".join(lines))
    assert [row[0] for row in rows] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert rows[0][1:] == ({"p": "1", "n": 1}, None)
    assert rows[-1][1:] == ({"p": "4"}, None)
    assert all(isinstance(values, str) and reason for _, values, reason in rows[1:-1])
    assert check_input(folder / "f.ndjson").rows == 8
    source = check_input(folder / "f.ndjson").open()
    assert source.columns == ("p",)  # not every row has the other one
    assert len(rows_of(source)) == 8
    assert read(folder / "f.ndjson", b"") == []


def test_a_line_that_is_too_long_is_one_row_with_its_beginning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.files.readers.lines.LONGEST_LINE", 1000)
    good = b'{"p": "1"}\n'
    rows = read(folder / "f.ndjson", good + b'{"p": "' + b"x" * 700_000 + b'{"p": "2"}\n' + good)
    assert [(line, reason is None) for line, _, reason in rows] == [(1, True), (2, False), (3, True)]
    assert len(str(rows[1][1])) == 1000
