// A lottery ticket by iterative magnitude pruning, as actions: train, prune, rewind, round after round; then the ticket beside a control.

export const TICKET_ROUNDS = [3, 5, 10];
export const TICKET_ENDS = [80, 90, 95]; // percent pruned at the end
export const CONTROLS = { none: 'nothing', redraw: 'its mask with new values', shuffle: 'its mask shuffled' };
export const TICKET_STEPS = 2000; // of the ticket and its control, at the end
const STEPS_OF_ROUND = 1000;

// Each round prunes the same share of what is left. With a control two networks find the same ticket, and the second then gives up its
// values or its mask before both are trained.
export function ticket(rounds, end, control) {
  const nets = control === 'none' ? [0] : [0, 1];
  const actions = [];
  for (let round = 1; round <= rounds; round++) {
    const sparsity = Math.round(100 * (1 - (1 - end / 100) ** (round / rounds)));
    actions.push({ kind: 'train', steps: STEPS_OF_ROUND }, { kind: 'cut', sparsity, criteria: nets.map(() => 'magnitude') });
    actions.push(...nets.map((net) => ({ kind: 'rewind', net })));
  }
  if (control !== 'none') actions.push({ kind: control, net: 1 }, { kind: 'train', steps: TICKET_STEPS });
  return actions;
}
