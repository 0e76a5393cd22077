// The jobs view: submit a job, follow it, look at its pictures.

import { describe, hasToken, setToken } from './api.js';
import { $, make, visible } from './dom.js';
import * as api from './jobs-api.js';
import { save } from './save.js';
import { failure } from './words.js';

const shownRecords = 200; // of a job; the rest is in the download
const perPage = 50; // jobs
let pages = 1; // of the list of jobs that are shown
let current = null; // {id, abort} of the job that is open
let key = crypto.getRandomValues(new Uint32Array(4)).join('-'); // of the next submission

const say = (text) => { $('said').textContent = visible(text); };

function notice(text) {
  const bar = make('p', { class: 'notice' }, text, make('button', { type: 'button', class: 'button plain small', onclick: () => bar.remove() }, 'Close'));
  $('notices').replaceChildren(bar);
}

// attempt runs a step that the user asked for, and shows its error.
async function attempt(step) {
  try {
    return await step();
  } catch (error) {
    if (error.name === 'AbortError') return undefined;
    const known = ['bad_request', 'conflict', 'not_found', 'busy', 'unavailable'].includes(error.code);
    notice(known ? `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.` : failure(error).text);
    return undefined;
  }
}

async function begin() {
  let described;
  try {
    described = await describe();
  } catch (error) {
    if (error.code === 'unauthorized') askToken();
    else notice(failure(error).text);
    return;
  }
  if (!described.jobs) {
    notice('This server takes no jobs.');
    return;
  }
  $('source').replaceChildren(...described.jobs.sources.map((name) => make('option', { value: name }, name)));
  $('model').replaceChildren(...described.models.map((m) => make('option', { value: m.name, selected: m.default }, m.name)));
  $('submit').hidden = $('list-part').hidden = false;
  await attempt(refresh);
}

function askToken() {
  $('token-wrong').hidden = !hasToken();
  $('token').addEventListener('close', () => {
    setToken($('token-value').value.trim());
    $('token-value').value = '';
    begin();
  }, { once: true });
  $('token').showModal();
}

const words = (job) => `${job.state}, ${job.done} of ${job.items} ${job.items === 1 ? 'picture' : 'pictures'}, ${job.flagged} flagged, ${job.failed} failed`;

// begun is when a job was submitted, in the reader's own time.
const begun = (job) => new Date(job.created).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });

async function refresh() {
  const jobs = [];
  let next;
  for (let i = 0; i < pages && (i === 0 || next); i++) {
    const page = await api.list(perPage, next);
    jobs.push(...page.jobs);
    next = page.next;
  }
  $('older').hidden = !next;
  $('none').hidden = jobs.length > 0;
  $('list').replaceChildren(...jobs.map((job) => make('li', {},
    make('button', { type: 'button', class: 'button small', 'aria-label': `Open job ${job.id}`, onclick: () => open(job) }, job.id),
    make('time', { class: 'quiet small', datetime: job.created }, begun(job)),
    make('span', { class: 'wide' }, `${job.source}, ${job.model}: ${words(job)}`))));
}

$('older').addEventListener('click', () => attempt(async () => {
  pages++;
  await refresh();
}));

$('submit').addEventListener('submit', async (event) => {
  event.preventDefault();
  const items = $('items').value.split('\n').map((line) => line.trim()).filter(Boolean);
  if (items.length && $('prefix').value) {
    notice('Fill in the beginning of names or the list, not both.');
    return;
  }
  const job = { source: $('source').value, model: $('model').value, maps: $('maps').value };
  Object.assign(job, items.length ? { items } : { prefix: $('prefix').value });
  $('send').disabled = true;
  const made = await attempt(() => api.submit(job, key));
  $('send').disabled = false;
  key = crypto.getRandomValues(new Uint32Array(4)).join('-');
  if (!made) return;
  if (made.left_out) notice(`${made.left_out} objects are not pictures and were left out, such as ${made.left_out_first[0].name}.`);
  await attempt(refresh);
  open(made);
});

