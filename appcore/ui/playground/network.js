// A fully connected network with ReLU whose weights can be masked: values, initial values, momentum and masks of every layer.
import { generator } from './random.js';

// A network of these widths, such as [2, 32, 32, 2], with the initial values of a seed.
export function create(widths, seed) {
  const layers = widths.slice(1).map((outputs, index) => emptyLayer(widths[index], outputs));
  const network = { widths, layers, spaces: new Map() };
  draw(network, seed, 'initial values');
  return network;
}

function emptyLayer(inputs, outputs) {
  const [weights, units] = [inputs * outputs, outputs];
  return {
    inputs,
    outputs,
    weight: new Float64Array(weights), // [outputs, inputs], row by row
    bias: new Float64Array(units),
    firstWeight: new Float64Array(weights),
    firstBias: new Float64Array(units),
    weightSpeed: new Float64Array(weights), // momentum
    biasSpeed: new Float64Array(units),
    mask: new Uint8Array(weights).fill(1), // 1: kept
  };
}

// New initial values, uniform in +-1 / sqrt(inputs) as the engine draws linear layers; masks stay.
export function draw(network, seed, purpose) {
  const random = generator(seed, purpose);
  for (const layer of network.layers) {
    const bound = 1 / Math.sqrt(layer.inputs);
    for (const values of [layer.firstWeight, layer.firstBias]) {
      for (let index = 0; index < values.length; index++) values[index] = bound * (2 * random() - 1);
    }
  }
  rewind(network);
}

// Weights and biases back at their initial values, pruned weights at 0, no momentum.
export function rewind(network) {
  for (const layer of network.layers) {
    layer.weight.set(layer.firstWeight);
    layer.bias.set(layer.firstBias);
    layer.weightSpeed.fill(0);
    layer.biasSpeed.fill(0);
  }
  setMasks(network, network.layers.map((layer) => layer.mask));
}

// Puts masks in place: what is pruned becomes 0 and loses its momentum, and so does what comes back.
export function setMasks(network, masks) {
  network.layers.forEach((layer, index) => {
    const mask = masks[index];
    for (let place = 0; place < mask.length; place++) {
      if (mask[place] !== layer.mask[place]) layer.weightSpeed[place] = 0;
      if (!mask[place]) {
        layer.weight[place] = 0;
        layer.weightSpeed[place] = 0;
      }
    }
    layer.mask.set(mask);
  });
}

const KEPT = ['weight', 'bias', 'firstWeight', 'firstBias', 'weightSpeed', 'biasSpeed', 'mask'];

// All that can change of a network, to be restored later.
export function snapshot(network) {
  return network.layers.map((layer) => Object.fromEntries(KEPT.map((name) => [name, layer[name].slice()])));
}

export function restore(network, saved) {
  network.layers.forEach((layer, index) => KEPT.forEach((name) => layer[name].set(saved[index][name])));
}

export function masksOf(network) {
  return network.layers.map((layer) => layer.mask.slice());
}

export function total(network) {
  return network.layers.reduce((sum, layer) => sum + layer.mask.length, 0);
}

export function count(masks) {
  return masks.reduce((sum, mask) => sum + mask.reduce((kept, one) => kept + one, 0), 0);
}

export function kept(network) {
  return count(network.layers.map((layer) => layer.mask));
}
