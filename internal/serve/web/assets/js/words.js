// What went wrong, in words for people who don't know HTTP: {title, text, retry}.

import { bytes, megapixels } from './format.js';

// refusal says why a file isn't even sent, or null.
export function refusal(file, kind, limits) {
  if (!file.size) return { title: 'This file is empty', text: 'It holds no data. The download may have been broken off.' };
  if (!kind.type) {
    return {
      title: 'Not a picture that declip can read',
      text: `${kind.label ? `This is ${kind.label}.` : 'The contents are not those of a picture.'} declip reads JPEG, PNG, WebP, TIFF, BMP and GIF.`
        + (kind.label.includes('photograph') ? ' Export it as JPEG in the best quality; ask for the original if you can.' : ''),
    };
  }
  if (limits.max_bytes && file.size > limits.max_bytes) {
    return { title: 'This file is too large', text: `It has ${bytes(file.size)}; this server takes up to ${bytes(limits.max_bytes)}. Don't shrink the picture, for that wipes traces out: ask whoever runs the server to raise the limit, or use the program declip itself.` };
  }
  const pixels = kind.width * kind.height;
  if (limits.max_pixels && pixels > limits.max_pixels) {
    return { title: 'This picture is too large', text: `It has ${megapixels(pixels)}; this server takes up to ${megapixels(limits.max_pixels)}. Cut out the part in question rather than shrinking the picture: shrinking wipes traces out.` };
  }
  return null;
}

// unreadable is said of what the browser can't open.
export const unreadable = { title: 'This could not be read', text: 'It may be a folder, or the file was moved or deleted. Drop the pictures themselves.' };

const failures = {
  offline: () => ({ title: 'No connection to declip', text: 'The server does not answer. Is it still running, and are you online?', retry: true }),
  busy: () => ({ title: 'The server is very busy', text: 'It had no room for this picture in many tries. Try again in a few minutes.', retry: true }),
  timeout: () => ({ title: 'This took too long', text: 'The server gave up on this picture. It may be busy, or the picture is very large.', retry: true }),
  too_large: (e) => ({ title: 'Too large for this server', text: sentence(e.message) }),
  bad_picture: (e) => ({ title: 'The file is damaged or not a picture', text: `The server could not read it: ${e.message}.` }),
  stopping: () => ({ title: 'The server is stopping', text: 'It takes no more pictures. Try again when it is back.', retry: true }),
  forbidden: (e) => ({ title: 'The server refuses this page', text: sentence(e.message) }),
  unknown_model: () => ({ title: 'This model is gone', text: 'The server no longer has it. Load this page again to see which it has.' }),
  unauthorized: () => ({ title: 'The server asks for a token', text: 'Load this page again and give the token.' }),
};

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, '.');

// failure turns a ServerError, or any other error, into words.
export function failure(error) {
  const known = failures[error.code];
  if (known) return { retry: false, ...known(error) };
  return { title: 'This did not work', text: sentence(error.message), retry: true };
}
