"""Who drives a run: drivers, queues, worker processes."""
