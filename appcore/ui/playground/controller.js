// Runs the playground: one loop of animation frames that trains, draws, and stops by itself.
import { forReal, read, write, WIDTHS } from './address.js';
import { colours } from './colours.js';
import { Contestant } from './contestant.js';
import { CRITERIA } from './criteria.js';
import { element, percent } from './elements.js';
import { Loop } from './loop.js';
import { isFading } from './network_picture.js';
import { Panel } from './panel.js';
import { PlanePicture } from './plane_picture.js';
import { decode, encode, fromCsv, standardised } from './points.js';
import { CONTROLS, ticket, TICKET_STEPS } from './ticket.js';
import { Toolbar } from './toolbar.js';

const WORK = 12; // ms of a frame spent on training: more gives more steps, and fewer frames on a slow machine
const CHUNK = 8; // steps between two looks at the clock
const AT_MOST = 20_000; // steps of one press of Train
const CALM = 0.05; // loss at which training ends once every point is right
const TELL = 150; // ms between two updates of the numbers
const [COARSE, FINE] = [40, 100]; // cells of the plane's picture, in training and at rest
const PACE = { fast: Infinity, ten: 10, one: 1 };
const NETS = ['A', 'B'];

export class Playground {
  // `given`: what to show, as the page's address says it; without it, the page's own, which is then kept up.
  constructor(host, sets, given) {
    this.host = host;
    this.sets = sets; // by name: {title, points: bytes as text}
    this.isGiven = given != null;
    this.settings = read(given ?? window.location.search, Object.keys(sets));
    this.speed = 'fast';
    this.frames = 0;
    this.told = 0;
    this.loop = new Loop(host, (isStale) => this.frame(isStale));
    this.build();
    this.restart(this.settings.actions);
  }

  // ---- what is on the page

  build() {
    const titles = Object.fromEntries(Object.entries(this.sets).map(([name, { title }]) => [name, title]));
    this.toolbar = new Toolbar(this.settings, titles, {
      choose: (name, value) => this.choose(name, value),
      train: () => (this.isRunning() ? this.pause('Paused.') : this.train(AT_MOST)),
      step: () => this.train(1),
      again: () => this.restart(),
      drag: (sparsity) => this.drag(sparsity),
      release: (sparsity) => this.release(sparsity),
      paste: (text) => this.paste(text),
      findTicket: (...what) => this.findTicket(...what),
    });
    this.toolbar.ticket.hidden = this.isGiven; // a lesson has its own
    this.nets = element('div', { className: 'nets' });
    this.host.replaceChildren(this.toolbar.node, this.nets, this.toolbar.problem);
  }

  buildPanels() {
    const { two, criteria } = this.settings;
    this.panels = (two ? [0, 1] : [0]).map((net) => new Panel(two ? NETS[net] : '', criteria[net], {
      onCriterion: (name) => this.chooseCriterion(net, name),
      onAction: (kind) => this.act({ kind, net }),
    }));
    this.nets.replaceChildren(...this.panels.map((panel) => panel.node));
    this.nets.classList.toggle('two', two);
  }

  // ---- choices

  choose(name, value) {
    if (name === 'speed') {
      this.speed = value;
      return;
    }
    const actions = name === 'two' ? this.settings.actions : [];
    this.settings[name] = value;
    this.toolbar.seed.value = this.settings.seed;
    this.toolbar.csv.hidden = this.settings.data !== 'csv';
    this.restart(actions);
  }

  chooseCriterion(net, name) {
    this.settings.criteria[net] = name;
    const last = this.settings.actions.at(-1);
    if (last?.kind === 'cut' && !this.isRunning()) this.release(last.sparsity);
    this.remember();
  }

  paste(text) {
    try {
      this.settings.csv = encode(fromCsv(text));
    } catch (error) {
      this.toolbar.say(error.message);
      return;
    }
    this.restart();
  }

  // Iterative magnitude pruning from the initial values.
  findTicket(rounds, sparsity, control) {
    this.settings.two = this.toolbar.two.checked = control !== 'none';
    this.settings.criteria = ['magnitude', this.settings.two ? 'magnitude' : this.settings.criteria[1]];
    this.restart(ticket(rounds, sparsity, control));
    this.arrived = () => this.ticketSays(control);
  }

