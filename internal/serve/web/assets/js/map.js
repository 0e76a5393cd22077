// The probability map of a picture: a reduced copy to draw here, the full map in the worker.

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

// Longest side of the copy that is drawn and outlined; lists and files use the full map.
const longest = 1024;
let keys = 0;

export class ProbabilityMap {
  // open reads a PNG file, given as a Blob.
  static async open(file) {
    const key = ++keys;
    const png = await file.arrayBuffer();
    const opened = await ask('open', { key, png, longest }, [png]);
    return new ProbabilityMap(key, opened);
  }

  constructor(key, { width, height, levels, small }) {
    Object.assign(this, { key, width, height, small });
    // over[v] is the number of pixels with a level of v or more.
    this.over = new Uint32Array(257);
    for (let v = 255; v >= 0; v--) this.over[v] = this.over[v + 1] + levels[v];
  }

  // fraction is the share of pixels over the threshold.
  fraction(threshold) {
    return this.over[Math.floor(threshold * 255) + 1] / (this.width * this.height);
  }

  // at gives the probability at a point, in pixels of the stored picture.
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

// unpack makes a Blob of a data: URL, which takes no memory of the page while the map is not shown.
// The content security policy forbids fetching such a URL, so it is decoded here.
export function unpack(url) {
  const [, type, text] = /^data:([^;,]*);base64,(.*)$/s.exec(url) ?? [];
  if (text === undefined) throw new Error('the server sent no map');
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Blob([bytes], { type });
}
