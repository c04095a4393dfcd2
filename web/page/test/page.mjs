// The page in Chromium, as a person uses it.
//   node web/page/test/page.mjs http://127.0.0.1:8080 BASE INSTRUCT [TOOLS [FOLDER]]
// BASE and INSTRUCT are models that the server has. Screenshots go to FOLDER.
import {violations, launch} from './browser.mjs';
import assert from 'node:assert';
import path from 'node:path';

const [url, base, instruct, , folder] = process.argv.slice(2);
const browser = await launch();
const problems = [];

async function open(options = {}) {
  const context = await browser.newContext({locale: 'ko-KR', viewport: {width: 1100, height: 850}, ...options});
  const page = await context.newPage();
  page.on('console', message => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', error => problems.push(String(error)));
  page.on('request', request => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) problems.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  await page.waitForSelector('h1');
  return page;
}
async function look(page, name) {
  if (folder) await page.screenshot({path: path.join(folder, `${name}.png`), fullPage: true});
  const found = await violations(page);
  assert.deepEqual(found, [], `${name}: ${JSON.stringify(found, null, 1)}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${name}: ${wide} pixels too wide`);
}
const go = (page, name) => page.getByRole('navigation', {name: 'Seodang'}).getByRole('link', {name}).click();
const card = (page, model) => page.getByRole('article', {name: model, exact: true});

async function sideBySide(page, name) {
  await page.getByLabel('프롬프트').fill('대한민국의 수도는?');
  await page.getByLabel('프롬프트').press('Control+Enter');
  for (const model of [base, instruct]) {
    const answer = card(page, model);
    await answer.locator('.stop:not(:empty)').waitFor();
    assert.ok((await answer.locator('.said').textContent()).length > 0);
    await answer.locator('.rate:not(:empty)').waitFor();
    await answer.getByText('모델에 입력된 토큰').click();
  }
  // The base saw the bare text, the instruct model its template.
  const saw = async model => (await card(page, model).locator('.tokens').textContent()).replaceAll('␣', ' ');
  // (A small vocabulary has but bytes for some of it.)
  assert.ok((await saw(base)).endsWith(' 수도는?'), await saw(base));
  assert.match(await saw(instruct), /user.* 수도는\?.*assistant/);
  await look(page, name);
}

const page = await open();
await sideBySide(page, 'side-by-side');

await go(page, '다음 토큰');
await page.getByLabel('시작하는 글').fill('대한민국의 수도는');
await page.getByRole('button', {name: '읽히기'}).click();
const tokens = page.locator('.text-tokens button');
await page.locator('.text-tokens .written').waitFor();
const before = await tokens.count();
await page.getByRole('button', {name: '한 토큰'}).click();
await page.waitForFunction(count => document.querySelectorAll('.text-tokens button').length > count, before);
// Another road from the first token that was written.
await page.locator('.text-tokens .written').first().click();
const other = page.locator('.candidates li button').nth(1);
const taken = await other.locator('code').textContent();
await other.click();
await page.waitForFunction(count => document.querySelectorAll('.text-tokens button').length > count, before);
assert.ok((await tokens.nth(before - 1).textContent()).startsWith(taken));
// And the candidates in place of a token that was given.
await tokens.nth(1).click();
await page.getByRole('heading', {name: '자리의 후보'}).waitFor();
await look(page, 'next-token');

await go(page, '대화');
await page.getByLabel('메시지', {exact: true}).fill('일본의 수도는?');
await page.getByLabel('메시지', {exact: true}).press('Enter');
await page.locator('.turns .instruct .stop:not(:empty)').waitFor();
await page.getByLabel('메시지', {exact: true}).fill('그 나라의 통화는?');
await page.getByRole('button', {name: '보내기'}).click();
await page.locator('.turns .instruct .stop:not(:empty)').nth(1).waitFor();
assert.ok(await page.locator('meter').evaluate(meter => meter.value) > 0);
await look(page, 'chat');
await page.getByRole('button', {name: '새 대화'}).click();
assert.equal(await page.locator('.turns article').count(), 0);

await go(page, '모델');
await page.locator('table').nth(1).waitFor();
await look(page, 'models');
await go(page, '학습');
await page.getByRole('heading', {name: '생성 결과'}).waitFor();
await page.getByRole('img', {name: /손실/}).hover();
await page.getByRole('status').filter({hasText: '스텝'}).first().waitFor();
await page.getByText(/^보고서 \d/).click();
const [report] = await Promise.all([page.context().waitForEvent('page'), page.getByRole('button', {name: 'demo', exact: true}).click()]);
await report.waitForLoadState();
await report.close();
if (await page.getByRole('heading', {name: '배운 것과 잊은 것'}).count())
  await page.locator('.frontier .chosen').waitFor();
await look(page, 'training');
// What was asked before is still there.
await go(page, '나란히');
assert.ok((await card(page, base).locator('.said').textContent()).length > 0);

// In English, in the dark, on a phone.
await page.getByRole('button', {name: 'English'}).click();
await page.getByRole('heading', {name: 'Side by side'}).waitFor();
const phone = await open({colorScheme: 'dark', viewport: {width: 375, height: 740}});
await sideBySide(phone, 'phone-dark');
for (const [name, label] of [['다음 토큰', 'next'], ['대화', 'chat'], ['모델', 'models'], ['학습', 'training']]) {
  await go(phone, name);
  if (label === 'models') await phone.locator('table').nth(1).waitFor();
  if (label === 'training') await phone.locator('.chart').first().waitFor();
  await look(phone, `phone-dark-${label}`);
}
// An error of the server is told.
await page.getByLabel('Prompt').fill('x '.repeat(20000));
await page.getByRole('button', {name: 'Send'}).click();
await page.getByRole('alert').first().waitFor();
assert.match(await page.getByRole('alert').first().textContent(), /the context holds/);

await browser.close();
// A refused request is logged by the browser itself.
assert.deepEqual(problems.filter(text => !text.includes('status of 400')), []);
console.log('the page works');
