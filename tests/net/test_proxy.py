from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from welkin_async import ConfigurationError, ConnectError, NotFoundError, TokenUnavailableError, WelkinError
from welkin_async.sandbox import Sandbox

from .helpers import TOKEN_PATH, OneToken, RawServer, always, connect, free_port, http, record

BEHIND = "http://127.0.0.1:9"  # nobody is there: what arrives went through the proxy


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def test_a_request_goes_through_a_proxy() -> None:
    async with RawServer(always(record())) as proxy:
        async with connect(BEHIND, proxy=proxy.base_url) as welkin:
            assert (await welkin.patients.create({"firstName": "A"})).id == "r1"
            assert (await welkin.patients.get("a/b")).id == "a/b"
        assert [seen.target for seen in proxy.seen] == [
            f"{BEHIND}/gh/sb-demo/patients",
            f"{BEHIND}/gh/sb-demo/patients/a%2Fb",
        ]
        assert {seen.headers["host"] for seen in proxy.seen} == {"127.0.0.1:9"}
        assert proxy.token_requests == 1


async def test_the_sandbox_behind_a_proxy_form(server: Sandbox, patient: str) -> None:
    async with connect(BEHIND, proxy=server.base_url) as welkin:
        assert (await welkin.patients.get(patient)).id == patient
        with pytest.raises(NotFoundError):
            await welkin.patients.get("none")


async def test_a_proxy_that_is_not_there(swift: None) -> None:
    proxy = f"http://user:pa55@127.0.0.1:{free_port()}"
    async with connect(BEHIND, proxy=proxy, token_store=OneToken(), max_attempts=2) as welkin:
        with pytest.raises(ConnectError, match="proxy") as caught:
            await welkin.patients.create({})
        assert "pa55" not in f"{caught.value!r} {welkin!r} {welkin.settings!r}"


async def test_a_proxy_that_refuses_the_tunnel(swift: None) -> None:
    async with RawServer(always(http(407))) as proxy:
        settings = {"proxy": proxy.base_url, "token_store": OneToken(), "max_attempts": 2}
        async with connect("https://behind.invalid", **settings) as welkin:
            with pytest.raises(ConnectError, match="proxy answered 407"):
                await welkin.patients.create({})
        assert [(seen.method, seen.target) for seen in proxy.seen] == [("CONNECT", "behind.invalid:443")] * 2
        assert all("t0ken" not in str(seen.headers) for seen in proxy.seen)


async def test_credentials_of_a_proxy_go_to_the_proxy() -> None:
    async with RawServer(always(record())) as proxy:
        async with connect(BEHIND, proxy=proxy.base_url.replace("//", "//user:pa55@")) as welkin:
            await welkin.patients.get("x")
        assert proxy.seen[0].headers["proxy-authorization"].startswith("Basic ")
        assert proxy.seen[0].headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("proxy", ["127.0.0.1:3128", "nonsense", "ftp://127.0.0.1:3128", "http://"])
async def test_a_proxy_that_is_no_url_is_refused_at_once(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="proxy"):
        async with asyncio.timeout(1), connect(BEHIND, proxy=proxy) as welkin:
            await welkin.patients.get("x")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
async def test_trust_env_takes_the_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async with RawServer(always(record())) as proxy, RawServer(always(record())) as direct:
        monkeypatch.setenv(name, proxy.base_url)
        async with connect(direct, trust_env=True) as welkin:
            await welkin.patients.get("x")
        assert (len(proxy.seen), len(direct.seen)) == (1, 0)
        async with connect(direct) as welkin:
            await welkin.patients.get("x")
        assert (len(proxy.seen), len(direct.seen)) == (1, 1)


async def test_a_proxy_of_the_environment_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """As curl and requests take it."""
    async with RawServer(always(record())) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
        try:
            async with asyncio.timeout(1), connect(BEHIND, trust_env=True) as welkin:
                await welkin.patients.get("x")
        except ConfigurationError:
            return
        assert len(proxy.seen) == 1


@pytest.mark.parametrize("form", ["127.0.0.1", "localhost,127.0.0.1", "*", "127.0.0.1:{port}"])
async def test_no_proxy_is_respected(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    async with RawServer(always(record())) as proxy, RawServer(always(record())) as direct:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        monkeypatch.setenv("NO_PROXY", form.format(port=direct.port))
        async with connect(direct, trust_env=True) as welkin:
            await welkin.patients.get("x")
        assert (len(proxy.seen), len(direct.seen)) == (0, 1)


async def test_a_netrc_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password pa55\ndefault login other password pa55\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text(netrc.read_text())
    for trust_env in (True, False):
        async with RawServer(always(record())) as server, connect(server, trust_env=trust_env) as welkin:
            await welkin.patients.get("x")
            assert server.seen[0].headers["authorization"] == "Bearer t0ken"
    async with RawServer(always(http(200, {"token": "t"})), tokens=False) as server:
        async with connect(server, trust_env=True) as welkin:
            with pytest.raises(WelkinError):
                await welkin.patients.get("x", max_attempts=1)
        assert server.seen[0].path == TOKEN_PATH
        assert "authorization" not in server.seen[0].headers


async def test_a_proxy_that_answers_in_the_servers_place(swift: None) -> None:
    behaviour = always(http(502, b"<html>Bad Gateway</html>"))
    async with (
        RawServer(behaviour, tokens=False) as proxy,
        connect(BEHIND, proxy=proxy.base_url, max_attempts=1) as welkin,
    ):
        with pytest.raises(TokenUnavailableError) as caught:
            await welkin.patients.get("x")
        assert caught.value.status == 502
