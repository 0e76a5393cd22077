// The overlay on the panes while there is no map: progress, or an error and what can be done.

import { make } from './dom.js';

// over shows {busy, progress} or {title, text, actions: [[label, run]]}; null clears it.
export function over(root, what) {
  root.hidden = !what;
  if (!what) {
    root.replaceChildren();
    return;
  }
  root.className = `over ${what.busy ? 'busy' : 'problem'}`;
  if (what.busy) {
    // Reused, so that its animation does not restart.
    if (!root.querySelector('.pill')) {
      root.replaceChildren(make('div', { class: 'pill' }, make('span', {}), make('progress', { 'aria-label': 'Progress', max: 1 })));
    }
    root.querySelector('span').textContent = what.busy;
    const bar = root.querySelector('progress');
    if (what.progress === null || what.progress === undefined) bar.removeAttribute('value');
    else bar.value = what.progress;
    return;
  }
  root.replaceChildren(make('div', { class: 'card', role: 'alert' },
    make('h2', {}, what.title), make('p', {}, what.text),
    make('p', { class: 'actions' }, ...(what.actions ?? []).map(([label, onclick]) => make('button', { type: 'button', class: 'button', onclick }, label)))));
}
