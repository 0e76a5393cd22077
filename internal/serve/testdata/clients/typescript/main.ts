// Calls a declip server with the types that openapi-typescript generates, through openapi-fetch:
// node main.js URL PICTURE. It prints what it got; the test compares that.

import { readFile } from 'node:fs/promises';
import createClient from 'openapi-fetch';
import type { components, paths } from './api.js';

const [, , url, path] = process.argv as [string, string, string, string];
// A client for each media type of the answers: the types of their data differ.
const client = createClient<paths, 'application/json'>({ baseUrl: url });
const pictures = createClient<paths, 'image/png'>({ baseUrl: url });
const picture = new Blob([new Uint8Array(await readFile(path))], { type: 'image/png' });

// The bytes of a picture are the body as they are.
const raw = { body: picture as unknown as string, bodySerializer: (body: unknown) => body as Blob, headers: { 'Content-Type': 'image/png' } };

function need<T>(data: T | undefined, error: unknown): T {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

const localized = await client.POST('/v1/localize', { params: { query: { threshold: 0.4, maps: 'none' } }, ...raw });
const result: components['schemas']['Result'] = need(localized.data, localized.error);
console.log('localize', result.width, result.height, result.format, result.regions.length);

const masked = await client.POST('/v1/localize', { params: { query: { mask: 'rle', maps: 'none' } }, ...raw });
const { mask } = need(masked.data, masked.error);
console.log('mask', mask?.size, Array.isArray(mask?.counts) && mask.counts.length > 1);

const form = new FormData();
form.append('image', picture, 'a.png');
form.append('image', new Blob(['no picture']), 'b.png');
const both = await client.POST('/v1/batch', { body: form as unknown as { image: string[] }, bodySerializer: (body: unknown) => body as FormData });
const [first, second] = need(both.data, both.error).results;
if (!first || !second || !('width' in first) || !('error' in second)) throw new Error('unexpected results of the batch');
console.log('batch', first.image, first.width, second.error.code);

const models = await client.GET('/v1/models');
const { models: list, limits } = need(models.data, models.error);
console.log('models', list[0]?.name, list[0]?.default, limits.max_batch_pictures);

const linked = await client.POST('/v1/localize', { params: { query: { maps: 'links' } }, ...raw });
const id = need(linked.data, linked.error).maps!.prob.split('/')[3]!;
const map = await pictures.GET('/v1/maps/{id}/{view}', { params: { path: { id, view: 'prob.png' } }, parseAs: 'arrayBuffer' });
console.log('maps', map.response.status, new Uint8Array(map.data as unknown as ArrayBuffer)[1] === 0x50);

const alive = await client.GET('/healthz'), ready = await client.GET('/readyz');
console.log('status', need(alive.data, alive.error).status, need(ready.data, ready.error).status);

const refused = await client.POST('/v1/localize', { ...raw, body: new Blob(['no picture']) as unknown as string });
console.log('refused', refused.response.status, refused.error?.error.code);
