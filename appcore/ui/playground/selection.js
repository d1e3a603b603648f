// Which weights are kept: by rank over the whole network, with the exact count, as the engine selects.

// round(density * all), halves to the even number, as Python rounds.
export function keepCount(density, all) {
  const exact = density * all;
  const low = Math.floor(exact);
  if (exact - low !== 0.5) return Math.round(exact);
  return low % 2 ? low + 1 : low;
}

// Masks that keep the highest scores among what `eligible` allows; among equal scores the first in the network's order.
export function keepTop(scores, density, eligible) {
  const all = scores.reduce((sum, one) => sum + one.length, 0);
  const candidates = [];
  scores.forEach((one, index) => one.forEach((score, place) => {
    if (!Number.isFinite(score)) throw new RangeError('the scores are not finite');
    if (eligible[index][place]) candidates.push(score);
  }));
  let missing = Math.min(keepCount(density, all), candidates.length);
  const masks = scores.map((one) => new Uint8Array(one.length));
  if (!missing) return masks;
  const threshold = Float64Array.from(candidates).sort()[candidates.length - missing];
  const take = (fits) => masks.forEach((mask, index) => scores[index].forEach((score, place) => {
    if (missing && eligible[index][place] && fits(score)) {
      mask[place] = 1;
      missing--;
    }
  }));
  take((score) => score > threshold);
  take((score) => score === threshold);
  return masks;
}
