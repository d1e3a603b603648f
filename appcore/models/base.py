"""The contract of an architecture: `CHOICES = {name: title}` and `build(name, shape, classes) -> nn.Module`.

`shape` is (channels, height, width) of the images, any that a data set has; `classes` the number of outputs. `build` is called on
the meta device and draws nothing: `initialise` gives every parameter its value, keyed by seed and parameter name.
Pooling and activations are modules (not functionals), so that `masks.alive_masks` can walk the network.
"""
