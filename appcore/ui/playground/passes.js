// Forward and backward through all points of a batch at once, and a step of SGD. Values of a unit lie side by side for all points: what
// is pruned is skipped, and the inner loops run over whole rows.

// Arrays for a batch of this many points, made once.
function spaceFor(network, count) {
  let space = network.spaces.get(count);
  if (!space) {
    const rows = () => network.layers.map((layer) => new Float64Array(layer.outputs * count));
    space = {
      values: rows(),
      deltas: rows(),
      weight: network.layers.map((layer) => new Float64Array(layer.weight.length)),
      bias: network.layers.map((layer) => new Float64Array(layer.outputs)),
    };
    network.spaces.set(count, space);
  }
  return space;
}

const chosen = new Int32Array(1024); // what counts for two rows: the loops below take two rows and four of these at a time

// Adds weights * input to output.
export function multiply(weight, inputs, outputs, input, output, count) {
  addRows(weight, inputs, 1, inputs, outputs, input, output, count);
}

// Adds weights transposed * delta to below.
export function multiplyBack(weight, inputs, outputs, delta, below, count) {
  addRows(weight, 1, inputs, outputs, inputs, delta, below, count);
}

// Adds to each row of `output` the rows of `input`, each times its weight: that of rows i, j lies at i * stride + j * other.
function addRows(weight, stride, other, from, to, input, output, count) {
  for (let row = 0; row < to; row += 2) {
    const one = row * stride;
    const two = row + 1 < to ? one + stride : one; // the last row may have no neighbour: then it is its own, and adds nothing
    const isPair = two !== one ? 1 : 0;
    let found = 0;
    for (let place = 0; place < from; place++) if (weight[one + place * other] !== 0 || weight[two + place * other] !== 0) chosen[found++] = place;
    const first = row * count;
    const second = first + isPair * count;
    for (let next = 0; next < found; next += 4) {
      const a = chosen[next];
      const b = chosen[Math.min(next + 1, found - 1)];
      const c = chosen[Math.min(next + 2, found - 1)];
      const d = chosen[Math.min(next + 3, found - 1)];
      const hasB = next + 1 < found ? 1 : 0;
      const hasC = next + 2 < found ? 1 : 0;
      const hasD = next + 3 < found ? 1 : 0;
      const p1 = weight[one + a * other];
      const q1 = hasB * weight[one + b * other];
      const r1 = hasC * weight[one + c * other];
      const s1 = hasD * weight[one + d * other];
      const p2 = isPair * weight[two + a * other];
      const q2 = isPair * hasB * weight[two + b * other];
      const r2 = isPair * hasC * weight[two + c * other];
      const s2 = isPair * hasD * weight[two + d * other];
      const ea = a * count;
      const eb = b * count;
      const ec = c * count;
      const ed = d * count;
      for (let at = 0; at < count; at++) {
        const v = input[ea + at];
        const w = input[eb + at];
        const x = input[ec + at];
        const y = input[ed + at];
        output[first + at] += p1 * v + q1 * w + (r1 * x + s1 * y);
        output[second + at] += p2 * v + q2 * w + (r2 * x + s2 * y);
      }
    }
  }
}

// Adds delta * input transposed to a gradient; where a mask is given, what is pruned may be left out.
export function correlate(delta, input, gradient, inputs, outputs, count, mask) {
  for (let unit = 0; unit < outputs; unit += 2) {
    const isPair = unit + 1 < outputs ? 1 : 0;
    const one = unit * inputs;
    const two = one + isPair * inputs;
    let found = 0;
    for (let place = 0; place < inputs; place++) if (!mask || mask[one + place] || mask[two + place]) chosen[found++] = place;
    const first = unit * count;
    const second = first + isPair * count;
    for (let next = 0; next < found; next += 4) {
      const a = chosen[next];
      const b = chosen[Math.min(next + 1, found - 1)];
      const c = chosen[Math.min(next + 2, found - 1)];
      const d = chosen[Math.min(next + 3, found - 1)];
      const ea = a * count;
      const eb = b * count;
      const ec = c * count;
      const ed = d * count;
      let p1 = 0;
      let q1 = 0;
      let r1 = 0;
      let s1 = 0;
      let p2 = 0;
      let q2 = 0;
      let r2 = 0;
      let s2 = 0;
      for (let at = 0; at < count; at++) {
        const i = delta[first + at];
        const j = delta[second + at];
        const v = input[ea + at];
        const w = input[eb + at];
        const x = input[ec + at];
        const y = input[ed + at];
        p1 += v * i;
        q1 += w * i;
        r1 += x * i;
        s1 += y * i;
        p2 += v * j;
        q2 += w * j;
        r2 += x * j;
        s2 += y * j;
      }
      gradient[one + a] += p1;
      if (next + 1 < found) gradient[one + b] += q1;
      if (next + 2 < found) gradient[one + c] += r1;
      if (next + 3 < found) gradient[one + d] += s1;
      if (!isPair) continue;
      gradient[two + a] += p2;
      if (next + 1 < found) gradient[two + b] += q2;
      if (next + 2 < found) gradient[two + c] += r2;
      if (next + 3 < found) gradient[two + d] += s2;
    }
  }
}

