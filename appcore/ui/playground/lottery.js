// What can be done with a mask besides training on: the ticket's two controls, and growing weights back.
import { draw, rewind, setMasks } from './network.js';
import { gradients } from './passes.js';
import { generator, shuffle } from './random.js';
import { keepCount } from './selection.js';

// The mask shuffled within each layer, at the initial values: as many weights, but other ones.
export function shuffleMasks(network, seed) {
  const random = generator(seed, 'shuffled masks');
  setMasks(network, network.layers.map((layer) => shuffle(layer.mask.slice(), random)));
  rewind(network);
}

// The same mask at freshly drawn initial values.
export function redraw(network, seed) {
  draw(network, seed, 'redrawn values');
}

// Brings pruned weights back at 0 where the loss would fall fastest: a share of all weights, the largest gradients first.
export function regrow(network, share, { x, y, count }) {
  const found = gradients(network, x, y, count, true);
  const pruned = [];
  let all = 0;
  network.layers.forEach((layer, index) => layer.mask.forEach((kept, place) => {
    all++;
    if (!kept) pruned.push([Math.abs(found.weight[index][place]), index, place]);
  }));
  const masks = network.layers.map((layer) => layer.mask.slice());
  pruned.sort((one, other) => other[0] - one[0]).slice(0, keepCount(share, all)).forEach(([, index, place]) => {
    masks[index][place] = 1;
  });
  setMasks(network, masks);
}
