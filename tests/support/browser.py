"""Debian's Chromium, as tests start it, and what a person does with a page of ours."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# No sandbox, for tests may run as root; no look-ups of its own on the network.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT = 60_000  # milliseconds


@contextmanager
def chromium(*arguments: str, beside: Browser | None = None) -> Iterator[Browser]:
    """A browser with more arguments than the usual ones; ``beside``: one that runs already, for Playwright starts once."""
    with nullcontext() if beside is not None else sync_playwright() as playwright:
        kind = beside.browser_type if beside is not None else playwright.chromium
        browser = kind.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments])
        yield browser
        browser.close()


def open_page(context: Browser | BrowserContext, address: str, said: list[str], **options: Any) -> Page:
    """Open a page and wait until it is at rest; ``said`` gets what comes on its console."""
    if isinstance(context, Browser):
        # No transitions: what axe-core looks at in the middle of one has another contrast.
        options = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | options
    page = context.new_page(**options)
    page.set_default_timeout(TIMEOUT)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    at_rest(page)
    return page


def at_rest(page: Page) -> None:
    """Wait until the page has done what it was asked for."""
    page.locator("body[aria-busy=false]").wait_for()


def drop(page: Page, paths: Sequence[Path]) -> None:
    """Drop files on the page, as from a file manager."""
    contents = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    transfer = page.evaluate_handle(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, text] of files) {
                transfer.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name));
            }
            return transfer;
        }""",
        contents,
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    at_rest(page)


def saved(page: Page, what: str, folder: Path) -> Path:
    """Save by the menu: ``Picture``, ``16-bit`` or ``Numbers``."""
    page.locator("#save summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=what).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def show(page: Page, view: str) -> None:
    """Choose a view by its name."""
    page.get_by_role("button", name=view, exact=True).click()


def problem(page: Page) -> str:
    """What the page says is wrong; nothing where nothing is."""
    return (page.locator("#problem span").text_content() or "") if page.locator("#problem").is_visible() else ""