// The outputs of every layer, the last without ReLU; the arrays belong to the network and are written again by the next pass.
export function forward(network, x, count) {
  const { values } = spaceFor(network, count);
  network.layers.forEach((layer, index) => {
    const output = values[index];
    for (let unit = 0; unit < layer.outputs; unit++) output.fill(layer.bias[unit], unit * count, (unit + 1) * count);
    multiply(layer.weight, layer.inputs, layer.outputs, index ? values[index - 1] : x, output, count);
    if (index < network.layers.length - 1) {
      for (let at = 0; at < output.length; at++) if (output[at] < 0) output[at] = 0;
    }
  });
  return values;
}

// Softmax of one point's outputs, divided by a temperature.
export function shares(logits, point, classes, count, temperature, into) {
  let highest = -Infinity;
  for (let unit = 0; unit < classes; unit++) highest = Math.max(highest, logits[unit * count + point] / temperature);
  let sum = 0;
  for (let unit = 0; unit < classes; unit++) sum += into[unit] = Math.exp(logits[unit * count + point] / temperature - highest);
  for (let unit = 0; unit < classes; unit++) into[unit] /= sum;
  return into;
}

// The mean cross-entropy of outputs, and into `delta`, if given, its derivative by them.
export function crossEntropy(logits, y, count, delta = null, temperature = 1) {
  const classes = logits.length / count;
  const share = new Float64Array(classes);
  let loss = 0;
  for (let point = 0; point < count; point++) {
    shares(logits, point, classes, count, temperature, share);
    loss -= Math.log(Math.max(share[y[point]], 1e-300));
    if (!delta) continue;
    for (let unit = 0; unit < classes; unit++) {
      delta[unit * count + point] = (share[unit] - (unit === y[point] ? 1 : 0)) / (count * temperature);
    }
  }
  return loss / count;
}

// Gradients of the mean loss by weights and biases: {loss, weight, bias}; `all` has those of pruned weights, too.
export function gradients(network, x, y, count, all = false, temperature = 1) {
  const values = forward(network, x, count);
  const { deltas, weight, bias } = spaceFor(network, count);
  const last = network.layers.length - 1;
  const loss = crossEntropy(values[last], y, count, deltas[last], temperature);
  for (let index = last; index >= 0; index--) {
    const layer = network.layers[index];
    const delta = deltas[index];
    weight[index].fill(0);
    correlate(delta, index ? values[index - 1] : x, weight[index], layer.inputs, layer.outputs, count, all ? null : layer.mask);
    for (let unit = 0; unit < layer.outputs; unit++) {
      let sum = 0;
      for (let at = unit * count, end = at + count; at < end; at++) sum += delta[at];
      bias[index][unit] = sum;
    }
    if (index) {
      const below = deltas[index - 1].fill(0);
      multiplyBack(layer.weight, layer.inputs, layer.outputs, delta, below, count);
      const open = values[index - 1];
      for (let at = 0; at < below.length; at++) if (open[at] <= 0) below[at] = 0;
    }
  }
  return { loss, weight, bias };
}

// One step of SGD with momentum and weight decay, as the engine takes it; pruned weights stay 0. Returns the loss before it.
export function step(network, x, y, count, { lr, momentum, decay }) {
  const found = gradients(network, x, y, count);
  network.layers.forEach((layer, index) => {
    const { weight, weightSpeed, bias, biasSpeed, mask } = layer;
    const [byWeight, byBias] = [found.weight[index], found.bias[index]];
    for (let place = 0; place < weight.length; place++) {
      if (!mask[place]) continue;
      weightSpeed[place] = momentum * weightSpeed[place] + byWeight[place] + decay * weight[place];
      weight[place] -= lr * weightSpeed[place];
    }
    for (let unit = 0; unit < bias.length; unit++) {
      biasSpeed[unit] = momentum * biasSpeed[unit] + byBias[unit] + decay * bias[unit];
      bias[unit] -= lr * biasSpeed[unit];
    }
  });
  return found.loss;
}

// Loss, share of points that are right, and for each hidden layer which units answer to any point.
export function evaluate(network, points) {
  const { x, y, count } = points;
  const values = forward(network, x, count);
  const logits = values.at(-1);
  const classes = logits.length / count;
  let right = 0;
  for (let point = 0; point < count; point++) {
    let best = 0;
    for (let unit = 1; unit < classes; unit++) if (logits[unit * count + point] > logits[best * count + point]) best = unit;
    if (best === y[point]) right++;
  }
  const answers = values.slice(0, -1).map((output, index) => {
    const units = new Uint8Array(network.layers[index].outputs);
    for (let unit = 0; unit < units.length; unit++) {
      for (let at = unit * count, end = at + count; at < end && !units[unit]; at++) if (output[at] > 0) units[unit] = 1;
    }
    return units;
  });
  return { loss: crossEntropy(logits, y, count), accuracy: right / count, answers };
}
