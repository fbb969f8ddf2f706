"""The doctor: what it finds wrong, what its exit code is, and that it writes nothing and shows no secret."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from welkin_async.cli.commands.diagnosis import PATIENTS, PROBES, Resource
from welkin_async.sandbox import FaultKind

from .conftest import SECRET, Command, Local

CATALOGUE = Path(__file__).parents[1] / "contract" / "endpoints.yaml"


def findings(command: Command, *arguments: object, **env: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what was found by the name of the check."""
    result = command("doctor", "--json", *arguments, **env)
    report = json.loads(result.stdout)
    assert report["exit_code"] == result.exit_code
    assert report["outcome"] == ("ok" if result.exit_code == 0 else "failed")
    return result.exit_code, {each["check"]: each for each in report["findings"]}


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {check: each["state"] for check, each in found.items()}


def forbid(local: Local, operation: str) -> None:
    body = b'[{"errorCode": "ACCESS_FOR_API_CLIENT_RESTRICTED", "componentType": "AUTH", "details": {}}]'
    local.fault(FaultKind.STATUS, operation=operation, status=403, body=body, times=None)


def test_all_is_well_and_nothing_is_written(command: Command, local: Local) -> None:
    local.patient(firstName="Charlotte")
    code, found = findings(command)
    assert code == 0
    assert set(states(found).values()) == {"ok"}
    assert {"host", "token", "instance", "formations", "clock", "may read patients", "may read cdts"} <= found.keys()
    assert found["formations"]["text"] == "2 custom data types"
    methods = {request.method for request in local.server.stats.log if "api_clients" not in request.path}
    assert methods == {"GET"}
    shown = command("doctor")
    assert shown.exit_code == 0
    assert shown.stdout.endswith("\nnothing failed\n")
    assert f"  tenant       {local.server.tenant}  (WELKIN_TENANT)\n" in shown.stdout
    assert "  secret       given  (WELKIN_SECRET_KEY)\n" in shown.stdout
    assert "Charlotte" not in shown.output
    assert SECRET not in shown.output


def test_the_probes_are_reads_of_the_catalogue() -> None:
    paths = {each["path"] for each in yaml.safe_load(CATALOGUE.read_text(encoding="utf-8")) if each["method"] == "GET"}
    assert {probe.path for probe in (PATIENTS, *PROBES)} <= paths
    assert [probe.resource for probe in (PATIENTS, *PROBES)] == list(Resource)


def test_a_wrong_secret(command: Command, local: Local) -> None:
    code, found = findings(command, WELKIN_SECRET_KEY="another")  # pragma: allowlist secret
    assert code == 1
    assert (found["token"]["state"], found["token"]["text"]) == ("failed", "refused (401)")
    assert "secret" in found["token"]["advice"]
    skipped = dict.fromkeys(("instance", "formations", "clock"), "skipped")
    assert states(found) == {"settings": "ok", "host": "ok", "token": "failed", **skipped}


def test_a_wrong_instance(command: Command, local: Local) -> None:
    code, found = findings(command, "--instance", "sb-other")
    assert code == 1
    assert found["instance"]["text"] == "the server knows no such instance (404)"
    assert (found["token"]["state"], found["formations"]["state"]) == ("ok", "skipped")


def test_a_host_that_cannot_be_reached(command: Command, local: Local) -> None:
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        code, found = findings(command, "--base-url", f"http://127.0.0.1:{held.getsockname()[1]}")
    assert code == 1
    assert (found["host"]["state"], found["host"]["text"]) == ("failed", "no connection: Connection refused")
    assert found["token"]["state"] == "skipped"


def test_a_host_whose_name_is_not_known(command: Command, local: Local) -> None:
    code, found = findings(command, "--base-url", "https://no-such-host.invalid")
    assert code == 1
    assert (found["host"]["state"], found["host"]["text"]) == ("failed", "its name is not known")


def test_a_host_that_speaks_no_tls(command: Command, local: Local) -> None:
    code, found = findings(command, "--base-url", local.base_url.replace("http:", "https:"))
    assert code == 1
    assert found["host"]["state"] == "failed"
    assert "TLS" in found["host"]["text"]


@pytest.mark.parametrize(
    ("skew", "state", "code"),
    [(60.0, "warning", 0), (-60.0, "warning", 0), (7200.0, "failed", 1), (-7200.0, "failed", 1)],
)
def test_a_skewed_clock(command: Command, local: Local, skew: float, state: str, code: int) -> None:
    local.server.skew = skew
    found_code, found = findings(command)
    assert (found_code, found["clock"]["state"]) == (code, state)
    words = found["clock"]["text"].split()
    assert abs(float(words[3].replace(",", "")) - abs(skew)) <= 2
    assert words[-1] == ("ahead" if skew > 0 else "behind")


def test_no_right_to_a_resource(command: Command, local: Local) -> None:
    local.patient()
    forbid(local, "users.list")
    code, found = findings(command)
    assert (code, found["may read users"]["state"], found["may read users"]["text"]) == (0, "warning", "no right (403)")
    assert "User Provision" in found["may read users"]["advice"]
    code, found = findings(command, "--resource", "users", "--resource", "cdts")
    assert (code, found["may read users"]["state"], found["may read cdts"]["state"]) == (1, "failed", "ok")
    assert "may read emails" not in found


def test_no_right_to_patients(command: Command, local: Local) -> None:
    local.patient()
    forbid(local, "patients.list")
    code, found = findings(command)
    assert (code, found["may read patients"]["state"]) == (1, "failed")
    assert (found["may read cdts"]["state"], found["formations"]["state"]) == ("skipped", "ok")
    code, found = findings(command, "--resource", "users")
    assert (code, found["may read patients"]["state"]) == (0, "warning")


def test_an_instance_that_answers_with_errors_alone(command: Command, local: Local) -> None:
    local.fault(FaultKind.STATUS, operation="patients.list", status=500, times=None)
    code, found = findings(command, "--resource", "users")
    assert (code, found["instance"]["state"], found["formations"]["state"]) == (1, "failed", "skipped")


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "no right to read them (403)"), (500, "500"), (200, "")],
)
def test_a_formation_that_cannot_be_read(command: Command, local: Local, status: int, words: str) -> None:
    if status == 200:
        local.fault(FaultKind.GARBAGE, operation="formation_cdts.list", times=None)
    else:
        local.fault(FaultKind.STATUS, operation="formation_cdts.list", status=status, times=None)
    code, found = findings(command)
    assert (code, found["formations"]["state"]) == (1, "failed")
    assert words in found["formations"]["text"]


def test_the_formations_of_some_cdts(command: Command, local: Local) -> None:
    code, found = findings(command, "--cdt", "medication")
    assert (code, found["formation of medication"]["state"]) == (0, "ok")
    code, found = findings(command, "--cdt", "medikation")
    assert (code, found["formations"]["text"]) == (1, "there is no such CDT (404)")


def test_what_needs_a_patient_is_skipped_where_there_is_none(command: Command, local: Local) -> None:
    code, found = findings(command)
    assert (code, found["may read cdts"]["state"]) == (0, "skipped")


def test_missing_settings_are_all_named(command: Command, local: Local) -> None:
    without = dict.fromkeys(("WELKIN_TENANT", "WELKIN_API_CLIENT", "WELKIN_SECRET_KEY"), "")
    result = command("doctor", **without)
    assert result.exit_code == 2
    for words in ("tenant is missing", "api_client is missing", "the secret is missing", "give --secret-file"):
        assert words in result.stdout
    assert "instance is missing" not in result.stdout
    assert local.server.stats.operations.total() == 0
