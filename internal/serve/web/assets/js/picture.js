// The picture, as the browser decodes it.

import { swapsSides, upright } from './orient.js';

// Longest side of the smaller copy that is drawn when a pane shows all of a large picture.
const previewSide = 2048;

export class Picture {
  // decode decodes a file whose size and EXIF orientation come from the server; null if the browser
  // does not know the format.
  static async decode(file, { width, height, orientation }) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      return null;
    }
    // Browsers turn pictures upright when they decode them, which cannot be switched off. If a
    // browser does not read orientations in this format, the sides of the bitmap show it.
    const stored = swapsSides(orientation) && width !== height && bitmap.width === width && bitmap.height === height;
    return new Picture(bitmap, await shrink(bitmap), stored ? upright(orientation, width, height) : null);
  }

  // glimpse gives an upright preview of at most `side` pixels; null if the browser does not know
  // the format.
  static async glimpse(file, side) {
    try {
      const bitmap = await createImageBitmap(file);
      return await shrink(bitmap, side) ?? bitmap;
    } catch {
      return null;
    }
  }

  // matrix turns the bitmap upright; null if it is upright already.
  constructor(bitmap, preview, matrix) {
    Object.assign(this, { bitmap, preview, matrix });
  }

  // draw paints the whole picture upright at the origin, each of its pixels 1 x 1. `density` is the
  // number of device pixels per picture pixel.
  draw(context, density) {
    const { bitmap, preview, matrix } = this;
    context.save();
    if (matrix) context.transform(...matrix);
    if (preview && density * bitmap.width <= preview.width * 1.25) context.drawImage(preview, 0, 0, bitmap.width, bitmap.height);
    else context.drawImage(bitmap, 0, 0);
    context.restore();
  }

  close() {
    this.bitmap.close();
    this.preview?.close();
  }
}

async function shrink(bitmap, side = previewSide) {
  const scale = side / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return null;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((v) => Math.max(1, Math.round(v * scale)));
  return createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: 'medium' });
}
