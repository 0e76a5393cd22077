// Client of the server's API.

// ServerError is an error response. code is that of the server's JSON, or 'offline' if no response
// came.
export class ServerError extends Error {
  constructor(code, message, { status = 0, retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { code, status, retryAfter });
  }
}

const tokenKey = 'declip-token';

export function authorization() {
  const token = sessionStorage.getItem(tokenKey);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export const hasToken = () => sessionStorage.getItem(tokenKey) !== null;

export function setToken(token) {
  sessionStorage.setItem(tokenKey, token);
}

// serverError reads an error response.
export function serverError(status, retryAfter, body) {
  let told;
  try {
    told = JSON.parse(body).error;
  } catch {
    told = null; // the response comes from a proxy
  }
  const code = told?.code ?? (status === 429 ? 'busy' : status === 413 ? 'too_large' : status === 401 ? 'unauthorized' : 'failed');
  return new ServerError(code, told?.message ?? `the server responded with status ${status}`, { status, retryAfter: Number(retryAfter) || 0 });
}

// describe gives {models: [...], limits: {...}}.
export async function describe() {
  let response;
  try {
    response = await fetch('v1/models', { headers: authorization() });
  } catch {
    throw new ServerError('offline', 'no response from the server');
  }
  const body = await response.text();
  if (!response.ok) throw serverError(response.status, response.headers.get('Retry-After'), body);
  return JSON.parse(body);
}

// progressReader reads the lines about the progress at the beginning of a response as it grows, and
// calls onLine with each. rest gives what follows them: the result, or an error.
function progressReader(onLine) {
  let at = 0;
  return {
    read(text) {
      for (let end; text.startsWith('{"progress":', at) && (end = text.indexOf('\n', at)) >= 0; at = end + 1) {
        onLine(JSON.parse(text.slice(at, end)).progress);
      }
    },
    rest: (text) => text.slice(at),
  };
}

// localize sends a file and gives the server's result, with the map of probabilities as a data:
// URL. onProgress is called with the share of the file that was sent, 0 to 1, and then with 1 and
// what the server says of its progress: {state, ahead, done, total}.
export function localize(file, { model, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch reports no progress of sending
    request.open('POST', `v1/localize?${new URLSearchParams({ model, maps: 'prob' })}`);
    request.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    request.setRequestHeader('Accept', 'application/x-ndjson, application/json');
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.upload.onload = () => onProgress(1);
    request.onerror = () => reject(new ServerError('offline', 'no response from the server'));
    const lines = progressReader((progress) => onProgress(1, progress));
    request.onprogress = () => request.status === 200 && lines.read(request.responseText);
    request.onload = () => {
      if (request.status !== 200) {
        reject(serverError(request.status, request.getResponseHeader('Retry-After'), request.responseText));
        return;
      }
      try {
        lines.read(request.responseText);
        const text = lines.rest(request.responseText);
        const body = JSON.parse(text);
        if (body.error && body.status) reject(serverError(body.status, 0, text));
        else resolve(body);
      } catch {
        reject(new ServerError('failed', 'the response is not JSON', { status: 200 }));
      }
    };
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
