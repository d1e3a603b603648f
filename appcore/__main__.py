"""`python -m appcore`: the command line."""

import atexit
import os
import sys

from . import installation
from .cli.main import main

installation.share_cores()
code = main()
sys.stdout.flush()
sys.stderr.flush()
atexit._run_exitfuncs()  # stops the runs of this process
os._exit(code)  # all is written, and an orderly shutdown of torch costs seconds
