// The bar above the thumbnails: how far all pictures are, what was found, and what can be done with
// all of them.

import { $ } from './dom.js';
import { count, duration } from './format.js';
import { grade } from './verdict.js';

export const isPending = (item) => ['waiting', 'sending', 'looking', 'busy'].includes(item.job?.state) && !item.refusal;
export const isDone = (item) => item.job?.state === 'done' && !item.refusal;

// suspicion orders items: analysed ones by the grade of the evidence, then by the score; then those
// that have no result.
function suspicion(a, b) {
  const rank = (item) => (isDone(item) ? 10 + grade(item.job.answer).level : isPending(item) ? 1 : 0);
  const score = (item) => (isDone(item) ? item.job.answer.score : 0);
  return rank(b) - rank(a) || score(b) - score(a) || a.number - b.number;
}

// sorted gives the items in an order: 'added' or 'suspicion'.
export const sorted = (items, order) => items.toSorted(order === 'suspicion' ? suspicion : (a, b) => a.number - b.number);

// Pace estimates how long pictures take, from the pixels that were analysed since work began.
class Pace {
  constructor() { this.since = null; }

  // note is called with all items when something has changed. It gives the milliseconds left; null if
  // they are not known yet.
  note(items, now = performance.now()) {
    const pending = items.filter(isPending);
    if (!pending.length) {
      this.since = null;
      return null;
    }
    if (this.since === null) {
      this.since = now;
      this.before = new Set(items.filter(isDone).map((item) => item.job));
    }
    const pixels = (list) => list.reduce((sum, { kind }) => sum + (kind.width * kind.height || 1e6), 0);
    const finished = items.filter((item) => isDone(item) && !this.before.has(item.job));
    if (finished.length < 2) return null;
    return (now - this.since) * pixels(pending) / pixels(finished);
  }
}

// findings counts the verdicts, the strongest first.
function findings(items) {
  const counts = new Map();
  for (const item of items.filter(isDone)) {
    const g = grade(item.job.answer);
    counts.set(g, (counts.get(g) ?? 0) + 1);
  }
  const list = [...counts].sort(([a], [b]) => b.level - a.level || a.name.localeCompare(b.name)).map(([g, n]) => `${g.title}: ${n}`);
  const failed = items.filter((item) => item.refusal || item.job?.state === 'failed').length;
  return [...list, ...(failed ? [`Not analysed: ${failed}`] : [])].join(' · ');
}

export class Batch {
  constructor({ onStop, onContinue, onSort, onReport, onZip }) {
    this.pace = new Pace();
    $('batch-stop').addEventListener('click', onStop);
    $('batch-continue').addEventListener('click', onContinue);
    $('batch-report').addEventListener('click', onReport);
    $('batch-zip').addEventListener('click', onZip);
    $('sort').addEventListener('change', onSort);
  }

  get order() { return $('sort').value; }

  // show shows the state of all items. making is {what, done, total} while files are made of them.
  show(items, making) {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#draw(items, making));
  }

  #draw(items, making) {
    $('batch').hidden = items.length < 2;
    const left = this.pace.note(items);
    const good = items.filter((item) => !item.refusal).length;
    const done = items.filter(isDone).length, pending = items.filter(isPending);
    const stopped = items.filter((item) => item.stopped).length;
    const bar = $('batch-progress');
    bar.hidden = !pending.length && !making;
    if (making) {
      bar.value = making.done / making.total;
      $('batch-words').textContent = `${making.what}: ${making.done} of ${making.total}`;
    } else {
      bar.value = (done + pending.reduce((sum, item) => sum + (item.job.state === 'looking' ? item.job.progress : 0), 0)) / Math.max(1, good);
      const time = pending.length && left !== null ? `, ${duration(left)} left` : '';
      $('batch-words').textContent = `${done} of ${count(good, 'picture')} analysed${stopped ? `, ${stopped} cancelled` : ''}${time}`;
    }
    $('batch-findings').textContent = findings(items);
    $('batch-stop').hidden = !pending.length && !making;
    $('batch-continue').hidden = !stopped || Boolean(making);
    for (const id of ['batch-report', 'batch-zip']) $(id).disabled = !done || Boolean(making);
  }
}
