"""The page in Chromium, from ``file://``, with the shipped model and photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from support.browser import chromium, open_page

import dptscope
from dptscope.commands import app as cli
from dptscope.commands import demo
from dptscope.files.photos import read_image

ASTRONAUT = demo.ASSETS / "photos" / "astronaut.png"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    assert cli.run(["page", "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """Nothing is said on its console, and it asks for nothing."""
    said: list[str] = []
    asked: list[str] = []
    page = open_page(browser, file.as_uri(), said)
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="astronaut.png").click()
    page.locator("#norms").wait_for()
    yield page
    assert said == []
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []
    page.close()


@pytest.fixture(scope="module")
def scene() -> dptscope.Scene:
    return dptscope.load(demo.MODEL).prepare(read_image(ASTRONAUT), keep_tokens=True)