  ticketSays(control) {
    const [own, other] = this.contestants.map((one) => one.numbers());
    const weights = `${own.kept.toLocaleString('en')} of ${own.all.toLocaleString('en')} weights`;
    if (!other) return `The ticket: ${weights}, at their initial values. Retrain it, or first redraw its values or shuffle its mask.`;
    const steps = TICKET_STEPS.toLocaleString('en');
    const [ticketName, controlName] = [`${NETS[0]}, the ticket (${weights}), ${percent(own.accuracy)}`, `${NETS[1]}, ${CONTROLS[control]}`];
    return `After ${steps} steps: ${ticketName}; ${controlName}, ${percent(other.accuracy)}. One seed: try others.`;
  }

  // The networks at their initial values; then what the address says was done to them, or nothing.
  restart(actions = []) {
    this.left = 0;
    this.isReplaying = false;
    this.arrived = null; // what to say when the queue is done
    this.queue = [...actions];
    this.settings.actions = [];
    this.steps = 0;
    const pasted = this.settings.data === 'csv' ? decode(this.settings.csv) : null;
    const bytes = pasted ?? decode((this.sets[this.settings.data] ?? Object.values(this.sets)[0]).points);
    const points = standardised(bytes);
    const widths = [2, ...(WIDTHS.includes(this.settings.net) ? this.settings.net : '32-32').split('-').map(Number), 2];
    this.picture = new PlanePicture(points);
    this.contestants = (this.settings.two ? [0, 1] : [0]).map(() => new Contestant(widths, points, this.settings));
    this.buildPanels();
    const isMissing = this.settings.data === 'csv' && !pasted;
    this.remember();
    const fresh = actions.length ? 'On the way to where you begin.' : 'Nothing is trained yet: press Train.';
    this.toolbar.say(isMissing ? 'Paste your points below; until then these are the first set.' : fresh);
    this.loop.refresh();
  }

  // ---- what is done to the networks

  isRunning() {
    return this.left > 0 || this.queue.length > 0;
  }

  train(steps) {
    if (this.isRunning()) return;
    if (steps > 1 && this.isDone()) {
      this.toolbar.say('Every point is right already: cut more, rewind, or start again.');
      return;
    }
    this.begin(steps);
    if (steps > 1) this.toolbar.say('Training.');
  }

  begin(steps) {
    this.left = this.asked = steps;
    for (const one of this.contestants) one.base = null;
    if (this.settings.actions.at(-1)?.kind !== 'train') this.settings.actions.push({ kind: 'train', steps: 0 });
    this.loop.refresh();
  }

  pause(words) {
    this.left = 0;
    this.queue = [];
    this.isReplaying = false;
    this.arrived = null;
    this.toolbar.say(words);
    this.remember();
    this.loop.refresh();
  }

  drag(sparsity) {
    if (this.isRunning()) {
      this.resumes = this.queue.length === 0;
      this.pause('Training waits while you drag.');
    }
    this.isDragging = true;
    this.cut(sparsity, this.settings.criteria);
    this.loop.refresh();
  }

  release(sparsity) {
    if (this.isRunning()) this.drag(sparsity);
    this.isDragging = false;
    this.do({ kind: 'cut', sparsity, criteria: this.settings.criteria.slice(0, this.contestants.length) });
    const resumes = this.resumes;
    this.resumes = false;
    if (resumes) this.train(AT_MOST);
  }

  act(action) {
    if (this.isRunning()) this.pause('');
    this.do(action);
  }

  // Carries out anything but training, and keeps it in the address.
  do(action) {
    const actions = this.settings.actions;
    if (action.kind === 'cut') {
      if (actions.at(-1)?.kind === 'cut') actions.pop();
      this.cut(action.sparsity, action.criteria);
    } else if (this.contestants[action.net]) {
      for (const one of this.contestants) one.base = null;
      const before = this.contestants[action.net].found.accuracy;
      this.contestants[action.net].act(action.kind, actions.length);
      this.sayActed(action, before);
    }
    actions.push(action);
    this.remember();
    this.loop.refresh();
  }

  cut(sparsity, criteria) {
    try {
      this.contestants.forEach((one, net) => one.cut(criteria[net] ?? this.settings.criteria[net], sparsity));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.toolbar.say('The training has diverged, so weights cannot be ranked: start again with a smaller learning rate.');
      return;
    }
    this.toolbar.say(this.contestants.map((one, net) => {
      const { kept, all, accuracy } = one.numbers();
      const name = CRITERIA[criteria[net] ?? this.settings.criteria[net]].title;
      const weights = `${kept.toLocaleString('en')} of ${all.toLocaleString('en')} weights`;
      return `${name} keeps ${weights}: accuracy ${percent(one.base.accuracy)} → ${percent(accuracy)}.`;
    }).join(' '));
  }

