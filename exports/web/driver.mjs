// Runs one artifact in this Node, or in a browser that it starts: `node driver.mjs SETTINGS`, where SETTINGS is JSON.
// A frame comes in on stdin for each batch of inputs, a frame goes out on stdout for each batch of outputs, one more
// before the first when the artifact is loaded. A frame says `error` when the artifact could not be loaded, which is the
// last one then, or when one batch could not be computed. The end of stdin ends it all.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

import { ENGINES, load } from "./engines.mjs";
import { PREFIX_BYTES, bodyBytes, encode } from "./frames.mjs";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
const HERE = fileURLToPath(new URL(".", import.meta.url));
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

console.log = console.error; // stdout is for frames; engines write remarks there

async function* frames(stream) {
  let held = Buffer.alloc(0);
  for await (const chunk of stream) {
    held = Buffer.concat([held, chunk]);
    while (held.length >= PREFIX_BYTES) {
      const end = PREFIX_BYTES + bodyBytes(held);
      if (held.length < end) break;
      yield held.subarray(0, end);
      held = held.subarray(end);
    }
  }
}

// Writes the frame that something gives, or what was said when it failed; tells whether it gave one.
async function answer(give) {
  const given = await give().catch((error) => ({ said: String(error?.message ?? error) }));
  const failed = "said" in given;
  if (!process.stdout.write(failed ? encode({ error: given.said }) : given)) await once(process.stdout, "drain");
  return !failed;
}

// Returns the path of a file below a folder; what lies elsewhere is nobody's business.
function below(folder, name) {
  const path = resolve(folder, name);
  if (!path.startsWith(resolve(folder) + sep)) throw new Error(`${name} does not lie in its folder`);
  return path;
}

async function inNode({ artifact, environment, ...settings }) {
  const require = createRequire(join(environment, "package.json"));
  const libraries = ENGINES[settings.engine].packages.map((name) => require(name));
  const read = async (name) => new Uint8Array(await readFile(below(artifact, name)));
  return { compute: await load({ ...settings, libraries, read }), close: () => undefined };
}

async function inChromium({ environment, artifact, browser, ...settings }) {
  const require = createRequire(join(environment, "package.json"));
  const puppeteer = require("puppeteer-core");
  const folders = { web: HERE, packages: join(environment, "node_modules"), artifact };
  const chromium = await puppeteer.launch({ ...browser, headless: true, pipe: true, handleSIGHUP: false });
  const close = () => chromium.close();
  try {
    return { compute: await inPage(await chromium.newPage(), folders, settings), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function inPage(page, folders, settings) {
  const exchange = { inputs: null, outputs: null };
  const root = await serve(folders, exchange);
  const crashed = new Promise((_, reject) => page.on("error", reject));
  crashed.catch(() => undefined); // it is looked at while something is computed
  page.on("console", (message) => console.error(message.text()));
  await page.goto(root);
  for (const script of ENGINES[settings.engine].scripts) await page.addScriptTag({ url: `${root}packages/${script}` });
  await Promise.race([page.evaluate(openInPage, { ...settings, root }), crashed]);
  return async (frame) => {
    exchange.inputs = frame;
    await Promise.race([page.evaluate(() => globalThis.compute()), crashed]);
    return exchange.outputs;
  };
}

// Runs in the page: its names are the page's, not this file's.
async function openInPage({ root, ...settings }) {
  const { load } = await import(`${root}web/engines.mjs`);
  const fetched = async (place) => {
    const response = await fetch(root + place.split("/").map(encodeURIComponent).join("/"));
    if (!response.ok) throw new Error(`${place} was answered with status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const { tf, ort } = globalThis; // what the scripts define
  const libraries = settings.engine === "tfjs" ? [tf, tf, tf.wasm] : [ort];
  const read = (name) => fetched(`artifact/${name}`);
  const compute = await load({ ...settings, libraries, read, files: `${root}packages/` });
  globalThis.compute = async () => {
    await fetch(`${root}outputs`, { method: "POST", body: await compute(await fetched("inputs")) });
  };
}

// Serves a page, its files and the frames on the loopback interface, under a path that only our page knows.
async function serve(folders, exchange) {
  const secret = `/${randomBytes(16).toString("hex")}/`;
  const respond = async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (!pathname.startsWith(secret)) throw new Error("not for you");
    const [place, ...rest] = decodeURIComponent(pathname.slice(secret.length)).split("/");
    if (place === "outputs") {
      const parts = [];
      for await (const part of request) parts.push(part);
      exchange.outputs = Buffer.concat(parts);
      response.end();
      return;
    }
    const name = rest.join("/");
    const type = place === "" ? TYPES[".html"] : TYPES[extname(name)];
    let body = '<!doctype html><title>fweval</title><link rel="icon" href="data:,">';
    if (place === "inputs") body = exchange.inputs;
    else if (place !== "") body = await readFile(below(folders[place], name)); // before the head says that it went well
    response.writeHead(200, { ...ISOLATED, "Content-Type": type ?? "application/octet-stream" });
    response.end(body);
  };
  const server = createServer((request, response) => {
    respond(request, response).catch((error) => response.writeHead(404).end(String(error)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}${secret}`;
}

async function main(settings) {
  let host;
  const loaded = await answer(async () => {
    host = await (settings.browser ? inChromium(settings) : inNode(settings));
    return encode({});
  });
  if (loaded) for await (const frame of frames(process.stdin)) await answer(() => host.compute(frame));
  await host?.close();
  process.exit(); // engines leave threads behind
}

await main(JSON.parse(process.argv[2]));
