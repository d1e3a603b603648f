"""Presets of one's own on the form: kept under a name in the store, chosen, replaced and deleted, and loaded as far as they still fit."""

from __future__ import annotations

import pytest
from hostile_text import ATTACK
from streamlit.testing.v1 import AppTest
from test_pages import no_warm_up, opened, store, words

from appcore.planning import address
from appcore.storage.store import Store

__all__ = ["no_warm_up", "store"]  # fixtures


def keep(app: AppTest, name: str) -> AppTest:
    return app.text_input(key="preset-name").set_value(name).run()


@pytest.mark.thorough
def test_settings_are_kept_chosen_replaced_and_deleted(store: Store) -> None:
    app = opened("run", preset="lottery-lenet-small", sparsity="90", seed="3")
    keep(app, "  late **seeds** ")
    kept = store.saved_presets.all()["late **seeds**"]
    assert app.query_params == {"preset": "late **seeds**"} and not app.exception
    assert "preset" not in kept and kept["seed"] == ["3"] and kept["sparsity"] == ["90"] and kept["method"] == ["imp"]
    assert store.of("ann").saved_presets.all() == {} == store.saved_views.all()

    app.pills(key="form_preset_here").select("quick").run()
    assert app.query_params == {} and app.number_input(key="form_seed").value == 0
    app.pills(key="form_preset_own").select("late **seeds**").run()
    assert app.query_params == {"preset": "late **seeds**"} and app.number_input(key="form_seed").value == 3

    app.number_input(key="form_seed").set_value(4).run()
    assert app.query_params == {"preset": "late **seeds**", "seed": "4"} and r"starting from late \*\*seeds\*\*" in words(app)
    app.button(key="replace-preset").click().run()
    assert app.query_params == {"preset": "late **seeds**"} and store.saved_presets.all()["late **seeds**"]["seed"] == ["4"]

    app.button(key="delete-preset").click().run()
    assert store.saved_presets.all() == {} and not app.exception
    assert app.number_input(key="form_seed").value == 4 and app.selectbox(key="form_method").value == "imp"  # the form stays
    assert not [one for one in app.get("pills") if one.key == "form_preset_own"]


@pytest.mark.thorough
def test_a_name_that_there_is_takes_another_press_and_those_of_the_program_cannot_be_had(store: Store) -> None:
    app = keep(opened("run", seed="1"), "mine")
    app.pills(key="form_preset_here").select("quick").run()
    keep(app, "mine")
    assert store.saved_presets.all()["mine"]["seed"] == ["1"]
    app.button(key="replace-preset").click().run()
    assert "seed" not in store.saved_presets.all()["mine"] and app.query_params == {"preset": "mine"}
    keep(app, "quick")
    assert [*store.saved_presets.all()] == ["mine"] and "comes with the program" in app.toast[0].value
    for number in range(49):
        store.saved_presets.keep(f"n{number}", {})
    keep(app, "one too many")
    assert len(store.saved_presets.all()) == 50 and "50 presets are kept at most" in app.toast[0].value
    with pytest.raises(ValueError, match="preset: a name has 1 to 60"):
        store.saved_presets.keep("x" * 61, {})


@pytest.mark.thorough
def test_what_is_gone_is_said_and_the_rest_is_loaded(store: Store) -> None:
    old = {"pruner": ["gone"], "retired": ["1"], "epochs": [], "seed": ["x", "5"], "options.rate": ["1"], "lr": ["nan"]}
    store.saved_presets.keep("old", old)
    app = opened("run", preset="old")
    assert app.number_input(key="form_seed").value == 5 and not app.button(key="start").disabled
    for said in ("unknown name 'gone'", "'retired' is no setting", "'options.rate' is no parameter", "finite"):
        assert sum(said in one.value for one in app.caption) == 1, said
    assert "preset 'old'" in words(app)
    store.saved_presets.delete("old")
    assert "unknown name 'old'" in words(app.run()) and not app.exception


@pytest.mark.thorough
def test_markup_in_a_name_is_text(store: Store) -> None:
    app = keep(opened("run"), ATTACK[:60])
    assert not app.exception and len(store.saved_presets.all()) == 1
    label = app.pills(key="form_preset_own").options[0]
    assert "<script" not in label.replace(r"\<", "") and "window.hacked" in label


def test_a_preset_of_ones_own_is_self_contained() -> None:
    """What it says does not change with the presets of the program, and its address is what differs from it."""
    settings = {"method": "imp", "megabatches": 1, "lr_drops": (), "options": {"control": "reinit"}}
    own = {"a b": {name: [text] for name, text in address.written(settings).items()}}
    assert address.read({"preset": "a b"}, own) == ("a b", settings, [])
    assert address.written(settings, "a b", own) == {"preset": "a b"}
    assert address.written({**settings, "seed": 2}, "a b", own) == {"preset": "a b", "seed": "2"}
    assert address.read({"preset": "a b"})[0] == address.USUAL
