"""In a browser: every text has the contrast that WCAG 2 asks for (AA), in both themes."""

from __future__ import annotations

from typing import Any

import browser
import fake_runs
import pytest
from test_browser import address, chromium, store

from appcore.storage.store import Store

__all__ = ["address", "chromium", "store"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium")]

# Text below 4.5 to 1 (large text: 3 to 1) against what lies behind it. Left out: what is disabled or hidden, marks of curves (3 to 1
# is enough for them), and the numbers of sliders, whose background cannot be read from the document.
PALE = """() => {
  const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => {
    const values = text.match(/[0-9.]+/g).map(Number);
    const unit = text.startsWith('color(srgb') ? 255 : 1;
    return [values[0] * unit, values[1] * unit, values[2] * unit, values[3] ?? 1];
  };
  const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let node = element; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((back, front) => over(front, back), [255, 255, 255, 1]);
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (text.length < 2 || !element.getClientRects().length || getComputedStyle(element).visibility === 'hidden') continue;
    if (element.closest('[disabled], [aria-disabled=true], [aria-hidden=true], script, style, .chart, [data-testid=stSlider]')) continue;
    const style = getComputedStyle(element);
    let opacity = 1;
    for (let node = element; node; node = node.parentElement) opacity *= Number(getComputedStyle(node).opacity);
    const colour = parse(style.color);
    colour[3] *= opacity;
    const back = behind(element);
    const [high, low] = [luminance(over(colour, back)), luminance(back)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const ratio = (high + 0.05) / (low + 0.05);
    if (opacity && ratio < needed) found.push(text.slice(0, 40) + ': ' + ratio.toFixed(2));
  }
  return found;
}"""
SETTLED = "() => document.querySelector('h1') && !document.querySelector('[data-testid=stSkeleton]')"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(address: str, store: Store, chromium: Any, scheme: str) -> None:
    pair = [fake_runs.write(store, pruner=pruner, group="g") for pruner in ("snip", "magnitude")]
    failed = fake_runs.write(store, status="failed", until=20)
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(browser.PATIENCE)
    page = context.new_page()
    for view in ("", "run", f"run?run={pair[0]}", f"run?run={failed}", f"compare?runs={','.join(pair)}", "stream", "runs", "ablations"):
        page.goto(f"{address}/{view}")
        page.wait_for_function(SETTLED)
        page.wait_for_timeout(1500)  # what fades in has come
        assert page.evaluate(PALE) == [], view
    context.close()
