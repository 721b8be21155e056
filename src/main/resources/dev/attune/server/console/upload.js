// Files on their way to the server.
import { h, Component } from './lib/preact.js';
import { bytes } from './text.js';
import { upload } from './api.js';
import { announce, Problem } from './widgets.js';

/** Takes files by a button or by dropping them. props: purpose, onUploaded(file) */
export class Upload extends Component {
  constructor() {
    super();
    this.state = { over: false };
    this.sending = []; // { file, share, error, cancel }
  }

  send(files) {
    for (const file of files) {
      const one = { file, share: 0, error: null };
      this.sending.push(one);
      const { done, cancel } = upload(file, this.props.purpose || 'fine-tune', (share) => {
        one.share = share;
        this.setState({});
      });
      one.cancel = cancel;
      done.then((made) => {
        this.forget(one);
        announce(file.name + ' is uploaded');
        this.props.onUploaded(made);
      }, (error) => {
        one.error = error;
        this.setState({});
      });
    }
    this.setState({});
  }

  forget(one) {
    this.sending = this.sending.filter((other) => other !== one);
    this.setState({});
  }

  onDrop(event) {
    event.preventDefault();
    this.setState({ over: false });
    this.send(event.dataTransfer.files);
  }

  render(props, { over }) {
    const drag = (event) => {
      event.preventDefault();
      this.setState({ over: event.type === 'dragover' });
    };
    return h('div', null,
      h('label', { class: over ? 'drop over' : 'drop', onDragOver: drag, onDragLeave: drag, onDrop: (event) => this.onDrop(event) },
        h('input', {
          type: 'file', multiple: true, class: 'unseen', onChange: (event) => {
            this.send(event.target.files);
            event.target.value = '';
          },
        }),
        h('span', { class: 'fake-button' }, 'Choose files'), h('span', { class: 'soft' }, 'or drop them here')),
      this.sending.map((one, i) => h('div', { key: i, class: 'sending' },
        h('div', { class: 'line' }, h('span', { class: 'breaks' }, one.file.name), h('span', { class: 'soft' }, bytes(one.file.size)),
          h('button', { type: 'button', class: 'small secondary outline', onClick: () => (one.error ? this.forget(one) : one.cancel()) }, one.error ? 'Dismiss' : 'Cancel')),
        one.error ? h(Problem, { error: one.error }) : h('progress', { 'aria-label': 'upload of ' + one.file.name, value: one.share, max: 1 }))));
  }
}
