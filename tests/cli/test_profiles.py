"""Profiles: where settings are from, which goes first, and that no secret is kept in the file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from welkin_async.cli.app import app

from .conftest import SECRET, Local

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the folder of settings is had from XDG_CONFIG_HOME")

HERE = "http://127.0.0.1:9"
PRINTS_SECRET = f"{sys.executable} -c 'print(\"{SECRET}\")'"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of profiles, in a folder of settings of its own; no variable says where to connect."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in [name for name in os.environ if name.startswith("WELKIN_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "config" / "welkin-async" / "profiles.toml"
    path.parent.mkdir(parents=True)
    return path


def profile(local: Local, **more: object) -> str:
    """A profile that reaches the local server, as TOML."""
    server = local.server
    values: dict[str, object] = {"tenant": server.tenant, "instance": server.instance, "api_client": server.api_client}
    values |= {"base_url": local.base_url, **more}
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=env)


def settings(result: Result) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(result.stdout)["settings"]
    return found


def test_a_profile_with_a_secret_by_command_is_enough(local: Local, config: Path) -> None:
    config.write_text(f"[staging]\n{profile(local, secret_command=PRINTS_SECRET)}", encoding="utf-8")
    for result in (run("doctor", "--profile", "staging"), run("doctor", WELKIN_PROFILE="staging")):
        assert result.exit_code == 0, result.output
        assert SECRET not in result.output
    assert run("describe", "--profile", "staging").exit_code == 0
    assert settings(run("doctor", "--json", "--profile", "staging"))["secret"] == {
        "value": "given",
        "source": "profile staging, secret_command",
    }


def test_options_go_before_variables_and_variables_before_the_profile(local: Local, config: Path) -> None:
    config.write_text(f"[one]\n{profile(local, secret_command=PRINTS_SECRET, rate=40, timeout=7)}", encoding="utf-8")
    found = settings(run("doctor", "--json", "--profile", "one"))
    assert {name: each["source"] for name, each in found.items()} == {
        "profile": "--profile",
        "secret": "profile one, secret_command",
        **dict.fromkeys(("tenant", "instance", "api_client", "base_url", "rate", "timeout"), "profile one"),
    }
    assert (found["rate"]["value"], found["timeout"]["value"]) == (40, 7)
    result = run(
        *("doctor", "--json", "--tenant", "of-the-option", "--timeout", "9"),
        WELKIN_PROFILE="one",
        WELKIN_TENANT="of-the-variable",
        WELKIN_INSTANCE="of-the-variable",
        WELKIN_SECRET_KEY=SECRET,
    )
    found = settings(result)
    assert found["tenant"] == {"value": "of-the-option", "source": "--tenant"}
    assert found["instance"] == {"value": "of-the-variable", "source": "WELKIN_INSTANCE"}
    assert found["timeout"] == {"value": 9.0, "source": "--timeout"}
    assert found["profile"] == {"value": "one", "source": "WELKIN_PROFILE"}
    assert found["secret"]["source"] == "WELKIN_SECRET_KEY"
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("arguments", "variables", "host"),
    [
        ((), {}, ("environment", "sandbox", "profile one")),
        (("--environment", "live"), {"WELKIN_BASE_URL": HERE}, ("environment", "live", "--environment")),
        ((), {"WELKIN_BASE_URL": HERE}, ("base_url", HERE, "WELKIN_BASE_URL")),
        (("--base-url", HERE), {"WELKIN_ENVIRONMENT": "live"}, ("base_url", HERE, "--base-url")),
    ],
)  # fmt: skip
def test_what_names_the_host_first_decides(
    config: Path, arguments: tuple[str, ...], variables: dict[str, str], host: tuple[str, str, str]
) -> None:
    # No secret: the doctor shows what it has found, and asks nobody.
    config.write_text('[one]\nenvironment = "sandbox"\n', encoding="utf-8")
    result = run("doctor", "--json", "--profile", "one", *arguments, **variables)
    assert result.exit_code == 2
    name, value, source = host
    found = settings(result)
    assert found[name] == {"value": value, "source": source}
    assert len({"environment", "base_url"} & found.keys()) == 1


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (f'secret = "{SECRET}"', "one.secret"),
        (f'secret_key = "{SECRET}"', "one.secret_key"),
        (f'api-password = "{SECRET}"', "one.api-password"),
        (f'secret_keyring = "{SECRET}"', "one.secret_keyring"),
        (f'shared = "postgresql://user:{SECRET}@db/welkin"', "one.shared"),
        (f'[two]\ntoken = "{SECRET}"', "two.token"),
    ],
)
def test_a_file_that_holds_a_secret_is_refused(local: Local, config: Path, line: str, place: str) -> None:
    config.write_text(f"[one]\n{profile(local, secret_command=PRINTS_SECRET)}{line}\n", encoding="utf-8")
    result = run("describe", "--profile", "one")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"holds a secret ({place}): take it out" in result.stderr
    assert SECRET not in result.output
    assert local.server.stats.operations.total() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no profile one in "),
        ("[two]\n[three]\n", "there are: three, two"),
        ("[one]\nhost = 'x'\n", "profile one has no setting host; there are tenant, instance,"),
        ("[one]\nrate = 'x'\n", "profile one: rate is a number"),
        ("[one]\nrate = true\n", "profile one: rate is a number"),
        ("[one]\ntenant = 5\n", "profile one: tenant is text"),
        ("[one]\nsecret_command = []\n", "profile one: secret_command is a command"),
        ('[one]\nsecret_command = "\'"\n', "profile one: secret_command is a command"),
        ("[one]\nsecret_command = 'x'\nsecret_file = 'y'\n", "more than one place of its secret"),
        ("one = 5\n", "each profile is a table, such as [staging]"),
        (f"[one\nsecret = '{SECRET}'", "is not TOML"),
    ],
)
def test_a_file_of_another_form_is_told_and_not_quoted(config: Path, text: str, words: str) -> None:
    config.write_text(text, encoding="utf-8")
    result = run("describe", "--profile", "one")
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert SECRET not in result.output


def test_without_a_file_it_says_where_one_is_looked_for(config: Path) -> None:
    result = run("describe", "--profile", "one")
    assert (result.exit_code, result.stderr) == (2, f"welkin-async: there are no profiles: {config} is not there\n")


def test_a_file_that_others_may_write_to_decides_nothing(local: Local, config: Path) -> None:
    config.write_text(f"[one]\n{profile(local, secret_command=PRINTS_SECRET)}", encoding="utf-8")
    config.chmod(0o666)
    result = run("describe", "--profile", "one")
    assert result.exit_code == 2
    assert "may be written to by everybody on this machine" in result.stderr
    assert local.server.stats.operations.total() == 0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("false", "it ended with 1"),
        ("true", "its output is empty"),
        ("/no/such/program", "No such file or directory"),
    ],
)
def test_a_command_that_gives_no_secret_is_told(local: Local, config: Path, command: str, words: str) -> None:
    config.write_text(f"[one]\n{profile(local, secret_command=command)}", encoding="utf-8")
    result = run("doctor", "--profile", "one")
    assert result.exit_code == 2
    assert f"the profile's secret_command cannot be used: {words}" in result.stdout
    assert local.server.stats.operations.total() == 0


def test_a_secret_may_be_in_a_file_of_its_own(local: Local, config: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    config.write_text(f"[one]\n{profile(local, secret_file=str(secret))}", encoding="utf-8")
    assert run("describe", "--profile", "one").exit_code == 0


def test_a_secret_may_be_in_the_keyring(local: Local, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")

    class InMemory(keyring.backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = 1
        kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    try:
        config.write_text(f"[one]\n{profile(local, secret_keyring=True)}", encoding="utf-8")
        result = run("describe", "--profile", "one")
        assert result.exit_code == 2
        assert "the keyring has no secret of profile one: keyring set welkin-async one" in result.stderr
        keyring.set_password("welkin-async", "one", SECRET)
        assert run("describe", "--profile", "one").exit_code == 0
    finally:
        keyring.set_keyring(before)


def test_a_machine_without_a_keyring_is_told_what_else_there_is(
    local: Local, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = pytest.importorskip("keyring")
    from keyring.backends import fail

    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        config.write_text(f"[one]\n{profile(local, secret_keyring=True)}", encoding="utf-8")
        result = run("describe", "--profile", "one")
    finally:
        keyring.set_keyring(before)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "this machine has none that can be used; set WELKIN_SECRET_KEY, or name secret_command" in result.stderr


def test_without_the_extra_it_says_what_to_install(local: Local, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    config.write_text(f"[one]\n{profile(local, secret_keyring=True)}", encoding="utf-8")
    result = run("describe", "--profile", "one")
    assert result.exit_code == 2
    assert "needs an extra: pip install 'welkin-async[keyring]'; or set WELKIN_SECRET_KEY" in result.stderr
