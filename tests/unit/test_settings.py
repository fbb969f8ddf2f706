"""Settings: what is missing or does not fit is named before anything is sent, and the secret is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from welkin_async import Welkin
from welkin_async.errors import ConfigurationError
from welkin_async.http.settings import Settings

GIVEN = {"tenant": "gh", "instance": "sb-demo", "api_client": "CLIENT", "secret_key": "s3cr3t+}{#%"}
VARIABLES = {f"WELKIN_{name.upper()}": value for name, value in GIVEN.items()}


def read(**given: Any) -> Settings:
    return Settings.read(GIVEN | given, {})


def test_arguments_are_enough() -> None:
    settings = Settings.read(GIVEN, {})
    assert {name: getattr(settings, name) for name in GIVEN} == GIVEN
    assert settings.base_url == "https://api.live.welkincloud.io"


def test_variables_are_enough() -> None:
    settings = Settings.read(dict.fromkeys(GIVEN), VARIABLES)
    assert {name: getattr(settings, name) for name in GIVEN} == GIVEN


def test_an_argument_wins_over_its_variable() -> None:
    assert Settings.read({"tenant": "other"}, VARIABLES).tenant == "other"


def test_an_empty_variable_counts_as_not_set() -> None:
    with pytest.raises(ConfigurationError, match="WELKIN_TENANT"):
        Settings.read({}, VARIABLES | {"WELKIN_TENANT": ""})


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_missing_is_named_with_its_argument_and_its_variable(name: str) -> None:
    given = {other: value for other, value in GIVEN.items() if other != name}
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(given, {})
    assert f"{name}=" in str(caught.value)
    assert f"WELKIN_{name.upper()}" in str(caught.value)
    assert GIVEN["secret_key"] not in str(caught.value)


@pytest.mark.parametrize("name", GIVEN)
def test_an_empty_argument_is_a_configuration_error_too(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read(**{name: ""})


@pytest.mark.parametrize("name", ["tenant", "instance", "api_client"])
@pytest.mark.parametrize("value", [".", "..", "\ud800"])
def test_a_name_that_is_no_path_segment_is_a_configuration_error(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read(**{name: value})


def test_a_secret_that_cannot_be_sent_is_a_configuration_error() -> None:
    # What os.environ makes of a variable with bytes that are not UTF-8.
    with pytest.raises(ConfigurationError, match="secret_key"):
        read(secret_key="abc\udcff")


@pytest.mark.parametrize(
    ("environment", "host"),
    [("live", "https://api.live.welkincloud.io"), ("sandbox", "https://api.sandbox.welkincloud.io")],
)
def test_the_environment_names_the_host(environment: str, host: str) -> None:
    assert read(environment=environment).base_url == host
    assert Settings.read(GIVEN, {"WELKIN_ENVIRONMENT": environment}).base_url == host


@pytest.mark.parametrize("environment", ["Live", "prod", "live.evil.org/", "live "])
def test_another_environment_is_refused(environment: str) -> None:
    with pytest.raises(ConfigurationError, match="WELKIN_ENVIRONMENT"):
        read(environment=environment)


def test_an_environment_given_in_code_wins_over_a_host_in_a_variable() -> None:
    elsewhere = {"WELKIN_BASE_URL": "https://api.live.welkincloud.io"}
    assert Settings.read(GIVEN | {"environment": "sandbox"}, elsewhere).base_url == "https://api.sandbox.welkincloud.io"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.example.org", "https://api.example.org"),
        ("https://api.example.org/", "https://api.example.org"),
        ("https://api.example.org:8443", "https://api.example.org:8443"),
        ("HTTPS://API.example.org", "https://api.example.org"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_base_url_is_scheme_and_host(url: str, base: str) -> None:
    assert read(base_url=url).base_url == base
    assert Settings.read(GIVEN, {"WELKIN_BASE_URL": url}).base_url == base


@pytest.mark.parametrize(
    "url",
    [
        "http://api.live.welkincloud.io",
        "http://127.0.0.1.evil.org",
        "http://localhost.evil.org",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "http://[::2]",
        "https://api.example.org/gh",
        "https://api.example.org/gh/sb-demo",
        "https://user@api.example.org",
        "https://user:password@api.example.org",
        "https://:password@api.example.org",
        "https://api.example.org?x=1",
        "https://api.example.org#x",
        "https://api.example.org//",
        "https://",
        "https://api.example.org:99999",
        "api.example.org",
        "//api.example.org",
        "/api",
        "ftp://api.example.org",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "not a url",
        "https://[::1",
    ],
)
def test_a_base_url_that_would_send_credentials_astray_or_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="WELKIN_BASE_URL") as caught:
        read(base_url=url)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 0),
        ("timeout", -1.0),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        ("max_attempts", 0),
        ("max_attempts", -1),
        ("max_wait", -1.0),
        ("max_wait", float("nan")),
        ("rate", 0),
        ("rate", -1.0),
        ("rate", float("nan")),
        ("concurrency", 0),
        ("concurrency", -1),
    ],
)
def test_a_number_that_does_not_fit_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read(**{name: value})


def test_an_explicit_none_lifts_the_bound_on_waiting() -> None:
    assert read().max_wait == 60.0
    assert read(max_wait=None).max_wait is None
    assert read(max_wait=0).max_wait == 0


def test_no_secret_is_shown() -> None:
    settings = read(proxy="http://user:pa55word@proxy.example.org")
    for text in (repr(settings), str(settings), repr(Welkin(**GIVEN))):  # type: ignore[arg-type]
        assert "s3cr3t" not in text
        assert "pa55word" not in text


def test_a_session_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WELKIN_BASE_URL", "http://127.0.0.1:1")
    assert Welkin.from_env().settings.base_url == "http://127.0.0.1:1"
    assert Welkin(tenant="other").settings.tenant == "other"
    monkeypatch.delenv("WELKIN_SECRET_KEY")
    with pytest.raises(ConfigurationError, match="WELKIN_SECRET_KEY"):
        Welkin.from_env()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", 5), ("base_url", b"https://x"), ("base_url", ["https://x"]), ("tenant", 5), ("instance", b"sb"),
        ("api_client", object()), ("secret_key", 5), ("secret_key", b"s3cr3t"), ("timeout", "30"), ("timeout", True),
        ("max_attempts", 2.5), ("max_attempts", "5"), ("max_wait", "60"), ("rate", "5"), ("concurrency", 8.0),
        ("concurrency", "8"), ("trust_env", "yes"), ("proxy", 5), ("engine", 5), ("environment", 5),
        ("on_attempt", "print"), ("token_store", "/tmp"), ("token_store", object()),
    ],
)  # fmt: skip
def test_a_setting_of_another_type_is_named(name: str, value: Any) -> None:
    names = {"tenant": "gh", "instance": "sb", "api_client": "C", "secret_key": "s3cr3t"}
    with pytest.raises(ConfigurationError, match=name) as caught:
        Settings.read({**names, name: value}, {})
    assert "s3cr3t" not in str(caught.value)
