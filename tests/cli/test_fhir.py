"""The commands of docs/fhir.md, on a bulk export of a thousand resources as Synthea writes them, run twice."""

from __future__ import annotations

import random
import re
import shlex
import uuid
from pathlib import Path
from typing import Any

import pytest

from .conftest import Command, Local, read_csv, read_ndjson, write_ndjson

DOCS = Path(__file__).parents[2] / "docs" / "fhir.md"
PATIENTS, REQUESTS, OBSERVATIONS = 40, 560, 400
LOINC, RXNORM = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"


def coded(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def patient(number: int, id: str) -> dict[str, Any]:
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    return {
        "resourceType": "Patient",
        "id": id,
        "identifier": [
            {"system": "https://github.com/synthetichealth/synthea", "value": id},
            {"type": kind, "system": "http://hospital.smarthealthit.org", "value": f"MRN-{number:04}"},
        ],
        "name": [{"use": "official", "family": f"Family{number}", "given": [f"Given{number}", "Middle"]}],
        "birthDate": f"19{50 + number % 50}-04-0{1 + number % 9}",
    }


def request(number: int, id: str, who: str) -> dict[str, Any]:
    dosage: dict[str, Any] = {"sequence": 1, "text": f"{number} mg daily", "asNeededBoolean": number % 3 == 0}
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "active",
        "medicationCodeableConcept": coded(RXNORM, str(310965 + number), f"Ibuprofen {number} MG Oral Tablet"),
        "subject": {"reference": f"Patient/{who}"},
        "authoredOn": f"2019-03-{1 + number % 28:02}T08:{number % 60:02}:00-04:00",
        **({"dosageInstruction": [dosage]} if number % 4 else {}),
        "dispenseRequest": {"numberOfRepeatsAllowed": number % 5},
    }


def observation(number: int, id: str, who: str) -> dict[str, Any]:
    def component(code: str, name: str, value: float) -> dict[str, Any]:
        return {"code": coded(LOINC, code, name), "valueQuantity": {"value": value, "unit": "mm[Hg]"}}

    return {
        "resourceType": "Observation",
        "id": id,
        "code": coded(LOINC, "85354-9", "Blood pressure panel"),
        "subject": {"reference": f"Patient/{who}"},
        "effectiveDateTime": f"2019-05-{1 + number % 28:02}T09:{number % 60:02}:00.123Z",
        "component": [
            component("8462-4", "Diastolic Blood Pressure", 60.0 + number % 40),
            component("8480-6", "Systolic Blood Pressure", 100.0 + number % 60),
        ],
    }


