// The page: its state, and how the modules work together.

import * as api from './api.js';
import { Batch, isDone, isPending, sorted } from './batch.js';
import { Controls } from './controls.js';
import { $, make, visible } from './dom.js';
import { makeReport, makeZip } from './gather.js';
import { takePictures } from './intake.js';
import { ProbabilityMap, unpack } from './map.js';
import { over } from './over.js';
import { aboutPanel, limitsPanel, verdictPanel } from './panel.js';
import { Picture } from './picture.js';
import { Queue } from './queue.js';
import { Result } from './result.js';
import { save } from './save.js';
import { Scene } from './scene.js';
import { sniff } from './sniff.js';
import { Stage } from './stage.js';
import { stateWords, Strip } from './strip.js';
import { failure, refusal, unreadable } from './words.js';

const state = { items: [], current: null, models: [], model: null, limits: {}, version: '', result: null, making: null };
const queue = new Queue();
const stage = new Stage($('stage'), { onProbe: probe, onKey: (key) => controls.key(key) });
const controls = new Controls({ onOptions: (options) => stage.set(options), onThreshold: (t) => state.result?.setThreshold(t), onSide: (on) => stage.sideBySide(on) }, stage.viewport);
const strip = new Strip($('strip'), { onOpen: open, onRemove: remove });
const batch = new Batch({ onStop: stop, onContinue: proceed, onSort: arrange, onReport: () => gather('Report', makeReport, 'declip-report.html'), onZip: () => gather('ZIP file', makeZip, 'declip.zip') });
let added = 0; // pictures so far, for their order

const say = (text) => { $('said').textContent = visible(text); };

function notice(text, action) {
  const bar = make('p', { class: 'notice' }, text, action ? make('button', { type: 'button', class: 'button small', onclick: () => { bar.remove(); action.run(); } }, action.label) : null,
    make('button', { type: 'button', class: 'button plain small', onclick: () => bar.remove() }, 'Close'));
  $('notices').replaceChildren(bar);
}

// begin asks the server for its models, which everything else needs.
async function begin() {
  try {
    const { models, limits, version, stores_pictures: keeps, jobs } = await api.describe();
    Object.assign(state, { models, limits: limits ?? {}, version: version ?? '' });
    sayPrivacy(keeps);
    $('jobs-link').hidden = !jobs;
    $('model').replaceChildren(...models.map((m) => make('option', { value: m.name, selected: m.default }, m.name)));
    chooseModel($('model').value);
  } catch (error) {
    if (error.code === 'unauthorized') askToken();
    else notice(failure(error).text, { label: 'Try again', run: begin });
  }
}

// sayPrivacy says where pictures go, and whether they stay there.
function sayPrivacy(keeps) {
  $('privacy').classList.toggle('keeps', Boolean(keeps));
  $('privacy').textContent = `Pictures are sent only to the declip server at ${location.host}, which ${keeps ? 'keeps each picture and its result' : 'does not keep them'}.`;
}

function askToken() {
  const dialog = $('token');
  $('token-wrong').hidden = !api.hasToken();
  dialog.addEventListener('close', () => {
    if (dialog.returnValue !== 'use') {
      notice('This server accepts no pictures without a token.', { label: 'Enter a token', run: askToken });
      return;
    }
    api.setToken($('token-value').value.trim());
    $('token-value').value = '';
    begin();
  }, { once: true });
  dialog.showModal();
}

function chooseModel(name) {
  state.model = state.models.find((m) => m.name === name);
  if (!state.model) return;
  controls.setThreshold(state.model.threshold ?? 0.5, { own: true });
  limitsPanel($('limits'), state.model);
  for (const item of state.items) enqueue(item);
  if (state.current) open(state.current);
}

// add adds files of any kind; those that are not pictures are refused in their entry.
async function add(files) {
  const opened = !state.current;
  for (const file of files) {
    const item = { file, number: added++, kind: null, refusal: null, stopped: false, jobs: new Map(), job: null, glimpse: null };
    state.items.push(item);
    strip.add(item);
    try {
      item.kind = await sniff(file);
      item.refusal = refusal(file, item.kind, state.limits);
    } catch {
      item.refusal = unreadable;
    }
    if (!state.items.includes(item)) continue;
    if (!item.refusal) {
      enqueue(item);
      glimpses = glimpses.then(() => look(item));
    }
    if (item === state.items[0] && opened || files.length === 1) open(item);
    else refresh(item);
  }
  layout();
  arrange();
}

