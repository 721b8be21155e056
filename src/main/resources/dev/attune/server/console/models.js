// Models: bases, and what jobs have made of them, version by version.
import { h, Component } from './lib/preact.js';
import { table } from './tables.js';
import { get, post, remove } from './api.js';
import { Action, Confirm, Dialog, Id, link, Loaded, When } from './widgets.js';

/** The step of a model that is a checkpoint; null for others. */
function step(id) {
  const found = /:ckpt-step-(\d+)$/.exec(id);
  return found ? Number(found[1]) : null;
}

/** ft:BASE:ORG:SUFFIX:ID in its parts, a checkpoint's step aside; null for a base. */
function tuned(id) {
  const [kind, ...parts] = id.replace(/:ckpt-step-\d+$/, '').split(':');
  if (kind !== 'ft' || parts.length < 4) {
    return null;
  }
  const [version, suffix, org] = parts.reverse();
  return { version, suffix, org, base: parts.slice(3).reverse().join(':') };
}

/** Tuned models of one base and suffix are versions of each other, the newest first. */
function families(models) {
  const found = new Map();
  for (const model of models) {
    const parts = tuned(model.id);
    const isBase = !parts && model.owned_by === 'system';
    const name = parts ? parts.base + ' · ' + (parts.suffix || 'no suffix') : isBase ? 'Bases' : model.id;
    const key = parts ? JSON.stringify([parts.base, parts.org, parts.suffix]) : isBase ? 'bases' : model.id;
    if (!found.has(key)) {
      found.set(key, { name, isBase, models: [] });
    }
    found.get(key).models.push(model);
  }
  found.forEach((family) => family.models.sort((a, b) => (step(a.id) !== null) - (step(b.id) !== null) || b.created - a.created || step(b.id) - step(a.id)));
  return [...found.values()].sort((a, b) => b.isBase - a.isBase || b.models[0].created - a.models[0].created);
}

/** What a model has learned from corrections, version by version. props: model, onClose */
function Versions({ model, onClose }) {
  const path = '/v1/models/' + encodeURIComponent(model) + '/versions';
  return h(Dialog, { title: 'Versions of ' + model, wide: true, onClose },
    h(Loaded, {
      load: (signal) => get(path, { signal }),
      view: ({ data }, reload) => (data.length === 0 ? h('p', null, 'There is one: the model has learned from no corrections.') : table(
        'Versions, the newest first', [['version', ''], ['state', ''], ['made', ''], ['why', ''], ['actions', '']],
        data.map((one) => h('tr', { key: one.id },
          h('th', { scope: 'row' }, 'v' + one.version), h('td', null, one.live ? 'live' : one.state.replaceAll('_', ' ')),
          h('td', null, h(When, { at: one.created_at })), h('td', { class: 'text' }, one.reason),
          h('td', null, one.state !== 'removed' && !one.live && h('div', { class: 'buttons' },
            h('a', { class: 'small secondary outline', role: 'button', href: link('playground', model, one.id), 'aria-label': 'Compare the live version with v' + one.version }, 'Beside the live one'),
            h(Action, { class: 'small secondary outline', label: 'Make v' + one.version + ' live again', run: async () => { await post(path + '/v' + one.version + '/restore', {}); reload(); } }, 'Restore'))))))),
    }));
}

export class ModelsView extends Component {
  row(model, family, i) {
    const whole = family.models.filter((one) => step(one.id) === null).length;
    return h('tr', { key: model.id },
      h('th', { scope: 'row', class: 'name' }, h('span', { class: 'breaks' }, family.isBase ? model.id : h(Id, { value: model.id }))),
      h('td', { 'data-name': 'version' }, family.isBase ? 'base' : step(model.id) !== null ? 'checkpoint, step ' + step(model.id) : 'version ' + (whole - i) + ' of ' + whole),
      h('td', { 'data-name': 'owner' }, model.owned_by),
      h('td', { 'data-name': 'created' }, family.isBase ? '–' : h(When, { at: model.created })),
      h('td', null, h('div', { class: 'buttons' },
        h('a', { class: 'small secondary outline', role: 'button', href: link('playground', model.id), 'aria-label': 'Try ' + model.id }, 'Try'),
        !family.isBase && family.models[i + 1] && h('a', { class: 'small secondary outline', role: 'button', href: link('playground', model.id, family.models[i + 1].id), 'aria-label': 'Compare ' + model.id + ' with the version before' }, 'Beside the one before'),
        h('button', { type: 'button', class: 'small secondary outline', 'aria-label': 'Versions of ' + model.id, onClick: () => this.setState({ looking: model.id }) }, 'Versions'),
        !family.isBase && h('button', { type: 'button', class: 'small danger outline', 'aria-label': 'Delete ' + model.id, onClick: () => this.setState({ deleting: model }) }, 'Delete'))));
  }

  render(props, { deleting, looking }) {
    return h(Loaded, {
      every: () => 10000, load: (signal) => get('/v1/models?checkpoints=true', { signal }),
      view: ({ data }, reload) => [
        h('div', { class: 'head' }, h('h1', { tabIndex: -1 }, 'Models')),
        data.length === 0 ? h('p', { class: 'empty' }, 'No models: the server was started without a base model.')
          : families(data).map((family) => h('section', { key: family.models[0].id },
            h('div', { class: 'scroll' }, h('table', { class: 'list' },
              h('caption', null, family.name),
              h('thead', null, h('tr', null, ['model', 'version', 'owner', 'created', 'actions'].map((name) => h('th', { key: name, scope: 'col' }, name)))),
              h('tbody', null, family.models.map((model, i) => this.row(model, family, i))))))),
        looking && h(Versions, { model: looking, onClose: () => this.setState({ looking: null }) }),
        deleting && h(Confirm, {
          title: 'Delete this model?', text: deleting.id + ' and its files go; requests that have begun are answered.', verb: 'Delete',
          run: async () => { await remove('/v1/models/' + encodeURIComponent(deleting.id)); reload(); }, onClose: () => this.setState({ deleting: null }),
        }),
      ],
    });
  }
}
