// node decode_packets.js MODULE.wasm CASES [--time]
//
// Prints a line a case: result and CRC-32 of the pixels, or with --time result and milliseconds of
// processor time.
"use strict";

const {readFileSync} = require("node:fs");
const {decodeCases, lineOf} = require("./packet_decoder.js");

const [wasm, cases, option] = process.argv.slice(2);
const timed = option === "--time";
const file = readFileSync(cases);
const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
const clock = () => {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1e3;
};
for (const found of decodeCases(new WebAssembly.Module(readFileSync(wasm)), buffer, clock, !timed))
  console.log(timed ? `${found.result} ${found.milliseconds}` : lineOf(found));
