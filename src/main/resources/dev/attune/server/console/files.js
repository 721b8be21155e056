// Files: sent, looked into, deleted.
import { h, Component } from './lib/preact.js';
import { table } from './tables.js';
import { bytes, shown } from './text.js';
import { all, firstLines, remove } from './api.js';
import { Confirm, Dialog, Id, link, Loaded, When } from './widgets.js';
import { Upload } from './upload.js';

const MOST_FILES = 10000;
const PREVIEW_ROWS = 20;

/** The first rows of a file: a table where they are JSON objects, else lines. */
function preview({ lines, whole }) {
  const note = whole ? 'all of it' : 'the first ' + lines.length + ' rows';
  const objects = lines.map((line) => {
    try {
      const value = JSON.parse(line);
      return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : null;
    } catch (e) {
      return null;
    }
  });
  if (lines.length === 0) {
    return h('p', { class: 'empty' }, 'There are no rows.');
  }
  if (objects.includes(null)) {
    return [h('p', { class: 'soft' }, note), h('pre', { tabIndex: 0 }, lines.join('\n'))];
  }
  const names = [...new Set(objects.flatMap(Object.keys))];
  return table('First rows', [['', ''], ...names.map((name) => [name, ''])],
    objects.map((row, i) => h('tr', { key: i }, h('th', { scope: 'row' }, i + 1), names.map((name) => h('td', { key: name, class: 'text' }, row[name] === undefined ? '' : shown(row[name]))))), note);
}

export class FilesView extends Component {
  render(props, { looking, deleting }) {
    return h(Loaded, {
      load: (signal) => all('/v1/files?limit=1000', MOST_FILES, { signal }),
      view: (files, reload) => [
        h('div', { class: 'head' }, h('h1', { tabIndex: -1 }, 'Files')),
        h(Upload, { onUploaded: reload }),
        files.length === 0 ? h('p', { class: 'empty' }, 'No files yet.') : h('div', { class: 'scroll' }, h('table', { class: 'list' },
          h('caption', { class: 'unseen' }, 'Files, the newest first'),
          h('thead', null, h('tr', null, ['name', 'purpose', 'size', 'created', 'actions'].map((name) => h('th', { key: name, scope: 'col' }, name)))),
          h('tbody', null, files.map((file) => h('tr', { key: file.id },
            h('th', { scope: 'row', class: 'name' }, h('span', { class: 'breaks' }, file.filename), h(Id, { value: file.id })),
            h('td', { 'data-name': 'purpose' }, file.purpose),
            h('td', { 'data-name': 'size' }, bytes(file.bytes)),
            h('td', { 'data-name': 'created' }, h(When, { at: file.created_at })),
            h('td', null, h('div', { class: 'buttons' },
              h('button', { type: 'button', class: 'small secondary outline', 'aria-label': 'First rows of ' + file.filename, onClick: () => this.setState({ looking: file }) }, 'Look'),
              file.purpose === 'fine-tune' && h('a', { class: 'small secondary outline', role: 'button', href: link('jobs', 'new', file.id), 'aria-label': 'Train on ' + file.filename }, 'Train'),
              h('button', { type: 'button', class: 'small danger outline', 'aria-label': 'Delete ' + file.filename, onClick: () => this.setState({ deleting: file }) }, 'Delete')))))))),
        looking && h(Dialog, { title: looking.filename, wide: true, onClose: () => this.setState({ looking: null }) },
          h(Loaded, { on: looking.id, load: () => firstLines(looking.id, PREVIEW_ROWS), view: preview })),
        deleting && h(Confirm, {
          title: 'Delete this file?', text: deleting.filename + ' (' + bytes(deleting.bytes) + ') cannot be brought back.', verb: 'Delete',
          run: async () => { await remove('/v1/files/' + encodeURIComponent(deleting.id)); reload(); }, onClose: () => this.setState({ deleting: null }),
        }),
      ],
    });
  }
}
