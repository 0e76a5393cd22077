// The controls around the panes: view, opacity, threshold, zoom.

import { gradient, greys } from './colour.js';
import { $ } from './dom.js';
import { probability } from './format.js';

const views = ['original', 'heat', 'mask', 'outline', 'confidence'];
export const viewNames = { original: 'Original', heat: 'Heat map', mask: 'Mask', outline: 'Outline', confidence: 'Confidence' };

// What the colours of a view show, and the gradient of the legend.
const legends = { heat: ['Colours: probability from ', gradient], confidence: ['Greys: confidence of the model in its map, from ', greys] };

export class Controls {
  constructor({ onOptions, onThreshold, onSide }, viewport) {
    Object.assign(this, { onOptions, onThreshold, view: 'heat', opacity: { original: 1, heat: 0.7, mask: 1, outline: 1, confidence: 1 }, side: false });
    this.setThreshold(0.5, { own: true });
    $('views').addEventListener('change', (event) => this.#setView(event.target.value));
    $('opacity').addEventListener('input', (event) => {
      this.opacity[this.view] = event.target.value / 100;
      this.#tell();
    });
    $('threshold').addEventListener('input', (event) => this.setThreshold(event.target.value / 100));
    $('threshold-reset').addEventListener('click', () => {
      this.setThreshold(this.ownThreshold, { own: true });
      $('threshold').focus();
    });
    $('side').addEventListener('click', () => {
      this.side = !this.side;
      $('side').setAttribute('aria-pressed', this.side);
      $('map-caption').hidden = !this.side;
      onSide(this.side);
    });
    this.#zoom(viewport);
    this.#tell();
  }

  get isOwn() { return Math.abs(this.threshold - this.ownThreshold) < 1e-9; }

  #zoom(viewport) {
    $('zoom-in').addEventListener('click', () => viewport.zoomBy(1.5));
    $('zoom-out').addEventListener('click', () => viewport.zoomBy(1 / 1.5));
    $('zoom-fit').addEventListener('click', () => viewport.fit());
    viewport.addEventListener('change', () => {
      $('zoom-now').textContent = viewport.isFit ? 'Fit' : `${Math.round(100 * viewport.scale)}%`;
      $('zoom-out').disabled = viewport.isFit;
    });
  }

  #setView(view) {
    this.view = view;
    $('map-caption').textContent = viewNames[view];
    document.querySelector(`input[name=view][value=${view}]`).checked = true;
    this.#tell();
  }

  // offerConfidence shows the view of the confidence for models that give one.
  offerConfidence(on) {
    $('view-confidence').hidden = !on;
    if (!on && this.view === 'confidence') this.#setView('heat');
  }

  // key switches the view for keys 1 to 5, and reports whether it did.
  key(key) {
    const view = views[key - 1];
    if (!view || view === 'confidence' && $('view-confidence').hidden) return false;
    this.#setView(view);
    return true;
  }

  #tell() {
    const opacity = this.opacity[this.view];
    const slider = $('opacity');
    slider.value = Math.round(100 * opacity);
    slider.disabled = this.view === 'original' || this.off;
    $('opacity-now').textContent = this.view === 'original' ? '–' : `${slider.value}%`;
    const legend = legends[this.view];
    $('legend').hidden = this.off || !legend;
    if (legend) {
      $('legend').firstElementChild.textContent = legend[0];
      document.querySelector('#legend i').style.backgroundImage = legend[1];
    }
    this.onOptions({ view: this.view, opacity });
  }

  // setThreshold moves the threshold; with `own` it also becomes the one that Reset returns to.
  setThreshold(threshold, { own = false } = {}) {
    this.threshold = threshold;
    if (own) this.ownThreshold = threshold;
    $('threshold').value = Math.round(100 * threshold);
    $('threshold').setAttribute('aria-valuetext', probability(threshold));
    $('threshold-now').textContent = probability(threshold);
    $('threshold-reset').hidden = this.isOwn;
    this.onThreshold(threshold);
  }

  enable(on) {
    this.off = !on;
    for (const element of document.querySelectorAll('#views, #threshold, #side, #zoom-in, #zoom-fit')) element.disabled = !on;
    this.#tell();
  }
}
