from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from welkin_async.files.readers.detection import delimiter_of, encoding_of, written_as
from welkin_async.files.readers.input_file import check_input

from .conftest import Command, Local, read_ndjson


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(folder: Path, encoding: str, delimiter: str) -> None:
    content = f'a{delimiter}"b{delimiter}c"\n1{delimiter}"é\nü"\n'
    path = folder / "f.csv"
    path.write_bytes(content.encode(encoding))
    source = check_input(path).open()
    try:
        assert source.columns == ("a", f"b{delimiter}c")
        assert [(row.values, row.problem) for row in source.read(10)] == [(["1", "é\nü"], None)]
        assert source.encoding == encoding
    finally:
        source.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ","),
        ("a\n1,2\n", ","),
        ("a;b;c\n1,5;2,5;3,5\n", ";"),
        ("a,b;c,d\n1;2\n", ","),
        ("a|b,c\n1|2\n", "|"),
        ('"a,b,c";d\n', ";"),
        ("\n\na\tb\n", "\t"),
        ("a|b;c\r\nx\r\n", ";"),
    ],
)
def test_the_delimiter_is_what_the_header_has_most_of(text: str, found: str) -> None:
    assert delimiter_of(text) == found


def test_marks_and_what_is_written() -> None:
    assert encoding_of(b"\xff\xfea\x00") == encoding_of(b"\xfe\xff\x00a") == "utf-16"
    assert encoding_of(b"\xff\xfe\x00\x00") == "utf-32"
    assert encoding_of(b"a") == encoding_of(b"") == "utf-8"
    header = "id,name,start\n1,Señal,2020-01-02\n"
    for name in ("utf-16-le", "utf-16-be"):
        assert encoding_of(header.encode(name)) == encoding_of((header + "2,日本語日本語日本語\n").encode(name)) == name
    assert encoding_of(header.encode()) == encoding_of(header.encode("utf-32-le")) == "utf-8"
    assert encoding_of(b"name,n\nA\0B,1\n") == "utf-8"
    assert written_as("utf-16-le") == "utf-8"
    assert [written_as(name) for name in ("utf-8-sig", "utf-16", "UTF-32", "latin-1")] == ["utf-8"] * 3 + ["iso8859-1"]


def test_an_import_of_a_spreadsheet_in_utf_16(command: Command, local: Local, folder: Path) -> None:
    path = folder / "in.csv"
    path.write_bytes(f"pid\tmedication_name\r\n{local.patient()}\tSeñal\r\n\tÜbel\r\n".encode("utf-16"))
    result = command("import", path, "--cdt", "medication", "--patient-column", "pid")
    assert result.exit_code == 1
    assert local.records() == [{"medication_name": "Señal"}]
    rejects = (folder / "in.rejects.csv").read_text(encoding="utf-8")
    assert "\tÜbel\t3\trejected\tthe patient is missing\t" in rejects


def test_lines_in_another_encoding_are_told_of_once(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    path = folder / "in.csv"
    path.write_bytes(f"pid,medication_name\n{patient},Tylenol\n{patient},Señal\n{patient},Übel\n".encode("cp1252"))
    options = ("--cdt", "medication", "--patient-column", "pid")
    hint = "line 3 is not text in utf-8: where that is not the file's encoding, give --encoding\n"
    for more in (("--dry-run",), ()):
        result = command("import", path, *options, *more)
        assert (result.exit_code, result.stderr) == (1, hint)
    anew = ("--no-journal", "--existing", "trust", "--rejects", "r.csv")
    assert command("import", path, *options, *anew, "--encoding", "cp1252").stderr == ""


class TestParquet:
    @pytest.fixture
    def arrow(self) -> Any:
        return pytest.importorskip("pyarrow")

    def test_rows_and_values(self, arrow: Any, folder: Path, command: Command, local: Local) -> None:
        from datetime import UTC, date, datetime
        from decimal import Decimal

        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        local.define("wide", {"text": "text", "count": "integer", "yes": "checkbox", "at": "datetime", "day": "date"})
        patient = local.patient()
        moment = datetime(2024, 5, 31, 14, 30, tzinfo=UTC)
        columns = {
            "pid": [patient, patient, None, patient] + [patient] * 2000,
            "text": ["a", None, "c", "d"] + ["x"] * 2000,
            "count": [1, 2, 3, None] + [4] * 2000,
            "yes": [True, False, None, None] + [True] * 2000,
            "at": [moment, None, None, moment] + [moment] * 2000,
            "day": [date(2024, 5, 31), None, None, None] + [None] * 2000,
        }
        parquet.write_table(arrow.table(columns), folder / "in.parquet", row_group_size=300)
        options = ("--cdt", "wide", "--patient-column", "pid")
        result = command("import", folder / "in.parquet", *options)
        assert result.exit_code == 1, result.output
        records = local.records("wide")
        assert len(records) == 2003
        assert records[0] == {
            "text": "a",
            "count": 1,
            "yes": True,
            "at": "2024-05-31T14:30:00.000Z",
            "day": "2024-05-31T00:00:00.000Z",
        }
        rejects = (folder / "in.rejects.ndjson").read_text(encoding="utf-8")
        assert rejects.count("\n") == 1
        assert '"_line": 3, "_status": "rejected", "_reason": "the patient is missing"' in rejects
        naive = arrow.table({"pid": [patient], "at": [datetime(2024, 5, 31, 14, 30)]})
        parquet.write_table(naive, folder / "naive.parquet")
        result = command("import", folder / "naive.parquet", *options)
        assert result.exit_code == 1, result.output
        assert "--timezone" in (folder / "naive.rejects.ndjson").read_text()
        for check in ("off", "warn"):
            again = ("--check", check, "--map", "at=text", "--no-journal", "--rejects", f"{check}.ndjson")
            assert command("import", folder / "naive.parquet", *options, *again).exit_code == 1
            (reject,) = read_ndjson(folder / f"{check}.ndjson")
            assert reject["at"] == "2024-05-31T14:30:00"
            expected = "expected a datetime with an offset, or --timezone for those without"
            assert reject["_reason"] == f"column at: {expected}; got a datetime without a zone"
        assert len(local.records("wide")) == 2003
        zoned = ("--check", "off", "--no-journal", "--rejects", "z.ndjson", "--timezone", "America/New_York")
        assert command("import", folder / "naive.parquet", *options, *zoned).exit_code == 0
        assert local.records("wide")[-1] == {"at": "2024-05-31T18:30:00.000Z"}
        odd = arrow.table({"pid": [patient] * 2, "text": [b"\x00", b"\x01"], "count": [Decimal("1.50"), Decimal(2)]})
        parquet.write_table(odd, folder / "odd.parquet")
        assert command("import", folder / "odd.parquet", *options).exit_code == 1
        assert (folder / "odd.rejects.ndjson").read_text().count("neither text") == 2

    def test_what_is_no_parquet_file(self, arrow: Any, folder: Path, command: Command) -> None:
        (folder / "in.parquet").write_bytes(b"PAR1 nonsense")
        result = command("import", folder / "in.parquet", "--cdt", "wide", "--patient-column", "pid")
        assert result.exit_code == 2
        assert "not a Parquet file" in result.stderr

    def test_without_the_extra(self, folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> Any:
            raise ImportError(name)

        (folder / "in.parquet").write_bytes(b"")
        monkeypatch.setattr("welkin_async.files.readers.parquet_reader.importlib.import_module", missing)
        result = command("import", folder / "in.parquet", "--cdt", "wide", "--patient-column", "pid")
        assert result.exit_code == 2
        assert "welkin-async[parquet]" in result.stderr
