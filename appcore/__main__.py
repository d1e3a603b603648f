"""`python -m appcore`: the command line."""

import sys

try:
    from .cli import main
except ModuleNotFoundError as error:
    sys.exit(f"error: the package {error.name} is not installed; run: pip install -r requirements.txt")

sys.exit(main())
