"""The page at ``/``: what a person sees of a server, whatever its records hold."""

from __future__ import annotations

from html.parser import HTMLParser

import aiohttp
import pytest

from welkin_async import Welkin
from welkin_async.sandbox import Sandbox

VOID = {"meta"}


class Page(HTMLParser):
    """The cells and links of a page; every tag has to be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = text
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "td":
            self.cells.append("")
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self._open:
            self.cells[-1] += data


async def get(server: Sandbox, path: str = "/", status: int = 200, key: str = "") -> Page:
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.base_url + path, headers={"X-Sandbox-Key": key}) as answer,
    ):
        assert answer.status == status
        assert status == 403 or "default-src 'none'" in answer.headers["Content-Security-Policy"]
        return Page(await answer.text())


async def test_a_person_sees_what_is_there_and_follows_the_links(server: Sandbox, welkin: Welkin) -> None:
    patient = await welkin.patients.create(first_name="Charlie", last_name="Taylor")
    await welkin.patient(patient.id).cdts("medication").create({"medication_name": "Tylenol", "icd-10": "E11"})
    page = await get(server)
    assert page.cells[:3] == ["medication", "32", "1"]
    assert page.cells[-3:] == [patient.id, "Charlie", "Taylor"]
    assert page.links == ["/", "/openapi", "/?cdt=medication", "/?cdt=vitals", f"/?patient={patient.id}"]
    records = await get(server, "/?cdt=medication")
    assert "Records of medication (1)" in records.text
    assert {"Tylenol", "E11", patient.id} <= set(records.cells)
    person = await get(server, f"/?patient={patient.id}")
    assert {"Charlie", "firstName", "medication"} <= set(person.cells)
    assert f"/?cdt=medication&patient={patient.id}" in person.links
    assert "Tylenol" in (await get(server, f"/?cdt=medication&patient={patient.id}")).cells
    assert "(0)" in (await get(server, "/?cdt=vitals")).text
    assert server.stats.total == 4  # a token, a formation and two creates: the page is no part of the API


async def test_nothing_that_a_record_holds_is_markup(server: Sandbox, welkin: Welkin) -> None:
    evil = '<script>alert("1")</script><img src=x onerror=alert(1)>'
    server.store.define_cdt('a"><b>&c', {"x<i>": "text"})
    patient = await welkin.patients.create(first_name=evil, last_name="'\"><td>")
    await welkin.patient(patient.id).cdts('a"><b>&c').create({"x<i>": evil})
    for path in ("/", "/?cdt=a%22%3E%3Cb%3E%26c", f"/?patient={patient.id}"):
        page = await get(server, path)
        assert page.tags & {"script", "img", "b", "i"} == set()
    assert evil in (await get(server, "/?cdt=a%22%3E%3Cb%3E%26c")).cells


async def test_long_tables_say_how_long_they_are(server: Sandbox) -> None:
    server.store.add_patients(300)
    page = await get(server)
    assert "Patients (the first 200 of 300)" in page.text


@pytest.mark.parametrize("path", ["/?cdt=nothing", "/?patient=nobody", "/?cdt=medication&patient=nobody"])
async def test_what_is_not_there_is_not_found(server: Sandbox, path: str) -> None:
    assert "There is none." in (await get(server, path, 404)).text


async def test_the_page_asks_for_the_key_of_the_control_routes() -> None:
    async with Sandbox(control_key="key") as server:
        await get(server, status=403)
        await get(server, key="key")
