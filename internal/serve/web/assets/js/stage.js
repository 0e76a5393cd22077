// The panes. They paint the open scene through the shared viewport, at most once per frame.

import { listen } from './gestures.js';
import { Viewport } from './viewport.js';
import { undo } from './orient.js';

export class Stage {
  // onProbe(value or null, view) is called with the map's value under the mouse. onKey(key) is
  // called for keys that are not the viewport's, and reports whether it handled them.
  constructor(root, { onProbe, onKey }) {
    this.panes = root.querySelector('#panes');
    this.original = root.querySelector('#pane-original');
    this.main = root.querySelector('#pane-map');
    this.viewport = new Viewport();
    this.options = { view: 'heat', opacity: 0.7, highlight: null, parts: [] };
    this.scene = null;
    this.glimpse = null;
    this.viewport.addEventListener('change', () => this.paint());
    for (const pane of [this.original, this.main]) {
      const canvas = pane.firstElementChild;
      listen(canvas, this.viewport, { onPoint: (x, y) => onProbe(this.#probe(x, y), this.options.view), onKey });
    }
    new ResizeObserver(() => this.#measure()).observe(this.panes);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.paint());
  }

  // open shows a scene. Until there is one, it shows a preview of the picture, or nothing.
  open(scene, glimpse = null) {
    this.scene = scene;
    this.glimpse = glimpse;
    this.options.parts = [];
    const shown = scene?.size ?? (glimpse ? [glimpse.width, glimpse.height] : [1, 1]);
    this.panes.style.setProperty('--ratio', shown[0] / shown[1]); // used when the page scrolls
    this.viewport.setPicture(...shown);
    this.#measure();
  }

  set(options) {
    Object.assign(this.options, options);
    this.paint();
  }

  sideBySide(on) {
    this.original.hidden = !on;
    this.panes.classList.toggle('two', on);
    this.#measure();
  }

  #measure() {
    this.#arrange();
    const canvas = this.main.firstElementChild;
    this.viewport.setPane(canvas.clientWidth, canvas.clientHeight);
    this.paint();
  }

  // arrange puts two panes side by side or one above the other, whichever shows the picture larger.
  #arrange() {
    const { clientWidth: w, clientHeight: h } = this.panes;
    const [pw, ph] = this.viewport.picture;
    const beside = Math.min(w / 2 / pw, h / ph), over = Math.min(w / pw, h / 2 / ph);
    this.panes.classList.toggle('rows', over > beside);
  }

  #probe(x, y) {
    if (!this.scene || x === undefined) return null;
    const [px, py] = this.viewport.toPicture(x, y);
    if (px < 0 || py < 0 || px >= this.scene.size[0] || py >= this.scene.size[1]) return null;
    const { map, confidence } = this.scene;
    return (this.options.view === 'confidence' && confidence ? confidence : map).at(...undo(this.scene.matrix, px, py));
  }

  paint() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.#paintPane(this.main.firstElementChild, this.options.view);
      if (!this.original.hidden) this.#paintPane(this.original.firstElementChild, 'original');
      // On a touch screen, a finger moves the picture only when a part of it is hidden.
      this.panes.classList.toggle('zoomed', !this.viewport.isFit);
    });
  }

  #paintPane(canvas, view) {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [width, height] = this.viewport.pane.map((v) => Math.round(v * ratio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext('2d');
    const { scale, offset: [x, y] } = this.viewport;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
    const { opacity, highlight, parts } = this.options;
    if (this.scene) this.scene.paint(context, { view, opacity, highlight, parts, density: scale * ratio, line: 1 / scale });
    else if (this.glimpse) context.drawImage(this.glimpse, 0, 0);
  }
}
