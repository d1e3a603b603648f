// A chart's own numbers as an HTML table. Curves and marks that share an axis are joined on it; a heatmap is written out as it is.

const MOST_ROWS = 2000;

// Words of a figure as text: its tags are this program's own, all other markup was spelled out (markup.py).
function plain(text) {
  const words = String(text ?? '').replace(/<br>/g, ' ').replace(/<[^>]*>/g, '');
  return words.replace(/&lt;/g, '<').replace(/&amp;/g, '&');
}

// The names that an axis gives to places; only where every place has one, else they are marks on a scale.
function names(axis, places) {
  const found = new Map((axis?.ticktext || []).map((text, index) => [axis.tickvals[index], plain(text)]));
  return Array.from(places).every((place) => found.has(place)) ? found : new Map();
}

function plainOrNumber(value) {
  return typeof value === 'number' ? value : plain(value);
}

// What is plain is not made so again: a name may look like a tag.
function shown(value) {
  return typeof value === 'number' ? words(value) : value;
}

function words(value, named) {
  if (named?.has(value)) return named.get(value);
  if (typeof value !== 'number') return plain(value);
  if (!Number.isFinite(value)) return '–';
  if (Number.isInteger(value)) return value.toLocaleString('en');
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(4)));
}

function axisOf(host, trace, letter) {
  const name = (trace[letter + 'axis'] || letter).replace(letter, letter + 'axis');
  return host._fullLayout[name] || {};
}

function titled(axis, otherwise, named) {
  const hover = axis.unifiedhovertitle?.text?.split('%{')[0].trim();
  return (!named?.size && hover) || plain(axis.title?.text) || otherwise;
}

// The lines of parallel coordinates, one a row, a column for each axis.
function lines(trace) {
  const axes = trace.dimensions.filter((axis) => axis.visible);
  const cells = axes.map((axis) => {
    const named = names(axis, axis.values);
    return Array.from(axis.values, (value) => named.get(value) ?? value);
  });
  const rows = Array.from(trace.ids, (id, place) => [id, ...cells.map((column) => column[place])]);
  return { key: 'run', unit: '', heads: axes.map((axis) => plain(axis.label)), rows };
}

// One block for each heatmap and one for all other traces of a kind of key: {key, unit, heads, rows: [[key, cells...]]}, numbers as drawn, words plain.
function blocks(host) {
  const found = [];
  const joined = new Map();
  for (const trace of host._fullData) {
    if (trace.visible !== true || trace.mode === 'text' || trace.hoverinfo === 'skip') continue;  // labels and ornaments
    if (trace.type === 'parcoords') {
      found.push(lines(trace));
      continue;
    }
    const across = axisOf(host, trace, 'x');
    const down = axisOf(host, trace, 'y');
    if (trace.z) {
      const columns = Array.from(trace.x || trace.z[0], (value, index) => (trace.x ? value : index));
      const places = Array.from(trace.y || trace.z, (value, index) => (trace.y ? value : index));
      const [overColumns, overRows] = [names(across, columns), names(down, places)];
      const rows = Array.from(trace.z, (line, index) => [words(places[index], overRows), ...Array.from(line, (value) => plainOrNumber(value ?? NaN))]);
      const unit = plain(trace.colorbar?.title?.text);
      found.push({ key: titled(down, 'row') + ' \\ ' + titled(across, 'column'), unit, heads: columns.map((value) => words(value, overColumns)), rows });
      continue;
    }
    if (!trace.x || !trace.y || !trace.x.length) continue;
    const isSideways = trace.orientation === 'h' || (down.type === 'category' && across.type !== 'category') || Boolean(down.ticktext);
    const [keyAxis, valueAxis] = isSideways ? [down, across] : [across, down];
    const named = names(keyAxis, isSideways ? trace.y : trace.x);
    const name = titled(keyAxis, isSideways ? 'row' : 'x', named);
    if (!joined.has(name)) joined.set(name, { key: name, unit: titled(valueAxis, ''), heads: [], at: new Map() });
    const block = joined.get(name);
    const column = block.heads.length;
    block.heads.push(plain(trace.name && trace.showlegend !== null && !/^trace \d+$/.test(trace.name) ? trace.name : titled(valueAxis, 'value')));
    for (let index = 0; index < trace.x.length; index += 1) {
      const [key, value] = isSideways ? [trace.y[index], trace.x[index]] : [trace.x[index], trace.y[index]];
      if (key === null || key === undefined) continue;
      const said = trace.yaxis === 'y2' && Array.isArray(trace.text) ? trace.text[index] : undefined;  // events have words, no height
      if (!block.at.has(key)) block.at.set(key, { label: named.get(key) ?? plainOrNumber(key), cells: [] });
      block.at.get(key).cells[column] = plainOrNumber(said ?? value);
    }
  }
  for (const block of joined.values()) {
    const keys = [...block.at.keys()];
    if (keys.every((key) => typeof key === 'number')) keys.sort((a, b) => a - b);
    const rows = keys.map((key) => [block.at.get(key).label, ...block.heads.map((_, column) => block.at.get(key).cells[column] ?? '')]);
    found.push({ key: block.key, unit: block.unit, heads: block.heads, rows });
  }
  return found;
}

function cell(kind, text, scope) {
  const node = document.createElement(kind);
  node.textContent = text;
  if (scope) node.scope = scope;
  return node;
}

function fillTable(target, host) {
  target.replaceChildren(...blocks(host).map((block) => {
    const table = document.createElement('table');
    const title = plain((host.layout.title?.text || '').split('<br>')[0]);
    const unit = block.unit && !block.heads.includes(block.unit) ? ` · ${block.unit}` : '';
    const cut = block.rows.length > MOST_ROWS ? ` (the first ${MOST_ROWS} of ${block.rows.length} rows)` : '';
    table.appendChild(cell('caption', title + unit + cut));
    const head = table.createTHead().insertRow();
    head.append(cell('th', block.key, 'col'), ...block.heads.map((text) => cell('th', text, 'col')));
    const body = table.createTBody();
    for (const [label, ...values] of block.rows.slice(0, MOST_ROWS)) {
      const row = body.insertRow();
      row.append(cell('th', shown(label), 'row'), ...values.map((value) => cell('td', shown(value))));
    }
    return table;
  }));
}

// Text that a spreadsheet would take for a formula gets an apostrophe, as in every other file of this program.
function field(value) {
  if (typeof value === 'number') {  // figures hold 32 bits of each
    return !Number.isFinite(value) ? '' : Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(7)));
  }
  const text = value.replace(/^(?=[=+\-@\t\r])/, "'");
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

// All numbers that a chart draws, as CSV: the blocks below each other, their unit in the first head where the others are names.
function csv(host) {
  return blocks(host).map((block) => {
    const unit = block.unit && !block.heads.includes(block.unit) ? ` (${block.unit})` : '';
    return [[block.key + unit, ...block.heads], ...block.rows].map((row) => row.map(field).join(',')).join('\n');
  }).join('\n\n') + '\n';
}
