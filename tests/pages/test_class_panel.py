"""A class on the page Lessons without a browser: where it is offered, what the projector shows, and what ends it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from test_pages import no_warm_up, opened, store, words

from appcore.storage.store import Store
from appcore.ui.classroom import panel

__all__ = ["no_warm_up", "store"]  # fixtures


def at(step: int) -> AppTest:
    return opened("lessons", lesson="criteria", step=str(step))


def has_button(app: AppTest, key: str) -> bool:
    return key in [button.key for button in app.button]


def test_from_open_to_the_truth(store: Store) -> None:
    app = at(1)
    app.button(key="class-open").click().run()
    code = store.classes.newest() or ""
    assert f"Class {code[:4]} {code[4:]}" in words(app) and app.query_params["class"] == code
    assert store.classes.get(code)["question"] is None and app.toggle(key="class-code-shown").value
    app.button(key="lesson-next").click().run()
    asked = store.classes.get(code)["question"]
    assert asked["kind"] == "order" and not app.toggle(key="class-code-shown").value
    store.phones.join(code, "phone")
    store.phones.answer(code, asked["id"], "phone", [0, 1, 2, 3, 4])
    app.run()
    assert "**1 of 1 phone** has answered" in words(app) and not has_button(app, "criteria-2-answer")
    assert store.classes.get(code)["truths"] == {}
    app.button(key="class-truth").click().run()
    truth = store.classes.get(code)["truths"][asked["id"]]
    assert sorted(truth["answer"]) == [0, 1, 2, 3, 4] and truth["why"] and "*" not in truth["why"] and not app.exception
    assert not has_button(app, "class-truth")


def test_while_phones_draw_a_curve_the_projector_says_its_axes(store: Store) -> None:
    app = opened("lessons", lesson="half", step="3")
    app.button(key="class-open").click().run()
    text = words(app)
    assert "- across: weights that are left, from all to a twentieth" in text and "- upwards: accuracy, 40 to 100\u00a0%" in text


def test_a_class_that_ended_elsewhere_is_left_in_a_line(store: Store) -> None:
    app = at(2)
    app.button(key="class-open").click().run()
    store.classes.close(store.classes.newest() or "")
    app.button(key="class-truth").click().run()
    assert not app.exception and any("there is none with this code" in toast.value for toast in app.toast)
    app.run()
    assert has_button(app, "class-open") and "class" not in app.query_params


@pytest.mark.parametrize("text", ['class = "off"', 'hosts = ["lab.example.org"]', "class = 1"])
def test_where_classes_are_off_none_is_offered(text: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "limits.toml").write_text(text)
    monkeypatch.setenv("APPCORE_LIMITS", str(tmp_path / "limits.toml"))
    app = at(2)
    assert not has_button(app, "class-open") and has_button(app, "criteria-2-skip")


@pytest.mark.parametrize(
    ("opened_as", "text", "shown"),
    [
        ("http://localhost:8501/lessons", "", ("http://localhost:8501", False)),
        ("http://localhost:8501/lessons", 'class_address = "192.168.1.5:8502"', ("http://192.168.1.5:8502", True)),
        ("http://127.0.0.1:8501/", 'hosts = ["*.x.org", "192.168.1.5", "a.x.org"]\nclass = "on"', ("http://192.168.1.5:8501", True)),
        ("http://[::1]:8501/", 'hosts = ["fd00::5"]\nclass = "on"', ("http://[fd00::5]:8501", True)),
        ("https://lab.example.org/lessons", 'hosts = ["lab.example.org"]\nclass = "on"', ("https://lab.example.org", True)),
    ],
)
def test_the_address_for_phones(opened_as: str, text: str, shown: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "limits.toml").write_text(text)
    monkeypatch.setenv("APPCORE_LIMITS", str(tmp_path / "limits.toml"))
    monkeypatch.setattr(type(panel.st.context), "url", property(lambda self: opened_as))
    assert panel._root() == shown


def test_the_picture_holds_the_address_and_can_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = panel._picture("http://x/class/B<b>'")
    assert "<b>" not in found and found.startswith("<img alt='QR code of http://x/class/B&lt;b&gt;&#x27;' src='data:image/svg+xml")
    monkeypatch.setitem(sys.modules, "segno", None)
    assert panel._picture("http://x/class/BCDFGHJK") == ""
