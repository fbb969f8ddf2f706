"""Whatever a file holds: it is refused with a `FileError` before its first row, or each row is good or has a reason.

``WELKIN_FUZZ_SECONDS`` has the tests go on for that long, each.
"""

from __future__ import annotations

import gzip
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from welkin_async.files.errors import FileError
from welkin_async.files.readers.input_file import check_input

SECONDS = float(os.environ.get("WELKIN_FUZZ_SECONDS", "0"))
ENDINGS = (".csv", ".tsv", ".ndjson", ".json", ".csv.gz", ".parquet", ".xlsx", "")

PIECES = (
    *(*'",;\t|\n\r{}[]:\\ \0', '""', '\\"', "\r\n", "sep=;", "a", "b", "1", "1e5", "é", "\ufeff", "\u2028", "\ud800"),
    *('{"a": 1}', '{"a": "x"},', '"resourceType": "Bundle"', "null", "NaN", "1" * 400, "[" * 50, "_line", "_status"),
)
TEXT = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
ENCODED = st.tuples(TEXT, st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])).map(
    lambda pair: pair[0].encode(pair[1], "surrogatepass")
)
CONTENT = st.binary(max_size=200) | ENCODED
OPTIONS = st.fixed_dictionaries(
    {"malformed": st.sampled_from(["stop", "refuse"])},
    optional={
        "encoding": st.sampled_from(["utf-8", "latin-1", "utf-16", "cp1252", "ascii", "utf-7", "nonsense"]),
        "delimiter": st.sampled_from([",", ";", "\t", "é", '"', "", "\n", "||"]),
        "sheet": st.just("Sheet1"),
    },
)


def kept_up(test: Callable[[], None]) -> None:
    """Run a hypothesis test again and again, for as long as that is asked for."""
    end = time.monotonic() + SECONDS
    test()
    while time.monotonic() < end:
        test()


def survives(path: Path, content: bytes, options: dict[str, Any]) -> None:
    path.write_bytes(content)
    try:
        file = check_input(path, **options)
        reader = file.open()
    except FileError:
        return
    try:
        assert all(isinstance(name, str) for name in reader.columns)
        reader.select(frozenset(reader.columns[:2]))
        lines: list[int] = []
        while rows := reader.read(3):
            for row in rows:
                lines.append(row.line)
                assert row.problem is not None or isinstance(row.values, list | dict)
                assert row.problem is None or row.problem.reason
                if isinstance(row.values, list) and row.problem is None:
                    assert len(row.values) == len(reader.columns)
        assert lines == sorted(set(lines))
        assert file.rows in (None, len(lines))
    finally:
        reader.close()


@pytest.mark.parametrize("ending", ENDINGS)
def test_any_bytes(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"f{ending}"

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(content=CONTENT, packed=st.booleans(), options=OPTIONS)
    def test(content: bytes, packed: bool, options: dict[str, Any]) -> None:
        survives(path, gzip.compress(content) if packed else content, options)

    kept_up(test)


@pytest.mark.parametrize("kind", ["parquet", "xlsx", "gzip"])
def test_a_file_with_some_bytes_changed(tmp_path: Path, kind: str) -> None:
    path, whole = _whole(tmp_path, kind)

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        changes=st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4),
        cut=st.integers(0, len(whole)) | st.none(),
    )
    def test(changes: list[tuple[int, int]], cut: int | None) -> None:
        content = bytearray(whole)
        for at, value in changes:
            content[at] = value
        path.write_bytes(content[:cut])
        try:
            reader = check_input(path).open()
        except FileError:
            return
        try:
            while reader.read(100):
                pass
        except OSError as error:
            told = error.strerror
        else:
            told = "nothing"
        finally:
            reader.close()
        assert told

    kept_up(test)


def _whole(folder: Path, kind: str) -> tuple[Path, bytes]:
    if kind == "gzip":
        return folder / "f.csv.gz", gzip.compress(b"a,b\n" + b'1,"x y"\n' * 50, mtime=0)
    content = io.BytesIO()
    if kind == "parquet":
        arrow = pytest.importorskip("pyarrow")
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        parquet.write_table(arrow.table({"a": ["x", "y"] * 20, "b": [1, None] * 20, "c": [[1.5], []] * 20}), content)
    else:
        book = pytest.importorskip("openpyxl").Workbook()
        for row in (["a", "b"], ["x", 1], ["y", "=1+1"]):
            book.active.append(row)
        book.save(content)
    return folder / f"f.{kind}", content.getvalue()
