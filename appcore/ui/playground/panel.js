// What is seen and done of one network: its criterion, the two pictures, its numbers, and what can be done with its mask.
import { CRITERIA } from './criteria.js';
import { bar, button, element, menu, percent } from './elements.js';
import { drawNetwork } from './network_picture.js';

const ACTIONS = [
  ['rewind', 'Rewind', 'The kept weights return to the values that they began with: the lottery ticket.'],
  ['shuffle', 'Shuffle mask', 'As many weights of each layer, but others, at the values that they began with.'],
  ['redraw', 'Redraw values', 'The same mask with newly drawn initial values.'],
  ['regrow', 'Regrow 5 %', 'Pruned weights return at zero where the loss would fall fastest.'],
];

export class Panel {
  constructor(name, criterion, { onCriterion, onAction }) {
    const options = Object.entries(CRITERIA).map(([value, { title }]) => [value, title]);
    this.criterion = menu(`Criterion${name && ` of ${name}`}`, options, criterion, (value) => {
      this.explain(value);
      onCriterion(value);
    });
    this.says = element('p', { className: 'says' });
    this.net = element('canvas', { className: 'net' });
    this.plane = element('canvas', { className: 'plane' });
    this.net.setAttribute('role', 'img');
    this.plane.setAttribute('role', 'img');
    this.accuracy = bar('Accuracy', 'accurate');
    this.kept = bar('Kept', 'kept');
    this.alive = bar('Alive', 'alive');
    const actions = ACTIONS.map(([kind, label, help]) => button(label, help, () => onAction(kind)));
    this.node = element(
      'section',
      { className: 'panel', ariaLabel: name ? `Network ${name}` : 'Network' },
      element('div', { className: 'row' }, this.criterion.node,
        element('div', { className: 'actions', role: 'group', ariaLabel: `What to do with the mask${name && ` of ${name}`}` }, ...actions), this.says),
      element('div', { className: 'pictures' }, this.net, this.plane),
      element('div', { className: 'bars' }, this.accuracy.node, this.kept.node, this.alive.node),
    );
    this.explain(criterion);
  }

  explain(criterion) {
    this.says.textContent = CRITERIA[criterion].says;
  }

  drawNetwork(contestant, colour) {
    drawNetwork(this.net, contestant.network, contestant.found.answers, colour, contestant.cutEdges);
  }

  drawPlane(picture, contestant, cells, colour) {
    picture.draw(this.plane, contestant.network, cells, colour);
  }

  // Numbers as bars; with `aloud` also as text for those who do not see the pictures.
  tell(contestant, aloud) {
    const { all, kept, alive, accuracy, loss, answers } = contestant.numbers();
    this.accuracy.set(accuracy, `${percent(accuracy)}, loss ${loss.toFixed(3)}`);
    this.kept.set(kept / all, `${kept.toLocaleString('en')} of ${all.toLocaleString('en')}`);
    this.alive.set(alive / all, alive.toLocaleString('en'));
    if (!aloud) return;
    const silent = answers.reduce((sum, layer) => sum + layer.filter((one) => !one).length, 0);
    const widths = contestant.network.widths.join(', ');
    this.net.setAttribute('aria-label', `Network of ${widths} units: ${kept} of ${all} weights kept, ${alive} on a path, ${silent} units silent.`);
    this.plane.setAttribute('aria-label', `Points of two classes over what the network says everywhere: ${percent(accuracy)} are right.`);
  }
}
