// Points of two classes: decoded, standardised as the engine does, pasted as CSV, and dealt out in batches.
import { generator, shuffle } from './random.js';

const MOST = 1000;
const FEWEST = 4;

// {x, y, count, mean, std} from bytes x, y, class for each point: coordinates with mean 0 and standard deviation 1.
export function standardised(bytes) {
  const count = bytes.length / 3;
  const raw = [0, 1].map((axis) => Float64Array.from({ length: count }, (_, point) => bytes[3 * point + axis]));
  const mean = raw.map((values) => values.reduce((sum, value) => sum + value, 0) / count);
  const std = raw.map((values, axis) => Math.max(1, Math.sqrt(values.reduce((sum, value) => sum + (value - mean[axis]) ** 2, 0) / count)));
  const x = new Float64Array(2 * count);
  raw.forEach((values, axis) => values.forEach((value, point) => {
    x[axis * count + point] = (value - mean[axis]) / std[axis];
  }));
  return { x, y: Uint8Array.from({ length: count }, (_, point) => bytes[3 * point + 2]), count, mean, std };
}

// The bytes of pasted lines "x, y, class", with any two words for the classes; an Error says what is wrong, and where.
export function fromCsv(text) {
  const rows = [];
  const classes = [];
  text.split(/\r?\n/).forEach((line, index) => {
    const parts = line.split(/[,;\t]| +/).map((part) => part.trim()).filter(Boolean);
    if (!parts.length) return;
    const [x, y] = [Number(parts[0]), Number(parts[1])];
    if (parts.length !== 3 || !Number.isFinite(x) || !Number.isFinite(y)) {
      if (!rows.length && index === 0) return; // names of columns
      throw new Error(`Line ${index + 1} is not "number, number, class".`);
    }
    if (!classes.includes(parts[2])) classes.push(parts[2]);
    rows.push([x, y, parts[2]]);
  });
  if (classes.length !== 2) throw new Error(`There are ${classes.length} classes; paste points of exactly two.`);
  if (rows.length < FEWEST || rows.length > MOST) throw new Error(`There are ${rows.length} points; paste ${FEWEST} to ${MOST}.`);
  classes.sort();
  const [low, high] = [Math.min, Math.max].map((pick) => [0, 1].map((axis) => rows.reduce((best, row) => pick(best, row[axis]), rows[0][axis])));
  const span = Math.max(high[0] - low[0], high[1] - low[1]) || 1;
  const byte = (value, axis) => Math.round(127.5 + (240 * (value - (low[axis] + high[axis]) / 2)) / span);
  return Uint8Array.from(rows.flatMap(([x, y, name]) => [byte(x, 0), byte(y, 1), classes.indexOf(name)]));
}

// Bytes as text for an address, and back; null for what is no such text.
export function encode(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function decode(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
    const isWhole = bytes.length % 3 === 0 && bytes.length >= 3 * FEWEST && bytes.length <= 3 * MOST;
    return isWhole && bytes.every((value, index) => index % 3 !== 2 || value < 2) ? bytes : null;
  } catch {
    return null;
  }
}

// Batches in a shuffled order of all points, a new one for each pass; batch 0 means all points at once.
export class Batches {
  constructor(points, size, seed) {
    this.points = points;
    this.size = size && size < points.count ? size : 0;
    this.random = generator(seed, 'order of points');
    this.order = Array.from({ length: points.count }, (_, point) => point);
    this.next = points.count;
    this.x = new Float64Array(2 * this.size);
    this.y = new Uint8Array(this.size);
  }

  take() {
    const { points, size } = this;
    if (!size) return points;
    if (this.next + size > points.count) {
      shuffle(this.order, this.random);
      this.next = 0;
    }
    for (let place = 0; place < size; place++) {
      const point = this.order[this.next + place];
      this.x[place] = points.x[point];
      this.x[size + place] = points.x[points.count + point];
      this.y[place] = points.y[point];
    }
    this.next += size;
    return { x: this.x, y: this.y, count: size };
  }
}
