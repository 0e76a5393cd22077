// Files made of all analysed pictures: one report, and a ZIP file with the report and each
// picture's own files.

import { make } from './dom.js';
import { moment, percent, scoreText, stem, whereabouts } from './format.js';
import { uprightBox } from './orient.js';
import { asFile, fill, image } from './report.js';
import { resultJSON } from './save.js';
import { grade } from './verdict.js';
import { Zip } from './zip.js';

const thumbnailSide = 160; // pixels

// each opens the pictures one after the other, so that only one is decoded at a time, and calls
// use(facts, scene). facts is as in report.fill, with the model's own threshold. onStep(done) is
// called after each. It stops when the signal does.
async function each(items, { open, signal, onStep }, use) {
  for (const [i, item] of items.entries()) {
    signal.throwIfAborted();
    const { scene, ...rest } = await open(item);
    try {
      const { answer, at } = item.job;
      await use({
        file: item.file, kind: item.kind, answer, at, confidence: item.job.confidence,
        threshold: answer.threshold, fraction: answer.manipulated_fraction, regions: answer.regions, own: true, opacity: 0.7, ...rest,
      }, scene);
    } finally {
      scene.close();
    }
    onStep(i + 1);
  }
}

// makeReport gives the report of all pictures as a Blob. others are items without a result, which
// the report lists with their reasons: {name, why}. also(facts, scene), if given, is called for each
// picture while it is open.
export async function makeReport(items, others, steps, also = null) {
  const articles = [], rows = [];
  await each(items, steps, async (facts, scene) => {
    await also?.(facts, scene);
    const article = make('article', { class: 'report' });
    await fill(article, scene, facts);
    articles.push(article);
    rows.push(await overviewRow(facts, scene, rows.length + 1));
  });
  return asFile([overview(rows, others, items), ...articles], `${items.length} pictures`);
}

async function overviewRow({ file, answer, regions }, scene, number) {
  const cell = (...content) => make('td', {}, ...content);
  const picture = await image(scene.draw('heat', 0.7, thumbnailSide), '');
  const place = regions.length ? whereabouts(uprightBox(scene.matrix, regions[0].box), scene.size) : '–';
  return make('tr', {}, cell(`${number}`), cell(picture), cell(file.name), cell(grade(answer).title),
    cell(percent(answer.manipulated_fraction)), cell(place), cell(scoreText(answer)));
}

function overview(rows, others, items) {
  const names = ['No.', 'Map', 'Name', 'Verdict', 'Marked', 'Largest part', 'Score'];
  return make('article', { class: 'report r-overview' },
    make('header', {}, make('p', { class: 'r-kind' }, 'declip report'), make('h1', {}, `${items.length} pictures`), make('p', { class: 'r-time' }, moment(new Date()))),
    make('p', { class: 'r-proof' }, make('strong', {}, 'This is not proof'), ', in either direction. Look at the places, ask for the original files, and check where they came from.'),
    make('table', {},
      make('thead', {}, make('tr', {}, ...names.map((t) => make('th', { scope: 'col' }, t)))),
      make('tbody', {}, ...rows)),
    others.length ? make('section', {}, make('h2', {}, 'Not analysed'),
      make('ul', {}, ...others.map(({ name, why }) => make('li', {}, `${name}: ${why}`)))) : null);
}

// makeZip gives a ZIP file as a Blob: report.html, summary.csv, and for each picture its JSON, mask,
// overlay and, if the model gives one, confidence.
export async function makeZip(items, others, steps) {
  const zip = new Zip();
  for (const name of ['report', 'summary']) zip.free(name);
  const lines = [['file', 'sha256', 'verdict', 'score', 'score_kind', 'manipulated_fraction', 'regions', 'threshold', 'model']];
  const report = await makeReport(items, others, steps, async (facts, scene) => {
    const { answer, file } = facts;
    const name = zip.free(stem(file.name));
    await zip.add(`${name}.declip.json`, resultJSON(facts));
    await zip.add(`${name}.mask.png`, await scene.map.mask(facts.threshold));
    await zip.add(`${name}.overlay.png`, await scene.draw('heat', facts.opacity).convertToBlob({ type: 'image/png' }));
    if (facts.confidence) await zip.add(`${name}.confidence.png`, facts.confidence);
    lines.push([file.name, answer.sha256, grade(answer).title, answer.score, answer.score_kind, answer.manipulated_fraction, answer.regions.length, answer.threshold, answer.model]);
  });
  for (const { name, why } of others) lines.push([name, '', `Not analysed: ${why}`, ...lines[0].slice(3).fill('')]);
  await zip.add('report.html', report);
  await zip.add('summary.csv', new Blob([lines.map(csvLine).join('')], { type: 'text/csv' }));
  return zip.finish();
}

// csvLine writes one line (RFC 4180). Spreadsheets compute a cell that begins like a formula, so such
// a name gets an apostrophe.
const csvLine = (cells) => `${cells.map((cell) => {
  const text = typeof cell === 'string' ? cell.replace(/^(?=[=+\-@\t\r])/, "'") : `${cell}`;
  return `"${text.replaceAll('"', '""')}"`;
}).join(',')}\r\n`;
