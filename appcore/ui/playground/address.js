// All that was chosen and done, in the address: a link shows the same networks.
import { CRITERIA } from './criteria.js';

export const SEEDS = 9999;
export const WIDTHS = ['8', '16', '8-8', '16-16', '32-32', '16-16-16'];
export const RATES = [0.01, 0.02, 0.05, 0.1];
export const BATCHES = [16, 32, 64, 0]; // 0: all points
const MOST_STEPS = 100_000; // that a link may ask for, in all
const MOST_ACTIONS = 60;
const ACTION = /^(?:t(\d{1,6})|c(\d{1,2})([a-z]{1,2})|([rsvg])([ab]))$/;

// What a search string asks for; what it does not say, or says wrongly, is the default.
export function read(search, sets) {
  const given = new URLSearchParams(search);
  const one = (name, known, otherwise) => (known.map(String).includes(given.get(name)) ? given.get(name) : String(otherwise));
  return {
    data: one('data', [...sets, 'csv'], sets[0]),
    net: one('net', WIDTHS, '32-32'),
    seed: /^\d{1,4}$/.test(given.get('seed') ?? '') ? Number(given.get('seed')) : 0,
    lr: Number(one('lr', RATES, 0.05)),
    batch: Number(one('batch', BATCHES, 32)),
    two: given.get('two') === '1',
    criteria: [one('crit', Object.keys(CRITERIA), 'magnitude'), one('crit2', Object.keys(CRITERIA), 'synflow')],
    csv: given.get('csv') ?? '',
    actions: parse(given.get('do') ?? ''),
  };
}

// Puts the choices in the address, beside what other parts of the app keep there.
export function write(settings) {
  const address = new URL(window.location.href);
  const said = {
    data: settings.data,
    net: settings.net,
    seed: settings.seed,
    lr: settings.lr,
    batch: settings.batch,
    two: settings.two ? 1 : '',
    crit: settings.criteria[0],
    crit2: settings.two ? settings.criteria[1] : '',
    csv: settings.data === 'csv' ? settings.csv : '',
    do: format(settings.actions),
  };
  for (const [name, value] of Object.entries(said)) {
    if (value === '') address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  if (address.href !== window.location.href) window.history.replaceState(window.history.state, '', address);
}

// Actions as text and back: t500 trains, c90ms cuts to 90 % sparsity by magnitude and SNIP, and of network a or b: ra rewinds it,
// sa shuffles its mask, va draws new values, ga regrows.
export function parse(text) {
  const actions = [];
  let steps = 0;
  for (const part of text.split('.').slice(0, MOST_ACTIONS)) {
    const found = ACTION.exec(part);
    if (!found) break;
    const [, train, cut, letters, kind, net] = found;
    steps += Number(train ?? 0);
    if (steps > MOST_STEPS) break;
    if (train) actions.push({ kind: 'train', steps: Number(train) });
    else if (cut) actions.push({ kind: 'cut', sparsity: Number(cut), criteria: [...letters].map(named) });
    else actions.push({ kind: KINDS[kind], net: 'ab'.indexOf(net) });
  }
  return actions;
}

export function format(actions) {
  return actions.map((action) => {
    if (action.kind === 'train') return `t${action.steps}`;
    if (action.kind === 'cut') return `c${action.sparsity}${action.criteria.map((name) => CRITERIA[name].letter).join('')}`;
    return `${Object.keys(KINDS).find((letter) => KINDS[letter] === action.kind)}${'ab'[action.net]}`;
  }).join('.');
}

const KINDS = { r: 'rewind', s: 'shuffle', v: 'redraw', g: 'regrow' };

function named(letter) {
  return Object.keys(CRITERIA).find((name) => CRITERIA[name].letter === letter) ?? 'magnitude';
}

// The Run form with the same problem: {href, why not}.
export function forReal(settings, sparsity) {
  if (settings.data === 'csv') return '';
  const address = new URL('run', document.baseURI);
  const density = Math.max(0.01, 1 - sparsity / 100);
  const said = { dataset: settings.data, arch: `mlp:${settings.net}`, pruner: settings.criteria[0], seed: settings.seed, lr: settings.lr };
  said.batch_size = settings.batch || 400;
  if (settings.actions.some(({ kind }) => kind === 'rewind')) said.method = 'imp';
  if (sparsity) said.tau = (Math.log(density) / Math.log(0.8)).toFixed(2);
  for (const [name, value] of Object.entries(said)) address.searchParams.set(name, value);
  return address.href;
}