def exported(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Write the three files of an export."""
    numbers = random.Random(16)

    def ids(count: int) -> list[str]:
        return [str(uuid.UUID(int=numbers.getrandbits(128), version=4)) for _ in range(count)]

    people = ids(PATIENTS)
    made = {
        "Patient": [patient(number, id) for number, id in enumerate(people)],
        "MedicationRequest": [request(number, id, numbers.choice(people)) for number, id in enumerate(ids(REQUESTS))],
        "Observation": [observation(number, id, numbers.choice(people)) for number, id in enumerate(ids(OBSERVATIONS))],
    }
    for name, resources in made.items():
        write_ndjson(folder / f"{name}.ndjson", resources)
    assert sum(map(len, made.values())) == 1000
    return made


@pytest.fixture
def commands() -> list[list[str]]:
    shown = re.findall(r"^```console\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = "".join(shown).removeprefix("$ ").split("\n$ ")
    return [shlex.split(line.replace("\\\n", ""))[1:] for line in lines]


@pytest.mark.slow
def test_a_bulk_export_is_there_once_however_often_it_is_run(
    command: Command, local: Local, folder: Path, commands: list[list[str]]
) -> None:
    made = exported(folder)
    assert [each[0] for each in commands] == ["import-patients", "import", "import"]
    for forget in (False, True):
        for arguments in commands:
            result = command(*arguments)
            assert result.exit_code == 0, result.output
        for journal in folder.glob("*.journal") if forget is False else ():
            journal.unlink()  # so that the second run has to look
    people = local.do(lambda: list(local.server.store.sections.patients.rows().values()))
    by_id = {each["externalGuid"]: each["id"] for each in people}
    assert len(by_id) == PATIENTS
    requests = {each["id"]: each for each in made["MedicationRequest"]}
    stored = local.do(lambda: local.server.store.cdt_records("medication"))
    assert len(stored) == REQUESTS
    for record in stored:
        body, source = record["jsonBody"], requests.pop(record["jsonBody"]["external_id"])
        assert record["patientId"] == by_id[source["subject"]["reference"].removeprefix("Patient/")]
        assert body["medication_name"] == source["medicationCodeableConcept"]["coding"][0]["display"]
        assert body["medication_start_date"] == source["authoredOn"].replace("T08", "T12").replace("-04:00", ".000Z")
        assert body["medication_refills"] == source["dispenseRequest"]["numberOfRepeatsAllowed"]
        dosage = source.get("dosageInstruction", [{}])[0]
        assert body.get("medication_dose") == dosage.get("text")
        assert body.get("medication_as_needed") == dosage.get("asNeededBoolean")
        assert body["medication_notes"] == "FHIR export"
    assert not requests
    pressures = sorted((each["systolic"], each["diastolic"]) for each in local.records("vitals"))
    assert pressures == sorted((100 + number % 60, 60 + number % 40) for number in range(OBSERVATIONS))


def test_a_resource_of_another_shape_or_patient_is_refused_and_never_quoted(
    command: Command, local: Local, folder: Path, commands: list[list[str]]
) -> None:
    people = ["5f1c0e52-0000-4000-8000-000000000001", "5f1c0e52-0000-4000-8000-000000000002"]
    write_ndjson(folder / "Patient.ndjson", [patient(0, people[0])])
    local.patient(mrn="MRN-0000")
    good = request(1, "one", people[0])
    rows = [good, request(2, "two", people[1]), {**good, "id": "three", "subject": {"reference": "Group/1"}}]
    rows.append({**good, "id": "four", "medicationCodeableConcept": ["secret"]})
    rows.append({**good, "id": "five", "subject": [{"reference": "secret"}]})
    write_ndjson(folder / "MedicationRequest.ndjson", rows)
    result = command(*commands[1])
    assert result.exit_code == 1
    reasons = {each["id"]: each["_reason"] for each in read_ndjson(folder / "MedicationRequest.rejects.ndjson")}
    assert reasons == {
        "two": "column subject.reference: expected a patient that is in the patient map",
        "three": "column subject.reference: expected text that begins with Patient/",
        "four": "column medicationCodeableConcept.coding[0].display: expected an object on the way",
        "five": "column subject.reference: expected an object on the way",
    }
    assert "secret" not in result.output
    assert len(local.records()) == 1


def test_a_patient_map_is_any_file_of_two_columns(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    (folder / "map.csv").write_text("reference,mrn\nPatient/1,M-1\nPatient/2,\n")
    (folder / "rows.csv").write_text("who,medication_name,note\nPatient/1,Advil,x\nPatient/2,Zyrtec,x\n")
    given = ("--cdt", "medication", "--patient-type", "MRN", "--ignore", "note", "--patient-map", "map.csv")
    assert command("import", "rows.csv", *given, "--patient-column", "who").exit_code == 1
    assert local.records() == [{"medication_name": "Advil"}]
    assert [each["who"] for each in read_csv(folder / "rows.rejects.csv")] == ["Patient/2"]
    (folder / "map.csv").write_text("reference,mrn\nPatient/1,M-2\n")
    other = command("import", "rows.csv", *given, "--patient-column", "who")
    assert other.exit_code == 2  # the journal is of other patients
    assert "other options" in other.output


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("reference,mrn\n1,M-1\n1,M-2\n", "line 3: the reference has another key before"),
        ("reference\n1\n", "has two columns"),
        ("reference,mrn\n1\n", "line 2: "),
    ],
)
def test_a_patient_map_that_is_none_sends_nothing(
    command: Command, local: Local, folder: Path, content: str, problem: str
) -> None:
    (folder / "map.csv").write_text(content)
    (folder / "rows.csv").write_text("who,medication_name\n1,Advil\n")
    given = ("--cdt", "medication", "--patient-column", "who")
    result = command("import", "rows.csv", *given, "--patient-map", "map.csv")
    assert (result.exit_code, problem in result.output) == (2, True), result.output
    assert "M-1" not in result.output
    assert command("import", "rows.csv", *given, "--patient-map-key", "mrn").exit_code == 2
