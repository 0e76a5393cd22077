// Error messages for people who don't know HTTP: {title, text, retry}.

import { bytes, megapixels } from './format.js';

// refusal says why a file is not sent; null if it is.
export function refusal(file, kind, limits) {
  if (!file.size) return { title: 'This file is empty', text: 'It contains no data. The download may have been interrupted.' };
  if (!kind.type) {
    return {
      title: 'Not a picture that declip can read',
      text: `${kind.label ? `This is ${kind.label}.` : 'The file is not a picture.'} declip reads JPEG, PNG, WebP, HEIC, AVIF, JPEG 2000, JPEG XL, TIFF, BMP, GIF and PNM.`
        + (kind.label.includes('Photoshop') ? ' Export it as JPEG in the best quality; ask for the original if you can.' : ''),
    };
  }
  if (limits.max_bytes && file.size > limits.max_bytes) {
    return { title: 'This file is too large', text: `It has ${bytes(file.size)}; this server accepts up to ${bytes(limits.max_bytes)}. Don't shrink the picture, because that erases traces. Ask the person who runs the server to raise the limit, or use the declip program.` };
  }
  const pixels = kind.width * kind.height;
  if (limits.max_pixels && pixels > limits.max_pixels) {
    return { title: 'This picture is too large', text: `It has ${megapixels(pixels)}; this server accepts up to ${megapixels(limits.max_pixels)}. Crop it to the part in question. Don't shrink it, because that erases traces.` };
  }
  return null;
}

// unreadable is for what the browser can't open.
export const unreadable = { title: 'This could not be read', text: 'It may be a folder, or the file was moved or deleted. Drop the picture files themselves.' };

const failures = {
  offline: () => ({ title: 'No connection to declip', text: 'The server does not answer. Is it still running, and are you online?', retry: true }),
  busy: () => ({ title: 'The server is very busy', text: 'It had no room for this picture, even after many tries. Try again in a few minutes.', retry: true }),
  timeout: () => ({ title: 'This took too long', text: 'The server gave up on this picture. It may be busy, or the picture is very large.', retry: true }),
  too_large: (e) => ({ title: 'Too large for this server', text: sentence(e.message) }),
  bad_picture: (e) => ({ title: 'The file is damaged or not a picture', text: `The server could not read it: ${e.message}.` }),
  stopping: () => ({ title: 'The server is stopping', text: 'It accepts no more pictures. Try again when it is back.', retry: true }),
  forbidden: (e) => ({ title: 'The server refuses this page', text: sentence(e.message) }),
  unknown_model: () => ({ title: 'This model is no longer available', text: 'The server no longer has it. Reload this page to see its models.' }),
  unauthorized: () => ({ title: 'The server requires a token', text: 'Reload this page and enter the token.' }),
};

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, '.');

// failure gives the message for a ServerError or any other error.
export function failure(error) {
  const known = failures[error.code];
  if (known) return { retry: false, ...known(error) };
  return { title: 'This did not work', text: sentence(error.message), retry: true };
}
