"""The chat page in a real browser, with the model that is shipped: what a person types, presses and sees.

Skipped where no Chromium is installed, except with CI=true, where it is required.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from assistant.dialogs.script import answer_means
from flux_runtime.interface import AnswerRequest
from flux_runtime.pocket.world import Scene, draw
from flux_runtime.runtime import LocalRuntime

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
PATIENCE = 120_000
"""Milliseconds that a loaded machine may take for a picture."""

PICTURES = "img.inline-image[src^='/images/']"
REPLIES = ".ai-message [role=article]"


class Served(NamedTuple):
    """A page that runs: where it is, and the addresses that it prints, each of which signs in one visitor."""

    address: str
    entries: Iterator[str]


@contextmanager
def _serving(data: Path) -> Iterator[Served]:
    """The page in a process of its own, ready. Ended by its own process id."""
    environment = {**os.environ, "FLUX_ASSISTANT_DATA_DIR": str(data), "FLUX_ASSISTANT_MODEL": "pocket"}
    command = [sys.executable, "-m", "assistant", "chat", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            entries = (line.split()[2] for line in server.stdout)
            first = next(entries, None)
            assert first, "the page did not start"
            address = first.partition("/?")[0]
            deadline = time.monotonic() + 120
            while httpx.get(f"{address}/readyz", timeout=60).status_code != 200:
                assert time.monotonic() < deadline, "the model was not loaded in time"
                time.sleep(0.2)
            yield Served(address, chain([first], entries))
        finally:
            server.terminate()
            server.wait(60)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def served(data: Path) -> Iterator[Served]:
    with _serving(data) as served:
        yield served


@pytest.fixture
def address(served: Served) -> str:
    return served.address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs Chromium for the browser test")
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pocket() -> Iterator[LocalRuntime]:
    """The answerer, to ask what a picture shows."""
    runtime = LocalRuntime("pocket")
    yield runtime
    runtime.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(next(served.entries))
    # The gear is there once the page is connected and the model is loaded.
    page.wait_for_selector("#chat-settings-open-modal")
    yield page
    context.close()


def _say(page: Page, text: str) -> None:
    page.click("#chat-input")
    page.keyboard.type(text)
    page.click("#chat-submit")


def _picture(page: Page, number: int) -> Image.Image:
    """The `number`-th picture of the conversation, fetched as the page fetches it."""
    source = page.locator(PICTURES).nth(number - 1).get_attribute("src")
    answer = page.request.get(f"{page.url.split('/thread')[0].rstrip('/')}{source}")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return Image.open(io.BytesIO(answer.body())).convert("RGB")


def _shows(pocket: LocalRuntime, picture: Image.Image, question: str, wanted: str) -> None:
    answer = pocket.answer(AnswerRequest(question=question, images=(picture,))).text
    assert answer_means(wanted, answer), answer


def test_a_picture_is_drawn_asked_about_and_changed(page: Page, pocket: LocalRuntime) -> None:
    page.evaluate(
        """() => { window.previews = new Set(); new MutationObserver(() => document.querySelectorAll(
           "img.inline-image[src^='data:']").forEach(img => window.previews.add(img.src)))
           .observe(document.body, {subtree: true, childList: true, attributes: true}) }"""
    )
    _say(page, "A robot watering plants in a greenhouse, sunny day")
    expect(page.locator(PICTURES)).to_have_count(1)
    assert len(page.evaluate("[...window.previews]")) >= 2, "the picture did not sharpen step by step"
    first = _picture(page, 1)
    assert min(first.size) >= 256
    _shows(pocket, first, "How is the weather?", "sunny")

    _say(page, "What is it doing now?")
    expect(page.locator(REPLIES).last).to_contain_text("watering")

    _say(page, "改成下雨天")
    expect(page.locator(PICTURES)).to_have_count(2)
    second = _picture(page, 2)
    assert second.size == first.size
    assert second.tobytes() != first.tobytes()
    _shows(pocket, second, "How is the weather?", "rainy")
    _shows(pocket, second, "What is it doing?", "watering plants")


def test_an_upload_is_answered_from_its_own_pixels(page: Page) -> None:
    file = io.BytesIO()
    draw(Scene("cat", "none", "sleeping", "forest", "sunny")).save(file, "PNG")
    upload = {"name": "mine.png", "mimeType": "image/png", "buffer": file.getvalue()}
    page.set_input_files("#upload-button-input", upload)  # pyright: ignore[reportArgumentType]
    page.wait_for_selector("#attachments")
    _say(page, "What is it doing?")
    expect(page.locator(REPLIES).last).to_contain_text("sleeping")


def test_the_buttons_under_a_picture_work(page: Page) -> None:
    _say(page, "A dog sleeping on the beach, sunny day")
    expect(page.locator(PICTURES)).to_have_count(1)
    page.click("button:has-text('Vary #1')")
    expect(page.locator(PICTURES)).to_have_count(2)
    page.click("button:has-text('Ask about #1')")
    expect(page.locator(REPLIES).last).to_contain_text("What would you like to know about #1?")
    _say(page, "where is it?")
    expect(page.locator(REPLIES).last).to_contain_text("#1")
    page.click("button:has-text('Undo') >> nth=-1")
    expect(page.locator(REPLIES).last).to_contain_text("Back to #1")


def test_two_tabs_of_a_conversation_show_the_same(page: Page) -> None:
    _say(page, "A dog sleeping on the beach, sunny day")
    expect(page.locator("button:has-text('Undo')")).to_have_count(1)
    beside = page.context.new_page()
    beside.goto(page.url)
    expect(beside.locator("button:has-text('Vary #1')")).to_have_count(1)
    _say(beside, "make it rainy")
    for tab in (beside, page):
        expect(tab.locator(PICTURES)).to_have_count(2)
        expect(tab.locator("button:has-text('Vary #2')")).to_have_count(1)
        expect(tab.locator("button:has-text('Undo')")).to_have_count(2)
        expect(tab.locator(REPLIES)).to_have_count(2)
    beside.close()


def test_stop_stops_the_model_and_keeps_nothing(page: Page) -> None:
    page.click("#chat-settings-open-modal")
    page.locator("[role=slider]").press("End")
    page.click("#confirm")
    _say(page, "A robot reading in the city, sunny day")
    page.wait_for_selector("img.inline-image[src^='data:']", state="attached")
    page.click("#stop-button")
    expect(page.locator(REPLIES).last).to_contain_text("Stopped")
    # The model is free again: an answer does not wait for the rest of the fifty steps.
    expect(page.locator(PICTURES)).to_have_count(0)
    expect(page.locator("#stop-button")).to_have_count(0)


def test_a_file_that_is_no_picture_gets_a_sentence(page: Page) -> None:
    upload = {"name": "mine.png", "mimeType": "image/png", "buffer": b"hello"}
    page.set_input_files("#upload-button-input", upload)  # pyright: ignore[reportArgumentType]
    page.wait_for_selector("#attachments")
    _say(page, "What is it doing?")
    expect(page.locator(REPLIES).last).to_contain_text("PNG, JPEG or WebP")


def test_pictures_are_served_to_their_owner_only(page: Page, address: str) -> None:
    _say(page, "A cat reading in the forest, sunny day")
    expect(page.locator(PICTURES)).to_have_count(1)
    source = page.locator(PICTURES).get_attribute("src")
    assert page.request.get(f"{address}{source}").status == 200
    assert httpx.get(f"{address}{source}").status_code == 401
    assert page.request.get(f"{address}/images/{'0' * 32}.png").status == 404


def test_conversations_are_still_there_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    with _serving(tmp_path) as served:
        page.goto(next(served.entries))
        page.wait_for_selector("#chat-settings-open-modal")
        _say(page, "A rabbit playing guitar in the forest, sunny day")
        expect(page.locator(PICTURES)).to_have_count(1, timeout=PATIENCE)
    with _serving(tmp_path) as served:
        page.goto(next(served.entries))
        page.click("#thread-history li >> nth=0")
        expect(page.locator(PICTURES)).to_have_count(1, timeout=PATIENCE)
        expect(page.locator("button:has-text('Edit #1')")).to_be_visible(timeout=PATIENCE)
        _say(page, "where is it?")
        expect(page.locator(REPLIES).last).to_contain_text("forest", timeout=PATIENCE)
    context.close()
