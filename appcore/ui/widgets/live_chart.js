const TEMPLATES = __TEMPLATES__;
const CONFIG = __CONFIG__;
const ONE_ROW = 30;  // pixels of a legend that takes one row
const LEGEND = __LEGEND__;  // pixels that a figure keeps free for its legend

__LOAD__

function isDark(node) {
  const probe = document.createElement('span');
  probe.style.color = getComputedStyle(node).getPropertyValue('--st-background-color');
  node.appendChild(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[0-9.]+/g).map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

// A chart that nobody sees keeps its newest figure and draws it when it comes near: on a long page most of the work of an update.
// Its first figure it also draws when nothing new has come for a while, so that a page at rest is whole and can be searched.
const REST = 3000;  // ms
function drawNext(host) {
  clearTimeout(host.rest);
  const next = host.next;
  host.next = null;
  return next?.();
}

function drawWhenSeen(host) {
  clearTimeout(host.rest);
  if (host.isFar === false && !document.hidden) return drawNext(host);
  if (!host.data) host.rest = setTimeout(() => drawNext(host), REST);
}

if (!window.__liveCharts) {
  window.__liveCharts = new Set();
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) window.__liveCharts.forEach((host) => { if (host.isFar === false) drawNext(host); });
  });
  window.addEventListener('beforeprint', () => window.__liveCharts.forEach(drawNext));
}

function watch(host) {
  if (host.sight) return;
  host.sight = new IntersectionObserver((seen) => {
    host.isFar = !seen.at(-1).isIntersecting;
    if (!host.isFar) drawNext(host);
  }, { rootMargin: '300px', scrollMargin: '300px' });
  host.sight.observe(host.parentElement);
  window.__liveCharts.add(host);
}

function prepare(Plotly, host, note, setStateValue) {
  if (host.watcher) return;
  host.watcher = new ResizeObserver(() => {
    if (host.data && host.clientWidth) Plotly.Plots.resize(host).then(() => settle(Plotly, host)).then(() => clearTools(Plotly, host)).then(() => placeInfo(host));
  });
  host.watcher.observe(host);
  host.addEventListener('mousemove', (event) => { host.pointer = [event.clientX, event.clientY]; });
  host.addEventListener('mouseleave', () => { host.pointer = null; });
  host.on('plotly_relayout', (change) => {
    const keys = Object.keys(change);
    if (keys.some((key) => /axis.*range\[/.test(key))) note.hidden = false;
    if (keys.some((key) => /axis.*(autorange|range)$/.test(key))) note.hidden = true;
    host.isZoomed = !note.hidden;
  });
  host.on('plotly_restyle', () => {
    const [one] = host.data;
    if (one?.type === 'parcoords') setStateValue('ranges', one.dimensions.map((axis) => axis.constraintrange || null));
  });
}

// The charts that stand beside a chart, which is drawn or about to be.
function besides(host) {
  const at = host.getBoundingClientRect().top;
  const seen = [...window.__liveCharts].filter((one) => one !== host && one.room && one.clientHeight);
  return seen.filter((one) => Math.abs(one.getBoundingClientRect().top - at) < 2);
}

const highest = (row) => Math.max(0, ...row.map((one) => one.room));

// A legend of several rows grows over the subtitle; the plot gives way. Plots beside each other begin at one height, below the longest title.
function makeRoom(Plotly, host, top) {
  const rows = host._fullLayout.showlegend ? host._fullLayout.legend?._height || 0 : 0;
  host.room = top + Math.max(0, rows - ONE_ROW * (host._fullLayout.legend?.font.size || 13) / 13);
  const row = [host, ...besides(host)];
  const wanted = highest(row);
  const uneven = row.filter((one) => Math.abs(one._fullLayout.margin.t - wanted) > 2);
  return Promise.all(uneven.map((one) => Plotly.relayout(one, { 'margin.t': wanted })));
}

// The buttons stand in the corner below the plot. Where the title of the x axis reaches into it, both get a line of their own.
function clearTools(Plotly, host) {
  const tools = host.parentElement.querySelector('.tools').getBoundingClientRect();
  const titles = [...host.querySelectorAll('.infolayer > [class^="g-x"] text')];
  const meet = tools.width > 0 && titles.some((title) => title.getBoundingClientRect().left < tools.right + 4);
  if (meet === Boolean(host.raised)) return undefined;
  host.raised = meet ? host._fullLayout._size.b + tools.height : 0;
  return Plotly.relayout(host, { 'margin.b': host.raised || host.asked.layout.margin.b });
}

// Words in as many lines as the width takes: plotly cuts what is longer than the chart. Tags are not measured.
const pen = document.createElement('canvas').getContext('2d');
function broken(words, font, room) {
  pen.font = font;
  const lines = [];
  for (const word of (words || '').replaceAll('<br>', ' ').split(' ')) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && pen.measureText(longer.replace(/<[^>]*>/g, '')).width > room) lines.push(word);
    else lines[Math.max(0, lines.length - 1)] = longer;
  }
  return lines;
}

