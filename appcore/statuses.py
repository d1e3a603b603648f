"""The statuses of a run, in sets, and the commands that it obeys."""

STARTED = ("running", "paused")  # a driver has it
ACTIVE = ("queued", *STARTED)  # it may still change by itself
WAITING = ("queued", "paused")  # for its turn, or for Resume
MOVING = ("queued", "running")  # it can be paused
OVER = ("done", "failed", "stopped")  # ended, as its own driver says
ENDED = (*OVER, "lost")
RESUMABLE = ("stopped", "failed", "lost")
STARTABLE = ("queued", *RESUMABLE)  # a driver may take it
BROKEN = ("failed", "lost")  # ended against the user's will
LEFT = ("lost", "stopped")  # without a worker, but one may be placed again

COMMANDS = ("pause", "resume", "stop", "preempt")
ENDING = ("stop", "preempt")  # commands after which a run is stopped
