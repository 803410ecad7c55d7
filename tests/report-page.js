// Looks at a report page as a person does. Arguments: the page, where the picture goes, the browser.
"use strict";
const assert = require("node:assert");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

async function main([page, picture, executablePath]) {
  const profile = mkdtempSync(join(tmpdir(), "report-page-"));
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
  const browser = await chromium.launchPersistentContext(profile, { executablePath, args, viewport: { width: 1180, height: 1150 } });
  try {
    const tab = await browser.newPage();
    const asked = [], problems = [];
    tab.on("request", request => asked.push(request.url()));
    tab.on("console", message => { if (message.type() === "error") problems.push(message.text()); });
    tab.on("pageerror", error => problems.push(String(error)));
    const address = pathToFileURL(page).href;
    await tab.goto(address);
    await tab.waitForSelector("html[data-ready=yes]");

    const headline = await tab.locator(".divergence").allTextContents();
    assert(headline.some(text => /after 30h .* from PD to OK/.test(text)), "the slowed erase is named: " + headline);
    assert(headline.some(text => /after 32h .*FL/.test(text)), "the changed reply is named: " + headline);
    // Each slow erase is a divergence; people have one thing to look into, and can see them all.
    const slow = tab.locator(".divergence").filter({ hasText: "from PD to OK" });
    assert.strictEqual(await slow.count(), 1, "slow erases are of one sort: " + headline);
    const such = await slow.locator("summary").textContent();
    assert(/^\d+ such divergences in \d+ scenario.*: the module .* ms to .* ms, the emulator/.test(such), such);
    assert.strictEqual(await slow.locator(".such:visible").count(), 0);
    await slow.locator("summary").click();
    assert.strictEqual(await slow.locator(".such:visible").count(), Number(such.split(" ")[0]), such);
    await slow.locator("summary").click();
    const all = await tab.locator("tr.case:visible").count();
    assert(all >= 4, "the matrix has rows");
    assert.strictEqual(await tab.locator("tr.case").first().locator(".night").count(), 6, "three nights of two targets");

    await tab.fill("#filter", "ttyusb0 flaky");
    assert.strictEqual(await tab.locator("tr.case:visible").count(), 1, "one scenario is flaky there");
    await tab.fill("#filter", "no such words");
    assert.strictEqual(await tab.locator("tr.case:visible").count(), 0);
    await tab.fill("#filter", "");
    assert.strictEqual(await tab.locator("tr.case:visible").count(), all);

    const first = tab.locator(".divergence a").filter({ hasText: "from PD to OK" }).first();
    await first.click();
    await tab.waitForSelector("#detail canvas");
    await tab.waitForSelector("#detail .wire .here");
    const here = await tab.locator("#detail .wire .here").first().textContent();
    assert(/30h/.test(here), "the place on the timeline is that of the command: " + here);
    const painted = () => tab.evaluate(() => {
      const canvas = document.querySelector("#detail canvas");
      const points = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      let sum = 0;
      for (let index = 0; index < points.length; index += 4) sum = (sum * 31 + points[index] + points[index + 3]) % 1000003;
      return [sum, points.some(point => point !== 0)];
    });
    const before = await painted();
    assert(before[1], "something is drawn");
    await tab.locator("#detail button", { hasText: "zoom in" }).first().click();
    assert.notDeepStrictEqual(await painted(), before, "zooming draws anew");
    await tab.locator("#detail button", { hasText: "zoom out" }).first().click();

    await tab.locator("#matrix a.verdict").first().click();
    await tab.waitForSelector("#detail table");
    await tab.goto(address + (await first.getAttribute("href")));
    await tab.reload();
    await tab.waitForSelector("#detail .wire .here");
    await tab.evaluate(() => scrollTo(0, 0));
    await tab.screenshot({ path: picture });

    assert.deepStrictEqual(problems, [], "the page complains of nothing");
    const outside = asked.filter(url => url.split("#")[0] !== address);
    assert.deepStrictEqual(outside, [], "no request leaves the page");
    console.log("the page renders, filters, links work, " + asked.length + " loads of itself and no request beside; picture: " + picture);
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

main(process.argv.slice(2)).catch(error => { console.error(error); process.exit(1); });
