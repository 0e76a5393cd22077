// Holds the full probability map of the open picture outside of the page's thread. Messages in are
// {call, op, ...}, messages out {call, result} or {call, error}.

import { decodeGrey, encodeGrey } from './png.js';
import { findRegions, firstMarked } from './regions.js';

const maps = new Map(); // by key, until the page closes them

const operations = {
  // open decodes a PNG. It gives the map scaled down to at most `longest` pixels, and the number of
  // pixels of each of the 256 levels.
  async open({ key, png, longest }) {
    const full = await decodeGrey(new Uint8Array(png));
    maps.set(key, full);
    const levels = new Uint32Array(256);
    for (const v of full.data) levels[v]++;
    return { width: full.width, height: full.height, levels, small: shrink(full, longest) };
  },

  regions({ key, threshold }) {
    return findRegions(need(key), threshold);
  },

  // mask makes the same file as `declip localize`: 255 over the threshold, else 0.
  mask({ key, threshold }) {
    const { width, height, data } = need(key);
    const level = firstMarked(threshold);
    return encodeGrey(data.map((v) => (v >= level ? 255 : 0)), width, height);
  },

  close({ key }) {
    maps.delete(key);
  },
};

function need(key) {
  if (!maps.has(key)) throw new Error('the map is no longer open');
  return maps.get(key);
}

// shrink averages areas so that no side is longer than `longest`; smaller maps are copied.
function shrink(map, longest) {
  const scale = longest / Math.max(map.width, map.height);
  if (scale >= 1) return { ...map, data: map.data.slice() };
  const width = Math.max(1, Math.round(map.width * scale));
  const height = Math.max(1, Math.round(map.height * scale));
  const column = Uint32Array.from({ length: map.width }, (_, x) => Math.floor(x * width / map.width));
  const data = new Uint8Array(width * height);
  const sums = new Uint32Array(width), counts = new Uint32Array(width);
  for (let y = 0, row = 0; y < map.height; y++) {
    const line = map.data.subarray(y * map.width, (y + 1) * map.width);
    for (let x = 0; x < line.length; x++) {
      sums[column[x]] += line[x];
      counts[column[x]]++;
    }
    const next = Math.floor((y + 1) * height / map.height);
    if (next === row) continue;
    for (let x = 0; x < width; x++) data[row * width + x] = Math.round(sums[x] / counts[x]);
    sums.fill(0);
    counts.fill(0);
    row = next;
  }
  return { width, height, data };
}

onmessage = async ({ data: { call, op, ...rest } }) => {
  try {
    postMessage({ call, result: await operations[op](rest) });
  } catch (error) {
    postMessage({ call, error: error.message });
  }
};
