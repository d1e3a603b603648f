// A chart as a file for a paper: PDF, SVG, PNG in a column's width, or its numbers as CSV.

const WIDTHS = { '3.3': '3.3 in, one column', '6.9': '6.9 in, both columns' };
const DPI = 300;  // of PNG
const PIXELS = 96;  // of SVG, to an inch
const SCREEN_FONT = 13;  // pixels: what figures are laid out for
const AXIS_NAMES = 48;  // pixels above the axes of parallel coordinates
const PAPER_FONT = 'Arial, Helvetica, "Liberation Sans", sans-serif';  // metrics that every machine has

// The choices stay while the page is open, for all charts of it.
window.__paper = window.__paper || { width: '3.3', font: 8, title: false, legend: true };

function baseName(name) {
  const page = location.pathname.replace(/\/+$/, '').split('/').pop() || 'start';
  return (name.split('_')[0] === page ? name : `${page}_${name}`).replace(/[^\w-]+/g, '-');
}

function save(content, name, type) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

// The figure as on screen (zoom, hidden curves) in type of so many points: everything grows or shrinks with the type.
function forPaper(host, text, screenHeight, choice) {
  const figure = JSON.parse(text);
  const factor = (choice.font / 72) * PIXELS / SCREEN_FONT;
  const layout = figure.layout;
  layout.template = structuredClone(TEMPLATES[0]);
  layout.template.layout.font.family = PAPER_FONT;
  for (const trace of host._fullData) if (figure.data[trace.index]) figure.data[trace.index].visible = trace.visible;
  const isParallel = figure.data[0]?.type === 'parcoords';
  if (isParallel) figure.data[0].dimensions.forEach((axis, place) => { axis.constraintrange = host.data[0].dimensions[place].constraintrange; });
  for (const [key, axis] of Object.entries(host._fullLayout)) {
    if (/^[xy]axis\d*$/.test(key) && axis.range && host.isZoomed) layout[key] = { ...layout[key], range: axis.range.slice(), autorange: false };
  }
  let height = screenHeight;
  layout.showlegend = choice.legend && host._fullData.filter((trace) => trace.showlegend && trace.name).length > 1;
  const top = layout.margin.t;
  const legendRoom = isParallel ? AXIS_NAMES : layout.showlegend ? 34 : 12;
  if (!choice.title) {
    delete layout.title;
    layout.margin.t = legendRoom;
    height -= Math.max(0, top - legendRoom);
  }
  enlarge(figure, factor);
  for (const side of Object.keys(layout.margin)) layout.margin[side] *= factor;
  Object.assign(layout, { width: Math.round(Number(choice.width) * PIXELS * 1000) / 1000, height: height * factor, paper_bgcolor: 'white', autosize: false });
  return figure;
}

async function draw(Plotly, host, text, screenHeight, choice, format) {
  const figure = forPaper(host, text, screenHeight, choice);
  const place = document.body.appendChild(document.createElement('div'));
  place.style.cssText = `position: fixed; left: -10000px; top: 0; width: ${figure.layout.width}px;`;
  try {
    if (figure.layout.title) {  // in as many lines as the column takes
      place.asked = { layout: structuredClone(figure.layout) };
      const fit = fitted(place);
      figure.layout.height += fit['margin.t'] - figure.layout.margin.t;
      figure.layout.margin.t = fit['margin.t'];
      figure.layout.title.text = fit['title.text'];
      figure.layout.title.subtitle.text = fit['title.subtitle.text'];
    }
    await Plotly.newPlot(place, figure.data, figure.layout, { staticPlot: true });
    const { width, height, margin } = place._fullLayout;
    await makeRoom(Plotly, place, margin.t);
    const grown = height + place._fullLayout.margin.t - margin.t;
    if (grown > height) await Plotly.relayout(place, { height: grown });
    return [await Plotly.toImage(place, { format, width, height: grown, scale: format === 'png' ? DPI / PIXELS : 1, imageDataOnly: true }), width, grown];
  } finally {
    Plotly.purge(place);
    place.remove();
  }
}

// The size in inches, so that every program takes it for what it is.
function inInches(svg, ...size) {
  const [width, height] = size.map((pixels) => (pixels / PIXELS).toFixed(4));
  return svg.replace(/<svg([^>]*?) width="[^"]*" height="[^"]*"/, (_, rest) => `<svg${rest} width="${width}in" height="${height}in"`);
}

async function saveFigure(Plotly, host, data, format, askForPdf) {
  const choice = window.__paper;
  const name = `${baseName(data.name)}.${format}`;
  if (format === 'csv') return save(csv(host), name, 'text/csv');
  const [image, width, height] = await draw(Plotly, host, data.figure, data.paper_height, choice, format === 'png' ? 'png' : 'svg');
  if (format === 'png') return save(bytes(image), name, 'image/png');
  const svg = inInches(image, width, height);
  if (format === 'svg') return save(svg, name, 'image/svg+xml');
  askForPdf({ svg, name });
}

function labelled(words, control) {
  const label = document.createElement('label');
  label.append(words + ' ', control);
  return label;
}

function choiceOf(kind, key, attributes) {
  const control = Object.assign(document.createElement(kind), attributes);
  const value = control.type === 'checkbox' ? 'checked' : 'value';
  control[value] = window.__paper[key];
  control.name = key;
  control.onchange = () => {
    if (control.reportValidity()) window.__paper[key] = control.type === 'number' ? Number(control.value) : control[value];
  };
  return control;
}

function fillPanel(panel, host, data, onSave) {
  const width = choiceOf('select', 'width', {});
  for (const [value, words] of Object.entries(WIDTHS)) width.append(new Option(words, value, false, value === window.__paper.width));
  const font = choiceOf('input', 'font', { type: 'number', min: 5, max: 14, step: 0.5, required: true });
  const formats = document.createElement('div');
  formats.className = 'formats';
  for (const format of data.pdf ? ['pdf', 'svg', 'png', 'csv'] : ['svg', 'png', 'csv']) {
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: format.toUpperCase(), name: format });
    button.onclick = () => font.reportValidity() && onSave(format);
    formats.append(button);
  }
  const about = document.createElement('small');
  about.textContent = data.pdf ? `${baseName(data.name)}.…` : data.no_pdf;
  panel.replaceChildren(
    labelled('Width', width), labelled('Type, points', font),
    labelled('Title', choiceOf('input', 'title', { type: 'checkbox' })), labelled('Legend', choiceOf('input', 'legend', { type: 'checkbox' })),
    formats, about,
  );
}
