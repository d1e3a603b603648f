"""The contract of a schedule: `CHOICES = {name: title}` and `densities(config) -> tuple[float, ...]`, one fraction kept per megabatch."""
