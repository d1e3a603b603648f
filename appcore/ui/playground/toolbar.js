// The controls of all networks: training and how much is pruned, above them, and the problem, below.
import { BATCHES, RATES, SEEDS, WIDTHS } from './address.js';
import { button, element, menu } from './elements.js';
import { CONTROLS, TICKET_ENDS, TICKET_ROUNDS } from './ticket.js';

export const SPEEDS = { fast: 'As fast as it goes', ten: '10 steps a picture', one: '1 step a picture' };

export class Toolbar {
  // `sets`: titles by name. `on`: what to call: choose(name, value), train, step, again, drag(sparsity), release(sparsity), paste(text),
  // findTicket(rounds, sparsity, control).
  constructor(settings, sets, on) {
    const choose = (name, read = (value) => value) => (value) => on.choose(name, read(value));
    this.data = menu('Data', [...Object.entries(sets), ['csv', 'Pasted points']], settings.data, choose('data'));
    const widths = WIDTHS.map((name) => [name, `2-${name}-2`]);
    const net = menu('Network', widths, settings.net, choose('net'), 'Units of each layer, from the coordinates to the classes');
    const rate = menu('Learning rate', RATES.map((value) => [value, String(value)]), settings.lr, choose('lr', Number));
    const batch = menu('Batch', BATCHES.map((value) => [value, value ? `${value} points` : 'all points']), settings.batch, choose('batch', Number));
    const speed = menu('Speed', Object.entries(SPEEDS), 'fast', choose('speed'));
    const seedHelp = 'Initial values and order of the points: one seed, the same start for both networks';
    this.seed = element('input', { type: 'number', min: 0, max: SEEDS, step: 1, value: settings.seed, title: seedHelp });
    this.seed.onchange = () => on.choose('seed', Math.min(SEEDS, Math.max(0, Math.floor(Number(this.seed.value)) || 0)));
    const dice = button('Next seed', 'Start again from other initial values', () => on.choose('seed', (Number(this.seed.value) + 1) % (SEEDS + 1)));
    this.two = element('input', { type: 'checkbox', checked: settings.two, onchange: () => on.choose('two', this.two.checked) });
    this.train = button('Train', 'Train until every point is right', on.train, 'primary');
    this.step = button('Step', 'Train on one batch', on.step);
    const again = button('Start again', 'Back to the initial values, with every weight', on.again);
    this.slider = element('input', { type: 'range', min: 0, max: 99, step: 1, value: 0, ariaLabel: 'Pruned, percent' });
    this.slider.oninput = () => on.drag(Number(this.slider.value));
    this.slider.onchange = () => on.release(Number(this.slider.value));
    this.pruned = element('output', {}, '0 %');
    this.real = element('a', { className: 'real', title: 'Opens the form of a run of the engine, filled with this problem' }, 'Run this for real');
    this.status = element('p', { className: 'status' });
    this.status.setAttribute('aria-live', 'polite');
    this.steps = element('span', { className: 'steps' });
    this.csv = this.pasting(settings, on);
    this.ticket = this.finding(on);
    this.node = element(
      'div',
      { className: 'toolbar' },
      element('div', { className: 'row' }, this.train, this.step, again,
        element('div', { className: 'field wide' }, element('span', {}, 'Pruned: drag to cut, release to keep ', this.pruned), this.slider)),
      element('div', { className: 'row' }, this.status, this.steps),
    );
    this.problem = element(
      'div',
      { className: 'problem', role: 'group', ariaLabel: 'The problem; a change starts again' },
      element('div', { className: 'row' }, this.data.node, net.node, batch.node, rate.node,
        element('label', { className: 'field short' }, element('span', {}, 'Seed'), this.seed), dice, speed.node),
      element('div', { className: 'row' },
        element('label', { className: 'check' }, this.two, 'Two networks'), this.ticket, this.real),
      this.csv,
    );
  }

  finding(on) {
    const rounds = menu('Rounds', TICKET_ROUNDS.map((value) => [value, `${value} rounds`]), 10, () => {}, 'Of training, pruning and rewinding');
    const end = menu('Pruned at the end', TICKET_ENDS.map((value) => [value, `${value} %`]), 90, () => {});
    const control = menu('Beside the ticket', Object.entries(CONTROLS), 'redraw', () => {}, 'A second network of the same size, trained alike');
    const help = 'Iterative magnitude pruning from the start: train, prune the smallest, rewind, and again';
    const find = button('Find a ticket', help, () => on.findTicket(Number(rounds.field.value), Number(end.field.value), control.field.value));
    const about = { className: 'ticket', role: 'group', ariaLabel: 'Lottery ticket; it starts again' };
    return element('div', about, find, rounds.node, end.node, control.node);
  }

  pasting(settings, on) {
    const text = element('textarea', { rows: 4, placeholder: '0.5, 1.2, red\n-0.3, 0.8, green' });
    const use = button('Use these points', 'Train on what was pasted', () => on.paste(text.value));
    const says = element('span', {}, 'Points as lines of x, y, class: two classes, at most 1,000 points');
    const label = element('label', { className: 'field wide' }, says, text);
    return element('div', { className: 'row', hidden: settings.data !== 'csv' }, label, use);
  }

  say(words) {
    if (this.status.textContent !== words) this.status.textContent = words;
  }

  // How training stands: the button's word, the step, the slider's place.
  show({ isRunning, wasCut, steps, sparsity }) {
    const word = isRunning ? 'Pause' : wasCut ? 'Retrain' : 'Train';
    if (this.train.textContent !== word) this.train.textContent = word;
    this.steps.textContent = `Step ${steps.toLocaleString('en')}`;
    if (sparsity === undefined) return;
    this.slider.value = sparsity;
    this.pruned.textContent = `${sparsity} %`;
  }
}
