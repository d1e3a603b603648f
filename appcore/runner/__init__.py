"""Carries runs out: driver, device queues, launchers, worker processes."""