// Marks in cells, "N 5,625": where a cell is narrower than that, its first word alone. `meta.room`: a cell's share of the plot's width.
function shorten(figure, host) {
  const aside = 80;  // pixels beside the plot
  for (const trace of figure.data.filter((one) => one.meta?.room && host.clientWidth > 50)) {
    pen.font = `${trace.textfont.size}px "Source Sans"`;
    const room = (host.clientWidth - aside) * trace.meta.room;
    trace.text = trace.text.map((text) => (pen.measureText(text).width < room ? text : text.split(' ')[0]));
  }
}

// The title and subtitle as they fit into the host, and the margin that they take, for Plotly.relayout.
function fitted(host) {
  const { layout } = host.asked;
  const wide = host.clientWidth > 50 ? host.clientWidth - 16 : Infinity;  // nobody sees it yet
  const { title } = layout.template.layout;
  const lines = broken(layout.title.text, `600 ${title.font.size}px "Source Sans"`, wide);
  const below = broken(layout.title.subtitle.text, `${title.subtitle.font.size}px "Source Sans"`, wide);
  const own = (layout.title.subtitle.text || '').split('<br>').length;  // lines that the figure has room for
  const [above, more] = [1.3 * (lines.length - 1) * title.font.size, 1.3 * (below.length - own) * title.subtitle.font.size];
  return {
    'title.text': lines.join('<br>'),
    'title.subtitle.text': below.join('<br>'),
    'title.pad.t': layout.title.pad.t + (lines.length > 1 ? 0.7 * title.font.size : 0),  // plotly hangs up several lines this much higher
    'margin.t': layout.margin.t + above + more,
  };
}

function settle(Plotly, host) {
  if (!host.layout) return undefined;  // the page was left while plotly resized it
  const fit = fitted(host);
  const { text, subtitle } = host.layout.title;
  const isSame = text === fit['title.text'] && (subtitle?.text ?? '') === fit['title.subtitle.text'];
  return Promise.resolve(isSame || Plotly.relayout(host, fit)).then(() => makeRoom(Plotly, host, fit['margin.t']));
}

function hoverAgain(host) {
  if (!host.pointer) return;
  const layer = host.querySelector('.nsewdrag');
  if (!layer) return;
  const [clientX, clientY] = host.pointer;
  layer.dispatchEvent(new MouseEvent('mousemove', { clientX, clientY, bubbles: true }));
}

__TABLE__

__CLIP__

// For a room: every font, line and mark grows; the room that titles take grows with them.
function enlarge(node, factor, inFont) {
  if (Array.isArray(node)) { node.forEach((item) => enlarge(item, factor, inFont)); return; }
  if (node === null || typeof node !== 'object' || ArrayBuffer.isView(node)) return;
  for (const [key, value] of Object.entries(node)) {
    const isSize = (key === 'size' && (inFont || typeof value === 'number')) || (key === 'width' && inFont === 'line');
    if (isSize && typeof value === 'number') node[key] = value * factor;
    else if (typeof value === 'object') enlarge(value, factor, /font$/i.test(key) ? 'font' : key === 'line' ? 'line' : undefined);
  }
}

__PAPER__

function showPanel(frame, host, data, setTriggerValue) {
  const [panel, button] = [frame.querySelector('.panel'), frame.querySelector('.save')];
  const show = (isOn) => {
    panel.hidden = !isOn;
    button.setAttribute('aria-expanded', String(isOn));
  };
  button.onclick = () => {
    if (panel.hidden) fillPanel(panel, host, data, (format) => load().then((Plotly) => saveFigure(Plotly, host, data, format,
      (wish) => setTriggerValue('wish', wish))).catch((error) => console.warn('figure', error)));
    show(panel.hidden);
  };
  frame.onkeydown = (event) => {
    if (event.key !== 'Escape' || panel.hidden) return;
    show(false);
    button.focus();
  };
  if (data.file && host.saved !== data.file.id) {
    host.saved = data.file.id;
    save(bytes(data.file.content), data.file.name, 'application/pdf');
  }
}