let glimpses = Promise.resolve(); // one at a time, so that many large pictures are not decoded at once

async function look(item) {
  if (!state.items.includes(item)) return;
  item.glimpse = await Picture.glimpse(item.file, 400);
  strip.thumbnail(item);
  if (item === state.current && !state.result) stage.open(null, item.glimpse);
}

// enqueue sends an item to the chosen model, unless the model has seen it or the type of the file
// is not known yet.
function enqueue(item) {
  if (!item.kind || item.refusal || !state.model) return;
  const { name } = state.model;
  item.stopped = false;
  if (!item.jobs.has(name)) {
    const job = queue.add(async (signal, onProgress) => {
      const { maps, ...answer } = await api.localize(item.file, { model: name, signal, onProgress });
      job.map = unpack(maps.prob);
      job.confidence = maps.confidence && unpack(maps.confidence);
      return answer;
    }, { first: item === state.current });
    job.item = item;
    item.jobs.set(name, job);
  }
  item.job = item.jobs.get(name);
  refresh(item);
}

// stop cancels what is waited for: the files that are being made or, if there are none, all pictures
// without a result.
function stop() {
  if (state.making) {
    state.making.abort.abort();
    return;
  }
  for (const item of state.items.filter(isPending)) {
    for (const [name, job] of item.jobs) { // also of the models that were chosen before
      if (job.state === 'done') continue;
      queue.drop(job);
      item.jobs.delete(name);
    }
    Object.assign(item, { job: null, stopped: true });
    refresh(item);
  }
  say('Cancelled');
}

// proceed analyses the pictures that were cancelled.
function proceed() {
  for (const item of state.items.filter((item) => item.stopped)) enqueue(item);
}

// arrange puts the thumbnails into the chosen order.
function arrange() {
  state.items = sorted(state.items, batch.order);
  strip.order(state.items);
  batch.show(state.items, state.making);
}

// gather makes one file of all analysed pictures and saves it.
async function gather(what, makeFile, name) {
  const items = state.items.filter(isDone);
  const others = state.items.filter((item) => !isDone(item)).map((item) => ({ name: item.file.name, why: stateWords(item) }));
  const making = { what, done: 0, total: items.length, abort: new AbortController() };
  state.making = making;
  const onStep = (done) => {
    making.done = done;
    batch.show(state.items, making);
  };
  onStep(0);
  try {
    save(await makeFile(items, others, { open: openScene, signal: making.abort.signal, onStep }), name);
    say(`${what} saved`);
  } catch (error) {
    if (making.abort.signal.aborted) say('Cancelled');
    else notice(`That did not work: ${error.message}.`);
  } finally {
    state.making = null;
    batch.show(state.items, null);
  }
}

function retry(item) {
  item.jobs.delete(state.model?.name);
  if (state.model) enqueue(item);
  else begin();
  open(item);
}

function remove(item) {
  const at = state.items.indexOf(item);
  for (const job of item.jobs.values()) queue.drop(job);
  state.items.splice(at, 1);
  item.entry.remove();
  item.glimpse?.close();
  if (item === state.current) {
    close();
    state.current = null;
    const next = state.items[Math.min(at, state.items.length - 1)];
    if (next) {
      open(next);
      next.button.focus();
    }
  }
  layout();
}

function layout() {
  const any = state.items.length > 0;
  const changed = $('work').hidden === any;
  $('start').hidden = any;
  $('work').hidden = !any;
  $('add').hidden = !any;
  strip.show(state.items);
  batch.show(state.items, state.making);
  document.body.classList.toggle('working', any);
  if (changed) (any ? $('main') : $('choose')).focus();
}

function close() {
  state.result?.close();
  state.result = null;
  stage.open(null, null);
  over($('over'), null);
}

let opening = 0;

