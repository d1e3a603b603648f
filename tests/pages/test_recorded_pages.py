"""Recorded runs on the pages: marked, after people's own, never in their way, and where weights are needed one line says there are none."""

from __future__ import annotations

import base64

import fake_runs
import pytest
from test_pages import no_warm_up, opened, store, words

from appcore.recordings import catalog, shipped
from appcore.service import manager, recorded
from appcore.storage.store import Store
from appcore.ui.home import small_picture
from appcore.ui.home.small_picture import Curve, image, svg
from appcore.ui.words import run_status

__all__ = ["no_warm_up", "store"]  # fixtures
KNOWN = "recorded-app-snip-0"


@pytest.fixture
def there(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with three recorded runs."""
    found = {run_id: mark for run_id, mark in shipped.runs().items() if run_id.startswith("recorded-app-snip-") and "deep" not in run_id}
    monkeypatch.setattr(shipped, "runs", lambda folder=None: found)
    monkeypatch.setenv(recorded.VARIABLE, "on")
    recorded.bring_up_to_date(store)
    return store


def test_a_recorded_run_says_when_where_and_how_it_was_made(there: Store) -> None:
    app = opened("run", run=KNOWN)
    found, mark = words(app), there.get(KNOWN)["recorded"]
    assert "Recorded" in found
    for part in (mark["date"][:10], mark["machine"].split(",")[0], "python -m appcore record app-snip", "its weights did not"):
        assert part in found
    assert not [button for button in app.button if button.key in ("hold", "stop", "delete")]
    assert not [field for field in app.text_input if field.label == "Name"]


def test_the_table_of_runs_shows_them_where_there_are_no_others_or_they_are_asked_for(there: Store) -> None:
    app = opened("runs")
    assert "No runs yet" in words(app) and "Recorded runs, which came with the program" in words(app)
    assert app.dataframe[0].value["State"].unique().tolist() == ["◉ recorded"]
    fake_runs.write(there, title="mine")
    app = opened("runs")
    assert app.dataframe[0].value["Name"].tolist() == ["mine"]
    assert "1 run · 3 recorded" in words(app)
    app = opened("runs", recorded="true")
    assert app.dataframe[0].value["Name"].tolist()[0] == "mine" and len(app.dataframe[0].value) == 4


def test_picked_recorded_runs_can_be_compared_and_taken_along_and_not_deleted(there: Store) -> None:
    app = opened("runs", runs=KNOWN)
    keys = [button.key for button in app.button]
    assert "delete" not in keys and "pin" not in keys and "archive" not in keys
    assert "came with the program and stay as they are" in words(app)


@pytest.mark.thorough
def test_they_are_never_the_newest(there: Store) -> None:
    mine = [fake_runs.write(there, title="mine", group="g") for _ in range(2)]
    assert "APP with SNIP" not in words(opened("home"))
    app = opened("compare")
    assert app.query_params["runs"] == ",".join(mine)


def test_pages_are_full_before_anybody_has_run_anything(there: Store) -> None:
    app = opened("compare")
    assert app.query_params["runs"] == ",".join(catalog.run_ids("app-snip"))


def test_an_address_of_recorded_runs_waits_for_a_new_store_to_have_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {KNOWN: shipped.runs()[KNOWN]}
    monkeypatch.setattr(shipped, "runs", lambda folder=None: found)
    monkeypatch.setenv(recorded.VARIABLE, "on")
    assert "APP · SNIP" in words(opened("run", run=KNOWN))
    assert store.recorded() == found


@pytest.mark.parametrize(("page", "says"), [("export", "came without one"), ("what_if", "came without weights")])
def test_what_needs_weights_says_in_one_line_that_there_are_none(page: str, says: str, there: Store) -> None:
    app = opened(page, run=KNOWN)
    assert says in words(app) + " ".join(error.value for error in app.error)


@pytest.mark.thorough
@pytest.mark.parametrize("page", ["masks", "stream", "compare", "export", "run", "runs", "what_if", "ablations"])
def test_every_page_takes_them(page: str, there: Store) -> None:
    assert not opened(page, run=KNOWN, runs=KNOWN).exception


def test_start_shows_the_pictures_of_all_recordings_there_are(there: Store) -> None:
    app = opened("home")
    shown = [picture.title for picture in catalog.GALLERY if set(shipped.pictures().get(picture.name, ())) == set(picture.curves)]
    assert all(f"**{title}**" in words(app) for title in shown)
    assert ("Recorded on real images" in words(app)) == bool(shown)


def test_start_without_recordings(store: Store) -> None:
    assert "Recorded on real images" not in words(opened("home"))


def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, is_on in (("on", True), ("", True), ("off", False), ("0", False), ("No", False)):
        monkeypatch.setenv(recorded.VARIABLE, value)
        assert recorded.are_wanted() is is_on


def test_the_state_of_a_recorded_run_is_a_state_of_its_own(there: Store) -> None:
    run = manager.shared().get(KNOWN)
    assert run_status.state(run) == "recorded" and run_status.word(run) == "Recorded"


# ---- the small pictures


def test_a_small_picture_draws_its_points_and_names_them() -> None:
    one, two = Curve("a < b", [(1, 0.0), (2, 50.0), (3, 100.0)], "#123456", "solid"), Curve("c", [(1, 100.0), (3, 0.0)], "#654321", "dash")
    drawn = svg([one, two], label="kept, %", over="megabatch")
    left, right = small_picture._LEFT, small_picture._WIDTH - small_picture._RIGHT
    top, floor = small_picture._TOP, small_picture._HEIGHT - small_picture._BOTTOM
    assert f'points="{left:.1f},{floor:.1f} {(left + right) / 2:.1f},{(top + floor) / 2:.1f} {right:.1f},{top:.1f}"' in drawn
    assert "a &lt; b 100" in drawn and 'stroke-dasharray="7 4"' in drawn
    shown = image([one, two], title="Why?", label="kept, %", over="megabatch")
    assert 'alt="Why? kept, % over megabatch: a &lt; b ends at 100; c ends at 0"' in shown
    assert base64.b64encode(drawn.encode()).decode() in shown


def test_names_at_one_height_stand_apart_and_inside() -> None:
    heights = small_picture._apart([90.0, 91.0, 90.5])
    assert min(abs(a - b) for place, a in enumerate(heights) for b in heights[:place]) >= 13.0
    assert max(heights) <= small_picture._HEIGHT - small_picture._BOTTOM
    assert heights[0] < heights[2] < heights[1]
