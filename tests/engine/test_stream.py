"""The stream: parts, splits, replay and augmentation checked on images whose pixels name them."""

import numpy as np
import pytest
import torch

from appcore import InputError, RunConfig, seeds
from appcore.datasets.base import Description
from appcore.engine.stream import Data, Epoch, Stream, batches, load_data, normalised
from appcore.planning import plan, stream_sizes

IMAGES = 103


def data(padding: int = 0, images: int = IMAGES, side: int = 4) -> Data:
    """Image i is filled with the value i + 1, except pixel (0, 0), which is 200."""
    x = np.zeros((images, side + 2 * padding, side + 2 * padding, 1), dtype=np.uint8)
    x[:, padding : padding + side, padding : padding + side] = np.arange(1, images + 1, dtype=np.uint8)[:, None, None, None]
    x[:, padding, padding] = 200
    y = torch.arange(images)
    zero, one = torch.zeros(1), torch.ones(1)
    inside = torch.from_numpy(x[:, padding : padding + side, padding : padding + side].copy())
    return Data(torch.from_numpy(x), y, inside, y, padding, zero, one, tuple(map(str, range(images))), ())


def config(**values) -> RunConfig:
    return RunConfig(**{"megabatches": 5, "crop_padding": 0, "flip": False, **values})


def test_parts_cover_every_image_once_and_splits_do_not_overlap() -> None:
    stream = Stream(config(), data())
    everything = torch.cat(stream.train + stream.val)
    assert sorted(everything.tolist()) == list(range(IMAGES))
    assert [len(part) for part in stream.train] == [19, 19, 19, 18, 18]  # 21 21 21 20 20, a tenth of each for validation


def test_native_order_keeps_the_parts_in_order_and_seeds_shuffle_differently() -> None:
    native = Stream(config(order="native"), data())
    assert sorted(torch.cat([native.train[0], native.val[0]]).tolist()) == list(range(21))
    first, again, other = (Stream(config(seed=seed), data()) for seed in (0, 0, 1))
    assert torch.equal(first.train[0], again.train[0]) and not torch.equal(first.train[0], other.train[0])


@pytest.mark.parametrize("replay", ["full", "none", "one", "buffer"])
def test_replay_sizes_are_those_of_the_plan_and_validation_is_never_trained_on(replay: str) -> None:
    settings = config(replay=replay, buffer_size=20)
    stream = Stream(settings, data())
    planned = stream_sizes.samples(settings, Description(IMAGES, 10, (1, 4, 4), ("a", "b")))
    assert [len(stream.train_indices(t)) for t in range(5)] == planned
    trained = {i for t in range(5) for i in stream.train_indices(t).tolist()}
    validated = {i for t in range(5) for i in stream.val_indices(t).tolist()}
    assert not trained & validated
    for t in range(5):
        assert set(stream.train[t].tolist()) <= set(stream.train_indices(t).tolist())


def test_full_replay_sees_t_plus_1_over_2_times_what_none_sees() -> None:
    found = Description(1000, 10, (1, 4, 4), ("a", "b"))
    full, none = (sum(stream_sizes.samples(config(replay=replay, megabatches=8), found)) for replay in ("full", "none"))
    assert full == 4.5 * none
    assert plan.total_samples(config(replay="full", megabatches=8, epochs=3), found) == 3 * full


def test_replay_one_is_the_previous_and_buffer_is_a_nested_sample() -> None:
    one = Stream(config(replay="one"), data())
    assert torch.equal(one.train_indices(2), torch.cat([one.train[1], one.train[2]]))
    buffer = Stream(config(replay="buffer", buffer_size=10), data())
    past = [set(buffer.train_indices(t).tolist()) - set(buffer.train[t].tolist()) for t in range(5)]
    assert [len(held) for held in past] == [0, 9, 9, 9, 9]
    assert past[3] - past[2] <= set(buffer.train[2].tolist())  # only new images enter


def test_replay_of_a_fraction_fades_geometrically_and_its_ends_are_full_and_none() -> None:
    found = Description(IMAGES, 10, (1, 4, 4), ("a", "b"))
    half = Stream(config(replay="fraction", replay_fraction=0.5), data())
    assert [len(half.train_indices(t)) for t in range(5)] == stream_sizes.samples(half.config, found) == [19, 29, 34, 35, 35]
    past = [set(half.train_indices(t).tolist()) - set(half.train[t].tolist()) for t in range(5)]
    assert all(len(past[4] & set(half.train[t].tolist())) == round(19 * 0.5 ** (4 - t)) for t in range(3))
    assert all(past[t + 1] & set(half.train[0].tolist()) <= past[t] for t in range(1, 4))  # what is forgotten does not return
    for share, same in ((1.0, "full"), (0.0, "none")):
        one, two = Stream(config(replay="fraction", replay_fraction=share), data()), Stream(config(replay=same), data())
        assert all(torch.equal(one.train_indices(t), two.train_indices(t)) for t in range(5)) and one.hashes() == two.hashes()


