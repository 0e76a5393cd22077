// Client of the server's API for jobs.

import { authorization, serverError, ServerError } from './api.js';

async function ask(path, { method = 'GET', body, headers = {}, signal } = {}) {
  let response;
  try {
    response = await fetch(path, { method, body, signal, headers: { ...authorization(), ...headers } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerError('offline', 'no response from the server');
  }
  if (!response.ok) throw serverError(response.status, response.headers.get('Retry-After'), await response.text());
  return response;
}

const path = (id, rest = '') => `v1/jobs/${encodeURIComponent(id)}${rest}`;

// list gives a page of jobs, and next, the cursor of the page that follows if there is one.
export const list = async (limit, cursor) => (await ask(`v1/jobs?${new URLSearchParams({ limit, ...(cursor && { cursor }) })}`)).json();

// submit sends a job; the key makes a repetition harmless.
export const submit = async (job, key) => (await ask('v1/jobs', {
  method: 'POST', body: JSON.stringify(job), headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
})).json();

export const change = async (id, what) => (await ask(path(id, `/${what}`), { method: 'POST' })).json();

export const remove = (id) => ask(path(id), { method: 'DELETE' });

export const results = async (id, format) => (await ask(path(id, `/results?format=${format}`))).blob();

export const map = async (id, item, name) => (await ask(path(id, `/maps/${item}/${name}`))).blob();

// lines reads a response by lines as they come.
async function* lines(response) {
  const decoder = new TextDecoder();
  let rest = '';
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    rest += decoder.decode(value, { stream: !done });
    const parts = rest.split('\n');
    rest = parts.pop();
    yield* parts;
    if (done) return;
  }
}

// records reads the records that there are.
export async function* records(id, signal) {
  for await (const line of lines(await ask(path(id, '/results'), { signal }))) if (line) yield JSON.parse(line);
}

// follow calls onStatus with each status of a job, until the job is over. EventSource cannot send a
// token, so the events are read here.
export async function follow(id, onStatus, signal) {
  let name = '';
  for await (const line of lines(await ask(path(id, '/events'), { signal }))) {
    if (line.startsWith('event: ')) name = line.slice(7);
    else if (line.startsWith('data: ')) {
      const data = JSON.parse(line.slice(6));
      if (name === 'error') throw new ServerError(data.error.code, data.error.message);
      onStatus(data);
      if (name === 'end') return;
    }
  }
  throw new ServerError('offline', 'the server has ended the stream');
}
