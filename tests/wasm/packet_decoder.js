// Runs cases of tests/support/core_packets.py through rankcast_core.wasm. Works in Node.js and in a
// page, and uses nothing of either.
"use strict";

// Numbers of struct rk_packet in rankcast_core.h, int64 each.
const NUMBERS = 139;
const FIELD = {codec: 0, height: 5, width: 6, channels: 7, sampleBytes: 8};
const MOST_MEMORY_BYTES = 2 ** 30;
const ERROR_SPACE = -2;
const PAGE_BYTES = 65536;

const CRC_TABLE = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

// A part of the memory of an instance that grows when it has to; its contents do not move along.
class Block {
  constructor(core) {
    this.core = core;
    this.at = 0;
    this.bytes = 0;
  }

  reserve(bytes) {
    if (bytes <= this.bytes) return;
    this.at = this.core.take(bytes);
    this.bytes = bytes;
  }
}

// One stream and codec: an instance of its own, whose fresh memory is all zero.
class PacketDecoder {
  constructor(module) {
    this.exports = new WebAssembly.Instance(module, {}).exports;
    this.free = this.exports.__heap_base.value;
    this.packet = new Block(this);
    this.body = new Block(this);
    this.memory = new Block(this);
    this.pixels = new Block(this);
    this.packet.reserve(8 * NUMBERS);
  }

  take(bytes) {
    const at = Math.ceil(this.free / 64) * 64;
    this.free = at + bytes;
    const more = this.free - this.exports.memory.buffer.byteLength;
    if (more > 0) this.exports.memory.grow(Math.ceil(more / PAGE_BYTES));
    return at;
  }

  // Returns {result, pixels}; the pixels are a view until the next call. `forScreen`: as RGBA where
  // the picture is of BGR with 8 bits.
  decode(numbers, body, forScreen) {
    const {rk_packet_memory_bytes, rk_packet_decode, rk_packet_decode_rgba, memory} = this.exports;
    new BigInt64Array(memory.buffer, this.packet.at, NUMBERS).set(numbers);
    const wanted = Number(rk_packet_memory_bytes(this.packet.at));
    if (wanted < 0) return {result: wanted};
    if (wanted > MOST_MEMORY_BYTES) return {result: ERROR_SPACE};
    const [height, width, channels, sampleBytes] = ["height", "width", "channels", "sampleBytes"]
      .map((name) => Number(numbers[FIELD[name]]));
    const isRgba = forScreen && channels === 3 && sampleBytes === 1;
    const count = height * width * (isRgba ? 4 : channels * sampleBytes);
    this.memory.reserve(wanted);
    this.body.reserve(body.length);
    this.pixels.reserve(count);
    new Uint8Array(memory.buffer).set(body, this.body.at);
    const result = Number(
      (isRgba ? rk_packet_decode_rgba : rk_packet_decode)(this.packet.at, this.body.at, BigInt(body.length), this.memory.at,
        BigInt(this.memory.bytes), this.pixels.at),
    );
    return {result, pixels: new Uint8Array(memory.buffer, this.pixels.at, count)};
  }
}

// The cases of a file, one after the other.
function* readCases(buffer) {
  for (let at = 0; at < buffer.byteLength;) {
    const head = new BigInt64Array(buffer, at, NUMBERS + 2);
    const bytes = Number(head[NUMBERS + 1]);
    at += 8 * (NUMBERS + 2);
    yield {begins: head[0] !== 0n, numbers: head.slice(1, NUMBERS + 1),
      body: new Uint8Array(buffer, at, bytes)};
    at += Math.ceil(bytes / 8) * 8;
  }
}

// What each case comes to: {result, crc, milliseconds}. `clock` returns milliseconds. Without
// `checked` no CRC is made, which takes longer than most packets, and colours are those of a screen.
function* decodeCases(module, buffer, clock, checked) {
  let decoders = new Map();
  for (const {begins, numbers, body} of readCases(buffer)) {
    if (begins) decoders = new Map();
    const codec = numbers[FIELD.codec];
    if (!decoders.has(codec)) decoders.set(codec, new PacketDecoder(module));
    const start = clock();
    const {result, pixels} = decoders.get(codec).decode(numbers, body, !checked);
    const milliseconds = clock() - start;
    yield {result, milliseconds, crc: result === 0 && checked ? crc32(pixels) : 0};
  }
}

function lineOf({result, crc}) {
  return `${result} ${crc.toString(16).padStart(8, "0")}`;
}

if (typeof module !== "undefined") module.exports = {decodeCases, lineOf};