__ABOUT__

function showTable(frame, host, isOn) {
  const table = frame.querySelector('.table');
  const button = frame.querySelector('.switch');
  button.setAttribute('aria-pressed', String(isOn));
  button.textContent = isOn ? 'as chart' : 'as table';
  table.hidden = !isOn;
  host.style.display = isOn ? 'none' : '';
  if (isOn) {
    table.style.height = `calc(${host.style.height} - 1.8rem)`;  // the tools stand below it
    table.setAttribute('aria-label', host.getAttribute('aria-label'));
    fillTable(table, host);
  } else if (host.data) window.Plotly.Plots.resize(host).then(() => settle(window.Plotly, host));
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const host = parentElement.querySelector('.chart');
  const note = parentElement.querySelector('.zoomed');
  host.style.height = data.height + 'px';
  host.setAttribute('aria-label', data.alt);
  const frame = parentElement.querySelector('.frame');
  const button = parentElement.querySelector('.switch');
  button.onclick = () => showTable(frame, host, button.getAttribute('aria-pressed') !== 'true');
  showPanel(frame, host, data, setTriggerValue);
  showAbout(frame, data.about);
  const dark = isDark(host);
  const plays = data.edge !== null;
  const wanted = (dark ? 'dark' : 'light') + data.scale + data.legend + plays + data.figure;
  if (host.wanted === wanted) return;
  host.wanted = wanted;
  watch(host);
  load().then((Plotly) => {
    if (host.wanted !== wanted) return;
    host.play = null;  // its film is of the figure before
    host.next = () => draw(Plotly).catch(failed);
    drawWhenSeen(host);
  }).catch(failed);

  async function draw(Plotly) {
    const figure = JSON.parse(data.figure);
    figure.layout.template = structuredClone(TEMPLATES[dark ? 1 : 0]);
    if (data.scale !== 1) {
      enlarge(figure, data.scale);
      for (const side of Object.keys(figure.layout.margin)) figure.layout.margin[side] *= data.scale;
    }
    if (!data.legend && figure.layout.showlegend) {
      figure.layout.showlegend = false;
      figure.layout.margin.t -= LEGEND * data.scale;
    }
    shorten(figure, host);
    host.asked = { layout: structuredClone(figure.layout) };
    const fit = fitted(host);
    const top = fit['margin.t'];
    figure.layout.margin.t = Math.max(top, highest(besides(host)));
    figure.layout.margin.b = host.raised || figure.layout.margin.b;
    figure.layout.title.text = fit['title.text'];
    figure.layout.title.subtitle.text = fit['title.subtitle.text'];
    figure.layout.title.pad.t = fit['title.pad.t'];
    const film = plays && figure.layout.meta === 'clock' ? new Film(figure) : null;
    const traces = film ? film.until(window.__playback?.edge ?? data.edge) : figure.data;
    return Plotly.react(host, traces, figure.layout, CONFIG).then(() => makeRoom(Plotly, host, top)).then(() => clearTools(Plotly, host)).then(() => {
      prepare(Plotly, host, note, setStateValue);
      placeInfo(host);
      host.play = film && ((edge) => play(Plotly, film, edge));
      drawn();
    });
  }

  function play(Plotly, film, edge) {
    if (!film.changes(edge)) return undefined;
    host.next = () => Plotly.react(host, film.until(edge), host.layout, CONFIG).then(drawn).catch(failed);
    return drawWhenSeen(host);
  }

  function drawn() {
    host.dataset.updates = Number(host.dataset.updates || 0) + 1;
    hoverAgain(host);
    if (button.getAttribute('aria-pressed') === 'true') fillTable(frame.querySelector('.table'), host);
  }

  function failed(error) {
    console.warn('live chart', error);
    setTriggerValue('failed', true);
  }

  return () => {
    clearTimeout(host.rest);
    host.next = null;
    host.watcher?.disconnect();
    host.sight.disconnect();
    window.__liveCharts.delete(host);
    if (window.Plotly && host.data) window.Plotly.purge(host);
  };
}
