"""Plans: which rows of a file belong together, as references to them."""

from __future__ import annotations

import contextlib
import csv
import pickle
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async import files
from welkin_async.files.chunks.plan import Chunk, _Division, open_chunk
from welkin_async.files.jobs.open_file import checked_input
from welkin_async.files.options import FileSettings
from welkin_async.files.readers.row import SourceRow


def write(path: Path, patients: list[str], keys: list[str] | None = None) -> Path:
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["patient", "name", "key"])
        for number, patient in enumerate(patients):
            out.writerow([patient, f"row {number}", keys[number] if keys else f"k{number}"])
    return path


def names_of(path: Path, chunk: Chunk) -> list[str]:
    reader = open_chunk(checked_input(FileSettings(file=path)), chunk)
    found: list[str] = []
    with contextlib.closing(reader):
        while batch := reader.read(7):
            found += [row.values[1] for row in batch if isinstance(row.values, list)]
    return found


def test_the_rows_of_a_patient_are_in_one_chunk_and_every_row_in_one(tmp_path: Path) -> None:
    patients = [f"p{number % 17}" for number in range(200)] + ["big"] * 90
    random.Random(1).shuffle(patients)
    path = write(tmp_path / "rows.csv", patients)
    made = files.plan(path, by="patient", rows=30)
    assert made.rows == 290
    held = [names_of(path, chunk) for chunk in made.chunks]
    assert sorted(name for names in held for name in names) == sorted(f"row {number}" for number in range(290))
    for names, chunk in zip(held, made.chunks, strict=True):
        assert len(names) == chunk.rows
    of = [{patients[int(name.split()[1])] for name in names} for names in held]
    assert sum(len(each) for each in of) == 18
    assert len(made.chunks) > 5


def test_a_plan_is_the_same_each_time_holds_no_data_and_can_be_pickled(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", ["Hidden-A", "Hidden-B", "Hidden-A"])
    made = files.plan(path, rows=1)
    assert pickle.loads(pickle.dumps(made)) == made == files.plan(path, rows=1)
    assert "Hidden" not in repr(made)
    assert [chunk.ranges for chunk in made.chunks] == [((0, 1), (2, 3)), ((1, 2),)]
    assert len({chunk.id for chunk in made.chunks}) == 2


def test_a_key_in_two_chunks_is_refused_and_in_one_it_is_the_engines_to_judge(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", ["a", "a", "b", "b"], ["1", "2", "3", "1"])
    with pytest.raises(files.FileError, match=r"line 5: another patient's row has the same key"):
        files.plan(path, rows=2, key="key")
    assert len(files.plan(path, rows=4, key="key").chunks) == 1
    assert len(files.plan(path, rows=2).chunks) == 2


@pytest.mark.parametrize("wrong", [{"by": "no such"}, {"rows": 0}, {"key": "no such"}])
def test_what_does_not_fit_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = write(tmp_path / "rows.csv", ["a"])
    asked: dict[str, object] = {"by": "patient", "rows": 5} | wrong
    with pytest.raises(files.FileError):
        files.plan(path, **asked)  # type: ignore[arg-type]


class _Patient:
    """A column, as far as a division asks."""

    def text_or_none(self, row: SourceRow) -> str:
        return str(row.values)


@given(st.lists(st.sampled_from(["", "a", "b", "c", "d"]), max_size=40), st.integers(1, 9))
def test_every_position_is_in_one_chunk_and_every_patient_in_one(patients: list[str], rows: int) -> None:
    by: object = _Patient()
    division = _Division(by, None, rows)  # type: ignore[arg-type]
    for position, patient in enumerate(patients):
        division.add(SourceRow(position + 2, patient, position=position))
    chunks = division.chunks("digest")
    positions = [each for chunk in chunks for start, stop in chunk.ranges for each in range(start, stop)]
    assert sorted(positions) == list(range(len(patients)))
    for patient in {"a", "b", "c", "d"}:
        of = {
            chunk.id
            for chunk in chunks
            for start, stop in chunk.ranges
            for each in range(start, stop)
            if patients[each] == patient
        }
        assert len(of) <= 1