// open shows a job and follows it.
async function open(job) {
  current?.abort.abort();
  const turn = { id: job.id, abort: new AbortController() };
  current = turn;
  $('job').hidden = false;
  $('job-title').textContent = `Job ${job.id}`;
  $('records').replaceChildren();
  $('records-words').textContent = '';
  $('job-title').focus();
  show(job);
  await attempt(async () => {
    await api.follow(job.id, (status) => turn === current && show(status), turn.abort.signal);
    if (turn === current) await showRecords(turn);
    await refresh();
  });
}

function show(job) {
  $('job-words').textContent = words(job) + (job.eta_s ? `, about ${Math.ceil(job.eta_s)} s left` : '') + (job.error ? `: ${job.error}` : '');
  $('job-progress').value = job.items ? job.done / job.items : 0;
  const over = ['done', 'failed', 'cancelled'].includes(job.state);
  const button = (label, act) => make('button', { type: 'button', class: 'button', onclick: () => attempt(act) }, label);
  const step = (what) => async () => open(await api.change(job.id, what));
  $('job-actions').replaceChildren(...[
    !over && job.state !== 'paused' && button('Pause', step('pause')),
    ['paused', 'failed'].includes(job.state) && button('Resume', step('resume')),
    !over && button('Cancel', step('cancel')),
    over && job.failed > 0 && button('Try failed pictures again', async () => open((await api.change(job.id, 'retry')).job)),
    button('Save as JSON lines', async () => save(await api.results(job.id, 'jsonl'), `${job.id}.jsonl`)),
    job.state === 'done' && button('Save as Parquet', async () => save(await api.results(job.id, 'parquet'), `${job.id}.parquet`)),
    over && button('Delete', async () => {
      await api.remove(job.id);
      $('job').hidden = true;
      current = null;
      await refresh();
    }),
  ].filter(Boolean));
  if (over) say(`Job ${job.id}: ${words(job)}`);
}

// rank puts flagged pictures first, by their scores, and those without a result before the rest.
const rank = (r) => (r.flagged ? 2 + (r.score ?? 0) : r.status === 'ok' ? (r.score ?? 0) - 1 : 1);

// showRecords lists the pictures of the job that rank highest.
async function showRecords(turn) {
  let best = [];
  let count = 0;
  const trim = () => { best = best.sort((a, b) => rank(b) - rank(a)).slice(0, shownRecords); };
  for await (const record of api.records(turn.id, turn.abort.signal)) {
    count++;
    best.push(record);
    if (best.length > 10 * shownRecords) trim();
  }
  trim();
  if (turn !== current) return;
  $('records-words').textContent = count > best.length ? `${best.length} of ${count} are shown; the download has all.` : '';
  $('records').replaceChildren(...best.map((r) => row(turn.id, r)));
}

// problem is why a picture has no result, without its name, which is next to it.
function problem(record) {
  const text = record.error?.message ?? '';
  return text.startsWith(`${record.image}: `) ? text.slice(record.image.length + 2) : text;
}

function row(id, record) {
  const item = make('li', {}, make('span', { class: record.flagged ? 'flagged' : undefined }, record.image),
    make('span', {}, record.status === 'ok' ? `${record.flagged ? 'flagged, ' : ''}score ${record.score?.toFixed(3) ?? 'unknown'}` : `${record.status}: ${problem(record)}`));
  for (const name of record.maps ?? []) {
    const button = make('button', { type: 'button', class: 'button small', 'aria-label': `Map of ${record.image}`, onclick: () => attempt(async () => {
      const url = URL.createObjectURL(await api.map(id, record.item, name));
      const image = make('img', { src: url, alt: `Probability map of ${record.image}`, onload: () => URL.revokeObjectURL(url) });
      button.replaceWith(image);
    }) }, 'Map');
    item.append(button);
  }
  return item;
}

begin();