  sayActed({ kind, net }, before) {
    const words = {
      rewind: 'The kept weights are back at their initial values',
      shuffle: 'The mask was shuffled within each layer, at initial values',
      redraw: 'The same mask has new initial values',
      regrow: 'Weights returned where the loss would fall fastest',
    };
    const who = this.contestants.length > 1 ? `${NETS[net]}: ` : '';
    this.toolbar.say(`${who}${words[kind]}: accuracy ${percent(before)} → ${percent(this.contestants[net].found.accuracy)}.`);
  }

  isDone() {
    return this.contestants.every(({ found }) => found.accuracy === 1 && found.loss < CALM);
  }

  remember() {
    if (this.queue.length) return; // of a link, which stands in the address already
    if (!this.isGiven) write(this.settings);
    const href = forReal(this.settings, this.contestants[0].numbers().sparsity);
    if (href) this.toolbar.real.setAttribute('href', href);
    else this.toolbar.real.removeAttribute('href');
    this.toolbar.real.hidden = !href;
  }

  // ---- the loop

  // One frame: trains for a while, draws, and says whether there is more to come.
  frame(isStale) {
    const wasRunning = this.isRunning();
    if (wasRunning) this.advance();
    const isRunning = this.isRunning();
    this.draw(wasRunning && isRunning, isStale || wasRunning);
    return isRunning || this.contestants.some((one) => isFading(one.cutEdges));
  }

  advance() {
    const end = performance.now() + WORK;
    const isReplay = this.queue.length > 0 || this.isReplaying;
    let most = isReplay ? Infinity : PACE[this.speed];
    while (performance.now() < end && most > 0) {
      if (!this.left && !this.nextAction()) break;
      const steps = Math.min(CHUNK, this.left, most);
      for (let step = 0; step < steps; step++) for (const one of this.contestants) one.step();
      this.left -= steps;
      this.steps += steps;
      most -= steps;
      if (steps) this.settings.actions.at(-1).steps += steps;
    }
    for (const one of this.contestants) one.evaluate();
    if (!this.contestants.every(({ found }) => Number.isFinite(found.loss))) {
      this.pause('The training has diverged: start again with a smaller learning rate.');
    } else if (!isReplay && this.left && this.isDone()) this.pause('Done: every point is right.');
    else if (!this.left && !this.queue.length) {
      const here = this.isGiven ? 'Ready: go on from here.' : 'This is what the link shows: go on from here.';
      this.pause(isReplay ? (this.arrived?.() ?? here) : this.isDone() ? 'Done: every point is right.' : this.enough());
    }
  }

  enough() {
    return this.asked === 1 ? 'One step taken.' : `Paused after ${this.asked.toLocaleString('en')} steps: press Train to go on.`;
  }

  // Takes the next action of a link; false when there is none.
  nextAction() {
    const action = this.queue.shift();
    if (!action) return false;
    this.isReplaying = true;
    if (action.kind === 'train') this.begin(action.steps);
    else this.do(action);
    return true;
  }

  // While training the two pictures take turns; while cut edges fade only the network is drawn.
  draw(isRunning, isStale) {
    if (isStale && !isRunning) this.colour = null;
    this.colour ??= colours(this.host);
    this.frames++;
    const now = performance.now();
    const tells = isStale && (!isRunning || now - this.told > TELL);
    const turn = this.frames % 2;
    this.contestants.forEach((one, net) => {
      const panel = this.panels[net];
      if (!isRunning || turn) panel.drawNetwork(one, this.colour);
      if (isRunning ? !turn : isStale) panel.drawPlane(this.picture, one, isRunning || this.isDragging ? COARSE : FINE, this.colour);
      if (tells) panel.tell(one, !isRunning);
    });
    Object.assign(this.host.dataset, { frames: this.frames, steps: this.steps, running: isRunning ? 'yes' : 'no' });
    if (!tells) return;
    this.told = now;
    const wasCut = this.contestants.some(({ network }) => network.layers.some(({ mask }) => mask.includes(0)));
    const sparsity = isRunning ? undefined : this.contestants[0].numbers().sparsity;
    this.toolbar.show({ isRunning, wasCut, steps: this.steps, sparsity });
  }
}
