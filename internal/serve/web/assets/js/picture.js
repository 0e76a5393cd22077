// The picture itself as the browser decodes it, on the grid that the file stores: no orientation applied.

import { swapsSides, upright, undo } from './orient.js';

// A pane that shows the whole of a large picture draws this smaller copy.
const previewSide = 2048;

export class Picture {
  // decode gives the stored pixels of a file whose EXIF orientation the server has told; null where the browser
  // doesn't know the format.
  static async decode(file, { width, height, orientation }) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { imageOrientation: 'none' });
    } catch {
      return null;
    }
    // A browser that turns pictures whatever it is told shows so by the sides.
    if (swapsSides(orientation) && width !== height && bitmap.width === height && bitmap.height === width) {
      bitmap = await turnBack(bitmap, orientation, width, height);
    }
    return new Picture(bitmap, await shrink(bitmap));
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

  constructor(bitmap, preview) {
    this.bitmap = bitmap;
    this.preview = preview;
    this.width = bitmap.width;
    this.height = bitmap.height;
  }

  // draw paints all of it at the origin, each of its pixels 1 x 1; `density` is how many device pixels that is.
  draw(context, density) {
    const { bitmap, preview, width, height } = this;
    if (preview && density * width <= preview.width * 1.25) context.drawImage(preview, 0, 0, width, height);
    else context.drawImage(bitmap, 0, 0);
  }

  close() {
    this.bitmap.close();
    this.preview?.close();
  }
}

async function shrink(bitmap, side = previewSide) {
  const scale = side / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return null;
  return createImageBitmap(bitmap, { resizeWidth: Math.max(1, Math.round(bitmap.width * scale)), resizeHeight: Math.max(1, Math.round(bitmap.height * scale)), resizeQuality: 'medium' });
}

async function turnBack(bitmap, orientation, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  const matrix = upright(orientation, width, height);
  const origin = undo(matrix, 0, 0), right = undo(matrix, 1, 0), below = undo(matrix, 0, 1);
  context.setTransform(right[0] - origin[0], right[1] - origin[1], below[0] - origin[0], below[1] - origin[1], ...origin);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return createImageBitmap(canvas);
}
