"""The engine: a run as a generator of events, computed with torch. Importing any of it limits torch's threads, see `threads`."""

from . import threads as threads
