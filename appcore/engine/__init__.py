"""What a run does, as a generator of events: torch lives here. Whoever imports a part of it has one team of threads, see `threads`."""

from . import threads as threads
