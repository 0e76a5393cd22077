// ZIP files without compression: what goes into them is compressed already (PKWARE APPNOTE 6.3.10).

import { crc } from './png.js';

const largest = 0xffffffff; // bytes of a ZIP file without the fields of ZIP64

export class Zip {
  constructor(at = new Date()) {
    Object.assign(this, { parts: [], directory: [], size: 0, names: new Set() });
    this.time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1);
    this.date = ((at.getFullYear() - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate();
  }

  // free gives a name that no file has yet: a number is added to one that is taken, case aside.
  free(stem) {
    let name = stem;
    for (let n = 2; this.names.has(name.toLowerCase()); n++) name = `${stem} (${n})`;
    this.names.add(name.toLowerCase());
    return name;
  }

  // add adds a Blob as a file.
  async add(name, blob) {
    const label = new TextEncoder().encode(name);
    const sum = crc(new Uint8Array(await blob.arrayBuffer()));
    const offset = this.size;
    this.#append(this.#header(0x04034b50, label, blob.size, sum), label, blob);
    this.directory.push([this.#header(0x02014b50, label, blob.size, sum, offset), label]);
  }

  // header makes the header of a file, in front of it or, with an offset, in the directory.
  #header(signature, label, size, sum, offset) {
    const central = offset !== undefined;
    const view = new DataView(new ArrayBuffer(central ? 46 : 30));
    let at = 0;
    const put = (bytes, value) => {
      if (bytes === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value >>> 0, true);
      at += bytes;
    };
    put(4, signature);
    if (central) put(2, 20); // made by version 2.0
    put(2, 20); // needs version 2.0
    put(2, 0x0800); // names are UTF-8
    put(2, 0); // stored
    put(2, this.time);
    put(2, this.date);
    put(4, sum);
    put(4, size);
    put(4, size);
    put(2, label.length);
    put(2, 0); // extra fields
    if (central) {
      put(2, 0); // comment
      put(2, 0); // disk
      put(2, 0); // internal attributes
      put(4, 0); // external attributes
      put(4, offset);
    }
    return view;
  }

  #append(...parts) {
    for (const part of parts) this.size += part.size ?? part.byteLength;
    if (this.size > largest) throw new Error('the ZIP file would be larger than 4 GB: save fewer pictures at once');
    this.parts.push(...parts);
  }

  // finish gives the file as a Blob.
  finish() {
    const start = this.size;
    for (const entry of this.directory) this.#append(...entry);
    const end = new DataView(new ArrayBuffer(22));
    end.setUint32(0, 0x06054b50, true);
    for (const at of [8, 10]) end.setUint16(at, this.directory.length, true);
    end.setUint32(12, this.size - start, true);
    end.setUint32(16, start, true);
    this.#append(end);
    return new Blob(this.parts, { type: 'application/zip' });
  }
}
