// Which part of the picture the panes show. All panes share one viewport and thus show the same
// part.

// Largest size of a picture pixel, in CSS pixels.
const largest = 16;

export class Viewport extends EventTarget {
  constructor() {
    super();
    this.picture = [1, 1]; // upright size
    this.pane = [1, 1]; // size of a pane in CSS pixels
    this.fit();
  }

  // scale is the number of CSS pixels per picture pixel.
  get scale() { return this.fitScale * this.zoom; }
  get fitScale() { return Math.min(this.pane[0] / this.picture[0], this.pane[1] / this.picture[1]); }
  get isFit() { return this.zoom <= 1.0001; }

  setPicture(width, height) {
    this.picture = [width, height];
    this.fit();
  }

  setPane(width, height) {
    if (this.pane[0] === width && this.pane[1] === height) return;
    this.pane = [Math.max(1, width), Math.max(1, height)];
    this.#moved();
  }

  fit() {
    this.zoom = 1;
    this.centre = [this.picture[0] / 2, this.picture[1] / 2];
    this.#moved();
  }

  // offset is the position of the picture's upper left corner in a pane, in CSS pixels.
  get offset() {
    return [0, 1].map((k) => this.pane[k] / 2 - this.centre[k] * this.scale);
  }

  toPicture(x, y) {
    const [ox, oy] = this.offset;
    return [(x - ox) / this.scale, (y - oy) / this.scale];
  }

  // zoomBy multiplies the zoom. The point of the picture at (x, y) of the pane stays there.
  zoomBy(factor, x = this.pane[0] / 2, y = this.pane[1] / 2) {
    const [px, py] = this.toPicture(x, y);
    const most = Math.max(1, largest / this.fitScale);
    this.zoom = Math.min(most, Math.max(1, this.zoom * factor));
    this.centre = [px + (this.pane[0] / 2 - x) / this.scale, py + (this.pane[1] / 2 - y) / this.scale];
    this.#moved();
  }

  panBy(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] - dy / this.scale];
    this.#moved();
  }

  // show zooms to a box of the picture, with a margin around it.
  show([x, y, width, height]) {
    const room = 3;
    const wanted = Math.min(this.pane[0] / (width * room), this.pane[1] / (height * room));
    this.zoom = Math.min(Math.max(1, wanted / this.fitScale), Math.max(1, 4 / this.fitScale));
    this.centre = [x + width / 2, y + height / 2];
    this.#moved();
  }

  // moved keeps the picture in the pane: centred if it is smaller, covering the pane if it is
  // larger.
  #moved() {
    for (const k of [0, 1]) {
      const half = this.pane[k] / 2 / this.scale;
      this.centre[k] = 2 * half >= this.picture[k] ? this.picture[k] / 2
        : Math.min(this.picture[k] - half, Math.max(half, this.centre[k]));
    }
    this.dispatchEvent(new Event('change'));
  }
}
