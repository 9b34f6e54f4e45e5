// node page_pictures.mjs PAGE_FOLDER TASK.json OUT
//
// One task of the page's pictures on samples that TASK.json names: debayer, bounds, table, png, tiff.
import {readFileSync, writeFileSync} from "node:fs";
import {join, resolve} from "node:path";
import {pathToFileURL} from "node:url";

const [folder, taskFile, out] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(resolve(folder), name)));
const {boundsOf, levelTable} = await load("picture/levels.js");
const {debayered} = await load("picture/debayer.js");
const {fileOf} = await load("picture/snapshot.js");

const task = JSON.parse(readFileSync(taskFile));
const raw = readFileSync(task.samples);
const data = raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length);
const samples = task.bytes === 1 ? new Uint8Array(data) : new Uint16Array(data);
const [height, width, channels = 1] = task.shape;

function bytesOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

switch (task.what) {
  case "debayer":
    writeFileSync(out, bytesOf(debayered(samples, height, width, task.pattern, task.method)));
    break;
  case "bounds":
    writeFileSync(out, JSON.stringify(boundsOf(samples, task.bits, task.levels)));
    break;
  case "table":
    writeFileSync(out, bytesOf(levelTable(65536, task.bounds)));
    break;
  case "file": {
    const info = {sequence: 7n, tUtcNs: 1_790_000_000_123_456_789n, codec: "svd-patch", psnrDb: 41.25,
      squaredError: 99n, rank: [8], energy: 0.5, bytes: 1234, bits: 12, cfa: 0,
      meta: new Map([["lot", "\u00e4"], ["n", 3n]])};
    const {blob, name} = await fileOf("<line>/1", {height, width, channels, samples}, info, task.format);
    writeFileSync(out, new Uint8Array(await blob.arrayBuffer()));
    console.log(name);
  }
}
