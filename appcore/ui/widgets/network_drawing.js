const SVG = 'http://www.w3.org/2000/svg';
const ROW = 24, JOIN = 18, BOX = 16, LANE = 9;  // pixels
const ROOM = '300px';  // so near the screen it is drawn

function add(parent, name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

// A label that is too long keeps its end, which tells layers apart.
function fitted(text, pixels, size) {
  const most = Math.floor(pixels / (0.56 * size));
  return text.length <= most ? text : '…' + text.slice(text.length - most + 1);
}

function places(rows) {
  let y = 4;
  return rows.map((row) => {
    const height = row.box ? ROW : JOIN, middle = y + height / 2;
    y += height;
    return { middle, bottom: y };
  });
}

function draw(svg, data, width, pick) {
  const focused = [...svg.querySelectorAll('.row')].indexOf(svg.contains(document.activeElement) ? document.activeElement : null);
  svg.replaceChildren();
  const at = places(data.rows), size = 12 * data.scale;
  const labels = Math.min(Math.max(...data.rows.map((row) => row.label.length)) * 0.58 * size, width * (width < 560 ? 0.34 : 0.3));
  const lanes = Math.max(0, ...data.arcs.map((arc) => arc[2] + 1));
  const rail = labels + 14 + lanes * LANE + (lanes ? 6 : 0), left = rail + 12;
  const texts = (width < 560 ? 52 : 168) * data.scale, most = Math.max(40, width - left - texts);
  svg.setAttribute('width', width);
  svg.setAttribute('height', at.at(-1).bottom + 4);

  for (const [from, to, lane] of data.arcs) {
    const x = rail - 12 - lane * LANE, a = at[from].middle, b = at[to].middle, r = 6;
    add(svg, 'path', { class: 'wire', d: `M${rail} ${a}H${x + r}Q${x} ${a} ${x} ${a + r}V${b - r}Q${x} ${b} ${x + r} ${b}H${rail}` });
  }
  data.rows.forEach((row, i) => {
    if (row.joined) add(svg, 'path', { class: 'wire', d: `M${rail} ${at[i - 1].middle}V${at[i].middle}` });
  });
  data.rows.forEach((row, i) => {
    const y = at[i].middle;
    const group = add(svg, 'g', { class: 'row' + (row.box ? ' layer' : '') + (row.chosen ? ' chosen' : '') });
    add(group, 'title', {}, row.title);
    if (!row.box) {
      const round = row.kind !== 'images';
      add(group, round ? 'circle' : 'path', round ? { class: 'joint', cx: rail, cy: y, r: 7 } : { class: 'start', d: `M${rail - 5} ${y - 4}h10l-5 8z` });
      if (round) add(group, 'text', { class: 'sign', x: rail, y: y + 4, 'text-anchor': 'middle' }, row.sign);
      else add(group, 'text', { x: left, y: y + 4, 'font-size': size }, row.label);
      return;
    }
    const long = Math.max(8, most * row.width);
    add(group, 'rect', { class: 'hit', x: 0, y: y - ROW / 2, width, height: ROW });
    add(group, 'text', { class: 'name', x: labels, y: y + 4, 'text-anchor': 'end', 'font-size': size }, fitted(row.label, labels, size));
    add(group, 'path', { class: 'wire', d: `M${rail} ${y}H${left}` });
    add(group, 'circle', { class: 'dot', cx: rail, cy: y, r: 2.5 });
    add(group, 'rect', { class: 'box', x: left, y: y - BOX / 2, width: long, height: BOX });
    if (row.kept !== null) {
      add(group, 'rect', { class: 'idle', x: left, y: y - BOX / 2, width: long * row.kept, height: BOX });
      add(group, 'rect', { class: 'alive', x: left, y: y - BOX / 2, width: long * row.alive, height: BOX });
      if (row.dead) add(group, 'rect', { class: 'dead', x: left + long * (1 - row.dead), y: y - BOX / 2, width: long * row.dead, height: BOX });
    } else add(group, 'rect', { class: 'whole', x: left, y: y - BOX / 2, width: long, height: BOX });
    add(group, 'rect', { class: 'edge', x: left, y: y - BOX / 2, width: long, height: BOX });
    add(group, 'text', { x: left + long + 8, y: y + 4, 'font-size': size }, width < 560 ? row.brief : row.text);
    group.setAttribute('role', 'button');
    group.setAttribute('aria-label', row.title);
    group.setAttribute('tabindex', '-1');
    group.dataset.layer = row.name;
    group.onclick = () => pick(row.name);
    group.onkeydown = (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === 'Enter' || event.key === ' ') pick(row.name);
      else if (step) move(svg, group, step);
      else return;
      event.preventDefault();
    };
  });
  const layers = [...svg.querySelectorAll('.layer')];
  (svg.querySelector('.chosen') || layers[0])?.setAttribute('tabindex', '0');
  if (focused >= 0) svg.querySelectorAll('.row')[focused]?.focus({ preventScroll: true });
}

function move(svg, group, step) {
  const layers = [...svg.querySelectorAll('.layer')], next = layers[layers.indexOf(group) + step];
  if (!next) return;
  group.setAttribute('tabindex', '-1');
  next.setAttribute('tabindex', '0');
  next.focus();
}

function fill(table, data) {
  const lines = [data.columns, ...data.rows.filter((row) => row.box).map((row) => row.cells)];
  table.replaceChildren(document.createElement('table'));
  lines.forEach((cells, i) => {
    const line = table.firstChild.insertRow();
    cells.forEach((cell, j) => {
      const node = document.createElement(i === 0 || j === 0 ? 'th' : 'td');
      node.textContent = cell;
      line.appendChild(node);
    });
  });
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const frame = parentElement.querySelector('.network'), svg = frame.querySelector('svg');
  const scroller = frame.querySelector('.scroller'), table = frame.querySelector('.cells'), button = frame.querySelector('.as-table');
  svg.setAttribute('aria-label', data.alt);
  scroller.style.maxHeight = table.style.maxHeight = data.height + 'px';
  const show = () => {
    if (frame.isNear !== true || document.hidden || !frame.clientWidth) return;  // drawn when it comes near
    const wanted = JSON.stringify(data) + frame.clientWidth;
    if (frame.drawn === wanted) return;
    frame.drawn = wanted;
    draw(svg, data, scroller.clientWidth, (name) => setTriggerValue('layer', name));
    if (!table.hidden) fill(table, data);
    frame.dataset.updates = Number(frame.dataset.updates || 0) + 1;
  };
  button.onclick = () => {
    table.hidden = !table.hidden;
    scroller.hidden = !table.hidden;
    button.setAttribute('aria-pressed', String(!table.hidden));
    button.textContent = table.hidden ? 'as table' : 'as drawing';
    if (!table.hidden) fill(table, data);
  };
  frame.forget?.();
  const sight = new IntersectionObserver((seen) => { frame.isNear = seen.at(-1).isIntersecting; show(); }, { rootMargin: ROOM, scrollMargin: ROOM });
  const size = new ResizeObserver(show);
  const print = () => { frame.isNear = true; show(); };
  sight.observe(frame);
  size.observe(frame);
  window.addEventListener('beforeprint', print);
  document.addEventListener('visibilitychange', show);
  frame.forget = () => {
    sight.disconnect();
    size.disconnect();
    window.removeEventListener('beforeprint', print);
    document.removeEventListener('visibilitychange', show);
  };
  show();
  return frame.forget;
}
