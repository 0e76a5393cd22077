// The probability map of one picture: small enough to draw with here, whole in the worker.

const worker = new Worker(new URL('map-worker.js', import.meta.url), { type: 'module' });
const waiting = new Map();
let calls = 0;

worker.onmessage = ({ data: { call, result, error } }) => {
  const { resolve, reject } = waiting.get(call);
  waiting.delete(call);
  if (error === undefined) resolve(result);
  else reject(new Error(error));
};

function ask(op, rest, transfer = []) {
  return new Promise((resolve, reject) => {
    calls++;
    waiting.set(calls, { resolve, reject });
    worker.postMessage({ call: calls, op, ...rest }, transfer);
  });
}

// A map is drawn and outlined at this many pixels at most; lists and files use all.
const longest = 1024;
let keys = 0;

export class ProbabilityMap {
  // open reads a PNG out of a data: URL or a link of this server.
  static async open(url) {
    const key = ++keys;
    const png = await bytesOf(url);
    const opened = await ask('open', { key, png, longest }, [png]);
    return new ProbabilityMap(key, opened);
  }

  constructor(key, { width, height, levels, small }) {
    Object.assign(this, { key, width, height, small });
    // over[v] counts the pixels of level v and more.
    this.over = new Uint32Array(257);
    for (let v = 255; v >= 0; v--) this.over[v] = this.over[v + 1] + levels[v];
  }

  // fraction is the share of pixels over the threshold.
  fraction(threshold) {
    return this.over[Math.floor(threshold * 255) + 1] / (this.width * this.height);
  }

  // at gives the probability at a point of the stored picture, in its pixels.
  at(x, y) {
    const { width, height, data } = this.small;
    const sx = Math.min(width - 1, Math.max(0, Math.floor(x * width / this.width)));
    const sy = Math.min(height - 1, Math.max(0, Math.floor(y * height / this.height)));
    return data[sy * width + sx] / 255;
  }

  regions(threshold) { return ask('regions', { key: this.key, threshold }); }
  mask(threshold) { return ask('mask', { key: this.key, threshold }); }
  close() { ask('close', { key: this.key }); }
}

// bytesOf gives the bytes behind a URL. data: URLs are unpacked by hand, for the page's policy forbids fetching
// them.
async function bytesOf(url) {
  if (url.startsWith('data:')) {
    const text = atob(url.slice(url.indexOf(',') + 1));
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes.buffer;
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the map could not be fetched: ${response.status}`);
  return response.arrayBuffer();
}
