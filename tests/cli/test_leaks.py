"""What a run leaves behind holds no secret, no token and no value of a row but where rows are to go."""

from __future__ import annotations

import json
from pathlib import Path

from welkin_async.sandbox import FaultKind

from .conftest import SECRET, Command, Local, write_csv

NAME, DOSE, MRN = "Charlotte-Tailorson", "80mgTwiceDaily", "M-4711-0815"


def test_reports_and_journals(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient(mrn=MRN, firstName=NAME)
    for kind in (FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER, FaultKind.GARBAGE):
        local.fault(kind, operation="cdts.create", times=2, after=3)
    local.fault(
        FaultKind.STATUS, operation="cdts.create", status=422, times=2, body=f'[{{"message": "{NAME}"}}]'.encode()
    )
    rows = [[MRN, NAME, DOSE, "2" if index % 5 else DOSE] for index in range(40)]
    write_csv(folder / "rows.csv", ["mrn", "medication_name", "medication_dose", "medication_refills"], rows)
    patients = ("--cdt", "medication", "--patient-column", "mrn", "--patient-type", "MRN")
    settle = ("--settle", "0.1", "--final-settle", "0.1", "--timeout", "2")
    results = [
        command("import", "rows.csv", *patients, *settle, "--report", "report.html"),
        command("import", "rows.csv", *patients, *settle, "--retry", "--json"),
        command("import", "rows.csv", *patients, "--dry-run", "--check-patients"),
    ]
    assert json.loads(results[1].stdout)["rows"] == 40
    said = [result.output for result in results] + [(folder / "report.html").read_text()]
    kept = [path.read_bytes().decode("latin-1") for path in folder.glob("rows.csv.*journal*")]
    assert len(kept) >= 2
    for text in (*said, *kept):
        for word in (NAME, DOSE, MRN, SECRET, "eyJ"):
            assert word not in text
    for text in said:
        assert patient not in text
