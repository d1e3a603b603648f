"""Tests that every pruner, method, data set, network and schedule must pass."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from .. import plugin_styles, plugins
from ..config import RunConfig
from ..engine.digests import digest
from ..engine.loop import run as run_state
from ..engine.prune_point import select
from ..engine.state import RunState
from ..events import Finished, MegabatchDone
from ..methods.base import Segment
from ..models import base as networks
from ..planning.plan import plan
from .suite import Suite

SMALL: dict[str, Any] = {"arch": "mlp", "dataset": "digits", "limit_train": 90, "limit_test": 30, "megabatches": 2, "device": "cpu"}


class _Suite(Suite):
    """Checks of what menus, forms and figures need."""

    options: ClassVar[dict[str, dict[str, Any]]] = {}  # by name of a choice: parameters that make its tests quick, or take all of it along

    def test_it_says_what_it_is(self, name: str) -> None:
        choice = plugins.choices(self.kind)[name]
        assert choice.title and choice.short and len(choice.short) <= len(choice.title) + 20
        assert set(choice.literal("RECIPE")) <= set(RunConfig.model_fields)
        for option in choice.options.values():
            assert option["help"] and ("in" in option or option["ge"] <= option["default"] <= option["le"])

    def config(self, field: str, name: str, **settings: Any) -> RunConfig:
        """Small settings with the choice under test."""
        return RunConfig(**{**SMALL, field: name, "options": self.options.get(name, {}), **settings})


class PrunerSuite(_Suite):
    """A criterion: finite scores of every layer, the same each time, and nothing else changed."""

    kind = "pruners"

    @pytest.mark.parametrize("arch", ["mlp", "lenet5", "resnet20"])
    def test_it_scores_every_layer_and_changes_nothing(self, name: str, arch: str) -> None:
        config = self.config("pruner", name, arch=arch, limit_train=100, limit_test=20)
        state = RunState.create(config)
        before, rng = digest(state.model.state_dict()), torch.get_rng_state()
        cut = select(state, 0, 0.5)
        assert torch.equal(torch.get_rng_state(), rng)
        assert digest(state.model.state_dict()) == before and all(parameter.grad is None for parameter in state.model.parameters())
        assert state.model.training and state.density() == 1.0
        assert list(cut.scores) == list(state.masks)
        for layer, score in cut.scores.items():
            assert score.shape == state.masks[layer].shape and score.is_floating_point() and not score.requires_grad
            assert torch.isfinite(score).all()
        torch.manual_seed(99)  # nor do the numbers depend on the process-wide generator
        again = select(RunState.create(config), 0, 0.5)
        assert digest(again.scores) == digest(cut.scores) and digest(again.masks) == digest(cut.masks)
        rounded = select(RunState.create(config.model_copy(update={"precision": "bf16"})), 0, 0.5)
        assert all(torch.isfinite(score).all() and score.dtype != torch.bfloat16 for score in rounded.scores.values())

    def test_the_images_that_it_passes_are_counted(self, name: str) -> None:
        """Against torch's counter, on a network of matrix products: what `task.passes` misses or has too much of would be wrong FLOPs."""
        state = RunState.create(self.config("pruner", name, limit_train=100, limit_test=20))
        with FlopCounterMode(display=False) as counter:
            cut = select(state, 0, 0.5)
        assert cut.flops[0] == pytest.approx(counter.get_total_flops(), rel=0.02)

    def test_its_colour_is_its_own(self, name: str) -> None:
        assert [*plugin_styles.colours().values()].count(plugin_styles.colour_of(name)) == 1


