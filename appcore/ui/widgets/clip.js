// A figure whose x axis is the clock, shown up to a place on it: later points are left out; axes, legend and zoom stay.

const NUMBERS = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };

// Numbers as plotly packs them, as an array, or as an array of rows.
function unpacked(value) {
  if (!value?.bdata) return value;
  const bytes = Uint8Array.from(atob(value.bdata), (letter) => letter.charCodeAt(0));
  const flat = Array.from(new NUMBERS[value.dtype](bytes.buffer));
  const width = Number(String(value.shape ?? '').split(',')[1] || 0);
  return width ? Array.from({ length: flat.length / width }, (_, row) => flat.slice(row * width, (row + 1) * width)) : flat;
}

// A trace, or a part of it, with what belongs to the points that are kept. A trace without a point keeps its place in the legend.
function only(part, count, kept) {
  return Object.fromEntries(Object.entries(part).map(([name, value]) => {
    if (Array.isArray(value) && value.length === count) return [name, kept.length ? kept.map((place) => value[place]) : [null]];
    return [name, name === 'marker' || name === 'error_y' ? only(value, count, kept) : value];
  }));
}

class Film {
  constructor(figure) {
    this.traces = figure.data.map((trace) => {
      const own = Object.fromEntries(Object.entries(trace).map(([name, value]) => [name, unpacked(value)]));
      for (const name of ['marker', 'error_y']) {
        if (own[name]) own[name] = Object.fromEntries(Object.entries(own[name]).map(([inner, value]) => [inner, unpacked(value)]));
      }
      return own;
    });
    const places = this.traces.flatMap((trace) => trace.x ?? []).filter(Number.isFinite);
    this.last = Math.max(0, ...places);
    figure.layout.xaxis.range ??= [0, 1.02 * this.last || 1];
    this.shown = '';
  }

  // The places of the points of each trace that have come by then; those without a place were never drawn.
  kept(edge) {
    const late = edge + 1e-6 * this.last;
    return this.traces.map((trace) => Array.from(trace.x ?? [], (x, place) => (x <= late ? place : -1)).filter((place) => place >= 0));
  }

  changes(edge) {
    return this.kept(edge).map((kept) => kept.length).join() !== this.shown;
  }

  until(edge) {
    const found = this.kept(edge);
    this.shown = found.map((kept) => kept.length).join();
    return this.traces.map((trace, index) => (trace.x ? only(trace, trace.x.length, found[index]) : trace));
  }
}
