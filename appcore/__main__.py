"""`python -m appcore`, and `pruning-lab` where pip has installed it: the command line."""

import atexit
import os

from . import installation, standard_streams


def main() -> None:
    """Carry out the command of this process, and end it with its exit code."""
    standard_streams.prepare()
    installation.share_cores()

    from .cli import endings  # after the streams are there
    from .cli.main import main as carry_out

    try:
        code = carry_out()
    except SystemExit as ended:  # --help
        code = ended.code if isinstance(ended.code, int) else 0
    endings.ignore()
    code = standard_streams.finish(code)
    atexit._run_exitfuncs()  # stops the runs of this process
    os._exit(code)  # all is written, and an orderly shutdown of torch costs seconds


if __name__ == "__main__":
    main()
