from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from multidict import CIMultiDict

from welkin_async.bulk import Outcome, Status
from welkin_async.errors import NotSentError, RequestLine, UnprocessableError
from welkin_async.files.options import FileSettings
from welkin_async.files.outputs.reject_files import RejectFiles
from welkin_async.files.readers.formats import CsvFormat
from welkin_async.files.readers.row import RowError, SourceRow
from welkin_async.files.report.row_counts import RowCounts
from welkin_async.files.run.outcome_recorder import OutcomeRecorder
from welkin_async.models.cdts import CdtRecord
from welkin_async.wire.request import Answer

from .conftest import read_csv, read_ndjson


@attrs.frozen
class Row:
    source: SourceRow
    key: str | None = "k"
    refused: RowError | None = None


def test_a_row_that_another_one_stands_for_is_not_created(folder: Path) -> None:
    tally, columns = RowCounts(), ("a",)
    settings = FileSettings(file=folder / "in.csv", rejects=folder / "in.rejects.csv")
    files = RejectFiles(settings, CsvFormat(columns, ","), "utf-8", columns)
    recorder = OutcomeRecorder(tally, files, "digest", journal=True)

    def skipped(index: int, earlier: str | None) -> Outcome[Any, Any]:
        row = Row(SourceRow(index + 2, [f"v{index}"]))
        return Outcome(index, row, Status.SKIPPED, None, None, 0, earlier=earlier)

    recorder.record(skipped(0, "created"))
    recorder.record(skipped(1, None))
    recorder.flush()
    files.close()
    assert (tally.rows, tally.done, tally.earlier, tally.rejected) == (2, 1, 1, 1)
    (reject,) = read_csv(folder / "in.rejects.csv")
    assert (reject["a"], reject["_line"], reject["_status"], reject["_key"]) == ("v1", "3", "rejected", "k")
    assert reject["_reason"] == "another row of the file has the same key and content, and stands for it"
    assert dict(tally.reasons) == {reject["_reason"]: 1}


def test_what_a_request_was_called_stands_beside_its_row(folder: Path) -> None:
    columns = ("a",)
    settings = FileSettings(file=folder / "in.csv", rejects=folder / "bad.csv", results=folder / "all.ndjson")
    files = RejectFiles(settings, CsvFormat(columns, ","), "utf-8", columns)
    recorder = OutcomeRecorder(RowCounts(), files, "digest", journal=False)
    line = RequestLine("POST", "/x", "cdts.create")
    answer = Answer(201, CIMultiDict({"X-Request-Id": "made-1234"}), {"id": "i"}, 1, line)
    made = CdtRecord.from_wire({"id": "i", "jsonBody": {}}, answer)
    refused = UnprocessableError("refused", request=line, status=422, attempts=1, request_id="refused-1")
    unseen = Row(SourceRow(5, ["d"]), refused=RowError(Status.REJECTED, "no patient", request_id="looked-1"))
    for outcome in (
        Outcome(0, Row(SourceRow(2, ["a"])), Status.CREATED, made, None, 1),
        Outcome(1, Row(SourceRow(3, ["b"])), Status.REJECTED, None, refused, 1),
        Outcome(2, Row(SourceRow(4, ["c"])), Status.CREATED, made, None, 1, adopted=True),
        Outcome(3, unseen, Status.REJECTED, None, unseen.refused.error if unseen.refused else None, 0),
        Outcome(4, Row(SourceRow(6, ["e"])), Status.FAILED, None, NotSentError("not sent", request=line), 0),
    ):
        recorder.record(outcome)
    recorder.flush()
    files.close()
    assert [row["_request_id"] for row in read_ndjson(folder / "all.ndjson")] == [
        "made-1234",
        "refused-1",
        "",
        "looked-1",
        "",
    ]
    assert [row["_request_id"] for row in read_csv(folder / "bad.csv")] == ["refused-1", "looked-1", ""]
