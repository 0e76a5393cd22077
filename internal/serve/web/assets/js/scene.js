// A picture with its map, painted in any view on a pane or into a file.

import { Layer } from './colour.js';
import { Tracer } from './contour.js';
import { upright, uprightBox, uprightSize } from './orient.js';
import { firstMarked } from './regions.js';

export class Scene {
  // picture may be null; then the map is painted on a plain background. confidence is the map of how
  // reliable the model holds its map to be; null for models that give none.
  constructor(picture, map, orientation, confidence = null) {
    Object.assign(this, { picture, map, confidence });
    this.matrix = upright(orientation, map.width, map.height);
    this.size = uprightSize(orientation, map.width, map.height);
    this.heat = new Layer(map.small);
    this.heat.paintHeat();
    this.mask = new Layer(map.small);
    if (confidence) {
      this.sure = new Layer(confidence.small);
      this.sure.paintGrey();
    }
    this.tracer = new Tracer(map.small);
    this.setThreshold(0.5);
  }

  setThreshold(threshold) {
    if (threshold === this.threshold) return;
    this.threshold = threshold;
    const level = firstMarked(threshold);
    this.mask.paintMask(level);
    this.outline = this.tracer.trace(level - 0.5, this.map.width, this.map.height);
  }

  // paint draws the upright picture with its upper left corner at the context's origin. `density`
  // is the number of device pixels per picture pixel, `line` the number of picture pixels per CSS
  // pixel, so that lines have the same width at every zoom.
  // `parts` are boxes that get their numbers where the view shows them.
  paint(context, { view, opacity, density, line, highlight, parts = [] }) {
    const { map } = this;
    context.save();
    context.imageSmoothingEnabled = density < 3;
    context.imageSmoothingQuality = 'medium';
    if (this.picture) this.picture.draw(context, density);
    else this.#ground(context);
    context.imageSmoothingEnabled = true;
    context.transform(...this.matrix);
    context.globalAlpha = opacity;
    if (view === 'heat') context.drawImage(this.heat.canvas, 0, 0, map.width, map.height);
    if (view === 'mask') context.drawImage(this.mask.canvas, 0, 0, map.width, map.height);
    if (view === 'confidence' && this.sure) context.drawImage(this.sure.canvas, 0, 0, map.width, map.height);
    context.globalAlpha = view === 'outline' ? opacity : 1;
    if (view === 'heat' || view === 'outline') this.#line(context, line, view === 'outline' ? 1.3 : 1);
    context.restore();
    if (highlight) this.#spot(context, uprightBox(this.matrix, highlight), line);
    if (view === 'heat' || view === 'outline') this.number(context, parts, 11 * line);
  }

  // number draws the number of each part, 1, 2, ..., at the upper left corner of its box, as a disc of
  // the given radius in picture pixels. That of the first part is on top of the others.
  number(context, parts, radius) {
    const [width, height] = this.size;
    const inside = (v, most) => Math.min(Math.max(most - radius, most / 2), Math.max(Math.min(radius, most / 2), v));
    context.save();
    context.font = `600 ${radius * 1.25}px sans-serif`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (let i = parts.length - 1; i >= 0; i--) {
      const [x, y] = uprightBox(this.matrix, parts[i]);
      const cx = inside(x, width), cy = inside(y, height);
      for (const [colour, r] of [['#fff', radius], ['#17212b', radius * 0.86]]) {
        context.fillStyle = colour;
        context.beginPath();
        context.arc(cx, cy, r, 0, 2 * Math.PI);
        context.fill();
      }
      context.fillStyle = '#fff';
      context.fillText(`${i + 1}`, cx, cy + radius * 0.06);
    }
    context.restore();
  }

  #ground(context) {
    context.fillStyle = '#8a8f96';
    context.fillRect(0, 0, ...this.size);
  }

  // line strokes the outline in white with a dark rim, so that it is visible on any background.
  #line(context, line, weight) {
    context.lineJoin = context.lineCap = 'round';
    context.strokeStyle = 'rgb(0 0 0 / .65)';
    context.lineWidth = 3.8 * weight * line;
    context.stroke(this.outline);
    context.strokeStyle = '#fff';
    context.lineWidth = 1.8 * weight * line;
    context.stroke(this.outline);
  }

  // spot dims everything but a box, and frames the box.
  #spot(context, [x, y, w, h], line) {
    const room = 6 * line;
    const frame = new Path2D();
    frame.roundRect(x - room, y - room, w + 2 * room, h + 2 * room, 5 * line);
    const around = new Path2D(frame);
    around.rect(-room, -room, this.size[0] + 2 * room, this.size[1] + 2 * room);
    context.save();
    context.fillStyle = 'rgb(8 12 18 / .42)';
    context.fill(around, 'evenodd');
    context.strokeStyle = 'rgb(0 0 0 / .7)';
    context.lineWidth = 5 * line;
    context.stroke(frame);
    context.strokeStyle = '#ffd84a';
    context.lineWidth = 2.5 * line;
    context.stroke(frame);
    context.restore();
  }

  // draw makes a canvas of the upright picture, no side longer than `longest`.
  draw(view, opacity, longest = Infinity) {
    const scale = Math.min(1, longest / Math.max(...this.size));
    const [width, height] = this.size.map((v) => Math.max(1, Math.round(v * scale)));
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d');
    context.scale(width / this.size[0], height / this.size[1]);
    // As wide as the line of `declip localize`, which grows with the picture.
    const line = Math.max(1, Math.min(...this.size) * scale / 900) / scale;
    this.paint(context, { view, opacity, density: scale, line });
    return canvas;
  }

  close() {
    this.picture?.close();
    this.map.close();
    this.confidence?.close();
  }
}
