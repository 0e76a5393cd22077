// The picture itself as the browser decodes it.

import { swapsSides, upright } from './orient.js';

// A pane that shows the whole of a large picture draws this smaller copy.
const previewSide = 2048;

export class Picture {
  // decode gives the pixels of a file whose EXIF orientation the server has told; null where the browser doesn't
  // know the format.
  static async decode(file, { width, height, orientation }) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      return null;
    }
    // Browsers turn pictures upright as they decode them and can't be told not to. One that doesn't know
    // orientations in this format shows so by the sides.
    const stored = swapsSides(orientation) && width !== height && bitmap.width === width && bitmap.height === height;
    return new Picture(bitmap, await shrink(bitmap), stored ? upright(orientation, width, height) : null);
  }

  // glimpse gives an upright picture of at most `side` pixels, null where the browser doesn't know the format.
  static async glimpse(file, side) {
    try {
      const bitmap = await createImageBitmap(file);
      return await shrink(bitmap, side) ?? bitmap;
    } catch {
      return null;
    }
  }

  // matrix is what turns the bitmap upright, null where it is.
  constructor(bitmap, preview, matrix) {
    Object.assign(this, { bitmap, preview, matrix });
  }

  // draw paints all of it upright at the origin, each of its pixels 1 x 1; `density` is how many device pixels that
  // is.
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
