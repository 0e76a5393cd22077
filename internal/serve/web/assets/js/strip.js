// The row of thumbnails, each with its progress.

import { icon, make } from './dom.js';
import { grade } from './verdict.js';

// stateWords describes the state of an item, also for screen readers.
export function stateWords(item) {
  if (item.refusal) return item.refusal.title;
  const job = item.job;
  switch (job?.state) {
    case undefined: return item.stopped ? 'Cancelled' : 'Waiting';
    case 'waiting': return 'Waiting';
    case 'sending': return `Sending, ${Math.round(100 * job.progress)}%`;
    case 'looking': return lookingWords(job);
    case 'busy': return `Server busy, trying again in ${Math.max(1, Math.ceil((job.againAt - performance.now()) / 1000))} s`;
    case 'failed': return 'Failed';
    case 'done': return grade(job.answer).title;
  }
  return '';
}

// lookingWords describes how far the server is with a picture.
function lookingWords({ told }) {
  if (told?.state === 'waiting') return told.ahead ? `Waiting, ${told.ahead} before it` : 'Waiting, next in turn';
  if (!told?.total) return 'Analysing';
  return told.done < told.total ? `Analysing, tile ${told.done + 1} of ${told.total}` : 'Analysing, finishing';
}

const stateClass = (item) => (item.refusal || item.job?.state === 'failed' ? 'failed' : item.job?.state === 'done' ? `grade-${grade(item.job.answer).level}` : item.stopped ? 'stopped' : 'working');

export class Strip {
  constructor(nav, { onOpen, onRemove }) {
    Object.assign(this, { nav, onOpen, onRemove, list: nav.querySelector('ul') });
  }

  // add makes the entry of an item; update shows its state.
  add(item) {
    item.canvas = make('canvas', { 'aria-hidden': true, width: 1, height: 1 });
    item.mark = make('span', { class: 'mark', 'aria-hidden': true });
    item.words = make('span', { class: 'words' });
    item.button = make('button', { type: 'button', class: 'open', title: item.file.name, onclick: () => this.onOpen(item) },
      item.canvas, item.mark, make('span', { class: 'label' }, make('span', { class: 'name' }, item.file.name), item.words));
    item.entry = make('li', {}, item.button, make('button', {
      type: 'button', class: 'remove', 'aria-label': `Remove ${item.file.name}`, title: 'Remove', onclick: () => this.onRemove(item),
    }, icon('close')));
    this.list.append(item.entry);
  }

  update(item, current) {
    item.words.textContent = stateWords(item);
    item.entry.className = stateClass(item);
    if (item === current) item.button.setAttribute('aria-current', 'true');
    else item.button.removeAttribute('aria-current');
  }

  thumbnail(item) {
    if (!item.glimpse) return;
    const side = 96, { width, height } = item.glimpse;
    const scale = side / Math.min(width, height);
    Object.assign(item.canvas, { width: side, height: side });
    item.canvas.getContext('2d').drawImage(item.glimpse, (side - width * scale) / 2, (side - height * scale) / 2, width * scale, height * scale);
  }

  show(items) {
    this.nav.hidden = items.length < 2;
  }

  // order puts the entries into the order of the items, and leaves the focus where it is.
  order(items) {
    const entries = items.map((item) => item.entry);
    if (entries.every((entry, i) => entry === this.list.children[i])) return;
    const focused = document.activeElement;
    this.list.replaceChildren(...entries);
    if (this.list.contains(focused)) focused.focus({ preventScroll: true });
  }
}
