// The plane: which class the network gives to every place, and the points themselves on top.
import { cleared } from './colours.js';
import { forward } from './passes.js';

const REACH = 1.12; // how far beyond the outermost point the picture goes

export class PlanePicture {
  constructor(points) {
    this.points = points;
    this.grids = new Map();
    const axes = [points.x.subarray(0, points.count), points.x.subarray(points.count)];
    const [low, high] = [Math.min, Math.max].map((pick) => axes.map((values) => values.reduce((best, value) => pick(best, value))));
    this.centre = low.map((value, axis) => (value + high[axis]) / 2);
    this.reach = (REACH * Math.max(high[0] - low[0], high[1] - low[1])) / 2;
  }

  // `cells` on a side: few while the network trains, more when it stands still.
  draw(canvas, network, cells, colour) {
    const { context, width, height } = cleared(canvas);
    if (!width) return;
    const grid = this.gridOf(cells);
    const logits = forward(network, grid.x, cells * cells).at(-1);
    const { back, negative, positive } = colour.rgb;
    const pixels = grid.image.data;
    const all = cells * cells;
    for (let at = 0; at < all; at++) {
      const share = 1 / (1 + Math.exp(logits[at] - logits[all + at])); // of the second class
      const side = share > 0.5 ? positive : negative;
      const strength = 0.12 + 0.76 * Math.abs(2 * share - 1);
      for (let channel = 0; channel < 3; channel++) pixels[4 * at + channel] = back[channel] + strength * 0.7 * (side[channel] - back[channel]);
    }
    grid.context.putImageData(grid.image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(grid.canvas, 0, 0, width, height);
    context.drawImage(this.dotsOf(canvas, width, height, colour), 0, 0, width, height);
  }

  gridOf(cells) {
    let grid = this.grids.get(cells);
    if (!grid) {
      const x = new Float64Array(2 * cells * cells);
      for (let row = 0; row < cells; row++) {
        for (let column = 0; column < cells; column++) {
          x[row * cells + column] = this.centre[0] + this.reach * ((2 * (column + 0.5)) / cells - 1);
          x[cells * cells + row * cells + column] = this.centre[1] + this.reach * (1 - (2 * (row + 0.5)) / cells);
        }
      }
      const canvas = new OffscreenCanvas(cells, cells);
      const context = canvas.getContext('2d');
      const image = context.createImageData(cells, cells);
      image.data.fill(255);
      grid = { x, canvas, context, image };
      this.grids.set(cells, grid);
    }
    return grid;
  }

  // The points do not move: drawn once for each size and theme.
  dotsOf(canvas, width, height, colour) {
    const wanted = [canvas.width, canvas.height, colour.back, colour.positive].join();
    if (this.dots?.wanted === wanted) return this.dots.canvas;
    const drawn = new OffscreenCanvas(canvas.width, canvas.height);
    const context = drawn.getContext('2d');
    context.scale(canvas.width / width, canvas.height / height);
    const { x, y, count } = this.points;
    for (let point = 0; point < count; point++) {
      context.beginPath();
      const across = (width / 2) * (1 + (x[point] - this.centre[0]) / this.reach);
      const down = (height / 2) * (1 - (x[count + point] - this.centre[1]) / this.reach);
      context.arc(across, down, Math.max(2, width / 110), 0, 2 * Math.PI);
      context.fillStyle = y[point] ? colour.positive : colour.negative;
      context.strokeStyle = colour.back;
      context.lineWidth = 0.8;
      context.fill();
      context.stroke();
    }
    this.dots = { wanted, canvas: drawn };
    return drawn;
  }
}
