// The type of a file, recognised by its first bytes as on the server, and the size of the picture
// if the header has it. Nothing is decoded.

const ascii = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

const readable = [
  { type: 'jpeg', label: 'JPEG', is: (b) => b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff, size: jpegSize },
  { type: 'png', label: 'PNG', is: (b) => ascii(b, 1, 4) === 'PNG', size: pngSize },
  { type: 'gif', label: 'GIF', is: (b) => ascii(b, 0, 4) === 'GIF8', size: gifSize },
  { type: 'webp', label: 'WebP', is: (b) => ascii(b, 0, 4) === 'RIFF' && ascii(b, 8, 12) === 'WEBP', size: webpSize },
  { type: 'bmp', label: 'BMP', is: (b) => ascii(b, 0, 2) === 'BM', size: bmpSize },
  { type: 'tiff', label: 'TIFF', is: (b) => ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(ascii(b, 0, 4)), size: () => null },
  { type: 'pnm', label: 'PNM', is: (b) => /^P[1-7][\s#]/.test(ascii(b, 0, 3)), size: () => null },
  { type: 'heic', label: 'HEIC', is: (b) => ascii(b, 4, 8) === 'ftyp' && /he[iv][cxms]|mif1|msf1/.test(ascii(b, 8, 12)), size: () => null },
  { type: 'avif', label: 'AVIF', is: (b) => ascii(b, 4, 8) === 'ftyp' && ascii(b, 8, 11) === 'avi', size: () => null },
  { type: 'jp2', label: 'JPEG 2000', is: (b) => ascii(b, 4, 8) === 'jP  ' || ascii(b, 0, 4) === '\xff\x4f\xff\x51', size: () => null },
  { type: 'jxl', label: 'JPEG XL', is: (b) => ascii(b, 0, 2) === '\xff\x0a' || ascii(b, 4, 8) === 'JXL ', size: () => null },
];

const foreign = [
  { label: 'a video', is: (b) => ascii(b, 4, 8) === 'ftyp' || ascii(b, 0, 4) === '\x1aE\xdf\xa3' },
  { label: 'a PDF document', is: (b) => ascii(b, 0, 5) === '%PDF-' },
  { label: 'a Photoshop document', is: (b) => ascii(b, 0, 4) === '8BPS' },
  { label: 'an archive or Office document', is: (b) => ascii(b, 0, 4) === 'PK\x03\x04' },
];

// sniff gives {type, label, width, height}. type is '' for files that declip cannot read; width and
// height are 0 if the header does not have them.
export async function sniff(file) {
  const head = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  const known = readable.find((k) => k.is(head));
  if (!known) {
    const other = foreign.find((k) => k.is(head));
    return { type: '', label: other?.label ?? '', width: 0, height: 0 };
  }
  const size = await known.size(head, file);
  return { type: known.type, label: known.label, width: size?.[0] ?? 0, height: size?.[1] ?? 0 };
}

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function pngSize(b) {
  return b.length >= 24 ? [view(b).getUint32(16), view(b).getUint32(20)] : null;
}

function gifSize(b) {
  return b.length >= 10 ? [view(b).getUint16(6, true), view(b).getUint16(8, true)] : null;
}

function bmpSize(b) {
  return b.length >= 26 ? [Math.abs(view(b).getInt32(18, true)), Math.abs(view(b).getInt32(22, true))] : null;
}

function webpSize(b) {
  if (b.length < 30) return null;
  const v = view(b);
  switch (ascii(b, 12, 16)) {
    case 'VP8 ': return [v.getUint16(26, true) & 0x3fff, v.getUint16(28, true) & 0x3fff];
    case 'VP8L': {
      const bits = v.getUint32(21, true);
      return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    }
    case 'VP8X': return [24, 27].map((at) => 1 + (v.getUint16(at, true) | (b[at + 2] << 16)));
  }
  return null;
}

// jpegSize goes from segment to segment, reading a few bytes of each, to the frame header.
async function jpegSize(_, file) {
  let at = 2;
  for (let i = 0; i < 1000 && at + 9 < file.size; i++) {
    const b = new Uint8Array(await file.slice(at, at + 9).arrayBuffer());
    if (b[0] !== 0xff) return null;
    const marker = b[1];
    if (marker === 0xff) { at++; continue; } // a fill byte
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return [view(b).getUint16(7), view(b).getUint16(5)];
    }
    if (marker === 0xda || marker === 0xd9) return null;
    at += 2 + view(b).getUint16(2);
  }
  return null;
}
