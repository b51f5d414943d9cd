"""JupyterLab as a student meets it: in a real browser, from the login to the results."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cfiddle_slurm.cluster.people import user_node

from .conftest import HEAD, PORT

PICTURES = Path(__file__).parents[2] / ".pictures"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
LOGIN = "#password_input"
TRIES = 6
PATIENCE = 60_000
"""Milliseconds, as Playwright counts: a cold JupyterLab on a busy machine takes its time."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "no Chromium is installed here"
    # The system's browser answers to this machine only: it needs no proxy.
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        started = playwright.chromium.launch(
            executable_path=chromium, args=list(FLAGS), env=dict(environment)
        )
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def picture(page: Page, name: str) -> None:
    """Keep what the page looks like, for a person to see."""
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=str(PICTURES / f"{name}.png"))


def test_a_wrong_token_is_refused(page: Page) -> None:
    answer = page.goto(f"http://127.0.0.1:{PORT}/lab?token=wrong")
    assert answer is not None
    expect(page.locator(LOGIN)).to_be_visible()
    assert "/login" in page.url
    page.fill(LOGIN, "wrong again")
    page.press(LOGIN, "Enter")
    expect(page.get_by_text("Invalid credentials")).to_be_visible()
    picture(page, "wrong-token")


def run_all_cells(page: Page) -> None:
    """As a person would: where nothing happens, once more."""
    # JupyterLab says "Idle" before its connection to the kernel is there, and until then takes the
    # command without doing anything.
    expect(page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible()
    begun = page.locator(".jp-InputPrompt", has_text=re.compile(r"\[(\*|\d+)\]")).first
    for _ in range(TRIES):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with contextlib.suppress(AssertionError):
            expect(begun).to_be_visible(timeout=PATIENCE / TRIES)
            return
    expect(begun).to_be_visible()


def test_the_example_notebook_runs_to_its_end(page: Page) -> None:
    address = user_node.jupyter_url(HEAD, PORT)
    page.goto(address.replace("/lab?", "/lab/tree/examples/first_experiment.ipynb?"))
    expect(page.locator(".jp-Notebook")).to_be_visible()
    run_all_cells(page)
    table = page.locator(".jp-OutputArea-output table").first
    expect(table).to_contain_text("PERF_COUNT_SW_PAGE_FAULTS")
    report = page.locator(".jp-OutputArea-output table").last
    expect(report).to_contain_text("(slurm)")
    expect(page.locator(".jp-RenderedText[data-mime-type*=stderr]")).to_have_count(0)
    assert page.locator("text=Traceback").count() == 0
    report.scroll_into_view_if_needed()
    picture(page, "first-experiment")
    # A kernel goes on without its page, and keeps an update from the user node.
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("No Kernel")).first).to_be_visible()
