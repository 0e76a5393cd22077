// The page: its state, and how the modules work together.

import * as api from './api.js';
import { Controls } from './controls.js';
import { $, make, visible } from './dom.js';
import { takePictures } from './intake.js';
import { ProbabilityMap, unpack } from './map.js';
import { over } from './over.js';
import { aboutPanel, limitsPanel, verdictPanel } from './panel.js';
import { Picture } from './picture.js';
import { Queue } from './queue.js';
import { Result } from './result.js';
import { Scene } from './scene.js';
import { sniff } from './sniff.js';
import { Stage } from './stage.js';
import { stateWords, Strip } from './strip.js';
import { failure, refusal, unreadable } from './words.js';

const state = { items: [], current: null, models: [], model: null, limits: {}, version: '', result: null };
const queue = new Queue();
const stage = new Stage($('stage'), { onProbe: probe, onKey: (key) => controls.key(key) });
const controls = new Controls({ onOptions: (options) => stage.set(options), onThreshold: (t) => state.result?.setThreshold(t), onSide: (on) => stage.sideBySide(on) }, stage.viewport);
const strip = new Strip($('strip'), { onOpen: open, onRemove: remove });

const say = (text) => { $('said').textContent = visible(text); };

function notice(text, action) {
  const bar = make('p', { class: 'notice' }, text, action ? make('button', { type: 'button', class: 'button small', onclick: () => { bar.remove(); action.run(); } }, action.label) : null,
    make('button', { type: 'button', class: 'button plain small', onclick: () => bar.remove() }, 'Close'));
  $('notices').replaceChildren(bar);
}

// begin asks the server for its models, which everything else needs.
async function begin() {
  try {
    const { models, limits, version } = await api.describe();
    Object.assign(state, { models, limits: limits ?? {}, version: version ?? '' });
    $('model').replaceChildren(...models.map((m) => make('option', { value: m.name, selected: m.default }, m.name)));
    chooseModel($('model').value);
  } catch (error) {
    if (error.code === 'unauthorized') askToken();
    else notice(failure(error).text, { label: 'Try again', run: begin });
  }
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
    const item = { file, kind: null, refusal: null, jobs: new Map(), job: null, glimpse: null };
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
  const { answer } = item.job;
  const [picture, map] = await Promise.all([Picture.decode(item.file, answer), ProbabilityMap.open(item.job.map)]);
  const model = state.models.find((m) => m.name === answer.model) ?? state.model;
  return new Result({ item, model, version: state.version, at: item.job.at, scene: new Scene(picture, map, answer.orientation) }, stage, say);
}

function show(item, result) {
  const { answer } = item.job;
  state.result = result;
  stage.open(result.scene);
  over($('over'), null);
  $('panel').hidden = false;
  controls.enable(true);
  verdictPanel($('verdict'), answer);
  $('save-confidence').parentElement.hidden = !result.confidence;
  aboutPanel($('about'), { file: item.file, kind: item.kind, answer, model: result.model });
  result.setThreshold(controls.isOwn ? answer.threshold : controls.threshold);
  if (!result.scene.picture) notice(`This browser cannot show ${item.kind.label} pictures: the map is shown on a plain background.`);
  document.title = visible(`${item.file.name} · declip`);
}

// refresh updates the entry of an item, and the stage if the item is open.
function refresh(item) {
  strip.update(item, state.current);
  if (item !== state.current || state.result) return;
  controls.enable(false);
  $('panel').hidden = true;
  const job = item.job;
  if (item.refusal) {
    over($('over'), { ...item.refusal, actions: [['Remove', () => remove(item)]] });
  } else if (job?.state === 'failed') {
    const words = failure(job.error);
    over($('over'), { ...words, actions: [...(words.retry ? [['Try again', () => retry(item)]] : []), ['Remove', () => remove(item)]] });
  } else {
    over($('over'), { busy: stateWords(item), progress: job?.state === 'sending' ? job.progress : null });
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
  if (job.state === 'done' && item === state.current) open(item);
  else refresh(item);
});

function probe(p) {
  $('probe').hidden = p === null;
  if (p !== null) $('probe').textContent = `Probability here: ${p.toFixed(2)}`;
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
$('model').addEventListener('change', (event) => chooseModel(event.target.value));
$('privacy').textContent = `Pictures are sent only to the declip server at ${location.host}.`;
takePictures(add, notice);
begin();
