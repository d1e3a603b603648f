// The network as a picture: every weight an edge, every unit a circle.
import { alive } from './alive.js';
import { cleared } from './colours.js';

const GRADES = 4; // of line width: a path for each grade, turn and colour
const TURNS = 4; // in which the edges of a grade are drawn, blue and orange by turns, or one colour would cover the other
const EDGE = 0.1; // free share on the left and right
const FADING = window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 1000; // ms in which cut edges fade

// Blue weights are positive, orange ones negative, wide ones large; on no path: grey. Units that answer to no point are hollow.
export function drawNetwork(canvas, network, answers, colour, cut) {
  const { context, width, height } = cleared(canvas);
  if (!width) return;
  const places = network.widths.map((units, layer) => placesOf(units, layer, network.widths.length, width, height));
  const living = alive(network);
  const fading = isFading(cut) ? 1 - (performance.now() - cut.since) / FADING : 0;
  if (fading > 0) drawGone(context, network, places, cut.masks, colour.gone, fading);
  network.layers.forEach((layer, index) => drawEdges(context, layer, places[index], places[index + 1], living.edges[index], colour));
  drawUnits(context, network, places, living.units, answers, colour);
}

export function isFading(cut) {
  return Boolean(cut) && performance.now() - cut.since < FADING;
}

function placesOf(units, layer, layers, width, height) {
  const x = width * (EDGE + ((1 - 2 * EDGE) * layer) / (layers - 1));
  const gap = Math.min(height / (units + 1), 42);
  return Array.from({ length: units }, (_, unit) => [x, height / 2 + gap * (unit - (units - 1) / 2)]);
}

function line(context, from, to) {
  context.moveTo(from[0], from[1]);
  context.lineTo(to[0], to[1]);
}

function drawEdges(context, layer, from, to, living, colour) {
  const { weight, mask, inputs } = layer;
  let largest = 1e-9;
  for (const value of weight) largest = Math.max(largest, Math.abs(value));
  const dead = [];
  const paths = Array.from({ length: 2 * TURNS * GRADES }, () => []);
  for (let place = 0; place < weight.length; place++) {
    if (!mask[place]) continue;
    const grade = Math.min(GRADES - 1, Math.floor((GRADES * Math.abs(weight[place])) / largest));
    const turn = (place % inputs) % TURNS;
    (living[place] ? paths[2 * (grade * TURNS + turn) + (weight[place] < 0 ? 1 : 0)] : dead).push(place);
  }
  const stroke = (places, look) => {
    if (!places.length) return;
    context.beginPath();
    for (const place of places) line(context, from[place % inputs], to[Math.floor(place / inputs)]);
    Object.assign(context, look);
    context.stroke();
  };
  context.setLineDash([2, 3]);
  stroke(dead, { strokeStyle: colour.faint, globalAlpha: 0.45, lineWidth: 1 });
  context.setLineDash([]);
  paths.forEach((places, index) => {
    const grade = Math.floor(index / (2 * TURNS));
    const strokeStyle = index % 2 ? colour.negative : colour.positive;
    stroke(places, { strokeStyle, globalAlpha: 0.25 + (0.7 * grade) / (GRADES - 1), lineWidth: 0.5 + 0.8 * grade });
  });
  context.globalAlpha = 1;
}

function drawGone(context, network, places, before, colour, fading) {
  context.beginPath();
  network.layers.forEach(({ mask, inputs }, index) => mask.forEach((kept, place) => {
    if (!kept && before[index][place]) line(context, places[index][place % inputs], places[index + 1][Math.floor(place / inputs)]);
  }));
  context.strokeStyle = colour;
  context.globalAlpha = 0.35 * fading;
  context.lineWidth = 1;
  context.stroke();
  context.globalAlpha = 1;
}

function drawUnits(context, network, places, onPath, answers, colour) {
  const last = places.length - 1;
  const isWide = places[0][0][0] > 4 * colour.size; // room for words beside the last layer; its colours say the same
  context.font = `${Math.round(0.8 * colour.size)}px ${colour.font}`;
  context.textBaseline = 'middle';
  places.forEach((column, layer) => {
    const radius = Math.max(2.5, Math.min(7, 0.35 * (column.length > 1 ? column[1][1] - column[0][1] : 20)));
    column.forEach(([x, y], unit) => {
      const works = onPath[layer][unit] && (layer === 0 || layer === last || answers[layer - 1][unit]);
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fillStyle = works ? (layer === last ? [colour.negative, colour.positive][unit] : colour.text) : colour.back;
      context.strokeStyle = works ? colour.back : colour.faint;
      context.fill();
      context.stroke();
      context.fillStyle = colour.text;
      if (layer === 0) {
        context.textAlign = 'right';
        context.fillText('xy'[unit], x - radius - 4, y);
      } else if (layer === last && isWide) {
        context.textAlign = 'left';
        context.fillText(['orange', 'blue'][unit], x + radius + 4, y);
      }
    });
  });
}
