"""The end of a finished run: three suggestions, each a link to the filled form with its cost."""

from __future__ import annotations

from urllib.parse import parse_qs

import fake_runs
from test_pages import no_warm_up, opened, store, words

from appcore.planning import address
from appcore.storage.store import Store

__all__ = ["no_warm_up", "store"]  # fixtures


def links(app) -> list[dict[str, str]]:
    found = [parse_qs(item.proto.query_string) for item in app.get("page_link") if "about" in str(item.proto.label)]
    return [{name: values[0] for name, values in query.items()} for query in found]


def test_a_finished_run_ends_with_links_to_filled_forms(store: Store) -> None:
    run_id = fake_runs.write(store, megabatches=2, epochs=2, seed=3)
    app = opened("run", run=run_id)
    text = words(app)
    assert "What next?" in text and "about 35 s" in text
    forms = links(app)
    assert len(forms) == 3
    mine = address.effective(store.get(run_id)["config"])
    for query in forms:
        _, settings, bad = address.read(query)
        told = address.effective(settings)
        assert not bad and len([name for name in mine if told[name] != mine[name]]) == 1  # one setting is another
    assert "4" in {query.get("seed") for query in forms}


def test_runs_that_have_not_finished_suggest_nothing(store: Store) -> None:
    assert "What next?" not in words(opened("run", run=fake_runs.write(store, until=20, status="stopped")))
