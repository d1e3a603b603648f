"""Python files of one's own that build networks, `file:PATH.py:FACTORY`: which of them may be run, each as it was then. Imports no torch.

Such a file is a program: it can do whatever its user can. So naming one runs nothing. `allow` is called only where somebody at this
machine asks for it (the command line, Python, a button of the form). It keeps a copy beside the store, under a digest of the bytes and of
the factory's name, and gives the name that a run keeps: `file:PATH.py:FACTORY@DIGEST`. Only such copies are run, never PATH, and only
while they have their digest. So what a bundle, a backup or a link names runs only where these very bytes have been allowed before, a run
goes on with the code that it began with, and a changed file is another network. What a restored backup brought along lies apart, in
`code/restored/`, until it is allowed as any file is.
"""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from .. import files, limits, paths
from ..errors import InputError

HEAD = "file:"
WARNING = "It is a program and can do whatever you can: read, change and delete your files. Run only what you wrote or have read."
_DIGITS, MOST_BYTES = 32, 2**20
_FORM = re.compile(r"file:(?P<path>.+\.py):(?P<factory>[A-Za-z_][A-Za-z0-9_]*)(?:@(?P<digest>[0-9a-f]{32}))?")


def shown(text: object, limit: int = 200) -> str:
    """Text of a file or name for use in a message: printable, on one line, not too long."""
    return repr(str(text)[:limit])[1:-1]


class Source(NamedTuple):
    """A name, taken apart; without a digest it is one that nobody has allowed yet."""

    path: Path
    factory: str
    digest: str

    @property
    def copy(self) -> Path:
        """Where the code lies that may be run."""
        return paths.allowed_code(_folder(), self.digest)

    @property
    def restored(self) -> Path:
        """Where it lies as a restored backup brought it along."""
        return paths.restored_code(_folder(), self.digest)

    @property
    def words(self) -> str:
        """The file and its function, for messages."""
        return f"{shown(self.path.name)}:{self.factory}"


def is_own(arch: str) -> bool:
    """Whether a network is named by a Python file."""
    return arch.startswith(HEAD)


def can_be_named(arch: str) -> bool:
    """Whether a name is written as one of a Python file is."""
    return _FORM.fullmatch(arch) is not None


def parse(arch: str) -> Source:
    """The parts of a name; InputError for one that is written otherwise."""
    found = _FORM.fullmatch(arch)
    if found is None:
        raise _refuse(f"{shown(arch)} names no function of a Python file; write file:PATH.py:FUNCTION, such as file:net.py:Net")
    return Source(Path(paths.absolute(found["path"])), found["factory"], found["digest"] or "")


def allow(arch: str, owner: str = "") -> str:
    """Let the code that a name means now be run here; the name that runs keep. Other networks are returned as they are.

    `owner`: who has signed in. OverLimitError where the server runs no code of its users; InputError for a file that cannot be read or
    has no such function, and for a name with the digest of other bytes.
    """
    if not is_own(arch):
        return arch
    source = parse(arch)
    limits.load().check_code(arch, owner)
    if source.digest and _whole(source, source.copy) is not None:
        return arch
    code = _read(source)
    _check_factory(source, code)
    digest = _digest(source, code)
    if source.digest not in ("", digest):
        raise _refuse(f"{source.words} is not what it was when this name was made; leave @{source.digest} out to run it as it is now")
    known = source._replace(digest=digest)
    known.copy.parent.mkdir(parents=True, exist_ok=True)
    files.write(known.copy, code, field="arch")
    return f"{HEAD}{source.path}:{source.factory}@{digest}"


def check(arch: str) -> None:
    """InputError unless the network may be built: every other one may, and code that was allowed."""
    if is_own(arch):
        code(arch)


def code(arch: str) -> tuple[bytes, Path]:
    """The code that may be run for a name, and where it lies; InputError where nobody has allowed it here."""
    source = parse(arch)
    limits.load().check_code(arch)
    if not source.digest:
        raise _refuse(f"{source.words} has not been allowed to run here, and naming it runs nothing; {_how(source)}")
    found = _whole(source, source.copy)
    if found is None and (brought := restored(arch)):
        problem = f"the code of {source.words} came with a backup and has not been allowed to run here"
        raise _refuse(f"{problem}; read {shown(brought)}, and {_how(source._replace(path=brought))}")
    if found is None:
        problem = f"the code of {source.words} is not here, and no bundle and no link brings code along"
        raise _refuse(f"{problem}; get the same file, read it, and {_how(source)}")
    return found, source.copy


def restored(arch: str) -> Path | None:
    """Where the code of a kept name can be read that a backup brought along and nobody has allowed here; None where there is none."""
    source = parse(arch)
    is_there = source.digest and _whole(source, source.copy) is None and _whole(source, source.restored) is not None
    return source.restored if is_there else None


def allow_restored(arch: str, owner: str = "") -> str:
    """Let that code be run here, which `restored` says where to read; the name stays the same. Errors as of `allow`."""
    source = parse(arch)
    allow(f"{HEAD}{source.restored}:{source.factory}@{source.digest}", owner)
    return arch


def has_changed(arch: str) -> bool:
    """Whether the file that a kept name came from is another now. One that cannot be read is not called changed."""
    source = parse(arch)
    try:
        return bool(source.digest) and _digest(source, _read(source)) != source.digest
    except InputError:
        return False


def _how(source: Source) -> str:
    command = f"python -m appcore run --arch {HEAD}{shown(source.path)}:{source.factory}"
    return f'press "Allow and use" below its path on the page Run, or run: {command}'


def _folder() -> Path:
    """The folder of the store."""
    address = paths.store_file(paths.store_address())
    return address.expanduser().absolute().parent if address else paths.runs_folder()


def _whole(source: Source, copy: Path) -> bytes | None:
    """The code of a copy; None where there is none of that digest."""
    try:
        found = files.read(copy)
    except FileNotFoundError:
        return None
    return found if _digest(source, found) == source.digest else None


def _read(source: Source) -> bytes:
    try:
        if source.path.is_file() and source.path.stat().st_size <= MOST_BYTES:
            return source.path.read_bytes()
        problem = "is larger than 1 MiB" if source.path.is_file() else "is no file"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    raise _refuse(f"{shown(source.path)} {problem}; give the path of a Python file with a function that builds the network")


def _digest(source: Source, code: bytes) -> str:
    return hashlib.sha256(source.factory.encode() + b"\0" + code).hexdigest()[:_DIGITS]


def _check_factory(source: Source, code: bytes) -> None:
    """InputError where the code cannot be read, or defines nothing of the factory's name. Runs nothing."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else shown(error)
        raise _refuse(f"{shown(source.path)} cannot be read as Python ({line}); mend it") from None
    names: list[str] = []
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    if source.factory not in names:
        own = [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        there = f"it defines {', '.join(own[:5])}" if own else "it defines no function and no class"
        raise _refuse(f"{shown(source.path)} has nothing called {source.factory} ({there}); name a function or class of the file")


def _refuse(problem: str) -> InputError:
    return InputError(f"arch: {problem}", "arch")
