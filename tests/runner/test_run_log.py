"""What a worker process printed: one file for all of its runs, read from its end, as plain text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appcore import files, paths
from appcore.files import UnreadableError
from appcore.runner import run_log


def put(folder: Path, text: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    paths.worker_log(folder).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def printed(folder: Path, *run_ids: str, text: str) -> None:
    """What a worker of these runs prints."""
    with run_log.begin(folder, run_ids) as log:
        log.write(text.encode())


def of_workers(folder: Path, run_id: str) -> list[str]:
    """What each worker of a run has printed."""
    return re.split(r"──── another worker took the run, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC ────\n", run_log.read(folder / run_id).text)


def test_runs_of_one_worker_have_one_log_and_a_later_worker_goes_on_below(tmp_path: Path) -> None:
    printed(tmp_path, "a", "b", text="first\n")
    assert paths.worker_log(tmp_path / "a").samefile(paths.worker_log(tmp_path / "b"))
    printed(tmp_path, "b", text="second")
    assert [of_workers(tmp_path, name) for name in "ab"] == [["first\n"], ["first\n", "second"]]
    printed(tmp_path, "b", text="")
    printed(tmp_path, "b", text="third\n")
    assert of_workers(tmp_path, "b") == ["first\n", "second\n", "", "third\n"]
    assert [run_log.of_last_worker(tmp_path / name) for name in "ab"] == ["first\n", "third\n"]
    printed(tmp_path, "c", "d", text="both\n")
    printed(tmp_path, "d", "c", text="both again\n")
    assert [of_workers(tmp_path, name) for name in "cd"] == [["both\n", "both again\n"]] * 2


def test_of_what_was_printed_before_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "MOST_BYTES", 100)
    for worker in range(5):
        printed(tmp_path, "a", text="".join(f"worker {worker} line {number}\n" for number in range(10)))
    assert paths.worker_log(tmp_path / "a").stat().st_size <= 100 + 100 + 160  # what is kept, the line, what is new
    monkeypatch.undo()
    before, last = of_workers(tmp_path, "a")
    assert before.splitlines() == [f"worker 3 line {number}" for number in range(4, 10)] and last.startswith("worker 4 line 0\n")


def test_what_was_printed_before_and_cannot_be_read_stops_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object) -> object:
        raise UnreadableError(tmp_path, OSError(5, "Input/output error"))

    put(tmp_path / "a", "text")
    monkeypatch.setattr(files, "tail", failing)
    printed(tmp_path, "a", text="more\n")
    monkeypatch.undo()
    assert of_workers(tmp_path, "a") == ["more\n"]


@pytest.mark.thorough
def test_what_is_printed_goes_there_line_by_line(tmp_path: Path) -> None:
    """Also what the interpreter does not print: the file is that of the process, not of Python."""
    program = """if True:
        import os, sys
        from pathlib import Path
        from appcore.runner import worker
        from appcore.runner import run_log
        print("before")
        worker._print_to(run_log.begin(Path(sys.argv[1]), ["a"]))
        print("out"), print("err", file=sys.stderr), os.write(2, b"system\\n")
        os._exit(0)  # nothing is flushed any more
    """
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "before\n"
    assert run_log.read(tmp_path / "a").text == "out\nerr\nsystem\n"


def test_the_end_begins_with_a_whole_line_and_the_rest_is_counted(tmp_path: Path) -> None:
    put(tmp_path, "".join(f"line {number:04d} ü\n" for number in range(1000)))
    found = run_log.read(tmp_path, 100)
    assert found.is_cut and found.size == 13_000
    assert found.text.splitlines() == [f"line {number:04d} ü" for number in range(993, 1000)]
    assert run_log.last_lines(found, 2).text == "line 0998 ü\nline 0999 ü\n"
    whole = run_log.read(tmp_path)
    assert not whole.is_cut and len(whole.text.splitlines()) == 1000
    assert run_log.last_lines(whole, 999).is_cut and not run_log.last_lines(whole, 1000).is_cut


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("\x1b[31mred\x1b[0m and \x1b[1;4mbold\x1b[m", "red and bold"),
        ("\x1b]0;a title\x07text\x1b(B", "text"),
        (" 10 %\r 50 %\r100 %\r\nnext\r\n", "100 %\nnext\n"),
        ("a\tb", "a       b"),
        ("\x00\x08\u202egnp.exe\x9b", "???gnp.exe?"),
        (b"\xff\xfe\n", "\ufffd\ufffd\n"),
        ("[x](http://y) **z** <b>", "[x](http://y) **z** <b>"),
    ],
)
def test_it_is_plain_text(printed: str | bytes, text: str, tmp_path: Path) -> None:
    assert run_log.read(put(tmp_path, printed)).text == text


def test_there_is_none_where_nothing_was_printed_or_what_is_there_is_no_file(tmp_path: Path) -> None:
    assert run_log.read(tmp_path / "nowhere") is None and run_log.read(tmp_path) is None
    assert run_log.read(put(tmp_path / "empty", "")) is None
    (tmp_path / "secret").write_text("secret")
    paths.worker_log(tmp_path).symlink_to(tmp_path / "secret")
    assert run_log.read(tmp_path) is None
    if hasattr(os, "mkfifo"):  # reading it would never end
        paths.worker_log(tmp_path).unlink()
        os.mkfifo(paths.worker_log(tmp_path))
        assert run_log.read(tmp_path) is None


def test_one_that_cannot_be_read_now_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(path: Path, *arguments: object) -> object:
        raise OSError(5, "Input/output error", str(path))

    put(tmp_path, "text")
    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(UnreadableError, match=r"worker\.log cannot be read now: Input/output error"):
        run_log.read(tmp_path)
