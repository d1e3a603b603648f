"""All masks of a run in one file: what is written is what the masks were, and what is damaged is refused."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from appcore import paths
from appcore.errors import InputError
from appcore.storage import checkpoint, removals

SHAPES = {"conv1.weight": (2, 3), "fc.weight": (4,)}


def packed(conv: list[int], fc: list[int]) -> removals.Packed:
    return {"conv1.weight": np.packbits(np.array(conv, bool)), "fc.weight": np.packbits(np.array(fc, bool))}, SHAPES


NESTED = {
    2: packed([1, 1, 1, 0, 1, 1], [1, 1, 1, 1]),
    7: packed([1, 0, 1, 0, 0, 1], [0, 1, 1, 1]),
    9: packed([0, 0, 1, 0, 0, 1], [0, 0, 1, 0]),
}


def put(folder: Path, data: bytes) -> None:
    path = paths.removals(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_each_weight_has_the_number_of_prune_points_that_it_outlived() -> None:
    found = removals.of(NESTED)
    assert found is not None
    assert found.segments == (2, 7, 9)
    assert found.outlived["conv1.weight"].tolist() == [2, 1, 3, 0, 1, 3]
    assert found.outlived["fc.weight"].tolist() == [1, 2, 3, 2]
    assert found.kept() == [
        {"conv1.weight": 5, "fc.weight": 4},
        {"conv1.weight": 3, "fc.weight": 3},
        {"conv1.weight": 2, "fc.weight": 1},
    ]


def test_masks_are_read_out_of_the_file_as_from_files_of_their_own(tmp_path: Path) -> None:
    found = removals.of(NESTED)
    assert found is not None
    put(tmp_path, removals.write(found))
    assert checkpoint.stored(tmp_path) == [paths.masks(tmp_path, segment) for segment in NESTED]
    for segment, (bits, shapes) in NESTED.items():
        got, got_shapes = checkpoint.load_packed(paths.masks(tmp_path, segment))
        assert got_shapes == shapes
        assert all(np.array_equal(got[name], bits[name]) for name in bits)
    with pytest.raises(InputError, match="no such file"):
        checkpoint.load_packed(paths.masks(tmp_path, 3))


def test_masks_that_regrow_have_no_such_form() -> None:
    assert removals.of({**NESTED, 11: packed([0, 0, 1, 1, 0, 1], [0, 0, 1, 0])}) is None
    assert removals.of({}) is None


def test_more_than_255_prune_points_take_two_bytes() -> None:
    many = {segment: packed([1] * 6, [segment < 299, 1, 1, 1]) for segment in range(300)}
    found = removals.of(many)
    assert found is not None
    assert found.outlived["fc.weight"].tolist() == [299, 300, 300, 300]
    assert found.kept()[299] == {"conv1.weight": 6, "fc.weight": 3}


def test_a_hundred_prune_points_take_little_more_than_eight() -> None:
    draw = np.random.default_rng(0).random(30_000)

    def size(points: int) -> int:
        densities = np.linspace(0.8, 0.37, points)
        snapshots = {k: ({"fc.weight": np.packbits(draw < density)}, {"fc.weight": (30_000,)}) for k, density in enumerate(densities)}
        found = removals.of(snapshots)
        assert found is not None
        return len(zlib.compress(removals.write(found), 9))

    assert size(100) < 2 * size(8) < 30_000


def rewritten(data: bytes, *, counts: list[int] | None = None, **changes: object) -> bytes:
    """The file with other counts of the second layer, or with other facts, its checksum right."""
    tensors = safetensors.numpy.load(data)
    about = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["about"])
    if counts is not None:
        tensors["fc.weight"] = np.array(counts, np.uint8)
    about |= {"sha256": removals.digest(tensors), **changes}
    return safetensors.numpy.save(tensors, metadata={"about": json.dumps(about)})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"counts": [1, 2, 4, 2]}, "outlives more"),
        ({"counts": [1, 2, 3]}, "shape"),
        ({"shapes": {**SHAPES, "fc.weight": [4.0]}}, "has no shape"),
        ({"shapes": {**SHAPES, "fc.weight": [-1, -4]}}, "has no shape"),
        ({"shapes": {"conv1.weight": [2, 3]}}, "other layers"),
        ({"segments": [2, 2, 9]}, "in no order"),
        ({"segments": [True, 7, 9]}, "in no order"),
        ({"segments": []}, "in no order"),
        ({"segments": 3}, "cannot be read"),
        ({"sha256": "0" * 64}, "checksum"),
    ],
)
def test_what_is_damaged_is_one_line(changes: dict, says: str, tmp_path: Path) -> None:
    found = removals.of(NESTED)
    assert found is not None
    put(tmp_path, rewritten(removals.write(found), **changes))
    with pytest.raises(InputError, match=says):
        removals.read(tmp_path)


def test_no_file_at_all(tmp_path: Path) -> None:
    assert removals.read(tmp_path) is None
    put(tmp_path, b"\xff" * 40)
    with pytest.raises(InputError, match="import or repeat the run"):
        removals.read(tmp_path)
