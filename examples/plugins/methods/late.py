"""Train, prune, fine-tune: dense for a part of the stream, then pruned once to the final density (after Han et al., arXiv 1506.02626).

An example of a method. A method says what happens over the stream, as a list of segments, before anything runs. The engine carries them out
one after another, and a run can be stopped and resumed between any two. The list must follow from the settings alone.
"""

from collections.abc import Iterator

from appcore.config import RunConfig
from appcore.methods.base import Segment, final_density, training

CHOICES = {"late": "Late: trained dense, then pruned once"}

# Parameters of this method. They stand in the form, and on the command line as --option dense_share=0.25.
OPTIONS = {
    "dense_share": {"default": 0.5, "ge": 0.0, "le": 1.0, "help": "Share of the megabatches trained before the network is pruned"},
}

# What a run takes for settings that nobody named. Optional, as OPTIONS is.
RECIPE = {"late": {"pruner": "magnitude"}}


def segments(config: RunConfig) -> Iterator[Segment]:
    """Megabatches at density 1, one prune point, and the rest at the final density."""
    # At least one megabatch is left to be trained after the prune point, or nothing would repair the cut.
    first_pruned = min(round(config.option("method", "dense_share") * config.megabatches), config.megabatches - 1)
    density = 1.0
    for megabatch in range(config.megabatches):
        if megabatch == first_pruned:
            density = final_density(config)  # what the schedule ends with: 0.8 ** tau
            yield Segment("prune", megabatch, density=density)
        # `training` gives the epochs of a megabatch, each with its learning rate, and the test that ends it.
        yield from training(config, megabatch, density)
