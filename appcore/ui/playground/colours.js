// Colours of the theme as canvases need them, and canvases as sharp as the screen.

// {text, faint, back, negative, positive, gone}: from the theme's variables; numbers of red, green and blue beside them for mixing.
export function colours(host) {
  const style = getComputedStyle(host);
  const theme = (name, otherwise) => style.getPropertyValue(`--st-${name}`).trim() || otherwise;
  const found = {
    text: theme('text-color', '#1B2430'),
    faint: theme('gray-text-color', '#5A6675'),
    back: theme('background-color', '#FFFFFF'),
    border: theme('border-color', '#DCE1E8'),
    negative: theme('orange-color', '#B4540A'),
    positive: theme('blue-color', '#1D5FA8'),
    gone: theme('red-color', '#B3261E'),
    font: style.fontFamily,
    size: parseFloat(style.fontSize),
  };
  return { ...found, rgb: { back: rgb(found.back), negative: rgb(found.negative), positive: rgb(found.positive) } };
}

function rgb(colour) {
  const context = new OffscreenCanvas(1, 1).getContext('2d');
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data.slice(0, 3);
}

// The context of a canvas, cleared, in CSS pixels: {context, width, height}.
export function cleared(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
