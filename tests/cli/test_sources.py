from __future__ import annotations

from pathlib import Path

import pytest

from welkin_async.cli.sources import Source, count_rows, open_source
from welkin_async.cli.text import CommandError


def rows_of(source: Source, most: int = 3) -> list[tuple[int, object, str | None]]:
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
    return rows_of(open_source(path, **options))  # type: ignore[arg-type]


def test_csv_rows_know_their_line(folder: Path) -> None:
    content = b'\xef\xbb\xbfa,b\r\n1,"x\r\ny"\r\n\r\n2,\xc3\xa9\r\n3,z\r\n'
    assert read(folder / "f.csv", content) == [
        (2, ["1", "x\r\ny"], None),
        (5, ["2", "é"], None),
        (6, ["3", "z"], None),
    ]
    assert count_rows(folder / "f.csv") == 3


def test_a_bad_csv_line_spoils_itself_alone(folder: Path) -> None:
    lines = [b"a,b", b"1", b"2,x,y", b'3,"open', b"4,ok", b'5,"5" tube"', b"6,\xff", b"7,ok", b'8,"open at the end']
    rows = read(folder / "f.csv", b"\n".join(lines))
    assert [(line, values) for line, values, _ in rows] == [
        (2, ["1"]),
        (3, ["2", "x", "y"]),
        (4, '3,"open'),
        (5, ["4", "ok"]),
        (6, '5,"5" tube"'),
        (7, ["6", "\udcff"]),
        (8, ["7", "ok"]),
        (9, '8,"open at the end'),
    ]
    expected = ["short", "more than", "well-formed", None, "well-formed", "encoding", None, "well-formed"]
    for (_, _, reason), part in zip(rows, expected, strict=True):
        assert reason is None if part is None else part in (reason or "")


def test_a_quote_open_for_very_long_spoils_one_line(folder: Path) -> None:
    rows = read(folder / "f.csv", b'a,b\n0,"open\n' + b"1,some text of a row\n" * 20_000)
    assert len(rows) == 20_001
    assert [row[0] for row in rows if row[2]] == [2]


def test_csv_with_tabs_and_another_encoding(folder: Path) -> None:
    content = "a\tb\n1\té\n".encode("cp1252")
    assert read(folder / "f.csv", content, encoding="cp1252", delimiter="\t") == [(2, ["1", "é"], None)]


@pytest.mark.parametrize(
    ("content", "options", "part"),
    [
        (b"", {}, "empty"),
        (b"\n\n", {}, "empty"),
        (b"a,a\n", {}, "twice"),
        (b"a,_line\n", {}, "kept for reject files"),
        (b'a,"b\n', {}, "well-formed"),
        (b"a,\xff\n", {}, "--encoding"),
        (b"a\n", {"encoding": "utf-7-and-a-half"}, "encoding"),
        (b"a\n", {"encoding": "utf-16"}, "encoding"),
        (b"a\n", {"delimiter": "||"}, "delimiter"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    folder: Path, content: bytes, options: dict[str, object], part: str
) -> None:
    with pytest.raises(CommandError, match=part):
        read(folder / "f.csv", content, **options)


def test_other_files_are_refused(folder: Path) -> None:
    with pytest.raises(CommandError, match=r"\.jsonl or \.parquet"):
        read(folder / "f.xlsx", b"")
    with pytest.raises(CommandError, match="cannot be opened"):
        open_source(folder / "absent.csv")


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
    assert count_rows(folder / "f.ndjson") == 8
    source = open_source(folder / "f.ndjson")
    assert source.columns == ("p",)  # not every row has the other one
    assert len(rows_of(source)) == 8
    assert read(folder / "f.ndjson", b"") == []


def test_a_file_without_line_ends_comes_in_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.cli.lines.LONGEST_LINE", 1000)
    rows = read(folder / "f.ndjson", b"[" + b"1," * 5000 + b"1]")
    assert len(rows) > 5
    assert all(reason for _, _, reason in rows)


def test_counting_gives_up(folder: Path) -> None:
    (folder / "f.csv").write_bytes(b"a\n1\n")
    assert count_rows(folder / "f.csv", lambda: True) is None
    assert count_rows(folder / "absent.csv") is None
