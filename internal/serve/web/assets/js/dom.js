// Helpers to make elements.

export const $ = (id) => document.getElementById(id);

// visible writes out characters that hide text or reverse its direction: a name with them would
// change how the words after it read.
export const visible = (text) => text.replace(
  /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
  (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

// make('button', {class: 'x', onclick: f, 'aria-label': 'y'}, children...) builds an element.
// Strings become text, never HTML, and are made visible. The value of an attribute stays as it is
// where programs read it.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else element.setAttribute(name, name === 'value' || typeof value !== 'string' ? value : visible(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined)
    .map((child) => (typeof child === 'string' ? visible(child) : child)));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `assets/icons.svg#${name}`);
  svg.append(use);
  return svg;
}
