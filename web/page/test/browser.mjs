// Debian's Chromium, and axe-core within a page.
import axe from 'axe-core';
import {chromium} from 'playwright-core';

export const launch = () => chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

// What is wrong by WCAG 2.2 A and AA, in short.
export async function violations(page) {
  // As text: the page's own policy would keep a script away.
  await page.evaluate(axe.source);
  const {violations: found} = await page.evaluate(
      () => axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}));
  return found.map(({id, nodes}) => ({id, where: nodes.slice(0, 3).map(node => `${node.html} ${node.failureSummary}`)}));
}
