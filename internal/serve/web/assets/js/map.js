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
  // open reads a PNG file, a Blob.
  static async open(file) {
    const key = ++keys;
    const png = await file.arrayBuffer();
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

// unpack makes a Blob of a data: URL: as long as a map isn't shown, it needs no memory of the page's. By hand, for the
// page's policy forbids fetching such a URL.
export function unpack(url) {
  const [, type, text] = /^data:([^;,]*);base64,(.*)$/s.exec(url) ?? [];
  if (text === undefined) throw new Error('the server sent no map');
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Blob([bytes], { type });
}