// open shows an item: its result, its progress or its error.
async function open(item) {
  const before = state.current;
  state.current = item;
  layout();
  close();
  stage.open(null, item.glimpse);
  if (before && state.items.includes(before)) strip.update(before, item);
  refresh(item);
  const turn = ++opening;
  if (item.job?.state !== 'done') {
    if (item.job) queue.hurry(item.job);
    return;
  }
  try {
    const result = await load(item);
    if (turn !== opening) result.close();
    else show(item, result);
  } catch (error) {
    if (turn === opening) over($('over'), { title: 'The map could not be shown', text: `${error.message}.`, actions: [['Try again', () => open(item)]] });
  }
}

async function load(item) {
  const { scene, ...rest } = await openScene(item);
  return new Result({ item, at: item.job.at, scene, ...rest }, stage, say);
}

// openScene decodes a picture and its maps: {scene, model, version}. The caller closes the scene.
async function openScene(item) {
  const { answer } = item.job;
  const [picture, map, confidence] = await Promise.all([
    Picture.decode(item.file, answer), ProbabilityMap.open(item.job.map), item.job.confidence ? ProbabilityMap.open(item.job.confidence) : null,
  ]);
  const model = state.models.find((m) => m.name === answer.model) ?? state.model;
  return { scene: new Scene(picture, map, answer.orientation, confidence), model, version: state.version };
}

function show(item, result) {
  const { answer } = item.job;
  state.result = result;
  stage.open(result.scene);
  over($('over'), null);
  $('panel').hidden = false;
  controls.enable(true);
  verdictPanel($('verdict'), answer, result.model);
  controls.offerConfidence(Boolean(result.confidence));
  $('save-confidence').parentElement.hidden = !result.confidence;
  aboutPanel($('about'), { file: item.file, kind: item.kind, answer, model: result.model });
  result.setThreshold(controls.isOwn ? answer.threshold : controls.threshold);
  if (!result.scene.picture) notice(`This browser cannot show ${item.kind.label} pictures: the map is shown on a plain background.`);
  document.title = visible(`${item.file.name} · declip`);
}

// refresh updates the entry of an item, and the stage if the item is open.
function refresh(item) {
  strip.update(item, state.current);
  batch.show(state.items, state.making);
  if (item !== state.current || state.result) return;
  controls.enable(false);
  $('panel').hidden = true;
  const job = item.job;
  if (item.refusal) {
    over($('over'), { ...item.refusal, actions: [['Remove', () => remove(item)]] });
  } else if (job?.state === 'failed') {
    const words = failure(job.error);
    over($('over'), { ...words, actions: [...(words.retry ? [['Try again', () => retry(item)]] : []), ['Remove', () => remove(item)]] });
  } else if (item.stopped) {
    over($('over'), { title: 'Not analysed', text: 'You cancelled the analysis of this picture.', actions: [['Analyse', () => { enqueue(item); open(item); }], ['Remove', () => remove(item)]] });
  } else {
    over($('over'), { busy: job?.state === 'done' ? 'Opening' : stateWords(item), progress: job?.progress || null });
  }
}

queue.addEventListener('change', ({ detail: job }) => {
  const { item } = job;
  if (job.state === 'done') {
    job.at = new Date();
    say(`${item.file.name}: ${stateWords({ job })}`);
  }
  if (job.state === 'failed') say(`${item.file.name}: ${failure(job.error).title}`);
  if (job !== item.job) return;
  if (job.state === 'done') arrange();
  if (job.state === 'done' && item === state.current) open(item);
  else refresh(item);
});

function probe(p, view) {
  $('probe').hidden = p === null;
  if (p !== null) $('probe').textContent = `${view === 'confidence' ? 'Confidence' : 'Probability'} here: ${p.toFixed(2)}`;
}

for (const [id, act] of [['save-report', 'saveReport'], ['print-report', 'printReport'], ['save-overlay', 'saveOverlay'], ['save-mask', 'saveMask'], ['save-confidence', 'saveConfidence'], ['save-json', 'saveJSON']]) {
  $(id).addEventListener('click', async () => {
    try {
      await state.result?.[act]();
    } catch (error) {
      notice(`That did not work: ${error.message}.`);
    }
  });
}
// Results are only on this page: a reload or a closed tab loses them.
addEventListener('beforeunload', (event) => {
  if (state.items.length) event.preventDefault();
});
$('model').addEventListener('change', (event) => chooseModel(event.target.value));
takePictures(add, notice);
begin();
