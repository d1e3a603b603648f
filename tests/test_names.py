"""Data sets, networks, methods and criteria have one name each, which comes from their own file."""

from collections import Counter

import pytest
from source_texts import product, texts

from appcore import names, plugins
from appcore.config import PLUGIN_FIELDS

CHOICES = [choice for kind in names._KINDS for choice in plugins.choices(kind).values()]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("resnet20", "ResNet-20"),
        ("force", "FORCE"),
        ("taylor", "Taylor"),
        ("cs", "CS"),
        ("digits", "Digits"),
        ("mlp:32-32", "mlp:32-32"),
        ("images:/my/photos.zip", "photos.zip"),
        ("images:/my/photos/", "photos"),
        ("torchvision:mobilenet_v2", "mobilenet_v2"),
        ("exponential", "exponential"),
        ("a: b", "a: b"),
        (4.5, "4.5"),
        (3, "3"),
        (True, "yes"),
    ],
)
def test_display_names(value: object, shown: str) -> None:
    assert names.display(value) == shown


def test_no_two_choices_have_one_name_and_menus_begin_with_it() -> None:
    often = Counter(names.display(choice.name) for choice in CHOICES)
    assert [name for name, times in often.items() if times > 1] == []
    assert all(choice.title.startswith(names.display(choice.name)) for choice in CHOICES if not choice.takes_argument)


def test_options_that_look_alike_keep_their_whole_names() -> None:
    assert names.apart(["images:a/x.zip", "images:b/x.zip", "digits"]) == {
        "images:a/x.zip": "images:a/x.zip",
        "images:b/x.zip": "images:b/x.zip",
        "digits": "Digits",
    }


def test_method_and_pruner() -> None:
    assert names.method_and_pruner("app", "snip") == "APP · SNIP"
    assert names.method_and_pruner("dense", "snip") == names.method_and_pruner("dense", "") == "Dense"


def test_display_names_are_written_in_the_files_of_the_plug_ins_alone() -> None:
    said = {names.display(choice.name) for choice in CHOICES if not choice.takes_argument}
    files = {place: path for place, path in product().items() if place.split("/")[1:2] not in [[kind] for kind in plugins.KINDS]}
    assert [f"{place}:{line} {text!r}" for place, path in files.items() for line, text in texts(path) if text in said] == []


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "run", "1 run"),
        (0, "run", "0 runs"),
        (6, "epoch", "6 epochs"),
        (2, "megabatch", "2 megabatches"),
        (1204, "image", "1,204 images"),
    ],
)
def test_a_number_and_its_noun_agree(number: int, noun: str, said: str) -> None:
    assert names.counted(number, noun) == said


def test_titles_fit_into_the_menus_of_the_form() -> None:
    """In its narrowest column a menu holds 33 characters; what a title cannot say stands in the help and in the module."""
    titles = [choice.title for kind in PLUGIN_FIELDS.values() for choice in plugins.choices(kind).values()]
    assert len(titles) > 30 and [title for title in titles if len(title) > 33] == []


def test_names_that_begin_alike_show_where_they_differ() -> None:
    long = [f"SNIP on Digits with full replay, seed {seed}" for seed in (3, 4)]
    other = "Dense, for as many epochs as the others"
    assert names.told_apart([*long, "SNIP", other], 24) == ["SNIP on Digits … seed 3", "SNIP on Digits … seed 4", "SNIP", other]
    one_word = names.told_apart(["a" * 30 + end for end in "xy"], 24)
    assert [text[-1] for text in one_word] == ["x", "y"] and max(map(len, one_word)) <= 24
    assert names.told_apart([other, other], 24) == [other, other]
