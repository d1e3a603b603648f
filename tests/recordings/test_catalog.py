"""The catalog of recorded runs: every entry is a possible run, and is named so that links and lessons can rely on it."""

import re

import pytest

from appcore.analysis.measures import MEASURES
from appcore.errors import InputError
from appcore.planning.plan import plan
from appcore.recordings import catalog
from appcore.storage.row_rules import RUN_ID


def test_ids_are_those_of_runs_and_differ() -> None:
    found = [run_id for name in catalog.names() for run_id in catalog.run_ids(name)]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(RUN_ID, run_id) and len(run_id) <= 40 for run_id in found)
    assert catalog.run_ids("app-snip") == ["recorded-app-snip-0", "recorded-app-snip-1", "recorded-app-snip-2"]


@pytest.mark.parametrize("name", catalog.names())
def test_each_is_a_possible_run(name: str) -> None:
    known = catalog.recording(name)
    configs = [known.config(seed) for seed in known.seeds]
    assert [config.seed for config in configs] == list(known.seeds)
    assert all(plan(config) for config in configs)
    assert len({known.title_of(seed) for seed in known.seeds}) == len(known.seeds)


def test_recordings_are_different_experiments() -> None:
    found = [known.config(seed).fingerprint for known in catalog.RECORDINGS for seed in known.seeds]
    assert len(set(found)) == len(found)


def test_the_deep_ones_end_where_the_released_code_does() -> None:
    assert 0.8 ** catalog.recording("app-snip-deep").settings["tau"] == pytest.approx(0.019, abs=2e-4)


def test_the_gallery_shows_what_is_recorded() -> None:
    assert {name for picture in catalog.GALLERY for name in picture.recordings} <= set(catalog.known())
    assert {picture.measure for picture in catalog.GALLERY} <= {*MEASURES, "first_layer"}
    assert len({picture.name for picture in catalog.GALLERY}) == len(catalog.GALLERY)


def test_unknown_names_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="recording: unknown name 'nothing'; choose among app-snip"):
        catalog.run_ids("nothing")
