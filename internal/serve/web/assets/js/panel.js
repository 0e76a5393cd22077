// The side panel: what the result means, the marked parts, and facts about the file.

import { make } from './dom.js';
import { bytes, count, percent, probability, scoreMeaning, scoreText, whereabouts } from './format.js';
import { uprightBox } from './orient.js';
import { grade, limits, rates } from './verdict.js';

const few = 5; // parts listed at first
const most = 40; // parts listed when the user asks for all

// listed are the parts of a list that are shown.
export const listed = (regions, all) => regions.slice(0, all ? most : few);

export function verdictPanel(root, answer, model) {
  const g = grade(answer);
  root.dataset.grade = g.name;
  root.replaceChildren(
    make('h2', { id: 'verdict-title' }, g.title),
    make('p', { class: 'meter', role: 'img', 'aria-label': `Strength of the evidence: ${g.level} of 3` },
      ...[1, 2, 3].map((n) => make('i', { class: n <= g.level ? `on level-${g.level}` : '' }))),
    make('p', {}, g.text),
    make('p', { class: 'quiet small' }, rates(g, model)),
    make('p', { class: 'proof' }, make('strong', {}, 'This is not proof.'), ' Look at the place yourself, ask for the original file, and check where it came from.'),
  );
}

// regionsPanel lists the parts. onSpot(box or null) is called when the pointer enters or leaves a
// part, onGo(box) when one is chosen, and onAll() when the user asks for the long list. Boxes are
// in stored pixels, before the EXIF orientation.
export function regionsPanel(root, { regions, fraction, matrix, size, own, all }, { onSpot, onGo, onAll }) {
  const pixels = size[0] * size[1];
  const shown = listed(regions, all);
  const list = shown.map((region, i) => {
    const place = whereabouts(uprightBox(matrix, region.box), size);
    return make('li', {}, make('button', {
      type: 'button',
      onmouseenter: () => onSpot(region.box), onmouseleave: () => onSpot(null),
      onfocus: () => onSpot(region.box), onblur: () => onSpot(null),
      onclick: () => onGo(region.box),
    },
    // The name of the button is its text. What only a screen reader says is between what is visible.
    make('span', { class: 'number' }, unseen('Part '), `${i + 1}`), unseen(', '),
    make('span', { class: 'place' }, place.charAt(0).toUpperCase() + place.slice(1), unseen(', '), make('small', {}, `${percent(region.area / pixels)} of the picture`)), unseen(', probability '),
    make('span', { class: 'level' }, probability(region.mean), make('small', {}, ' mean')), unseen(`, ${probability(region.peak)} at most. Show it.`)));
  });
  const more = regions.length - shown.length;
  root.replaceChildren(...[
    make('h2', { id: 'regions-title' }, 'Marked parts', make('span', { class: 'count' }, `${regions.length}`)),
    make('p', { class: 'quiet small' }, fraction ? `${percent(fraction)} of the picture ${own ? 'is over the threshold.' : 'is over the threshold that you set.'}` : 'Nothing is over the threshold.'),
    make('ol', {}, ...list),
    more > 0 && !all ? make('button', { type: 'button', class: 'button plain small', onclick: onAll }, `Show ${count(more, 'smaller part')}`) : null,
    more > 0 && all ? make('p', { class: 'quiet small' }, `and ${count(more, 'smaller part')}, listed in the JSON`) : null,
  ].filter(Boolean));
}

const unseen = (text) => make('span', { class: 'unseen' }, text);

export function limitsPanel(root, model) {
  root.replaceChildren(make('details', {}, make('summary', {}, 'False alarms and misses'),
    ...limits(model).flatMap(([title, list]) => [make('h3', {}, title), make('ul', {}, ...list.map((text) => make('li', {}, text)))])));
}

export function aboutPanel(root, { file, kind, answer, model }) {
  const row = (name, ...value) => [make('dt', {}, name), make('dd', {}, ...value)];
  root.replaceChildren(make('details', {},
    make('summary', {}, 'File and model'),
    make('dl', {},
      ...row('File', file.name),
      ...row('Size', `${answer.width} × ${answer.height} pixels, ${kind.label}, ${bytes(file.size)}`),
      ...(answer.warnings ?? []).flatMap((text) => row('Warning', text)),
      ...row('SHA-256', make('code', {}, answer.sha256)),
      ...row('Model', answer.model, model.description ? make('small', {}, model.description) : null),
      ...weights(answer).flatMap((text) => row('Weights', text)),
      ...licence(model).flatMap(([name, text]) => row(name, text)),
      ...row('Score', scoreText(answer), scoreMeaning(answer) ? make('small', {}, scoreMeaning(answer)) : null),
      ...(answer.orientation > 1 ? row('Orientation', `${answer.orientation} (EXIF). The page shows it upright; mask and JSON are in stored pixels.`) : []))));
}

// licence lists the terms of a model's weights as pairs of [name, text].
export function licence({ licence: terms }) {
  if (!terms) return [];
  const text = [terms.name, terms.note, terms.url].filter(Boolean).join(' · ');
  return [['Licence', text], ...(terms.attribution ? [['Authors', terms.attribution]] : [])];
}

// weights lists the files with the weights that made a result.
export function weights({ provenance }) {
  return (provenance?.weights ?? []).map(({ name, version, sha256 }) => [name, version && `version ${version}`, sha256 && `SHA-256 ${sha256}`].filter(Boolean).join(', '));
}
