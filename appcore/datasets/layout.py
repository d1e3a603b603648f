"""Classes from file names: train/CLASS/FILE and test/CLASS/FILE, or CLASS/FILE where the setting `split` divides it. Reads no content.

Accepted too, with a note: folders around these, capitals, `training` and `testing`, and `val`, `valid` or `validation` in place of `test`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from .. import seeds
from ..errors import InputError
from ..untrusted.folder import Folder
from ..untrusted.member import SPLITS, Member
from ..untrusted.refusals import refuse, shown
from ..untrusted.zip_file import Zip

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
REMEDY = "lay it out as train/CLASS/*.png and test/CLASS/*.png"
MEANS = {"train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val", "validation": "val"}

_Classes = dict[str, list[Member]]  # the images of each class


@dataclass(frozen=True)
class Layout:
    """The contents of a tree: class names sorted; per split the images by class and then by name; unused names; remarks for the user."""

    classes: tuple[str, ...]
    images: dict[str, list[tuple[Member, int]]]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def token(self) -> str:
        """Changes whenever an image of a folder is added, removed or written."""
        digest = hashlib.sha256()
        for split in SPLITS:
            for member, _ in self.images[split]:
                digest.update(f"{member.source}\0{member.size}\0{member.state}\0".encode(errors="replace"))
        return digest.hexdigest()


def arrange(tree: Folder | Zip, split: float = 0.0) -> Layout:
    """The classes and images of a tree; InputError where it is laid out otherwise. `split`: the share that becomes the test set."""
    around, level = _unwrapped(tree)
    found = _Found(tree, level)
    notes = [f"The images lie in {shown(around)}."] if around else []
    if found.has_own_test or not split:
        if split:
            problem = f"{shown(tree.dataset)} has a test set of its own ({shown(found.folders['test'].last)}/); set it to 0"
            raise InputError(f"split: {problem}", "split")
        splits, remarks = found.as_laid_out()
    else:
        splits, remarks = found.divided(split)
    classes = tuple(sorted(splits["train"]))
    if len(classes) < 2:
        raise refuse(tree.dataset, f"only one class ({shown(classes[0], 40)}); give at least two folders of classes")
    images = {
        part: [(member, label) for label, name in enumerate(classes) for member in sorted(splits[part][name], key=lambda m: m.name)]
        for part in SPLITS
    }
    return Layout(classes, images, tuple(sorted(found.unused)), (*notes, *remarks))


def _unwrapped(tree: Folder | Zip) -> tuple[str, list[Member]]:
    """The folder that others were put around, and what lies in it: one goes down while there is a single folder, with folders in it."""
    around, level = "", tree.listed()
    while True:
        folders = [member for member in level if member.is_folder]
        if len(folders) != 1 or folders[0].last.lower() in MEANS:
            return around, level
        below = tree.listed(tree.judged(folders[0]))
        if not any(member.is_folder for member in below):
            return around, level
        around, level = folders[0].name, below


@dataclass
class _Found:
    """The level of a tree on which the splits lie, or without them the classes."""

    tree: Folder | Zip
    level: list[Member]
    folders: dict[str, Member] = field(default_factory=dict)  # train and test
    unsorted: str = ""  # a test/ without classes, as competitions have it
    unused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        known: dict[str, list[Member]] = {}
        for member in self.level:
            if member.is_folder:
                known.setdefault(MEANS.get(member.last.lower(), ""), []).append(member)
        for split, names in (("train", ("train",)), ("test", ("test", "val"))):
            for there in (known[name] for name in names if name in known and split not in self.folders):
                if len(there) > 1:
                    both = " and ".join(f"{shown(member.last)}/" for member in there[:2])
                    raise refuse(self.tree.dataset, f"holds {both}, and each could be {split}/; keep one of them")
                if split == "test" and not any(member.is_folder for member in self.tree.listed(self.tree.judged(there[0]))):
                    self.unsorted = self.unsorted or there[0].last
                else:
                    self.folders[split] = there[0]

    @property
    def has_own_test(self) -> bool:
        """Whether a test set lies beside the training set."""
        return set(self.folders) == set(SPLITS)

    def as_laid_out(self) -> tuple[dict[str, _Classes], list[str]]:
        """The classes in train/ and test/, and a remark where these are called otherwise."""
        if not self.has_own_test:
            raise refuse(self.tree.dataset, self._lacking())
        self.unused |= {member.name.rstrip("/") for member in self.level if member not in self.folders.values()}
        splits = {split: self._classes(self.folders[split]) for split in SPLITS}
        for one, other in (SPLITS, SPLITS[::-1]):
            if missing := set(splits[one]) - set(splits[other]):
                names = ", ".join(shown(name, 40) for name in sorted(missing)[:3]) + (" ..." if len(missing) > 3 else "")
                here, there = (self.folders[split].last for split in (one, other))
                problem = f"class {names} is in {here}/ but not in {there}/; both need the same classes"
                raise refuse(self.tree.dataset, problem)
        called = [f"{shown(self.folders[split].last)}/ is read as {split}/" for split in SPLITS if self.folders[split].last != split]
        return splits, [f"{', '.join(called)}."] if called else []

    def divided(self, share: float) -> tuple[dict[str, _Classes], list[str]]:
        """The classes, divided into training and test images, and a remark that says so."""
        pool = self.folders.get("train")
        if "test" in self.folders or not (pool or any(member.is_folder for member in self.level)):
            raise refuse(self.tree.dataset, self._lacking())
        if pool:
            self.unused |= {member.name.rstrip("/") for member in self.level if member is not pool}
        elif self.unsorted:
            self.level = [member for member in self.level if member.last != self.unsorted]
            self.unused.add(self.unsorted)
        classes = self._classes(pool)
        for name, images in classes.items():
            if len(images) < 2:
                raise refuse(self.tree.dataset, f"class {shown(name, 40)} has one image, which cannot be divided; add some or remove it")
        test = {name: drawn(name, images, share) for name, images in classes.items()}
        train = {name: [member for member in images if member not in test[name]] for name, images in classes.items()}
        counts = [sum(map(len, part.values())) for part in (test, classes)]
        remark = share_remark(counts[0], counts[1], share)
        return {"train": train, "test": {name: list(chosen) for name, chosen in test.items()}}, [remark]

    def _lacking(self) -> str:
        """What there is not, and what to do about it."""
        if not self.level:
            return f"is empty; {REMEDY}"
        offer = "; or set split (--split 0.2) to have a test set drawn from {}"
        if "train" in self.folders:
            lack = f"{shown(self.unsorted)}/ has no class folders" if self.unsorted else "no test/ folder"
            return f"{lack}; {REMEDY}" + offer.format(f"{shown(self.folders['train'].last)}/")
        if "test" in self.folders or self.unsorted:
            return f"no train/ folder; {REMEDY}"
        names = ", ".join(shown(member.last) for member in self.level[:3])
        is_like_classes = sum(member.is_folder for member in self.level) > 1
        return f"holds {names} but no train/ folder; {REMEDY}" + (offer.format("its folders") if is_like_classes else "")

    def _classes(self, folder: Member | None) -> _Classes:
        """The images of each class in a folder (None: on the level itself), each with one at least."""
        found: _Classes = {}
        for member in map(self.tree.judged, self.tree.listed(self.tree.judged(folder)) if folder else self.level):
            if member.is_folder:
                found.setdefault(member.last, []).extend(self._images(member))
            elif member.name.lower().endswith(SUFFIXES):
                raise refuse(self.tree.dataset, f"{shown(member.name)} lies outside a class folder; {REMEDY}")
            else:
                self.unused.add(member.name)
        if not found and folder:
            raise refuse(self.tree.dataset, f"{shown(folder.last)}/ has no class folders; {REMEDY}")
        prefix = folder.name if folder else ""
        for name, images in sorted(found.items()):
            if not images:
                raise refuse(self.tree.dataset, f"{shown(prefix + name)} holds no images; add some or remove the folder")
            _check_once(self.tree.dataset, images)
        return found

    def _images(self, folder: Member) -> Iterator[Member]:
        for member in map(self.tree.judged, self.tree.listed(folder)):
            if member.is_folder:
                raise refuse(self.tree.dataset, f"{shown(member.name.rstrip('/'))} is a folder inside a class; {REMEDY}")
            if not member.name.lower().endswith(SUFFIXES):
                raise refuse(self.tree.dataset, f"{shown(member.name)} is none of {', '.join(SUFFIXES)}; convert it or remove it")
            yield member


def share_remark(test: int, images: int, share: float) -> str:
    """What is said of a test set that was drawn."""
    return f"{test:,} of {images:,} images, {share:g} of each class, were drawn as the test set: the same for every seed."


def drawn(name: str, images: Iterable[Member], share: float) -> set[Member]:
    """The images of a class that are drawn as test images: one at least, and one less than all at most.

    An image's place in the draw depends on its name and its class alone: neither on the seed, so that runs with any two can be compared on
    the same images, nor on the other images, so that a set that grows moves few of them.
    """

    def place(member: Member) -> int:
        return seeds.key(0, "split", f"{name}/{member.last}".encode(errors="backslashreplace").decode())

    ranked = sorted(images, key=place)
    return set(ranked[: min(max(1, round(share * len(ranked))), len(ranked) - 1)])


def _check_once(dataset: str, images: Iterable[Member]) -> None:
    """InputError where two images have one name: the same letters in two spellings."""
    seen: set[str] = set()
    for member in images:
        if member.name in seen:
            raise refuse(dataset, f"{shown(member.name)} is there twice, spelled in two ways; rename or remove one")
        seen.add(member.name)


@contextmanager
def opened(dataset: str, path: Path, other: Callable[[str, Path], Any] = lambda *_: None) -> Iterator[Any]:
    """The folder or zip at `path`, or what `other` makes of it; errors of the file system, then or later, become one line."""
    tree: Any = None
    try:
        kind = path.stat().st_mode
        if not S_ISDIR(kind) and not S_ISREG(kind):
            raise refuse(dataset, "neither a folder nor a zip file; give the path of one")
        tree = other(dataset, path) or (Folder(dataset, path) if S_ISDIR(kind) else Zip(dataset, path))
        yield tree
    except FileNotFoundError as error:
        raise refuse(dataset, f"{shown(error.filename)} does not exist; give the path of a folder or zip") from error
    except OSError as error:
        where = f"{shown(error.filename)} " if error.filename else ""
        raise refuse(dataset, f"{where}cannot be read ({error.strerror or shown(error)}); check the path and its permissions") from error
    except InputError:
        raise
    except ValueError as error:  # a path with a NUL character
        raise refuse(dataset, f"not a path ({shown(error)}); give the path of a folder or zip") from error
    finally:
        if tree:
            tree.close()
