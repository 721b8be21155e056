// Drives the console in a real browser, as a user would, against a server with the bases "tiny-bert" and "tiny-decoder".
// node drive.mjs BASE_URL FOLDER_OF_DATA FOLDER_FOR_SCREENSHOTS FOLDER_OF_NODE_MODULES CHROMIUM
import { createRequire } from 'node:module';
import path from 'node:path';
import { checked, watched } from './checks.mjs';

const [base, data, out, modules, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(path.join(modules, 'any.js'))('playwright-core');
const HOSTILE = '<img src=x onerror=window.hacked=1>';
const SIZES = [[360, 740], [1280, 800], [3840, 2160]];
const PICTURES = ['360 dark', '1280 light', '3840 dark']; // to be looked at
const SLOW = 240_000; // on a machine that has other things to do

/** What a browser notes of its own where a key is refused, a run has not begun, or this breaks off a stream. */
const EXPECTED = /the server responded with a status of (401|404)|net::ERR_CONNECTION_RESET/;

const problems = [];

function expect(what, holds) {
  console.log((holds ? 'ok    ' : 'FAILS ') + what);
  if (!holds) {
    problems.push(what);
  }
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });

async function opened(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(SLOW);
  watched(page, base, problems, EXPECTED);
  return page;
}

async function to(page, hash) {
  await page.goto(base + '/console' + hash);
  await page.locator('main h1').waitFor();
}

/** Uploads by the button, and waits for the row. */
async function uploads(page, name) {
  await page.locator('input[type=file]').setInputFiles(path.join(data, name));
  await page.getByRole('row', { name }).waitFor();
}

/** Fills the form of a new job, waits for the report, and starts. */
async function starts(page, { suffix, epochs, rate }) {
  await to(page, '#/jobs/new');
  await page.getByLabel('Base model').selectOption('tiny-bert');
  await page.getByLabel('Task').selectOption('classification');
  await page.getByLabel('Training file').selectOption({ label: await optionOf(page, 'Training file', 'train.jsonl') });
  await page.getByLabel('Validation file').selectOption({ label: await optionOf(page, 'Validation file', HOSTILE) });
  await page.getByLabel('Suffix').fill(suffix);
  await page.getByLabel('Epochs').fill(String(epochs));
  await page.getByLabel('Learning rate factor').fill(String(rate));
  await page.getByRole('table', { name: 'Data for classification' }).waitFor();
  const report = await page.getByRole('region', { name: 'data report' }).innerText();
  await page.getByRole('button', { name: 'Start the job' }).click();
  await page.getByRole('heading', { name: suffix }).waitFor();
  return report;
}

async function optionOf(page, label, beginning) {
  await page.getByLabel(label).locator('option').nth(1).waitFor({ state: 'attached' });
  return (await page.getByLabel(label).locator('option').allInnerTexts()).find((text) => text.startsWith(beginning));
}

function status(page, word) {
  return page.locator('main .status', { hasText: word }).first().waitFor();
}