def test_a_budget_caps_epochs_and_validation_and_makes_long_streams_linear() -> None:
    settings = config(budget=60, epochs=3)
    stream, free = Stream(settings, data()), Stream(config(epochs=3), data())
    found = Description(IMAGES, 10, (1, 4, 4), ("a", "b"))
    assert [len(stream.epoch(t, 1).order) for t in range(5)] == stream_sizes.samples(settings, found) == [19, 20, 20, 20, 20]
    assert plan.total_samples(settings, found) == 3 * (19 + 4 * 20)
    assert [len(stream.val_indices(t)) for t in range(5)] == [2] * 5 and len(free.val_indices(4)) == 10
    assert torch.equal(stream.epoch(4, 1).order, free.epoch(4, 1).order[:20])
    seen = {i for epoch in range(3) for i in stream.epoch(4, epoch).order.tolist()}
    assert len(seen) > 30  # another choice of the replayed images in each epoch


def test_few_shot_takes_so_many_images_of_each_class_and_other_ones_for_each_seed() -> None:
    one, two = (load_data(RunConfig(shots=7, seed=seed), torch.device("cpu")) for seed in (0, 1))
    assert one.train_y.bincount().tolist() == two.train_y.bincount().tolist() == [7] * 10 and not torch.equal(one.train_x, two.train_x)
    settings = RunConfig(shots=7, megabatches=2)
    assert stream_sizes.samples(settings, plan.check(settings)) == [31, 62]  # of 35 and 35, four each for validation
    with pytest.raises(InputError, match=r"has 1[0-9]+ training images; choose at most"):
        load_data(RunConfig(shots=143), torch.device("cpu"))
    with pytest.raises(InputError, match="choose at most 143"):
        plan.check(RunConfig(shots=200))


def test_scoring_set_is_a_fresh_random_part_of_the_replayed_images() -> None:
    stream = Stream(config(), data())
    sets = [set(stream.scoring_indices(t).tolist()) for t in range(5)]
    assert [len(found) for found in sets] == [4, 4, 4, 4, 4]  # 0.2 of 20 or 21
    assert all(found <= set(stream.train_indices(t).tolist()) for t, found in enumerate(sets))
    assert len(set(map(frozenset, sets))) == 5


def test_epochs_visit_every_training_image_once_in_an_order_of_their_own() -> None:
    stream = Stream(config(batch_size=8), data())
    first, second = stream.epoch(1, 0), stream.epoch(1, 1)
    seen = torch.cat([y for _, y in first.batches(8)])
    assert sorted(seen.tolist()) == sorted(stream.train_indices(1).tolist())
    assert not torch.equal(first.order, second.order)
    assert torch.equal(first.order, Stream(config(), data()).epoch(1, 0).order)


def test_crop_and_flip_take_the_right_pixels() -> None:
    images = data(padding=1, images=2)
    offsets, flips = torch.tensor([[1, 1], [0, 2]]), torch.tensor([True, False])
    ((x, y),) = Epoch(images, torch.tensor([0, 1]), offsets, flips).batches(2)
    assert x.shape == (2, 1, 4, 4) and y.tolist() == [0, 1]
    assert x[0, 0, 0].tolist() == [1, 1, 1, 200]  # centred crop, mirrored
    assert x[1, 0].tolist() == [[0, 0, 0, 0], [2, 2, 2, 0], [2, 2, 2, 0], [2, 2, 2, 0]]  # one up, one to the right: zeros come in


def test_every_offset_of_the_padding_is_drawn() -> None:
    stream = Stream(config(crop_padding=2, flip=True), data(padding=2))
    epoch = stream.epoch(4, 0)
    assert set(epoch.offsets.flatten().tolist()) == {0, 1, 2, 3, 4} and 0 < epoch.flips.float().mean() < 1


def test_validation_and_test_are_not_augmented() -> None:
    stream = Stream(config(crop_padding=2, flip=True), data(padding=2))
    for x, y in [*stream.validation(2), *stream.test(), *stream.scoring_batches(2)]:
        assert torch.equal(x[:, 0, 1, 1], (y + 1).float()) and (x[:, 0, 0, 0] == 200).all()


