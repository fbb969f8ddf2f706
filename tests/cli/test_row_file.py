from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.files.errors import FileError
from welkin_async.files.outputs import reject_file
from welkin_async.files.outputs.reject_file import RejectFile, move_aside
from welkin_async.files.readers.formats import CsvFormat, NdjsonFormat, RowFormat, RowResult, StoredRow
from welkin_async.files.readers.row import REJECT_COLUMNS, SourceRow

CSV = CsvFormat(("a", "b"), ";", REJECT_COLUMNS)
NDJSON = NdjsonFormat(("a", "b"), (*REJECT_COLUMNS, "_attempts"), first=True)


def entry(status: str = "rejected", key: str = "k") -> RowResult:
    return RowResult(status, "why", key, "o", attempts=2)


def always(_: str) -> bool:
    return True


def lines(path: Path, form: RowFormat) -> list[int]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [held.line for held in form.stored(file)]


def filled(path: Path, form: RowFormat) -> RejectFile:
    file = RejectFile(path, form)
    for line in range(2, 6):
        file.write(SourceRow(line, ["x", 'y"\n;']), entry("created" if line % 2 else "rejected"))
    return file


@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_a_row_is_there_once_and_the_file_is_gone_on_with(folder: Path, form: RowFormat) -> None:
    path = folder / "f"
    filled(path, form).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = RejectFile(path, form)
    again.resume(always)
    assert again.rows == 4
    assert again.first is not None
    assert (again.first.line, again.first.status, again.first.key) == (2, "rejected", "k")
    again.write(SourceRow(3, ["other", ""]), entry("created"))
    again.write(SourceRow(9, ["\udcff", "é"]), entry())
    again.close()
    assert lines(path, form) == [2, 3, 4, 5, 9]
    assert "other" not in path.read_text(errors="replace")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_why_an_earlier_run_did_not_do_a_row_is_replaced(folder: Path, form: RowFormat) -> None:
    path = folder / "f"
    filled(path, form).close()
    again = RejectFile(path, form)
    again.resume(always)
    for reason in ("another", "a second"):
        again.write(SourceRow(4, ["x", "y"]), entry("rejected")._replace(reason=f"{reason} reason"))
    again.close()
    assert sorted(lines(path, form)) == [2, 3, 4, 5]
    assert "another reason" in path.read_text()
    assert "a second reason" not in path.read_text()


@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_a_row_that_finds_another_end_is_replaced(folder: Path, form: RowFormat) -> None:
    path = folder / "f"
    file = filled(path, form)
    file.write(SourceRow(2, ["new", "z"]), entry("created"))
    file.forget(3)
    assert 3 not in file
    assert 2 in file
    file.close()
    assert sorted(lines(path, form)) == [2, 4, 5]
    assert "new" in path.read_text()
    dropping = RejectFile(path, form)
    dropping.resume(lambda status: status == "created")
    assert dropping.rows == 2
    for line in (2, 5):
        dropping.forget(line)
    dropping.close()
    assert not path.exists()


@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_wherever_a_file_is_cut_off_whole_records_stay(folder: Path, form: RowFormat) -> None:
    path = folder / "f"
    filled(path, form).close()
    whole = path.read_bytes()
    ends = [index + 1 for index in range(len(whole)) if lines_of(path, form, whole[: index + 1]) == whole[: index + 1]]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        file = RejectFile(path, form)
        file.resume(always)
        before = file.rows
        for line in range(2, 6):
            file.write(SourceRow(line, ["x", 'y"\n;']), entry("created" if line % 2 else "rejected"))
        file.close()
        assert sorted(lines(path, form)) == [2, 3, 4, 5]
        assert before == sum(end <= cut for end in ends if end > len(form.header))


def lines_of(path: Path, form: RowFormat, content: bytes) -> bytes:
    """What of a content is whole records."""
    path.write_bytes(content)
    with path.open(encoding="utf-8", newline="") as file:
        return (form.header + "".join(held.text for held in form.stored(file))).encode()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@given(cells=st.lists(TEXT, min_size=1, max_size=5), key=TEXT, reason=TEXT)
def test_whatever_a_row_holds_it_is_known_again(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], key: str, reason: str
) -> None:
    path = tmp_path_factory.mktemp("rows") / "f"
    for form in (CSV, NDJSON):
        file = RejectFile(path, form)
        for line in (2, 3):
            file.write(SourceRow(line, cells), RowResult("failed", reason, key, "o"))
        file.close()
        with path.open(encoding="utf-8", newline="") as text:
            assert [(held.line, held.key) for held in form.stored(text)] == [(2, key), (3, key)]
        path.unlink()


def test_moving_aside_overwrites_nothing(folder: Path) -> None:
    path = folder / "f"
    move_aside(path)
    for number in range(1, 4):
        path.write_text(str(number))
        move_aside(path)
        assert (folder / f"f.{number}").read_text() == str(number)


def test_another_file_is_left_alone(folder: Path) -> None:
    path = folder / "f"
    for form, content in ((CSV, "a;b\n1;2\n"), (NDJSON, '{"a": 1}\n'), (NDJSON, "nonsense\n")):
        path.write_text(content)
        with pytest.raises(FileError, match="holds something else"):
            RejectFile(path, form).resume(always)
        assert path.read_text() == content
        assert [each.name for each in folder.iterdir()] == ["f"]


def test_rows_that_are_refused_again_are_written_anew_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, count = folder / "f", 500
    file = RejectFile(path, NDJSON)
    for line in range(2, count + 2):
        file.write(SourceRow(line, ["x", str(line)]), entry())
    file.close()
    written: list[RejectFile] = []
    plain = RejectFile._rewrite

    def counted(file: RejectFile, keep: Callable[[StoredRow], bool]) -> None:
        written.append(file)
        plain(file, keep)

    monkeypatch.setattr(RejectFile, "_rewrite", counted)
    again = RejectFile(path, NDJSON)
    again.resume(always)
    for line in range(2, count + 2):
        again.write(SourceRow(line, ["x", str(line)]), entry()._replace(reason="another"))
    again.forget(7)
    again.close()
    assert len(written) == 2
    assert lines(path, NDJSON) == [line for line in range(2, count + 2) if line != 7]
    assert path.read_text().count("another") == again.rows == count - 1
    monkeypatch.setattr(reject_file, "_MOST_REPLACED", 1000)  # what is held is bounded
    third = RejectFile(path, NDJSON)
    third.resume(always)
    for line in range(2, 102):
        third.write(SourceRow(line, ["x", str(line)]), entry()._replace(reason="a third"))
    assert len(written) > 5
    third.close()
    assert path.read_text().count("a third") == 100  # line 7 is there again