async function files(page) {
  await to(page, '#/files');
  for (const name of ['train.jsonl', HOSTILE + '.jsonl', 'lines.txt']) {
    await uploads(page, name);
  }
  expect('a hostile file name is a text', (await page.locator('table').innerText()).includes(HOSTILE));
  await page.evaluate(() => {
    const files = new DataTransfer();
    files.items.add(new File(['{"text":"good","label":"positive"}\n'], 'dropped.jsonl'));
    document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
  });
  await page.getByRole('row', { name: 'dropped.jsonl' }).waitFor();
  expect('a file that is dropped is uploaded', true);

  const look = page.getByRole('button', { name: 'First rows of ' + HOSTILE });
  await look.click();
  const rows = page.getByRole('dialog').getByRole('table', { name: 'First rows' });
  await rows.waitFor();
  expect('hostile rows are texts', (await rows.innerText()).includes(HOSTILE));
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect('Esc closes a window, and the button that opened it has the focus', await look.evaluate((button) => document.activeElement === button));

  await page.getByRole('button', { name: 'Delete dropped.jsonl' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('row', { name: 'dropped.jsonl' }).waitFor({ state: 'detached' });
  expect('a file is deleted after a question', true);
}

async function firstJob(page) {
  const report = await starts(page, { suffix: 'first', epochs: 6, rate: 20 });
  expect('the data report stands before the job: classes', report.includes('positive'));
  expect('the data report has hostile labels as texts', report.includes(HOSTILE));
  await page.locator('.chart figcaption', { hasText: 'train/loss' }).waitFor();
  expect('curves come while it runs, or after', true);
  await status(page, 'succeeded');
  expect('the end of a job is announced', (await page.locator('#said').innerText()).includes('succeeded'));
  expect('a chart has its course in words', /train\/loss|from .* at step/.test(await page.locator('.chart .unseen').first().textContent()));

  const tab = page.getByRole('tab', { name: 'Curves' });
  await tab.focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  expect('arrow keys go from tab to tab', await page.getByRole('tab', { name: 'Results' }).evaluate((one) => document.activeElement === one && one.getAttribute('aria-selected') === 'true'));
  await page.getByRole('table', { name: 'Confusion matrix' }).waitFor();
  expect('the confusion matrix has hostile labels as texts', (await page.locator('main').innerText()).includes(HOSTILE));
  await page.keyboard.press('End');
  await page.getByRole('table', { name: 'All options' }).waitFor();
  expect('no path of the server is shown', !(await page.locator('main').innerText()).includes(data));
  await page.getByRole('tab', { name: 'Events' }).click();
  await page.getByRole('table', { name: 'Events' }).waitFor();
  await page.getByRole('tab', { name: 'Checkpoints' }).click();
  await page.getByText(/Checkpoints|No checkpoints are kept/).nth(1).waitFor();
  await page.getByRole('tab', { name: 'Data', exact: true }).click();
  await page.getByRole('table', { name: 'Data for classification' }).waitFor();
  return page.url().match(/ftjob-[^/]+/)[0];
}

async function compared(page) {
  await starts(page, { suffix: 'second', epochs: 6, rate: 5 });
  await status(page, 'succeeded');
  await to(page, '#/jobs');
  await page.getByLabel('compare first').check();
  await page.getByLabel('compare second').check();
  await page.getByRole('button', { name: 'Compare 2' }).click();
  await page.getByRole('heading', { name: 'Compare jobs' }).waitFor();
  await page.getByRole('table', { name: 'What differs' }).getByRole('row', { name: /learning.rate/ }).waitFor();
  await page.locator('.chart', { hasText: 'train/loss' }).getByText('second').first().waitFor({ state: 'attached' });
  expect('two jobs are drawn over each other', true);
}

async function stopped(page) {
  await starts(page, { suffix: 'long', epochs: 900, rate: 1 });
  await status(page, 'running');
  await page.getByRole('button', { name: 'Pause' }).click();
  await status(page, 'paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await status(page, 'running');

  let broken = 0;
  await page.route('**/v1/attune/live*', (route) => (broken++ === 0 ? route.abort('connectionreset') : route.continue()));
  await page.reload();
  await page.locator('.chart figcaption', { hasText: 'train/loss' }).waitFor();
  await page.unroute('**/v1/attune/live*');
  expect('a stream that breaks off is taken up again', broken >= 2);

  const steps = async () => Number((await page.locator('.steps .soft').innerText()).split('/')[0].replaceAll(',', ''));
  const before = await steps();
  await page.waitForFunction((was) => Number(document.querySelector('.steps .soft').innerText.split('/')[0].replaceAll(',', '')) > was, before);
  expect('steps are counted on', true);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the job' }).click();
  await status(page, 'cancelled');
  expect('a job is paused, resumed and cancelled', true);
}

async function playground(page) {
  await page.route('**/v1/models?*', async (route) => { // of names that no server would take
    const answer = await route.fetch();
    const list = await answer.json();
    list.data.push({ id: HOSTILE, object: 'model', created: 1, owned_by: HOSTILE }, { id: 'ft:' + HOSTILE + ':a:b:c', object: 'model', created: 1, owned_by: HOSTILE });
    await route.fulfill({ response: answer, json: list });
  });
  await to(page, '#/models');
  await page.getByRole('row', { name: HOSTILE }).first().waitFor();
  expect('hostile names of models are texts', !await page.evaluate(() => window.hacked));
  await page.unroute('**/v1/models?*');

  await to(page, '#/playground/tiny-decoder');
  await page.getByText('Settings').click();
  await page.getByLabel('max tokens').fill('16');
  await page.getByLabel('Your message').fill('hello');
  await page.keyboard.press('Enter');
  await page.locator('.message.assistant .said').filter({ hasText: /./ }).waitFor();
  await page.getByText(/\+ \d+ tokens/).waitFor();
  expect('a model answers', true);

  await to(page, '#/models');
  await page.getByRole('button', { name: 'Versions of tiny-bert', exact: true }).click();
  await page.getByRole('dialog').getByText('learned from no corrections').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect('versions of a model are asked for', true);
  const tuned = (await page.locator('code.id').allInnerTexts()).filter((id) => id.startsWith('ft:'));
  expect('tuned models are listed: ' + tuned, tuned.length >= 2);
  await to(page, '#/playground/' + tuned.slice(0, 2).map(encodeURIComponent).join('/'));
  await page.getByRole('tab', { name: 'Classify' }).click();
  await page.getByLabel('Texts, one on a line').fill('the phone is very good\nthe chair was awful');
  await page.getByRole('button', { name: 'Classify' }).click();
  await page.locator('.classified').nth(3).waitFor();
  expect('two models classify side by side', await page.locator('.column').count() === 2);
  await page.screenshot({ path: path.join(out, 'playground.png') });
}

async function embeds(page) {
  await to(page, '#/playground/tiny-bert');
  await page.getByRole('tab', { name: 'Embed' }).click();
  await page.getByLabel('Texts, one on a line').fill('good phone\nfine phone\nbad chair');
  await page.getByRole('button', { name: 'Embed' }).click();
  await page.getByRole('table', { name: 'Cosine similarity' }).waitFor();
  expect('texts are embedded and compared', (await page.locator('td.cell').first().innerText()) === '1.000');
}

/** Each view at each size in both looks. */
async function everyView(job, key) {
  const views = ['#/jobs', '#/jobs/new', '#/files', '#/models', '#/playground', '#/keys', '#/machine',
    ...['curves', 'system', 'results', 'data', 'events', 'checkpoints', 'settings'].map((tab) => '#/jobs/' + job + '/' + tab)];
  for (const colorScheme of ['light', 'dark']) {
    for (const [width, height] of SIZES) {
      const page = await opened({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' }); // no colours on their way to others
      if (key) {
        await page.addInitScript((value) => sessionStorage.setItem('attune-api-key', value), key);
      }
      for (const view of views) {
        await to(page, view);
        await page.locator('[aria-busy=true]').waitFor({ state: 'detached' });
        if (view.includes(job)) {
          await page.getByRole('tabpanel').waitFor();
          await page.waitForTimeout(300); // curves are on their way
        }
        problems.push(...await checked(page, view + ' at ' + width + ', ' + colorScheme));
        if (PICTURES.includes(width + ' ' + colorScheme)) {
          await page.screenshot({ path: path.join(out, view.replace('#/', '').replace(job, 'job').replaceAll('/', '-') + '-' + width + '-' + colorScheme + '.png') });
        }
      }
      await page.context().close();
    }
  }
  expect('every view at 360, 1280 and 3840 pixels, light and dark', true);
}

async function byKeyboard(page) {
  await to(page, '#/jobs');
  await page.reload();
  await page.locator('main h1').waitFor();
  await page.keyboard.press('Tab');
  expect('the first stop skips to the content', await page.evaluate(() => document.activeElement.className) === 'skip');
  await page.keyboard.press('Enter');
  expect('which has the focus then', await page.evaluate(() => document.activeElement.id) === 'main');
  await page.keyboard.press('Tab');
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle + ' ' + getComputedStyle(document.activeElement).outlineWidth);
  expect('what has the focus shows it: ' + ring, ring === 'solid 3px');
  await page.getByLabel('Look').selectOption('dark');
  expect('the look can be chosen', await page.evaluate(() => document.documentElement.dataset.theme) === 'dark');
  await page.reload();
  expect('and is kept', await page.evaluate(() => document.documentElement.dataset.theme) === 'dark');
  await page.getByLabel('Look').selectOption('system');
}

async function keys(page) {
  await to(page, '#/keys');
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name').fill(HOSTILE);
  for (const scope of ['training', 'admin']) {
    await page.getByLabel(new RegExp('^' + scope)).check();
  }
  await page.getByRole('button', { name: 'Make the key' }).click();
  const key = await page.getByLabel('the key').inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('heading', { name: 'An API key is needed' }).waitFor();
  expect('once there is a key it is asked for', true);
  await page.getByLabel('API key').fill('sk-wrong');
  await page.getByRole('button', { name: 'Open the console' }).click();
  await page.getByRole('alert').filter({ hasText: /key/i }).waitFor();
  expect('a wrong key is refused', true);
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Open the console' }).click();
  await page.getByRole('row', { name: HOSTILE }).waitFor();
  expect('the key opens the console, and is not shown again', !(await page.locator('main').innerText()).includes(key));
  expect('the key is kept in the tab alone', await page.evaluate(() => localStorage.length + document.cookie.length) === 0);
  return key;
}

try {
  const page = await opened();
  await to(page, '');
  expect('the page has no inline script and one policy', await page.locator('script:not([src])').count() === 0);
  await files(page);
  const job = await firstJob(page);
  await compared(page);
  await stopped(page);
  await playground(page);
  await embeds(page);
  await byKeyboard(page);
  const key = await keys(page);
  await everyView(job, key);
} catch (error) {
  problems.push(error.stack);
  for (const context of browser.contexts()) {
    for (const page of context.pages()) {
      await page.screenshot({ path: path.join(out, 'failed.png') });
      console.log(page.url() + '\n' + await page.locator('body').innerText());
    }
  }
}
await browser.close();
console.log([...new Set(problems)].join('\n') || 'all is well');
process.exit(problems.length > 0 ? 1 : 0);
