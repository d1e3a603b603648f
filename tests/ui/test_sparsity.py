"""Final sparsity in percent and tau: one says what the other does."""

import pytest
from streamlit.testing.v1 import AppTest

from appcore.errors import InputError
from appcore.planning import sparsity
from appcore.presets import PRESETS
from appcore.ui.widgets import sparsity_slider
from appcore.ui.words import run_text, setting_labels


@pytest.mark.parametrize(("tau", "removed"), [(0.0, 0.0), (1.0, 0.2), (2.0, 0.36), (3.0, 0.488)])
def test_tau_counts_rounds_of_a_fifth(tau: float, removed: float) -> None:
    assert sparsity.of_tau(tau) == pytest.approx(removed)
    assert sparsity.tau_of(removed) == tau


@pytest.mark.parametrize("tau", sorted({preset.settings.get("tau", 4.5) for preset in PRESETS.values()}))
def test_what_presets_ask_for_stays_what_it_is(tau: float) -> None:
    assert sparsity.tau_of(sparsity.percent(sparsity.of_tau(tau)) / 100) == tau


def test_every_step_of_the_slider_is_what_it_says() -> None:
    for percent in sparsity_slider.places():
        found = sparsity.of_tau(sparsity.tau_of(percent / 100))
        assert sparsity.percent(found) == percent
        assert (1 - found) / (1 - percent / 100) == pytest.approx(1, abs=1e-3)


def test_marks_are_places_from_left_to_right() -> None:
    places = sparsity_slider.places()
    assert set(sparsity_slider.MARKS) <= set(places) and places == sorted(places) and (places[0], places[-1]) == (0, 99.9)


@pytest.mark.parametrize(("words", "found"), [("90", 0.9), ("63,4 %", 0.634), ("99.9%", 0.999), ("0", 0.0)])
def test_sparsity_as_people_type_it(words: str, found: float) -> None:
    assert sparsity.read(words) == pytest.approx(found)


@pytest.mark.parametrize("words", ["", "zebra", "100", "-1", "nan", "inf"])
def test_nonsense_is_said_in_one_line(words: str) -> None:
    with pytest.raises(InputError, match=r"from 0 to 99\.9"):
        sparsity.read(words)


def test_the_slider_keeps_its_value_or_leaves_that_to_its_caller() -> None:
    def script() -> None:
        import streamlit as st

        from appcore.ui.widgets import sparsity_slider

        st.session_state["mine"] = sparsity_slider.slider(1 - 0.8**4.5, key="mine_key")
        st.session_state["told"] = sparsity_slider.slider(0.5, key="told_key", on_change=lambda: None)
        st.session_state["pruned"] = sparsity_slider.slider(0.1, key="pruned_key", least=0.634)

    app = AppTest.from_function(script).run()
    assert app.session_state["mine"] == 1 - 0.8**4.5  # exactly, though 63.36 is shown
    assert "tau 4.5" in app.select_slider(key="mine_key").label
    app.select_slider(key="mine_key").set_value(90.0).run()
    app.select_slider(key="told_key").set_value(90.0).run()
    assert (app.session_state["mine"], app.session_state["told"], app.session_state["pruned"]) == (0.9, 0.5, 0.634)
    assert not app.exception


@pytest.mark.parametrize("goal", [{"scope": "flops"}, {"densities": ["fc=0.1"]}])
def test_tau_is_no_sparsity_where_weights_are_not_what_it_counts(goal: dict[str, object]) -> None:
    def shown(config: dict[str, object]) -> dict[str, str]:
        table = run_text.settings_table({"config": {"tau": 4.5, **config}})
        return dict(zip(table["setting"], table["value"], strict=True))

    assert shown({})[setting_labels.label_of_words("tau")] == "63.36\u00a0% (tau 4.5)"
    assert shown(goal)["Tau"] == "4.5"
    assert setting_labels.label_of_words("tau") not in shown(goal)
