// node page_packets.mjs PAGE_FOLDER MODULE.wasm MESSAGES
//
// Feeds packets to the page's parser and decoder, and prints a line for each: what it decoded to, or
// the kind of the refusal. MESSAGES: for each packet a byte, 1 if a stream begins with it, its length
// as uint32 little-endian, and its bytes.
import {readFileSync} from "node:fs";
import {join, resolve} from "node:path";
import {pathToFileURL} from "node:url";

const [folder, wasm, messages] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(resolve(folder), name)));
const {crc32} = await load("stream/crc32.js");
const {psnrOf} = await load("stream/header.js");
const {PacketDecoder} = await load("stream/packet_decoder.js");
const {Refusal} = await load("stream/refusal.js");
const {spectrumOf} = await load("stream/spectrum.js");

const LIMITS = {maxPacketBytes: 32 << 20, maxSide: 65535, maxSamples: 2 ** 27};
const module = new WebAssembly.Module(readFileSync(wasm));
const file = readFileSync(messages);

function describe({header, body, samples}) {
  const view = samples?.();
  const spectrum = spectrumOf(header, body);
  return JSON.stringify({
    crc: view ? crc32(new Uint8Array(view.buffer, view.byteOffset, view.byteLength)) : null,
    sequence: String(header.sequence), frame: String(header.frame), utc: String(header.tUtcNs),
    psnr: psnrOf(header), energy: header.energy, rank: header.picture.rank, meta: header.meta.size,
    spectrum,
  });
}

let decoder = null;
for (let at = 0; at < file.length;) {
  if (file[at] === 1) decoder = new PacketDecoder(module, LIMITS);
  const size = file.readUInt32LE(at + 1);
  // A buffer of its own at an odd offset, as after a topic.
  const bytes = new Uint8Array(new ArrayBuffer(size + 13), 13);
  bytes.set(file.subarray(at + 5, at + 5 + size));
  at += 5 + size;
  try {
    console.log(describe(decoder.decode(bytes)));
  } catch (error) {
    // Anything but a refusal would end the worker's picture, and this test.
    if (!(error instanceof Refusal)) throw error;
    console.log(error.kind);
  }
}
