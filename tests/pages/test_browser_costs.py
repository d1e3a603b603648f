"""What only a browser can show of Stream and Export: a shared link opens the same view, and a model file arrives as a download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import browser
import fake_models
import fake_runs
import pytest
import safetensors.torch
from test_browser import READY, address, chromium, page, store

from appcore.storage.store import Store

__all__ = ["address", "chromium", "page", "store"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]


@pytest.mark.slow
def test_a_link_to_a_stream_opens_the_same_in_a_second_browser(address: str, store: Store, page: Any, chromium: Any) -> None:
    fake_runs.write(store)
    page.goto(f"{address}/stream?megabatches=5&replay=one")
    page.wait_for_function(READY)
    page.locator(".st-key-stream_epochs input").fill("3")
    page.locator(".st-key-stream_epochs input").press("Enter")
    page.wait_for_url("**epochs=3**")
    shown = page.locator(".st-key-answer h4").inner_text()
    context = chromium.new_context()
    context.set_default_timeout(browser.PATIENCE)
    second = context.new_page()
    second.goto(page.url)
    second.locator(".st-key-answer h4").filter(has_text=shown).wait_for()
    # Streamlit's number field shows its default until the browser has taken the value over.
    second.wait_for_function("document.querySelector('.st-key-stream_epochs input')?.value === '3'")
    second.wait_for_function("() => document.querySelector('.st-key-timeline .chart')?.layout?.xaxis?.range?.[1] === 5.5")
    context.close()


@pytest.mark.slow
def test_a_model_file_is_made_and_downloaded(address: str, store: Store, page: Any, tmp_path: Path) -> None:
    run_id = fake_models.write(store)
    page.goto(f"{address}/export?run={run_id}")
    page.locator(".st-key-make-dense button").click()
    button = page.locator(".st-key-get-dense button")
    button.wait_for()
    with page.expect_download() as arriving:
        button.click()
    arriving.value.save_as(tmp_path / "dense.safetensors")
    state = safetensors.torch.load_file(tmp_path / "dense.safetensors")
    assert (state["conv1.weight"] == 0).any()
    assert page.locator("[data-testid=stException]").count() == 0
