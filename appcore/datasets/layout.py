"""Classes from file names: train/CLASS/FILE and test/CLASS/FILE. Reads no content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from ..errors import InputError
from ..untrusted.folder import Folder
from ..untrusted.member import SPLITS, Member
from ..untrusted.refusals import refuse, shown
from ..untrusted.zip_file import Zip

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
REMEDY = "lay it out as train/CLASS/*.png and test/CLASS/*.png"


@dataclass(frozen=True)
class Layout:
    """The contents of a tree: class names sorted; per split the images by class and then by name; unused top-level names."""

    classes: tuple[str, ...]
    images: dict[str, list[tuple[Member, int]]]
    unused: tuple[str, ...]


@dataclass
class _Found:
    """The images found in a tree by split and class."""

    dataset: str
    splits: dict[str, dict[str, list[Member]]] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)

    def add(self, member: Member) -> None:
        """Add one name; InputError where it does not fit the layout."""
        parts = member.name.removesuffix("/").split("/")
        if parts[0] not in SPLITS or (len(parts) == 1 and not member.is_folder):
            self.unused.add(parts[0])
            return
        classes = self.splits.setdefault(parts[0], {})
        if len(parts) == 1:
            return
        if len(parts) == 2 and not member.is_folder:
            if parts[1].lower().endswith(SUFFIXES):
                raise refuse(self.dataset, f"{shown(member.name)} lies outside a class folder; {REMEDY}")
            self.unused.add(member.name)
            return
        images = classes.setdefault(parts[1], [])
        if len(parts) == 2:
            return
        if len(parts) > 3 or member.is_folder:
            raise refuse(self.dataset, f"{shown('/'.join(parts[:3]))} is a folder inside a class; {REMEDY}")
        if not parts[2].lower().endswith(SUFFIXES):
            raise refuse(self.dataset, f"{shown(member.name)} is none of {', '.join(SUFFIXES)}; convert it or remove it")
        images.append(member)

    def check(self) -> None:
        """InputError unless both splits hold the same classes, two at least, each with images."""
        if not self.splits:
            what = f"holds {', '.join(sorted(map(shown, self.unused))[:3])} but no train/ folder" if self.unused else "is empty"
            raise refuse(self.dataset, f"{what}; {REMEDY}")
        for split in SPLITS:
            if not self.splits.get(split):
                problem = f"{split}/ has no class folders" if split in self.splits else f"no {split}/ folder"
                raise refuse(self.dataset, f"{problem}; {REMEDY}")
            for name, images in sorted(self.splits[split].items()):
                if not images:
                    raise refuse(self.dataset, f"{shown(f'{split}/{name}')} holds no images; add some or remove the folder")
        train, test = (set(self.splits[split]) for split in SPLITS)
        for there, other, missing in (("train", "test", train - test), ("test", "train", test - train)):
            if missing:
                names = ", ".join(shown(name, 40) for name in sorted(missing)[:3]) + (" ..." if len(missing) > 3 else "")
                raise refuse(self.dataset, f"class {names} is in {there}/ but not in {other}/; both need the same classes")
        if len(train) < 2:
            raise refuse(self.dataset, f"only one class ({shown(min(train), 40)}); give at least two folders in train/ and in test/")


def arrange(tree: Folder | Zip) -> Layout:
    """The classes and images of a tree; InputError when it is not laid out as train/CLASS/FILE and test/CLASS/FILE."""
    found = _Found(tree.dataset)
    for member in tree.members:
        found.add(member)
    found.check()
    classes = tuple(sorted(found.splits["train"]))
    images = {
        split: [(member, label) for label, name in enumerate(classes) for member in sorted(found.splits[split][name], key=lambda m: m.name)]
        for split in SPLITS
    }
    return Layout(classes, images, tuple(sorted(found.unused)))


@contextmanager
def opened(dataset: str, path: Path) -> Iterator[Folder | Zip]:
    """The folder or zip at `path`; errors of the file system, then or later, become one line."""
    tree: Folder | Zip | None = None
    try:
        kind = path.stat().st_mode
        if not S_ISDIR(kind) and not S_ISREG(kind):
            raise refuse(dataset, "neither a folder nor a zip file; give the path of one")
        tree = Folder(dataset, path) if S_ISDIR(kind) else Zip(dataset, path)
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
