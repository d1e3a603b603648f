// Repeatable random numbers: the same words always give the same stream.

// A generator for a seed and a purpose, such as (3, 'initial values'): gives numbers in [0, 1).
export function generator(seed, purpose) {
  let state = 2166136261;
  for (const letter of `${seed}/${purpose}`) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  for (let skipped = 0; skipped < 8; skipped++) next(); // seeds that differ in one bit begin alike
  return next;
}

// Shuffles an array in place.
export function shuffle(array, random) {
  for (let last = array.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [array[last], array[other]] = [array[other], array[last]];
  }
  return array;
}
