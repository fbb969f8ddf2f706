from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from welkin_async.bulk import Outcome, Status
from welkin_async.cli.forms import CsvForm
from welkin_async.cli.meter import Meter
from welkin_async.cli.row_files import RowFiles
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.cli.settlement import Settlement
from welkin_async.cli.tally import Tally

from .conftest import read_csv


@attrs.frozen
class Row:
    source: SourceRow
    key: str | None = "k"
    refused: Problem | None = None


def test_a_row_that_another_one_stands_for_is_not_created(folder: Path) -> None:
    tally, columns = Tally(), ("a",)
    files = RowFiles(folder / "in.csv", None, None, CsvForm(columns, ","), "utf-8", columns)
    settlement = Settlement(tally, Meter(), files, "digest", journal=True)

    def skipped(index: int, earlier: str | None) -> Outcome[Any, Any]:
        row = Row(SourceRow(index + 2, [f"v{index}"]))
        return Outcome(index, row, Status.SKIPPED, None, None, 0, earlier=earlier)

    settlement.take(skipped(0, "created"))
    settlement.take(skipped(1, None))
    files.close()
    assert (tally.rows, tally.done, tally.earlier, tally.rejected, tally.complete) == (2, 1, 1, 1, False)
    (reject,) = read_csv(folder / "in.rejects.csv")
    assert (reject["a"], reject["_line"], reject["_status"], reject["_key"]) == ("v1", "3", "rejected", "k")
    assert reject["_reason"] == "another row of the file has the same key and content, and stands for it"
    assert dict(tally.reasons) == {reject["_reason"]: 1}
