"""Inputs of every kind, and what is no input."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import os
import threading
import tracemalloc
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from welkin_async.files.errors import FileError
from welkin_async.files.readers.content import open_content
from welkin_async.files.readers.file_format import FileFormat, input_paths
from welkin_async.files.readers.input_file import check_input
from welkin_async.files.readers.spool import local_file

from .reading import good, read, rows_of, source_rows, written

CSV = "a,b\n1,x\n2,y\n"
ROWS = [["1", "x"], ["2", "y"]]


class TestJsonArray:
    def test_elements_are_rows_wherever_chunks_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        values = [{"n": n, "text": "é\n]," * (n % 7), "deep": [{"x": [n, 1.5]}]} for n in range(60)]
        for size in (1, 7, 64, 65_536):
            monkeypatch.setattr("welkin_async.files.readers.json.array._CHUNK", size)
            for text in (json.dumps(values), json.dumps(values, indent=2), "\ufeff \n" + json.dumps(values) + "\n\n"):
                rows = read(tmp_path / "f.json", text)
                assert good(rows) == values
                assert [line for line, _, _ in rows] == list(range(1, 61))

    @settings(max_examples=100, deadline=None)
    @given(
        values=st.lists(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.none()))
    )
    def test_whatever_stands_in_them(
        self, tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, int | None]]
    ) -> None:
        path = tmp_path_factory.mktemp("array") / "f.json"
        assert good(read(path, json.dumps(values, ensure_ascii=False))) == values

    def test_an_element_that_is_no_object_is_a_row_with_a_problem(self, tmp_path: Path) -> None:
        text = b'[{"a": 1}, 2, [3], "four", {"a": 1, "a": 2}, {"a": NaN}, {"a": 1e999}, {"a": "\xff"}, {"a": 9}]'
        rows = read(tmp_path / "f.json", text)
        assert good(rows) == [{"a": 1}, {"a": 9}]
        assert [line for line, _, problem in rows if problem] == [2, 3, 4, 5, 6, 7, 8]
        assert "twice" in (rows[4][2] or "")

    @pytest.mark.parametrize(
        "text",
        [
            '[{"a": 1}',
            '[{"a": 1},',
            '[{"a": 1},]',
            "[,]",
            '[{"a": 1} {"a": 2}]',
            '[{"a": 1}] {"b": 2}',
            '[{"a": 1',
            "[" * 9999,
        ],
    )
    def test_what_is_malformed_is_refused_before_anything_is_sent(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(FileError, match="not a JSON array that can be read"):
            read(tmp_path / "f.json", text)

    def test_an_empty_array(self, tmp_path: Path) -> None:
        assert read(tmp_path / "f.json", " [ ] ") == []

    def test_memory_is_bounded(self, tmp_path: Path) -> None:
        element = json.dumps({"a": "x" * 100, "n": 1})
        path = written(tmp_path / "f.json", f"[{','.join([element] * 80_000)}]")
        assert path.stat().st_size > 9e6
        tracemalloc.start()
        file = check_input(path)
        reader = file.open()
        count = 0
        while batch := reader.read(500):
            count += len(batch)
        reader.close()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == file.rows == 80_000
        assert peak < 4e6


class TestNdjson:
    @pytest.mark.parametrize(
        "text",
        [
            json.dumps({"resourceType": "Bundle", "entry": []}),
            json.dumps({"resourceType": "Bundle", "entry": []}, indent=2),
        ],
    )
    def test_a_bundle_is_refused_with_a_hint(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(FileError, match=r"a FHIR Bundle.*jq -c '\.entry\[\]\.resource'"):
            read(tmp_path / "f.json", text)

    @pytest.mark.parametrize("text", [json.dumps({"a": 1}, indent=2), "a,b\n1,2\n", '"text"\n', "3\n"])
    def test_what_is_neither_array_nor_ndjson_is_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(FileError, match="neither NDJSON"):
            read(tmp_path / "f.ndjson", text)

    def test_a_line_that_is_no_object_refuses_itself(self, tmp_path: Path) -> None:
        bad = ['{"a": 1} {"b": 2}', '{"a": ' + "9" * 5000 + "}", "[1]"]
        rows = read(tmp_path / "f.ndjson", "\n".join(['{"a": 1}', "{bad", *bad, "", '{"a": 2}']))
        assert good(rows) == [{"a": 1}, {"a": 2}]
        assert [line for line, _, problem in rows if problem] == [2, 3, 4, 5]
        assert "several JSON values" in (rows[2][2] or "")

    @pytest.mark.parametrize("value", [[{"a": 1}, {"a": 2}], {"rows": [{"a": 1}, {"a": 2}]}])
    def test_a_value_over_several_lines_makes_no_row_of_its_last_object(self, tmp_path: Path, value: Any) -> None:
        lines = [json.dumps(each) for each in ({"a": 1}, {"a": 2})]
        text = json.dumps(value, indent=1).replace('{\n  "a": 1\n }', lines[0]).replace('{\n  "a": 2\n }', lines[1])
        with pytest.raises(FileError, match="line 2 is part of a JSON value that goes over several lines"):
            read(tmp_path / "f.ndjson", '{"a": 0}\n' + text)

    def test_numbers_keep_what_they_are(self, tmp_path: Path) -> None:
        rows = read(tmp_path / "f.ndjson", '{"a":1e2,"b":3.0,"c":99999999999999999999,"d":"007"}\n')
        assert good(rows) == [{"a": 100.0, "b": 3.0, "c": 99999999999999999999, "d": "007"}]


class TestPacked:
    def test_gzip_is_known_by_its_content(self, tmp_path: Path) -> None:
        plain = check_input(written(tmp_path / "f.csv", CSV))
        for name in ("f.csv.gz", "g.csv"):
            file = check_input(written(tmp_path / name, gzip.compress(CSV.encode())))
            assert (good(rows_of(file)), file.digest) == (ROWS, plain.digest)
        assert good(read(tmp_path / "h.csv.gz", CSV)) == ROWS  # it is not compressed, whatever its name is
        members = gzip.compress(CSV.encode()) + gzip.compress(b"3,z\n")
        assert good(read(tmp_path / "i.csv.gz", members)) == [*ROWS, ["3", "z"]]
        packed = gzip.compress(b'[{"a": 1}]')
        assert good(read(tmp_path / "f.json.gz", packed)) == [{"a": 1}]

    @pytest.mark.parametrize("cut", [-1, -9, 30])
    def test_what_is_cut_off_is_refused_before_anything_is_sent(self, tmp_path: Path, cut: int) -> None:
        content = gzip.compress(b"a,b\n" + os.urandom(3000).hex().encode() + b",1\n")
        with pytest.raises(FileError, match="damaged or cut off"):
            read(tmp_path / "f.csv.gz", content[:cut])

    def test_what_is_damaged_is_refused(self, tmp_path: Path) -> None:
        content = bytearray(gzip.compress(CSV.encode() * 100))
        content[20] ^= 255
        with pytest.raises(FileError, match="damaged or cut off"):
            read(tmp_path / "f.csv.gz", bytes(content))

    def test_zstd(self, tmp_path: Path) -> None:
        zstd = pytest.importorskip("backports.zstd")
        packed = zstd.compress(CSV.encode())
        for name in ("f.csv.zst", "f.csv"):
            assert good(read(tmp_path / name, packed)) == ROWS
        with pytest.raises(FileError, match="damaged or cut off"):
            read(tmp_path / "f.csv", packed[:-3])

    def test_zstd_without_the_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> Any:
            raise ImportError(name)

        monkeypatch.setattr("welkin_async.files.readers.content.importlib.import_module", missing)
        with pytest.raises(FileError, match=r"welkin-async\[zstd\]"):
            read(tmp_path / "f.csv.zst", b"\x28\xb5\x2f\xfd" + bytes(20))


class TestXlsx:
    @pytest.fixture
    def book(self, tmp_path: Path) -> Any:
        openpyxl = pytest.importorskip("openpyxl")

        def write(*rows: list[Any], more: str | None = None, values: dict[str, str] | None = None) -> Path:
            made = openpyxl.Workbook()
            for row in rows:
                made.active.append(row)
            for place, number_format in (values or {}).items():
                made.active[place].number_format = number_format
            if more is not None:
                made.create_sheet(more).append(["only"])
            made.save(tmp_path / "f.xlsx")
            return tmp_path / "f.xlsx"

        return write

    def test_rows_and_values(self, book: Any) -> None:
        moment = datetime(2024, 5, 31, 14, 30)
        path = book(
            [],
            ["mrn", "name", None, "dose", "yes", "day", "at"],
            ["M-1", "A", None, 1.5, True, date(2024, 5, 31), moment],
            [],
            [None, "  "],
            [105585, "007", "x", 2, False, None, None],
        )
        file = check_input(path)
        reader = file.open()
        assert reader.columns == ("mrn", "name", "dose", "yes", "day", "at")
        rows = source_rows(reader)
        assert reader.blank == 2
        assert [row.line for row in rows] == [3, 6]
        first = {"mrn": "M-1", "name": "A", "dose": 1.5, "yes": True, "day": "2024-05-31", "at": moment}
        assert [row.values for row in rows] == [first, {"mrn": 105585, "name": "007", "dose": 2, "yes": False}]

    def test_errors_and_formulas_without_a_result_refuse_their_row(self, book: Any) -> None:
        path = book(["mrn", "a", "b"], ["M-1", "=1+1", "#N/A"], ["M-2", "x", None], ["M-3", "y", "#REF!"])
        file = check_input(path)
        rows = rows_of(file)
        assert [problem is None for _, _, problem in rows] == [False, True, False]
        assert "column a: holds a formula whose result is not stored" in (rows[0][2] or "")
        assert "column b: holds an error" in (rows[0][2] or "")
        assert [problem is None for _, _, problem in rows_of(file, "mrn", "a")] == [False, True, True]

    def test_times_and_durations_refuse_their_row(self, book: Any) -> None:
        path = book(["mrn", "a"], ["M-1", 0.5], ["M-2", 1.5], values={"B2": "h:mm", "B3": "[h]:mm:ss"})
        assert [problem is None for _, _, problem in rows_of(check_input(path))] == [False, False]

    def test_a_sheet_is_named_where_there_are_several(self, book: Any) -> None:
        path = book(["a"], ["1"], more="Other")
        with pytest.raises(FileError, match=r"name one with sheet= \(Sheet, Other\)"):
            check_input(path)
        with pytest.raises(FileError, match="no sheet Third"):
            check_input(path, sheet="Third")
        reader = check_input(path, sheet="Other").open()
        assert reader.columns == ("only",)
        reader.close()
        other = written(path.with_name("unnamed"), path.read_bytes())
        assert check_input(other, sheet="Sheet").format is FileFormat.XLSX

    def test_what_is_no_workbook(self, book: Any, tmp_path: Path) -> None:
        for content in (b"nonsense", b"PK\x03\x04nonsense"):
            with pytest.raises(FileError, match="not an Excel workbook"):
                check_input(written(tmp_path / "g.xlsx", content))
        with pytest.raises(FileError, match="the sheet is empty"):
            check_input(book())
        with pytest.raises(FileError, match=r"name it \.xlsx"):
            check_input(written(tmp_path / "g.csv", book(["a"]).read_bytes()))

    def test_without_the_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> Any:
            raise ImportError(name)

        monkeypatch.setattr("welkin_async.files.readers.xlsx_reader.importlib.import_module", missing)
        with pytest.raises(FileError, match=r"welkin-async\[xlsx\]"):
            check_input(written(tmp_path / "f.xlsx", b""))


class TestWhatIsNoFile:
    def test_a_pipe_is_refused_and_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "f.csv")
        with pytest.raises(FileError, match="the input is a pipe, and no file: give -"):
            check_input(tmp_path / "f.csv")

    def test_a_folder_and_a_device(self, tmp_path: Path) -> None:
        (tmp_path / "d.csv").mkdir()
        with pytest.raises(FileError, match=r"folder|directory"):
            check_input(tmp_path / "d.csv")
        (tmp_path / "n.csv").symlink_to("/dev/null")
        with pytest.raises(FileError, match="a device"):
            check_input(tmp_path / "n.csv")

    def test_a_link_to_a_file_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "l.csv").symlink_to(written(tmp_path / "f.csv", CSV))
        assert good(rows_of(check_input(tmp_path / "l.csv"))) == ROWS

    @pytest.mark.parametrize("encoding", ["hex", "nonsense", "rot13"])
    def test_an_encoding_that_is_none(self, tmp_path: Path, encoding: str) -> None:
        with pytest.raises(FileError, match="encoding"):
            read(tmp_path / "f.csv", CSV, encoding=encoding)


class TestStream:
    """Standard input, or any binary file: it is spooled to a private file, whose format is found out by its content."""

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"a\tb\n1\tx\n", FileFormat.CSV),
            (b'{"a": 1}\n', FileFormat.NDJSON),
            (b'\xef\xbb\xbf [{"a": 1}]', FileFormat.JSON),
            (gzip.compress(b'{"a": 1}\n', mtime=0), FileFormat.NDJSON),
        ],
    )
    async def test_the_format_is_found_out_by_the_content(self, content: bytes, kind: FileFormat) -> None:
        async with local_file(io.BytesIO(content), None) as (path, format):
            assert (path.stat().st_mode & 0o077, path.parent.stat().st_mode & 0o777, format) == (0, 0o700, None)
            file = check_input(path)
            assert file.format is kind
            assert len(rows_of(file)) == 1
        assert not path.exists()

    async def test_it_may_come_from_a_pipe(self) -> None:
        ends = os.pipe()
        with os.fdopen(ends[0], "rb") as reading, os.fdopen(ends[1], "wb") as writing:

            def write() -> None:
                writing.write(CSV.encode())
                writing.close()

            thread = threading.Thread(target=write)
            thread.start()
            async with local_file(reading, None) as (path, _):
                assert good(rows_of(check_input(path))) == ROWS
            thread.join()


def test_tabs_stand_between_the_cells_of_a_tsv_file(tmp_path: Path) -> None:
    assert good(read(tmp_path / "f.tsv", "a,b,c\td\n1\t2,3\n")) == [["1", "2,3"]]
    assert good(read(tmp_path / "f.tsv.gz", gzip.compress(b"a,b,c\td\n1\t2,3\n"))) == [["1", "2,3"]]
    assert good(read(tmp_path / "f.tsv", "a|b\n1|2\n", delimiter="|")) == [["1", "2"]]


def test_a_file_that_changes_while_it_is_read_stops_the_run(tmp_path: Path) -> None:
    path = written(tmp_path / "f.csv", "a,b\n" + "1,x\n" * 5000)
    file = check_input(path)
    reader = file.open()
    assert len(reader.read(100)) == 100
    os.utime(path, ns=(1, 1))
    with pytest.raises(OSError, match="changed"):
        reader.read(100)
    reader.close()
    with pytest.raises(FileError, match="changed"):
        file.open()
    other = written(tmp_path / "g.csv", path.read_bytes())
    file = check_input(path)
    os.utime(other, ns=(1, 1))
    other.replace(path)  # of the same size and time
    with pytest.raises(FileError, match="changed"):
        file.open()


@pytest.mark.parametrize(
    ("skip", "limit", "positions"),
    [
        (0, None, range(10)),
        (0, 3, range(3)),
        (4, None, range(4, 10)),
        (4, 3, range(4, 7)),
        (8, 5, (8, 9)),
        (12, 5, ()),
        (0, 0, ()),
    ],
)
def test_a_window_of_rows_keeps_their_positions(tmp_path: Path, skip: int, limit: int | None, positions: Any) -> None:
    path = written(tmp_path / "f.csv", "a,b\n" + "".join(f"{n},x\n" for n in range(10)))
    reader = check_input(path).open(skip=skip, limit=limit)
    found = []
    while batch := reader.read(2):
        found += batch
    assert [row.position for row in found] == list(positions)
    assert [row.values for row in found] == [[str(n), "x"] for n in positions]
    assert reader.total == len(found)
    reader.close()


def test_the_files_of_a_folder_are_input_but_for_those_of_earlier_runs(tmp_path: Path) -> None:
    names = [
        "b.csv",
        "a.ndjson",
        "c.csv.gz",
        ".hidden.csv",
        "b.rejects.csv",
        "a.review.ndjson",
        "readme.txt",
        "b.csv.cdt.journal",
    ]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "d.csv").mkdir()
    inside = [tmp_path / name for name in ("a.ndjson", "b.csv", "c.csv.gz")]
    assert input_paths([tmp_path]) == inside
    assert input_paths([tmp_path / "b.rejects.csv", tmp_path / "b.csv"]) == [
        tmp_path / "b.rejects.csv",
        tmp_path / "b.csv",
    ]
    with pytest.raises(FileError, match="twice"):
        input_paths([tmp_path, tmp_path / "b.csv"])
    with pytest.raises(FileError, match="holds no file that can be read"):
        input_paths([tmp_path / "d.csv"])


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    import hashlib

    content = CSV.encode() * 100_000
    for name in ("f.csv", "f.ndjson"):
        data = content if name == "f.csv" else b'{"a": 1}\n' * 100_000
        assert check_input(written(tmp_path / name, data)).digest == hashlib.sha256(data).hexdigest()
    with open_content(tmp_path / "f.csv") as opened:
        assert opened.read() == content


def test_the_readers_need_no_extra() -> None:
    for name in ("openpyxl", "pyarrow"):
        source = Path(importlib.import_module("welkin_async.files.readers.input_file").__file__ or "").read_text()
        assert f"import {name}" not in source
