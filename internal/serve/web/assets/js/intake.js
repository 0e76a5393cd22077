// How pictures are added: dropped, pasted, chosen, photographed.

import { $ } from './dom.js';

// takePictures calls add(files) with pictures, and say(text) if something else was added.
export function takePictures(add, say) {
  for (const [button, input] of [['choose', 'files'], ['add', 'files'], ['shoot', 'camera']]) {
    $(button).addEventListener('click', () => $(input).click());
  }
  for (const id of ['files', 'camera']) {
    $(id).addEventListener('change', (event) => {
      add([...event.target.files]);
      event.target.value = ''; // so that the same file can be chosen again
    });
  }
  $('drop').addEventListener('click', (event) => {
    if (!event.target.closest('button')) $('files').click();
  });
  example(add, say);
  dropping(add, say);
  pasting(add, say);
}

function example(add, say) {
  $('example').addEventListener('click', async () => {
    try {
      const response = await fetch('assets/example.jpg');
      if (!response.ok) throw new Error(`${response.status}`);
      add([new File([await response.blob()], 'example.jpg', { type: 'image/jpeg' })]);
    } catch {
      say('The example could not be loaded: the server does not respond.');
    }
  });
}

const links = 'Links are not opened. Save the picture as a file, in its original form, and drop that file.';

function dropping(add, say) {
  const show = (on) => { $('dropping').hidden = !on; };
  addEventListener('dragenter', (event) => {
    event.preventDefault();
    if (event.dataTransfer.types.includes('Files')) show(true);
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) show(false); // the pointer has left the window
  });
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    show(false);
    const files = [...event.dataTransfer.files];
    if (files.length) add(files);
    else say(links);
  });
}

function pasting(add, say) {
  addEventListener('paste', (event) => {
    if (event.target.closest?.('input')) return;
    const files = [...event.clipboardData.files];
    if (files.length) add(files);
    else if (event.clipboardData.types.length) say(links);
  });
}
