"""The site as it is built: every public name is found, links lead somewhere, and nothing is fetched from elsewhere."""

from __future__ import annotations

import html
import json
import os
import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from .blocks import DOCS, PROJECT, blocks_of, commands_of
from .test_reference import PACKAGES, public

SITE = PROJECT / os.environ.get("DOCS_SITE", "site")
pytestmark = pytest.mark.skipif("DOCS_SITE" not in os.environ, reason="nox --session docs builds the site")

# What a browser loads by itself; a link that a reader follows is another thing.
_LOADED = {
    "img": "src",
    "script": "src",
    "iframe": "src",
    "source": "src",
    "audio": "src",
    "video": "src",
    "object": "data",
    "embed": "src",
}
_FETCHING = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}


class _Loads(HTMLParser):
    """Collects what a page loads, and which anchors it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given["id"]} if "id" in given else set()
        if tag in _LOADED and _LOADED[tag] in given:
            self.loads.append(given[_LOADED[tag]])
        if tag == "link" and _FETCHING & set(given.get("rel", "").split()):
            self.loads.append(given.get("href", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


def pages() -> Iterator[tuple[Path, _Loads]]:
    for path in sorted(SITE.rglob("*.html")):
        found = _Loads()
        found.feed(path.read_text(encoding="utf-8"))
        yield path, found


def is_elsewhere(url: str) -> bool:
    return bool(urlsplit(url).netloc)


def test_a_page_loads_nothing_from_elsewhere() -> None:
    seen = 0
    for path, found in pages():
        assert not [each for each in found.loads if is_elsewhere(each)], path
        seen += len(found.loads)
    assert seen > 100
    for style in SITE.rglob("*.css"):
        urls = re.findall(r"url\((?!data:)['\"]?([^'\")]+)", style.read_text(encoding="utf-8"))
        assert not [each for each in urls if is_elsewhere(each)], style


def test_a_link_within_the_site_leads_somewhere() -> None:
    ids = {path: found.ids for path, found in pages()}
    for path, found in pages():
        for link in found.links:
            target = urlsplit(urljoin(f"/{path.relative_to(SITE)}", link))
            if is_elsewhere(link) or target.scheme or path.name == "404.html":
                continue
            file = SITE / target.path.lstrip("/")
            file = file / "index.html" if file.is_dir() else file
            assert file.exists(), (path, link)
            if target.fragment and file in ids:
                assert target.fragment in ids[file] | {"__tabbed"}, (path, link)


def test_every_public_name_is_in_the_inventory() -> None:
    # What other projects' documentation links by: four lines, then the entries, compressed.
    entries = zlib.decompress((SITE / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    names = {line.split(" ", 1)[0] for line in entries.splitlines()}
    wanted = {name for package in PACKAGES for name, _ in public(package)}
    assert wanted <= names


def test_what_people_look_for_is_in_the_search_index() -> None:
    index = json.loads((SITE / "search" / "search_index.json").read_text(encoding="utf-8"))
    text = " ".join(f"{each['title']} {each['text']}" for each in index["docs"])
    for wanted in ("--max-lookups", "OutcomeUnknownError", "the journal is in use by", "stream_cdt_upserts"):
        assert wanted in text


def test_every_page_is_in_the_navigation_and_built() -> None:
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("")
        built = SITE / (name.parent if name.name == "index" else name) / "index.html"
        assert built.exists(), page
        assert name == Path("index") or f"{page.relative_to(DOCS)}" in (PROJECT / "mkdocs.yml").read_text("utf-8")


def test_what_is_copied_of_a_console_block_is_its_commands() -> None:
    page = (SITE / "upserts" / "index.html").read_text(encoding="utf-8")
    copied = [html.unescape(each).splitlines() for each in re.findall(r'<div data-copy="([^"]*)"', page)]
    shown = [block.text for block in blocks_of(DOCS / "upserts.md") if block.language == "console"]
    assert copied == [commands_of(each) for each in shown]
