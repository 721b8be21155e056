// The server's HTTP API, with the key that the user gave.

const KEY = 'attune-api-key';
const PREVIEW_BYTES = 256 * 1024;

/** What the server answered in place of what was asked for. */
export class ApiError extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.param = error.param;
  }
}

let whenRefused = () => {};

/** Hears that a key is needed, or that the one there is does not do. */
export function onRefused(listener) {
  whenRefused = listener;
}

export function key() {
  return sessionStorage.getItem(KEY);
}

export function useKey(value) {
  if (value) {
    sessionStorage.setItem(KEY, value);
  } else {
    sessionStorage.removeItem(KEY);
  }
}

function headers(more = {}) {
  return key() ? { ...more, Authorization: 'Bearer ' + key() } : more;
}

function refusal(status, text) {
  let error = { message: 'The server answered ' + status };
  try {
    error = JSON.parse(text).error || error;
  } catch (e) {
    // no JSON: a proxy's page
  }
  if (status === 401) {
    whenRefused(error.message);
  }
  return new ApiError(status, error);
}

async function asked(method, path, { json, signal } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: headers(json === undefined ? {} : { 'Content-Type': 'application/json' }),
      body: json === undefined ? undefined : JSON.stringify(json),
    });
  } catch (e) {
    if (e.name === 'AbortError') {
      throw e;
    }
    throw new ApiError(0, { message: 'The server does not answer' });
  }
  if (!answer.ok) {
    throw refusal(answer.status, await answer.text());
  }
  return answer;
}

export async function get(path, options) {
  return (await asked('GET', path, options)).json();
}

export async function post(path, json, options = {}) {
  return (await asked('POST', path, { ...options, json })).json();
}

export async function remove(path) {
  return (await asked('DELETE', path)).json();
}

/** All of a list, page by page, up to so many elements. */
export async function all(path, most, options) {
  const elements = [];
  let after = null;
  do {
    const page = await get(path + (after ? (path.includes('?') ? '&' : '?') + 'after=' + encodeURIComponent(after) : ''), options);
    elements.push(...page.data);
    after = page.has_more && page.data.length > 0 ? page.data[page.data.length - 1].id : null;
  } while (after && elements.length < most);
  return elements;
}

/** The data of server-sent events, one after another, as JSON. */
async function* eventsOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    rest += value;
    let end;
    while ((end = rest.search(/\r?\n\r?\n/)) >= 0) {
      const lines = rest.slice(0, end).split(/\r?\n/);
      rest = rest.slice(end).replace(/^\r?\n\r?\n/, '');
      const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).replace(/^ /, '')).join('\n');
      if (data === '[DONE]') {
        return;
      }
      if (data) {
        yield JSON.parse(data);
      }
    }
  }
}

/** Asks, and gives what is streamed as it comes. */
export async function* streamed(method, path, options) {
  for await (const event of eventsOf(await asked(method, path, options))) {
    if (event.error) {
      throw new ApiError(0, event.error);
    }
    yield event;
  }
}

/**
 * Sends a file.
 * @param onProgress hears the share that is sent, 0 to 1
 * @returns { done: a promise of the file, cancel }
 */
export function upload(file, purpose, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve(JSON.parse(request.responseText));
      } else {
        reject(refusal(request.status, request.responseText));
      }
    };
    request.onerror = () => reject(new ApiError(0, { message: 'The connection was lost; nothing of the file was kept' }));
    request.onabort = () => reject(new ApiError(0, { message: 'cancelled' }));
    const form = new FormData();
    form.append('purpose', purpose);
    form.append('file', file, file.name);
    request.open('POST', '/v1/files');
    Object.entries(headers()).forEach(([name, value]) => request.setRequestHeader(name, value));
    request.send(form);
  });
  return { done, cancel: () => request.abort() };
}

/** The first lines of a file, without fetching the rest. */
export async function firstLines(id, most) {
  const stop = new AbortController();
  const answer = await asked('GET', '/v1/files/' + encodeURIComponent(id) + '/content', { signal: stop.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let ended = false;
  while (!ended && text.length < PREVIEW_BYTES && text.split('\n').length <= most) {
    const { done, value } = await reader.read();
    ended = done;
    text += value || '';
  }
  stop.abort();
  reader.cancel().catch(() => {}); // which the abort has done already
  const lines = text.split('\n');
  if (!ended && lines.length > 1) {
    lines.pop(); // a part of a line
  }
  return { lines: lines.filter((line) => line.trim() !== '').slice(0, most), whole: ended && lines.length <= most };
}
