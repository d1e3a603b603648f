"""Where runs are driven: in a thread of this process or in worker processes."""
