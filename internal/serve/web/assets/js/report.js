// The report: one page with all that a reader needs to look at the same place and to repeat the
// analysis. The same article is printed, and saved as a file without references to others.

import { make } from './dom.js';
import { bytes, count, moment, percent, probability, scoreMeaning, scoreText, whereabouts } from './format.js';
import { uprightBox } from './orient.js';
import { licence, weights } from './panel.js';
import { grade, limits, rates } from './verdict.js';

const mostParts = 8;
const imageSide = 1200; // pixels: sharp on paper at half the width of a page, and still a small file

// fill builds the report into an article. result: {file, kind, answer, model, version, at,
// threshold, fraction, regions, own, opacity}.
export async function fill(article, scene, result) {
  const { file, answer } = result;
  const g = grade(answer);
  const parts = result.regions.slice(0, mostParts);
  article.replaceChildren(
    make('header', {}, make('p', { class: 'r-kind' }, 'declip report'), make('h1', {}, file.name), make('p', { class: 'r-time' }, moment(result.at))),
    make('div', { class: `r-images ${scene.size[0] > 2.2 * scene.size[1] ? 'r-wide' : ''}` },
      await figure(scene.draw('original', 0, imageSide), scene.picture ? 'The picture' : 'The picture: this browser cannot show its format'),
      await figure(numbered(scene, parts, result.opacity), `Heat map; outlines enclose what is over ${probability(result.threshold)}`)),
    make('section', { class: `r-verdict r-level-${g.level}` },
      make('h2', {}, g.title), make('p', {}, `${g.text} ${rates(g, result.model)}`),
      make('p', {}, make('strong', {}, 'This is not proof'), ', in either direction. Look at the place, ask for the original file, and check where it came from.')),
    make('div', { class: 'r-columns' },
      make('section', {}, make('h2', {}, 'Marked parts'), partsTable(parts, scene, result)),
      make('section', {}, make('h2', {}, 'Analysis'), facts(result))),
    make('section', { class: 'r-limits' },
      make('h2', {}, 'Limits'),
      ...limits(result.model).map(([title, list]) => make('p', {}, make('strong', {}, `${title}: `), sentences(list)))));
  await Promise.all([...article.querySelectorAll('img')].map((img) => img.decode().catch(() => {})));
}

const sentences = (list) => list.map((t) => t.charAt(0).toUpperCase() + t.slice(1).replace(/\.?$/, '.')).join(' ');

// image makes an element that holds a canvas as JPEG.
export async function image(canvas, alt) {
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.88 });
  const src = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
  return make('img', { src, alt, width: canvas.width, height: canvas.height });
}

async function figure(canvas, caption) {
  return make('figure', {}, await image(canvas, caption), make('figcaption', {}, caption));
}

// numbered draws the overlay with the number of each part.
function numbered(scene, parts, opacity) {
  const canvas = scene.draw('heat', opacity, imageSide);
  const longest = Math.max(...scene.size);
  scene.number(canvas.getContext('2d'), parts.map((part) => part.box), longest / 48);
  return canvas;
}

function partsTable(parts, scene, { regions, answer }) {
  if (!parts.length) return make('p', {}, 'None.');
  const pixels = answer.width * answer.height;
  const cell = (text) => make('td', {}, text);
  const rest = regions.length - parts.length;
  return make('div', {},
    make('table', {},
      make('thead', {}, make('tr', {}, ...['No.', 'Where', 'Share', 'Mean', 'Peak'].map((t) => make('th', { scope: 'col' }, t)))),
      make('tbody', {}, ...parts.map((part, i) => make('tr', {},
        cell(`${i + 1}`), cell(whereabouts(uprightBox(scene.matrix, part.box), scene.size)),
        cell(percent(part.area / pixels)), cell(probability(part.mean)), cell(probability(part.peak)))))),
    rest > 0 ? make('p', { class: 'r-rest' }, `and ${count(rest, 'smaller part')}`) : null);
}

function facts({ file, kind, answer, model, version, threshold, fraction, own }) {
  const rows = [
    ['Model', `${answer.model}${model.description ? `: ${model.description}` : ''}`],
    ['Program', [version ? `declip ${version}` : 'declip', answer.provenance?.engine].filter(Boolean).join(', ')],
    ...weights(answer).map((text) => ['Weights', text]),
    ['Threshold', own ? probability(threshold) : `${probability(threshold)}, set by hand (the model's is ${probability(answer.threshold)})`],
    ['Over threshold', `${percent(fraction)} of the picture`],
    ...licence(model),
    ['Score', [scoreText(answer), scoreMeaning(answer)].filter(Boolean).join('. ')],
    ['Picture', `${answer.width} × ${answer.height} pixels, ${kind.label}, ${bytes(file.size)}`],
    ['SHA-256', make('code', {}, answer.sha256)],
  ];
  return make('dl', {}, ...rows.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
}

// policy lets the saved file load and run nothing. A file has no server to send it as a header.
const policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
  + 'img-src data:; style-src \'unsafe-inline\'; base-uri \'none\'; form-action \'none\'">\n';

// asFile makes a standalone document of filled articles.
export async function asFile(articles, name) {
  const response = await fetch('assets/css/report.css');
  if (!response.ok) throw new Error('the report could not be made: the server does not respond');
  const style = await response.text();
  const bodies = articles.map((article) => {
    const body = article.cloneNode(true);
    body.removeAttribute('hidden');
    body.removeAttribute('id');
    return `${body.outerHTML}\n`;
  });
  const title = make('title', {}, `declip report: ${name}`);
  // Assembled as text: a document made here would be under the content security policy of this
  // page, which allows no inline styles.
  return new Blob(['<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n', policy, title.outerHTML,
    '\n<style>\n', style, '</style>\n</head>\n<body>\n<main>\n', ...bodies, '</main>\n</body>\n</html>\n'], { type: 'text/html' });
}
