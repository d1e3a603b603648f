// One network in training: its batches, what was done to it last, and how it does.
import { alive } from './alive.js';
import { prune } from './criteria.js';
import { redraw, regrow, shuffleMasks } from './lottery.js';
import { count, create, kept, masksOf, restore, rewind, snapshot, total } from './network.js';
import { evaluate, step } from './passes.js';
import { Batches } from './points.js';

const MOMENTUM = 0.9;
const DECAY = 1e-4;
const REGROWN = 0.05; // of all weights

export class Contestant {
  constructor(widths, points, { seed, batch, lr }) {
    this.network = create(widths, seed);
    this.points = points;
    this.seed = seed;
    this.batches = new Batches(points, batch, seed);
    this.training = { lr, momentum: MOMENTUM, decay: DECAY };
    this.base = null; // the network before a cut that may still be changed
    this.cutEdges = null; // {masks before, since}: edges that fade
    this.evaluate();
  }

  step() {
    const { x, y, count: points } = this.batches.take();
    step(this.network, x, y, points, this.training);
  }

  evaluate() {
    this.found = evaluate(this.network, this.points);
  }

  // Cuts the network as it was before the last cut, so that a cut can be dragged to and fro until training goes on.
  cut(criterion, sparsity) {
    this.base ??= { layers: snapshot(this.network), masks: masksOf(this.network), accuracy: this.found.accuracy };
    restore(this.network, this.base.layers);
    prune(this.network, criterion, 1 - sparsity / 100, this.points, this.seed);
    this.changed(this.base.masks);
  }

  // rewind, shuffle, redraw or regrow; `turn` makes the second shuffle differ from the first.
  act(kind, turn) {
    this.base = null;
    const before = masksOf(this.network);
    const seed = this.seed + 10_000 * turn;
    if (kind === 'rewind') rewind(this.network);
    else if (kind === 'shuffle') shuffleMasks(this.network, seed);
    else if (kind === 'redraw') redraw(this.network, seed);
    else regrow(this.network, REGROWN, this.points);
    this.changed(before);
  }

  changed(masks) {
    this.cutEdges = { masks, since: performance.now() };
    this.evaluate();
  }

  numbers() {
    const all = total(this.network);
    const left = kept(this.network);
    const living = count(alive(this.network).edges);
    return { all, kept: left, alive: living, sparsity: Math.round(100 * (1 - left / all)), ...this.found };
  }
}