def test_hashes_tell_streams_apart_and_chain_what_was_used() -> None:
    same, other = Stream(config(), data()), Stream(config(seed=1), data())
    assert same.hashes() == Stream(config(pruner="magnitude"), data()).hashes() != other.hashes()
    chain = same.epoch(0, 1).chain(same.epoch(0, 0).chain(""))
    assert chain != same.epoch(0, 0).chain(same.epoch(0, 1).chain("")) and len(chain) == 64


@pytest.mark.parametrize(("total", "size", "bounds"), [(10, 4, [(0, 4), (4, 8), (8, 10)]), (9, 4, [(0, 4), (4, 9)]), (1, 4, [(0, 1)])])
def test_a_lone_last_image_joins_the_batch_before(total: int, size: int, bounds: list) -> None:
    assert batches(total, size) == bounds


def test_normalised_has_zero_mean_and_unit_variance_on_real_digits() -> None:
    loaded = load_data(RunConfig(), torch.device("cpu"))
    p, side = loaded.padding, loaded.shape[1]
    x = normalised(loaded.train_x[:, p : p + side, p : p + side], loaded)
    assert abs(float(x.mean())) < 1e-4 and abs(float(x.std()) - 1) < 1e-3
    assert load_data(RunConfig(seed=3), torch.device("cpu")) is loaded  # one copy for runs that are alive together


def images_of(**values) -> tuple[bytes, bytes]:
    found = load_data(RunConfig(**values), torch.device("cpu"))
    return found.train_x.numpy().tobytes(), found.test_x.numpy().tobytes()


LIMITS = {"limit_train": 100, "limit_test": 20}


def test_limits_draw_their_images_by_the_seed_test_images_too() -> None:
    one, two = (images_of(**LIMITS, seed=seed) for seed in (0, 1))
    assert one[0] != two[0] and one[1] != two[1] and one == images_of(**LIMITS, seed=0)
    loaded = load_data(RunConfig(**LIMITS), torch.device("cpu"))
    assert len(loaded.train_x) == 100 and len(loaded.test_x) == 20 and len(loaded.train_y.unique()) > 5
    assert images_of(seed=0) == images_of(seed=1)  # with all images there is nothing to draw


@pytest.mark.parametrize(
    "values",
    [{"method": "dense"}, {"method": "osp"}, {"pruner": "magnitude"}, {"semantics": "released-code"}, {"init": "torch"}, {"tau": 9.0}],
)
def test_at_one_seed_the_images_are_the_same_whatever_else_differs(values: dict) -> None:
    assert images_of(**LIMITS, seed=3, **values) == images_of(**LIMITS, seed=3)


def test_a_seed_of_their_own_holds_the_images_for_all_runs() -> None:
    held = [images_of(**LIMITS, seed=seed, subset_seed=5) for seed in (0, 1)]
    assert held[0] == held[1] == images_of(**LIMITS, seed=5) != images_of(**LIMITS, seed=0)


def test_images_of_limits_are_those_of_the_first_version_at_seed_0() -> None:
    """As it drew them for every run: a stored run goes on with these (config.as_then)."""
    everything = load_data(RunConfig(), torch.device("cpu"))
    chosen = torch.randperm(len(everything.test_x), generator=seeds.generator(0, "limit_test"))[:20].sort().values
    assert torch.equal(load_data(RunConfig(**LIMITS, seed=4, subset_seed=0), torch.device("cpu")).test_x, everything.test_x[chosen])


def test_clean_training_images_are_those_of_the_megabatch_and_of_many_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(config(crop_padding=2, flip=True), data(padding=2))
    x, y = (torch.cat(parts) for parts in zip(*stream.clean(stream.clean_train_indices(2)), strict=True))
    assert sorted(y.tolist()) == sorted(stream.train_indices(2).tolist()) and torch.equal(x[:, 0, 1, 1], (y + 1).float())
    monkeypatch.setattr("appcore.engine.stream.CLEAN_TRAIN_IMAGES", 30)
    few = [torch.cat([y for _, y in stream.clean(stream.clean_train_indices(t))]).tolist() for t in (0, 2, 2)]
    assert sorted(few[0]) == sorted(stream.train_indices(0).tolist()) and few[1] == few[2] and len(set(few[1])) == 30
    assert set(few[1]) < set(stream.train_indices(2).tolist())
