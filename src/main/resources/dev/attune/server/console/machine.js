// The machine that serves, as it is now and since the page looks at it.
import { h, Component } from './lib/preact.js';
import { Charts, extended } from './chart.js';
import { facts, table } from './tables.js';
import { bytes, duration, number } from './text.js';
import { get } from './api.js';
import { Id, Loaded, Meter } from './widgets.js';

export class MachineView extends Component {
  constructor() {
    super();
    this.curves = new Map();
    this.began = Date.now();
  }

  async load(signal) {
    const machine = await get('/v1/attune/machine', { signal });
    const x = Math.round((Date.now() - this.began) / 1000);
    const add = (series, value) => value !== undefined && value !== null && extended(this.curves, { series, points: [[x, value]] });
    add('processor, cores used', machine.process.cpu_percent === undefined ? undefined : machine.process.cpu_percent / 100);
    add('memory of the server, GiB', machine.process.rss_bytes / 2 ** 30);
    return machine;
  }

  view(machine) {
    const used = (part) => part.total_bytes - part.free_bytes;
    const share = (part) => h(Meter, { label: part.name, share: used(part) / part.total_bytes, text: bytes(used(part)) + ' of ' + bytes(part.total_bytes) + ', ' + bytes(part.free_bytes) + ' free' });
    return [
      h('div', { class: 'cards' },
        h('section', { class: 'card' }, h('h2', null, 'Machine'),
          h('p', { class: 'breaks' }, machine.processor), h('p', { class: 'soft' }, number(machine.cores) + ' cores · up ' + duration(machine.up_seconds) + ' · Attune ' + machine.version),
          share({ name: 'memory', ...machine.memory }), share({ name: 'disk', ...machine.disk })),
        h('section', { class: 'card' }, Object.keys(machine.jobs).length === 0 ? [h('h2', null, 'Jobs by state'), h('p', { class: 'soft' }, 'No jobs.')]
          : facts('Jobs by state', Object.entries(machine.jobs).map(([state, count]) => [state.replaceAll('_', ' '), number(count)]))),
        h('section', { class: 'card' }, machine.models.length === 0 ? [h('h2', null, 'Models in memory'), h('p', { class: 'soft' }, 'None: a model is opened by the first request for it.')]
          : table('Models in memory', [['model', ''], ['memory', 'n'], ['requests', 'n']], machine.models.map((model) => h('tr', { key: model.id },
            h('td', { class: 'text' }, h(Id, { value: model.id })), h('td', { class: 'n' }, bytes(model.bytes)), h('td', { class: 'n' }, number(model.requests))))))),
      h(Charts, { runs: [{ id: 'machine', name: 'server', slot: 0, curves: this.curves }], prefixes: [''], axis: 'second', smooth: false }),
    ];
  }

  render() {
    return [
      h('div', { class: 'head' }, h('h1', { tabIndex: -1 }, 'Machine')),
      h(Loaded, { every: () => 2000, load: (signal) => this.load(signal), view: (machine) => this.view(machine) }),
    ];
  }
}
