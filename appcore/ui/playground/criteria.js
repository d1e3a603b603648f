// What ranks the weights: random, magnitude, SNIP, SynFlow and GraSP, with the formulas of the engine (appcore/pruners/).
import { count, masksOf, setMasks, total } from './network.js';
import { correlate, forward, gradients, multiply, multiplyBack, shares } from './passes.js';
import { generator } from './random.js';
import { keepCount, keepTop } from './selection.js';

const ROUNDS = 100; // of SynFlow
const TEMPERATURE = 200; // of GraSP: outputs are divided by it before the loss

// By name: title, one sentence, and scores(network, points, seed), higher = keep.
export const CRITERIA = {
  random: { title: 'Random', letter: 'r', scores: byLot, says: 'Weights go by lot: the control that every criterion must beat.' },
  magnitude: { title: 'Magnitude', letter: 'm', scores: magnitude, says: 'The smallest weights go.' },
  snip: { title: 'SNIP', letter: 's', scores: snip, says: 'Those weights go whose removal the loss would feel least.' },
  synflow: {
    title: 'SynFlow',
    letter: 'y',
    scores: synflow,
    rounds: ROUNDS,
    says: 'Those weights go that carry least from input to output, a few in each of 100 rounds.',
  },
  grasp: { title: 'GraSP', letter: 'g', scores: grasp, says: 'Those weights go without which the gradient stays strong.' },
};

// Cuts a network to a density by a criterion; what was pruned before does not return.
export function prune(network, criterion, density, points, seed) {
  setMasks(network, select(network, criterion, density, points, seed));
}

// The masks after such a cut; the network is left as it is.
export function select(network, criterion, density, points, seed) {
  const { scores, rounds = 1 } = CRITERIA[criterion];
  let masks = masksOf(network);
  const all = total(network);
  const start = count(masks) / all;
  for (let round = 1; round <= rounds; round++) {
    const isLast = round === rounds || density >= start;
    const target = isLast ? density : start * (density / start) ** (round / rounds);
    if (isLast || keepCount(target, all) < count(masks)) masks = keepTop(scores(network, points, seed, masks), target, masks);
    if (isLast) break;
  }
  return masks;
}

function byLot(network, points, seed) {
  const random = generator(seed, 'random scores');
  return network.layers.map((layer) => Float64Array.from(layer.weight, random));
}

function magnitude(network) {
  return network.layers.map((layer) => layer.weight.map(Math.abs));
}

// abs(w * dL/dw).
function snip(network, { x, y, count: points }) {
  const found = gradients(network, x, y, points, true);
  return network.layers.map((layer, index) => layer.weight.map((weight, place) => Math.abs(weight * found.weight[index][place])));
}

// w * dR/dw, R the sum of the outputs for a point of ones with every weight and bias at its absolute value.
function synflow(network, points, seed, masks) {
  const weights = network.layers.map((layer, index) => layer.weight.map((weight, place) => (masks[index][place] ? Math.abs(weight) : 0)));
  const inputs = [];
  let signal = new Float64Array(network.widths[0]).fill(1);
  network.layers.forEach((layer, index) => {
    inputs.push(signal);
    const output = layer.bias.map(Math.abs);
    multiply(weights[index], layer.inputs, layer.outputs, signal, output, 1);
    signal = output;
  });
  const scores = [];
  let flow = new Float64Array(network.widths.at(-1)).fill(1);
  for (let index = network.layers.length - 1; index >= 0; index--) {
    const layer = network.layers[index];
    const open = index < network.layers.length - 1 ? inputs[index + 1] : null;
    if (open) flow = flow.map((value, unit) => (open[unit] > 0 ? value : 0)); // the derivative of ReLU at 0 is 0
    scores[index] = weights[index].map((weight, place) => {
      const unit = Math.floor(place / layer.inputs);
      return weight * flow[unit] * inputs[index][place % layer.inputs];
    });
    const below = new Float64Array(layer.inputs);
    multiplyBack(weights[index], layer.inputs, layer.outputs, flow, below, 1);
    flow = below;
  }
  return scores;
}

// w * (H g): the change of the gradient's flow when a weight goes. The product with the Hessian comes from one pass along g (Pearlmutter).
function grasp(network, { x, y, count: points }) {
  const found = gradients(network, x, y, points, true, TEMPERATURE).weight;
  const along = network.layers.map((layer, index) => found[index].map((change, place) => (layer.mask[place] ? change : 0)));
  const values = forward(network, x, points).map((one) => one.slice());
  const last = network.layers.length - 1;
  const changes = [];
  network.layers.forEach((layer, index) => {
    const change = new Float64Array(values[index].length);
    multiply(along[index], layer.inputs, layer.outputs, index ? values[index - 1] : x, change, points);
    if (index) multiply(layer.weight, layer.inputs, layer.outputs, changes[index - 1], change, points);
    if (index < last) for (let at = 0; at < change.length; at++) if (values[index][at] <= 0) change[at] = 0;
    changes.push(change);
  });
  let [delta, moved] = atOutputs(values[last], changes[last], y, points);
  const scores = [];
  for (let index = last; index >= 0; index--) {
    const layer = network.layers[index];
    const product = new Float64Array(layer.weight.length);
    correlate(moved, index ? values[index - 1] : x, product, layer.inputs, layer.outputs, points);
    if (index) correlate(delta, changes[index - 1], product, layer.inputs, layer.outputs, points);
    scores[index] = layer.weight.map((weight, place) => weight * product[place]);
    if (!index) break;
    const below = new Float64Array(layer.inputs * points);
    const movedBelow = new Float64Array(layer.inputs * points);
    multiplyBack(layer.weight, layer.inputs, layer.outputs, delta, below, points);
    multiplyBack(along[index], layer.inputs, layer.outputs, delta, movedBelow, points);
    multiplyBack(layer.weight, layer.inputs, layer.outputs, moved, movedBelow, points);
    for (let at = 0; at < below.length; at++) if (values[index - 1][at] <= 0) below[at] = movedBelow[at] = 0;
    [delta, moved] = [below, movedBelow];
  }
  return scores;
}

// The derivative of the loss by the outputs, and how it changes when the outputs change so.
function atOutputs(logits, change, y, points) {
  const classes = logits.length / points;
  const [delta, moved] = [new Float64Array(logits.length), new Float64Array(logits.length)];
  const share = new Float64Array(classes);
  for (let point = 0; point < points; point++) {
    shares(logits, point, classes, points, TEMPERATURE, share);
    let mean = 0;
    for (let unit = 0; unit < classes; unit++) mean += share[unit] * change[unit * points + point];
    for (let unit = 0; unit < classes; unit++) {
      const at = unit * points + point;
      delta[at] = (share[unit] - (unit === y[point] ? 1 : 0)) / (points * TEMPERATURE);
      moved[at] = (share[unit] * (change[at] - mean)) / (points * TEMPERATURE * TEMPERATURE);
    }
  }
  return [delta, moved];
}
