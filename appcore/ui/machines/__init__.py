"""The parts of the page Machines."""
