"""The states of a run, in sets."""

ACTIVE = ("queued", "running", "paused")
ENDED = ("done", "failed", "stopped", "lost")
