// API keys: made, shown once, revoked.
import { h, Component } from './lib/preact.js';
import { get, key, post, remove, useKey } from './api.js';
import { announce, Confirm, Dialog, Field, Id, Loaded, Problem, When } from './widgets.js';

const SCOPES = [['inference', 'answers of models'], ['training', 'files, jobs and what they make'], ['admin', 'keys, and other tenants’ states']];
const DAY_SECONDS = 86400;

/** The form of a new key, and then the key. props: onClose(key that was made) */
class NewKey extends Component {
  constructor() {
    super();
    this.state = { name: '', tenant: 'local', scopes: ['inference'], days: '', made: null, error: null };
  }

  async make(event) {
    event.preventDefault();
    const { name, tenant, scopes, days } = this.state;
    try {
      const made = await post('/v1/attune/keys', {
        name, tenant, scopes, ...(days && { expires_after: { seconds: Math.round(Number(days) * DAY_SECONDS) } }),
      });
      this.setState({ made, error: null });
    } catch (error) {
      this.setState({ error });
    }
  }

  async copy() {
    await navigator.clipboard.writeText(this.state.made.value);
    announce('The key is copied');
    this.setState({ copied: true });
  }

  render({ onClose }, { name, tenant, scopes, days, made, error, copied }) {
    if (made) {
      const close = () => onClose(made);
      const use = () => {
        useKey(made.value);
        close();
      };
      return h(Dialog, { title: 'The new key', onClose: close },
        h('p', null, 'It is shown this once: the server keeps only what it takes to know it again.'),
        h('input', { class: 'secret', readOnly: true, 'aria-label': 'the key', value: made.value, onFocus: (event) => event.target.select() }),
        h('footer', null, navigator.clipboard && h('button', { type: 'button', class: 'secondary outline', onClick: () => this.copy() }, copied ? 'Copied' : 'Copy'),
          !key() && h('button', { type: 'button', class: 'secondary outline', onClick: use }, 'Use it in this tab'),
          h('button', { type: 'button', onClick: close }, 'Done')));
    }
    const toggle = (scope) => this.setState({ scopes: scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope] });
    return h(Dialog, { title: 'New key', onClose: () => onClose(null) },
      h('form', { onSubmit: (event) => this.make(event) },
        h(Field, { label: 'Name', help: 'for you to know it by' }, h('input', { value: name, maxLength: 100, required: true, onInput: (event) => this.setState({ name: event.target.value }) })),
        h(Field, { label: 'Tenant', help: 'whose files, jobs and models it sees; local is whose they are without keys' }, h('input', { value: tenant, maxLength: 64, required: true, onInput: (event) => this.setState({ tenant: event.target.value }) })),
        h('fieldset', null, h('legend', null, 'It allows'), SCOPES.map(([scope, help]) => h('label', { key: scope },
          h('input', { type: 'checkbox', checked: scopes.includes(scope), onChange: () => toggle(scope) }), scope + ': ' + help))),
        h(Field, { label: 'Days until it expires', help: 'never where it is empty' }, h('input', { type: 'number', min: 1, step: 1, value: days, onInput: (event) => this.setState({ days: event.target.value }) })),
        h(Problem, { error }),
        h('footer', null, h('button', { type: 'button', class: 'secondary outline', onClick: () => onClose(null) }, 'Cancel'), h('button', { type: 'submit', disabled: scopes.length === 0 }, 'Make the key'))));
  }
}

export class KeysView extends Component {
  render(props, { making, revoking }) {
    return h(Loaded, {
      load: (signal) => get('/v1/attune/keys', { signal }),
      view: ({ data }, reload) => [
        h('div', { class: 'head' }, h('h1', { tabIndex: -1 }, 'Keys'), h('button', { type: 'button', onClick: () => this.setState({ making: true }) }, 'New key')),
        data.length === 0 ? h('p', { class: 'empty' }, 'No keys: as long as there are none, whoever reaches this address of the machine may do all. The first key ends that.')
          : h('div', { class: 'scroll' }, h('table', { class: 'list' },
            h('caption', { class: 'unseen' }, 'API keys'),
            h('thead', null, h('tr', null, ['key', 'tenant', 'allows', 'created', 'last used', 'expires', 'actions'].map((name) => h('th', { key: name, scope: 'col' }, name)))),
            h('tbody', null, data.map((one) => h('tr', { key: one.id },
              h('th', { scope: 'row', class: 'name' }, one.name && h('span', { class: 'breaks' }, one.name), h(Id, { value: one.redacted_value || one.id })),
              h('td', { 'data-name': 'tenant', class: 'breaks' }, one.tenant),
              h('td', { 'data-name': 'allows' }, one.scopes.join(', ')),
              h('td', { 'data-name': 'created' }, h(When, { at: one.created_at })),
              h('td', { 'data-name': 'last used' }, one.last_used_at ? h(When, { at: one.last_used_at }) : 'never'),
              h('td', { 'data-name': 'expires' }, one.revoked_at ? ['revoked ', h(When, { at: one.revoked_at })] : one.expires_at ? h(When, { at: one.expires_at }) : 'never'),
              h('td', null, h('div', { class: 'buttons' }, !one.revoked_at && h('button', { type: 'button', class: 'small danger outline', 'aria-label': 'Revoke ' + (one.name || one.id), onClick: () => this.setState({ revoking: one }) }, 'Revoke')))))))),
        making && h(NewKey, { onClose: (made) => { this.setState({ making: false }); if (made) { reload(); } } }), // not before: from the first key on the list needs one
        revoking && h(Confirm, {
          title: 'Revoke this key?', text: (revoking.name || revoking.id) + ' opens nothing any more, at once.', verb: 'Revoke',
          run: async () => { await remove('/v1/attune/keys/' + encodeURIComponent(revoking.id)); reload(); }, onClose: () => this.setState({ revoking: null }),
        }),
      ],
    });
  }
}
