// Exact conversion between greyscale PNG files and bytes. A canvas cannot be used: browsers that
// guard against fingerprinting change the pixels that are read from it.

const signature = [137, 80, 78, 71, 13, 10, 26, 10];

async function throughStream(parts, stream) {
  return new Uint8Array(await new Response(new Blob(parts).stream().pipeThrough(stream)).arrayBuffer());
}

// decodeGrey reads an 8-bit greyscale PNG without interlacing: {width, height, data}, one byte per
// pixel, row by row.
export async function decodeGrey(bytes) {
  if (signature.some((s, i) => bytes[i] !== s)) throw new Error('the map is not a PNG file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let width = 0, height = 0;
  const packed = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') {
      width = view.getUint32(at + 8);
      height = view.getUint32(at + 12);
      const [depth, colour, , , interlaced] = body.subarray(8);
      if (depth !== 8 || colour !== 0 || interlaced) throw new Error('the map is not an 8-bit grey PNG');
    } else if (type === 'IDAT') {
      packed.push(body);
    }
    at += 12 + length;
  }
  const raw = await throughStream(packed, new DecompressionStream('deflate'));
  if (!width || !height || raw.length !== (width + 1) * height) throw new Error('the map has the wrong length');
  return { width, height, data: unfilter(raw, width, height) };
}

// unfilter reverses the filters of PNG (PNG specification, 9.2) for pixels of one byte.
function unfilter(raw, width, height) {
  const out = new Uint8Array(width * height);
  let above = new Uint8Array(width);
  for (let y = 0; y < height; y++) {
    const from = y * (width + 1);
    const line = raw.subarray(from + 1, from + 1 + width);
    const row = out.subarray(y * width, (y + 1) * width);
    undo[raw[from]](line, row, above);
    above = row;
  }
  return out;
}

const undo = [
  (line, row) => row.set(line),
  (line, row) => { for (let x = 0, left = 0; x < row.length; x++) left = row[x] = line[x] + left; },
  (line, row, up) => { for (let x = 0; x < row.length; x++) row[x] = line[x] + up[x]; },
  (line, row, up) => { for (let x = 0, left = 0; x < row.length; x++) left = row[x] = (line[x] + ((left + up[x]) >> 1)) & 255; },
  (line, row, up) => {
    for (let x = 0, a = 0, c = 0; x < row.length; x++) {
      const b = up[x];
      const pa = Math.abs(b - c), pb = Math.abs(a - c), pc = Math.abs(a + b - c - c);
      const guess = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      a = row[x] = (line[x] + guess) & 255;
      c = b;
    }
  },
];

// encodeGrey makes an 8-bit greyscale PNG as a Blob.
export async function encodeGrey(data, width, height) {
  const raw = new Uint8Array((width + 1) * height); // each row follows its filter type, 0: none
  for (let y = 0; y < height; y++) raw.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  const packed = await throughStream([raw], new CompressionStream('deflate'));
  const parts = [new Uint8Array(signature), chunk('IHDR', header), chunk('IDAT', packed), chunk('IEND', new Uint8Array(0))];
  return new Blob(parts, { type: 'image/png' });
}

function chunk(type, body) {
  const out = new Uint8Array(body.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(body, 8);
  view.setUint32(8 + body.length, crc(out.subarray(4, 8 + body.length)));
  return out;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

// crc is the CRC-32 of PNG and ZIP files.
export function crc(bytes) {
  let c = 0xffffffff;
  for (const b of bytes) c = crcTable[(c ^ b) & 255] ^ (c >>> 8);
  return ~c;
}
