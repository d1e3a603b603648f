"""`python -m appcore`: the command line."""

import atexit
import os

from . import installation, standard_streams

standard_streams.prepare()
installation.share_cores()

from .cli import endings  # noqa: E402, after the streams are there
from .cli.main import main  # noqa: E402

try:
    code = main()
except SystemExit as ended:  # --help
    code = ended.code if isinstance(ended.code, int) else 0
endings.ignore()
code = standard_streams.finish(code)
atexit._run_exitfuncs()  # stops the runs of this process
os._exit(code)  # all is written, and an orderly shutdown of torch costs seconds