class MethodSuite(_Suite):
    """A method: a plan without torch that ends each megabatch with a test, and a run that keeps to it."""

    kind = "methods"

    @pytest.mark.parametrize(("megabatches", "epochs"), [(1, 1), (1, 3), (3, 1), (2, 3)])
    def test_its_plan_passes_over_every_megabatch_and_tests_at_its_end(self, name: str, megabatches: int, epochs: int) -> None:
        settings = self.config("method", name, megabatches=megabatches, epochs=epochs, options={})
        segments = plan(settings)
        assert all(isinstance(segment, Segment) for segment in segments) and segments == plan(settings)
        order = [segment.megabatch for segment in segments]
        assert order == sorted(order) and set(order) == set(range(megabatches))
        for megabatch in range(megabatches):
            mine = [segment for segment in segments if segment.megabatch == megabatch]
            assert mine[-1].kind == "test" and sum(segment.kind == "test" for segment in mine) == 1
            assert any(segment.kind == "epoch" for segment in mine)
        assert any(segment.kind == "prune" for segment in segments) <= plugins.prunes(name)

    def test_a_run_ends_with_the_masks_that_were_counted(self, name: str) -> None:
        settings = self.config("method", name, epochs=3)
        found = [self._ends(settings) for _ in range(2)]
        assert found[0] == found[1] and len(found[0]) == settings.megabatches
        assert plugins.prunes(name) or all(density == 1.0 for density, _ in found[0])

    def _ends(self, settings: RunConfig) -> list[tuple[float, float]]:
        """(density of the mask, test accuracy) at the end of each megabatch."""
        state = RunState.create(settings)
        *events, last = run_state(state, plan(settings))
        assert isinstance(last, Finished)
        assert all((state.model.get_parameter(layer)[~mask] == 0).all() for layer, mask in state.masks.items())
        return [(event.density_mask, event.test_accuracy) for event in events if isinstance(event, MegabatchDone)]

    def test_its_line_and_its_mark_are_its_own(self, name: str) -> None:
        others = [other for other in plugins.choices("methods") if other != name]
        assert plugin_styles.symbol(name) not in map(plugin_styles.symbol, others)
        looks = [(plugin_styles.colour(other, "any"), plugin_styles.dash(other)) for other in (name, *others)]
        assert looks.count(looks[0]) == 1


class DatasetSuite(_Suite):
    """A data set: a description that is cheap and true of the images."""

    kind = "datasets"

    def settings(self, name: str, folder: Path) -> RunConfig:
        """Settings with the data set; where it reads files of the user's, put some into `folder`."""
        return RunConfig(dataset=name)

    def test_its_images_are_as_described(self, name: str, tmp_path: Path) -> None:
        config = self.settings(name, tmp_path / "images")
        for field, value in plugins.find("datasets", config.dataset).literal("RECIPE").items():
            assert getattr(config, field) == value
        module = plugins.load("datasets", config.dataset)
        description = module.describe(config)
        assert description == module.describe(config)
        assert len(set(description.classes)) == len(description.classes) >= 2
        images = module.load(config)
        assert (len(images.train_x), len(images.test_x)) == (description.train_images, description.test_images)
        assert images.train_x.shape[1:] == images.test_x.shape[1:] == description.shape
        assert images.classes == description.classes
        for labels in (images.train_y, images.test_y):
            assert set(labels.tolist()) == set(range(len(images.classes)))

    def test_it_takes_a_split_or_refuses_it(self, name: str, tmp_path: Path) -> None:
        settings = self.settings(name, tmp_path / "images").model_dump() | {"split": 0.5}
        if plugins.declares("datasets", settings["dataset"], "TAKES_SPLIT"):
            assert RunConfig(**settings).split == 0.5
        else:
            with pytest.raises(ValueError, match=r"split: .* has test images of its own"):
                RunConfig(**settings)


class ModelSuite(_Suite):
    """A network: takes images of usual shapes, starts from the seed alone, and has finite outputs."""

    kind = "models"
    shapes: ClassVar[tuple[tuple[int, int, int], ...]] = ((3, 64, 64), (1, 8, 8))

    def test_it_takes_images_on_the_meta_device(self, name: str) -> None:
        for shape in self.shapes:
            model = networks.skeleton(name, shape, 7)  # checks the output shape itself
            assert {tensor.device.type for tensor in [*model.parameters(), *model.buffers()]} == {"meta"}

    def test_the_seed_gives_the_network(self, name: str) -> None:
        if sum(parameter.numel() for parameter in networks.skeleton(name, self.shapes[-1], 7).parameters()) > 10e6:
            pytest.skip("too large to be made here")
        before = torch.get_rng_state()
        first, again = (networks.create(name, self.shapes[-1], 7, seed=3) for _ in range(2))
        assert torch.equal(torch.get_rng_state(), before)
        assert digest(first.state_dict()) == digest(again.state_dict())
        outputs = first(torch.linspace(-2, 2, 4 * math.prod(self.shapes[-1])).reshape(4, *self.shapes[-1]))
        assert outputs.shape == (4, 7) and bool(torch.isfinite(outputs).all())
        assert first.training and all(parameter.requires_grad for parameter in first.parameters())


class ScheduleSuite(_Suite):
    """A schedule: one share for each megabatch, in [0, 1], the same each time."""

    kind = "schedules"

    @pytest.mark.parametrize("megabatches", [1, 2, 9])
    def test_it_names_a_density_for_each_megabatch(self, name: str, megabatches: int) -> None:
        config = RunConfig(schedule=name, megabatches=megabatches, options=self.options.get(name, {}))
        found = plugins.load("schedules", name).densities(config)
        assert len(found) == megabatches and all(0.0 <= density <= 1.0 for density in found)
        assert found == plugins.load("schedules", name).densities(config)
