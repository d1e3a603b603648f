"""Images so thin that a square of their shorter side holds next to nothing: refused, or said how much is kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest
from PIL import Image

from appcore.config import build
from appcore.datasets import images
from appcore.errors import InputError


def folder(tmp_path: Path, *sizes: tuple[int, int]) -> str:
    """A set with images of these sizes (width, height) in turn."""
    draw = numpy.random.default_rng(0)
    for split in ("train", "test"):
        for name in "ab":
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(4):
                width, height = sizes[number % len(sizes)]
                pixels = draw.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number}.png")
    return f"images:{tmp_path}"


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        (((1, 4000),), "images of 1 x 4000 would become 1 x 1 pixels"),
        (((4000, 3),), "images of 4000 x 3 would become 3 x 3 pixels"),
        (((2, 90), (2, 91), (70, 80)), "images of mixed sizes would become 2 x 2 pixels"),
    ],
)
def test_what_would_become_a_few_pixels_is_refused_with_a_way_out(sizes: tuple, words: str, tmp_path: Path) -> None:
    dataset = folder(tmp_path, *sizes)
    with pytest.raises(InputError, match=re.escape(words)) as refused:
        images.describe(build({"dataset": dataset}))
    assert "set image_size" in refused.value.message and "\n" not in refused.value.message
    assert images.describe(build({"dataset": dataset, "image_size": 8})).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("size", "more", "kept"),
    [
        ((1, 4000), {"image_size": 8}, ", 0.025 % of each image"),
        ((200, 20), {}, ", 10 % of each image"),
        ((90, 70), {}, ""),
        ((64, 129), {}, ", 50 % of each image"),
    ],
)
def test_a_note_says_how_much_of_an_image_is_kept_where_it_is_less_than_half(size: tuple, more: dict, kept: str, tmp_path: Path) -> None:
    (note,) = images.describe(build({"dataset": folder(tmp_path, size), **more})).notes
    assert note.endswith(f"shorter side scaled, centre kept{kept}.")


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 64)])
def test_small_images_of_one_size_stay_as_they_are(size: tuple[int, int], tmp_path: Path) -> None:
    found = images.describe(build({"dataset": folder(tmp_path, size), "crop_padding": 0}))
    assert found.shape[1:] == (size[1], size[0]) and not found.notes
