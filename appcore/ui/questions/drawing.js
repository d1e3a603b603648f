// A curve over some places, drawn with a pointer or point by point with the arrow keys. Streamlit calls this again at each change of data and
// cleans up only once, so one drawing belongs to the host node; it listens to nothing outside of it.
const SVG = 'http://www.w3.org/2000/svg';
const [SMALL, LARGE] = [1 / 50, 1 / 10]; // of the height, for a press of an arrow key and of Page up
const CALM = 250; // ms after the last key before the page is told
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 18, 26, 44];

export default function ({ data, parentElement, setStateValue }) {
  const host = parentElement.querySelector('.drawing');
  host.drawing ??= new Drawing(host);
  host.drawing.show(data, (values) => setStateValue('drawn', values));
  return () => host.drawing?.end();
}

function node(name, attributes, text = '') {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

class Drawing {
  constructor(host) {
    this.host = host;
    this.isTouched = false;
    this.svg = node('svg', { role: 'group' });
    this.svg.addEventListener('pointerdown', (event) => this.begin(event));
    this.svg.addEventListener('pointermove', (event) => this.move(event));
    for (const name of ['pointerup', 'pointercancel']) this.svg.addEventListener(name, () => this.release());
    this.svg.addEventListener('keydown', (event) => this.press(event));
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(host);
    host.replaceChildren(this.svg);
  }

  show(data, tell) {
    this.tell = tell;
    this.data = data;
    if (this.values?.length !== data.labels.length) this.values = data.labels.map(() => data.start);
    this.draw();
  }

  end() {
    clearTimeout(this.later);
    this.sizes.disconnect();
    this.host.drawing = null;
  }

  // ---- places

  x(place) {
    const count = Math.max(1, this.data.labels.length - 1);
    return this.left + (place / count) * (this.width - this.left - RIGHT);
  }

  y(value) {
    const { low, high } = this.data;
    return this.height - BOTTOM - ((value - low) / (high - low)) * (this.height - BOTTOM - TOP);
  }

  // The place and the value below the pointer.
  below(event) {
    const box = this.svg.getBoundingClientRect();
    const { low, high, labels } = this.data;
    const along = ((event.clientX - box.left) * (this.width / box.width) - this.left) / (this.width - this.left - RIGHT);
    const up = (this.height - BOTTOM - (event.clientY - box.top) * (this.height / box.height)) / (this.height - BOTTOM - TOP);
    const place = Math.round(along * (labels.length - 1));
    return [Math.min(labels.length - 1, Math.max(0, place)), this.within(low + up * (high - low))];
  }

  within(value) {
    return Math.min(this.data.high, Math.max(this.data.low, value));
  }

  // ---- by pointer

  begin(event) {
    if (event.button) return;
    this.svg.setPointerCapture(event.pointerId);
    this.last = null;
    this.isDrawing = true;
    this.move(event);
  }

  // Fills the places between two looks at a fast pointer, too.
  move(event) {
    if (!this.isDrawing) return;
    const [place, value] = this.below(event);
    const [from, old] = this.last ?? [place, value];
    const step = Math.sign(place - from) || 1;
    for (let at = from; at !== place + step; at += step) {
      this.values[at] = place === from ? value : old + ((value - old) * (at - from)) / (place - from);
    }
    this.last = [place, value];
    this.touch();
  }

  release() {
    if (!this.isDrawing) return;
    this.isDrawing = false;
    this.tell([...this.values]);
  }

  // ---- by keyboard; the arrow keys are not the page's while a point has the focus

  press(event) {
    const place = Number(event.target.dataset?.place ?? NaN);
    if (Number.isNaN(place)) return;
    const { low, high } = this.data;
    const up = { ArrowUp: SMALL, ArrowDown: -SMALL, PageUp: LARGE, PageDown: -LARGE }[event.key];
    const edge = { Home: low, End: high }[event.key];
    const aside = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (up === undefined && edge === undefined && aside === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (aside) {
      this.points[Math.min(this.points.length - 1, Math.max(0, place + aside))].focus();
      return;
    }
    this.values[place] = edge ?? this.within(this.values[place] + up * (high - low));
    this.touch();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.tell([...this.values]), CALM);
  }

  touch() {
    this.isTouched = true;
    this.refresh();
  }

  // ---- drawing

  draw() {
    const { labels, low, high, unit, x, y, height, scale } = this.data ?? {};
    const width = this.host.clientWidth / (scale || 1);
    if (!labels || !width) return;
    const focused = this.points?.indexOf(document.activeElement) ?? -1;
    [this.width, this.height, this.left] = [width, height, LEFT];
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.setAttribute('aria-label', `${y} over ${x}, to be drawn`);
    this.svg.replaceChildren();
    for (let line = 0; line <= 4; line++) {
      const value = low + (line / 4) * (high - low);
      this.svg.append(node('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: this.y(value), y2: this.y(value) }));
      const text = `${Number(value.toFixed(1))} ${unit === '%' ? '%' : ''}`;
      this.svg.append(node('text', { x: LEFT - 8, y: this.y(value) + 4, 'text-anchor': 'end' }, text));
    }
    const every = Math.ceil(labels.length / Math.max(2, Math.floor(width / 60)));
    labels.forEach((label, place) => {
      if (place % every) return;
      const anchor = place === labels.length - 1 && label.length > 3 ? 'end' : 'middle';
      this.svg.append(node('text', { x: this.x(place) + (anchor === 'end' ? RIGHT - 2 : 0), y: height - BOTTOM + 18, 'text-anchor': anchor }, label));
    });
    this.svg.append(node('text', { class: 'title', x: LEFT, y: 12 }, unit === '%' ? y : `${y}, ${unit}`));
    this.svg.append(node('text', { class: 'title', x: width - RIGHT, y: height - 6, 'text-anchor': 'end' }, x));
    this.line = node('polyline', { class: 'line' });
    this.value = node('text', { class: 'value' });
    this.points = labels.map((label, place) => {
      const names = { role: 'slider', tabindex: 0, 'data-place': place, 'aria-orientation': 'vertical', 'aria-label': `${y} at ${x} ${label}` };
      const point = node('circle', { ...names, r: 8, 'aria-valuemin': low, 'aria-valuemax': high });
      point.addEventListener('focus', () => this.refresh());
      return point;
    });
    this.svg.append(this.line, ...this.points, this.value);
    this.refresh();
    if (focused >= 0) this.points[focused].focus();
  }

  refresh() {
    if (!this.points) return;
    this.host.classList.toggle('untouched', !this.isTouched);
    this.line.setAttribute('points', this.values.map((value, place) => `${this.x(place)},${this.y(value)}`).join(' '));
    this.points.forEach((point, place) => {
      point.setAttribute('cx', this.x(place));
      point.setAttribute('cy', this.y(this.values[place]));
      point.setAttribute('aria-valuenow', this.values[place].toFixed(1));
      point.setAttribute('aria-valuetext', `${this.values[place].toFixed(0)} ${this.data.unit}`);
    });
    const shown = this.isDrawing && this.last ? this.last[0] : this.points.indexOf(document.activeElement);
    this.value.textContent = shown < 0 ? '' : `${this.values[shown].toFixed(0)} ${this.data.unit}`;
    if (shown < 0) return;
    this.value.setAttribute('x', Math.min(this.width - 40, Math.max(LEFT + 20, this.x(shown))));
    this.value.setAttribute('y', Math.max(14, this.y(this.values[shown]) - 14));
  }
}
