// Which kept weights still lie on some path from an input to an output.

// {edges: for each layer 1 where a weight is alive, units: for each layer of units (inputs first) 1 where a path goes through}.
export function alive(network) {
  const layers = network.layers;
  const reached = [new Uint8Array(network.widths[0]).fill(1)];
  for (const layer of layers) {
    const units = new Uint8Array(layer.outputs);
    layer.mask.forEach((kept, place) => {
      if (kept && reached.at(-1)[place % layer.inputs]) units[Math.floor(place / layer.inputs)] = 1;
    });
    reached.push(units);
  }
  let leads = new Uint8Array(network.widths.at(-1)).fill(1);
  const edges = [];
  const units = [];
  for (let index = layers.length - 1; index >= 0; index--) {
    const { inputs, mask } = layers[index];
    const below = new Uint8Array(inputs);
    units[index + 1] = leads.map((on, unit) => on & reached[index + 1][unit]);
    edges[index] = mask.map((kept, place) => {
      const isAlive = kept & reached[index][place % inputs] & leads[Math.floor(place / inputs)];
      if (kept && leads[Math.floor(place / inputs)]) below[place % inputs] = 1;
      return isAlive;
    });
    leads = below;
  }
  units[0] = leads;
  return { edges, units };
}
