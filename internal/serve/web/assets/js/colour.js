// Layers painted from a map: the heat map in the colours of declip's overlays, and the mask.

// In equal steps of probability. Lightness rises evenly, so that the order also shows in greyscale.
const stops = [
  [64, 40, 130], [112, 38, 142], [166, 42, 130], [212, 60, 96], [240, 96, 52], [250, 146, 22], [253, 190, 36], [255, 228, 74],
];

// cover is the opacity of a probability, before that of the slider. It is 0 up to 0.06, so that the
// noise floor of a map does not tint the picture, and then rises smoothly.
const cover = (p) => {
  const t = Math.min(Math.max((p - 0.06) / 0.74, 0), 1);
  return t * t * (3 - 2 * t);
};

const little = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
const pack = (r, g, b, a) => (little ? (a << 24) | (b << 16) | (g << 8) | r : (r << 24) | (g << 16) | (b << 8) | a) >>> 0;

const heat = Uint32Array.from({ length: 256 }, (_, i) => {
  const p = i / 255, at = p * (stops.length - 1);
  const k = Math.min(Math.floor(at), stops.length - 2);
  const [r, g, b] = stops[k].map((v, c) => Math.round(v + (at - k) * (stops[k + 1][c] - v)));
  return pack(r, g, b, Math.round(255 * cover(p)));
});

// gradient is the CSS gradient of the heat map's colours, for the legend.
export const gradient = `linear-gradient(to right, ${stops.map((s) => `rgb(${s.join(' ')})`).join(', ')})`;

// greys is that of a map of confidence.
export const greys = 'linear-gradient(to right, #000, #fff)';

// Layer is a canvas of the map's size, which is repainted in place.
export class Layer {
  constructor({ width, height, data }) {
    this.canvas = new OffscreenCanvas(width, height);
    this.context = this.canvas.getContext('2d');
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.data = data;
  }

  #paint(table) {
    const { pixels, data } = this;
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[data[i]];
    this.context.putImageData(this.image, 0, 0);
  }

  paintHeat() { this.#paint(heat); }

  // paintGrey paints 0 black and 255 white.
  paintGrey() {
    this.#paint(Uint32Array.from({ length: 256 }, (_, v) => pack(v, v, v, 255)));
  }

  // paintMask paints pixels of at least `level`, 0 to 255, white and the others black.
  paintMask(level) {
    this.#paint(Uint32Array.from({ length: 256 }, (_, v) => (v >= level ? pack(255, 255, 255, 255) : pack(0, 0, 0, 255))));
  }
}
