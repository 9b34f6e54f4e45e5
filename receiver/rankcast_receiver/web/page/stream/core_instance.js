// One instance of rankcast_core.wasm, which decodes the bodies of one camera's packets.
import {Refusal} from "./refusal.js";

// Numbers of struct rk_packet in rankcast_core.h, int64 each.
const AT = {codec: 0, kind: 1, sequence: 2, refSequence: 3, checksum: 4, height: 5, width: 6,
  channels: 7, sampleBytes: 8, paramCount: 9, params: 10, rankCount: 74, ranks: 75};
const NUMBERS = 139;
const MOST_NUMBERS = 64;
const MOST_MEMORY_BYTES = 2 ** 30;
const PAGE_BYTES = 65536;
const ALIGNMENT = 64;
const GROWTH = 1.5;
// Two pictures, and one of samples that were asked for.
const PICTURES = 3;
const BGR_BYTES = 3;
const RGBA_BYTES = 4;

// Results below zero, as errors of rankcast.errors.
const RESULTS = {
  "-1": ["PayloadError", "the body is damaged, or not what its header promises"],
  "-2": ["LimitError", "the picture takes more memory than a stream may have"],
  "-3": ["UnknownCodecError", "the page has no decoder of this codec"],
  "-4": ["LimitError", "decoding would take longer than any picture is worth"],
  "-5": ["NeedKeyframe", "the picture that this one is predicted from is not held"],
  "-6": ["ChecksumError", "the picture was rebuilt, and is not the one that was coded"],
};

function refused(result) {
  const [kind, text] = RESULTS[result] ?? ["PayloadError", `the core returned ${result}`];
  return new Refusal(kind, text);
}

function numbersOf(header) {
  const {picture, params} = header;
  const most = 1n << 63n;
  if (params.length > MOST_NUMBERS || picture.rank.length > MOST_NUMBERS)
    throw new Refusal("PayloadError", "more params or ranks than any codec has");
  if (params.some((one) => typeof one !== "bigint" || one >= most || one <= -most))
    throw new Refusal("PayloadError", "params of this codec are integers");
  const numbers = new BigInt64Array(NUMBERS);
  const [height, width, channels = 1] = picture.shape;
  const plain = {codec: picture.codec, kind: header.kind, height, width, channels,
    sampleBytes: picture.dtypeBytes, paramCount: params.length, rankCount: picture.rank.length};
  for (const [name, value] of Object.entries(plain)) numbers[AT[name]] = BigInt(value);
  // Modulo 2^64 on both sides: the core only compares them.
  numbers[AT.sequence] = header.sequence;
  numbers[AT.refSequence] = header.refSequence ?? 0n;
  numbers[AT.checksum] = header.checksum ?? -1n;
  numbers.set(params, AT.params);
  numbers.set(picture.rank.map(BigInt), AT.ranks);
  return numbers;
}

export class CoreInstance {
  constructor(module, sizes = {body: 0, memory: 0, pixels: 0}) {
    this.sizes = sizes;
    this.exports = new WebAssembly.Instance(module, {}).exports;
    this.top = this.exports.__heap_base.value;
    this.packetAt = this.take(8 * NUMBERS);
    this.bodyAt = this.take(sizes.body);
    this.memoryAt = this.take(sizes.memory);
    // Two pictures: one may be shown while the next one is decoded, and perhaps refused.
    this.pixelsAt = [this.take(sizes.pixels), this.take(sizes.pixels)];
    this.spare = 0;
    this.bgrBytes = 0;
  }

  take(bytes) {
    const at = Math.ceil(this.top / ALIGNMENT) * ALIGNMENT;
    this.top = at + bytes;
    const more = this.top - this.exports.memory.buffer.byteLength;
    if (more > 0) this.exports.memory.grow(Math.ceil(more / PAGE_BYTES));
    return at;
  }

  // Forgets the stream: its memory is as fresh as at the start.
  forget() {
    new Uint8Array(this.exports.memory.buffer, this.memoryAt, this.sizes.memory).fill(0);
  }

  // Sizes that these numbers and body need, or null if the instance has them.
  missing(numbers, bodyBytes) {
    new BigInt64Array(this.exports.memory.buffer, this.packetAt, NUMBERS).set(numbers);
    const memory = Number(this.exports.rk_packet_memory_bytes(this.packetAt));
    if (memory < 0) throw refused(memory);
    const pixels = pictureBytes(numbers);
    if (memory + PICTURES * pixels > MOST_MEMORY_BYTES) throw refused(-2);
    const wanted = {body: bodyBytes, memory, pixels};
    const names = Object.keys(wanted).filter((name) => wanted[name] > this.sizes[name]);
    if (names.length === 0) return null;
    const sizes = {...this.sizes};
    // Memory of an instance is never given back: whoever asks for ever more gets few new ones.
    for (const name of names)
      sizes[name] = Math.max(wanted[name], this.sizes[name] && Math.ceil(GROWTH * this.sizes[name]));
    return {sizes, onlyBody: names.length === 1 && names[0] === "body"};
  }

  // Colours of 8 bits are decoded to RGBA, as a screen takes them, all others to samples. Returns a
  // picture of {samples(), rgba()}: views of the memory, of samples until the next call, else until the
  // next but one is decoded. `rgba` is null where there is none.
  decode(numbers, body) {
    const {memory, rk_packet_decode, rk_packet_decode_rgba} = this.exports;
    new BigInt64Array(memory.buffer, this.packetAt, NUMBERS).set(numbers);
    new Uint8Array(memory.buffer).set(body, this.bodyAt);
    const at = this.pixelsAt[this.spare];
    const decode = isColour(numbers) ? rk_packet_decode_rgba : rk_packet_decode;
    const result = Number(decode(this.packetAt, this.bodyAt, BigInt(body.length),
      this.memoryAt, BigInt(this.sizes.memory), at));
    if (result < 0) throw refused(result);
    this.spare = 1 - this.spare;
    // Memory that grows takes a new buffer: a view is made when it is needed.
    const pixels = pixelsOf(numbers);
    if (isColour(numbers)) {
      const rgba = () => new Uint8ClampedArray(memory.buffer, at, RGBA_BYTES * pixels);
      return {samples: () => this.bgrOf(at, pixels), rgba};
    }
    const Samples = numbers[AT.sampleBytes] === 1n ? Uint8Array : Uint16Array;
    return {samples: () => new Samples(memory.buffer, at, pixels * Number(numbers[AT.channels])),
      rgba: null};
  }

  bgrOf(at, pixels) {
    if (BGR_BYTES * pixels > this.bgrBytes) {
      this.bgrBytes = BGR_BYTES * pixels;
      this.bgrAt = this.take(this.bgrBytes);
    }
    this.exports.rk_screen_to_bgr(at, BigInt(pixels), this.bgrAt);
    return new Uint8Array(this.exports.memory.buffer, this.bgrAt, BGR_BYTES * pixels);
  }

  takeBody(bytes) {
    this.sizes = {...this.sizes, body: bytes};
    this.bodyAt = this.take(bytes);
  }
}

function pixelsOf(numbers) {
  return Number(numbers[AT.height]) * Number(numbers[AT.width]);
}

function isColour(numbers) {
  return numbers[AT.channels] === 3n && numbers[AT.sampleBytes] === 1n;
}

function pictureBytes(numbers) {
  const sampleBytes = Number(numbers[AT.channels]) * Number(numbers[AT.sampleBytes]);
  return pixelsOf(numbers) * (isColour(numbers) ? RGBA_BYTES : sampleBytes);
}

export {numbersOf};
