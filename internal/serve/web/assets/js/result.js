// The result of the open picture at the current threshold: the marked parts, and files to save.

import { $, visible } from './dom.js';
import { count, stem, whereabouts } from './format.js';
import { uprightBox } from './orient.js';
import { listed, regionsPanel } from './panel.js';
import * as report from './report.js';
import { resultJSON, save } from './save.js';

export class Result {
  constructor({ item, model, version, at, scene }, stage, say) {
    Object.assign(this, { file: item.file, kind: item.kind, answer: item.job.answer, confidence: item.job.confidence, model, version, at, scene, stage, say });
    this.asked = 0;
  }

  get own() { return Math.abs(this.threshold - this.answer.threshold) < 1e-9; }
  get fraction() { return this.own ? this.answer.manipulated_fraction : this.scene.map.fraction(this.threshold); }

  // setThreshold redraws at once; the list of parts follows when the worker has counted them. At
  // the model's own threshold the list is exactly that of the server.
  async setThreshold(threshold) {
    if (threshold === this.threshold) return;
    const first = this.threshold === undefined;
    this.threshold = threshold;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.scene.setThreshold(threshold);
      this.stage.paint();
    });
    const turn = ++this.asked;
    this.counting = this.own ? Promise.resolve(this.answer.regions) : this.#count(turn);
    let regions;
    try {
      regions = await this.counting;
    } catch (error) {
      if (turn === this.asked) throw error;
    }
    if (turn !== this.asked) return; // another threshold was set, or the picture closed
    this.regions = regions;
    this.#list();
    if (!first) this.#announce();
  }

  // count asks the worker for the parts. It handles one request at a time, so that of several only
  // the last is sent.
  async #count(turn) {
    await this.last?.catch(() => {});
    if (turn !== this.asked) return null;
    this.last = this.scene.map.regions(this.threshold);
    return this.last;
  }

  #list() {
    const { regions, fraction, own, all, scene: { matrix, size } } = this;
    this.stage.set({ highlight: null, parts: listed(regions, all).map((region) => region.box) });
    regionsPanel($('regions'), { regions, fraction, own, all, matrix, size }, {
      onSpot: (box) => this.stage.set({ highlight: box }),
      onGo: (box) => this.stage.viewport.show(uprightBox(matrix, box)),
      onAll: () => this.#showAll(),
    });
    const largest = regions.length ? `, the largest: ${whereabouts(uprightBox(matrix, regions[0].box), size)}` : '';
    this.stage.main.firstElementChild.setAttribute('aria-label', visible(`${this.file.name}: ${count(regions.length, 'marked part')}${largest}`));
  }

  #showAll() {
    const before = $('regions').querySelectorAll('li').length;
    this.all = true;
    this.#list();
    $('regions').querySelectorAll('li button')[before]?.focus();
  }

  #announce() {
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => this.say(count(this.regions.length, 'marked part')), 600);
  }

  async #settled() {
    while (this.regions === undefined || this.regions !== await this.counting) await new Promise((next) => setTimeout(next, 20));
    return this;
  }

  async saveJSON() {
    save(resultJSON(await this.#settled()), `${stem(this.file.name)}.declip.json`);
  }

  async saveMask() {
    save(await this.scene.map.mask(this.threshold), `${stem(this.file.name)}.mask.png`);
  }

  // saveConfidence saves the map of how reliable the model holds its map to be.
  async saveConfidence() {
    save(this.confidence, `${stem(this.file.name)}.confidence.png`);
  }

  async saveOverlay() {
    const canvas = this.scene.draw('heat', this.stage.options.view === 'heat' ? this.stage.options.opacity : 0.7);
    save(await canvas.convertToBlob({ type: 'image/png' }), `${stem(this.file.name)}.overlay.png`);
  }

  async #report() {
    await this.#settled();
    const { file, kind, answer, model, version, at, threshold, fraction, regions, own } = this;
    await report.fill($('report'), this.scene, { file, kind, answer, model, version, at, threshold, fraction, regions, own, opacity: 0.7 });
    return $('report');
  }

  async saveReport() {
    save(await report.asFile([await this.#report()], this.file.name), `${stem(this.file.name)}.report.html`);
    this.say('Report saved');
  }

  async printReport() {
    await this.#report();
    $('report').hidden = false;
    const title = document.title;
    document.title = visible(`${stem(this.file.name)}.report`); // browsers propose it as the name of a PDF
    addEventListener('afterprint', () => {
      document.title = title;
      $('report').hidden = true;
    }, { once: true });
    print();
  }

  close() {
    this.asked++;
    cancelAnimationFrame(this.frame);
    this.scene.close();
  }
}
