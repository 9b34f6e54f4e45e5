// msgpack from a peer, within the limits of docs/wire.md. Integers are BigInts, so that they differ
// from floats; maps are Maps, so that no key has a meaning of its own.
import {Refusal} from "./refusal.js";

const MOST_VALUE_BYTES = 4096;
const MOST_ELEMENTS = 64;
const MOST_LEVELS = 16;
const TEXT = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true});

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  skip(count) {
    const at = this.at;
    if (at + count > this.bytes.length) throw new Error("it ends early");
    this.at += count;
    return at;
  }

  uint(size) {
    const at = this.skip(size);
    if (size === 8) return this.view.getBigUint64(at);
    return BigInt(size === 1 ? this.bytes[at]
      : size === 2 ? this.view.getUint16(at) : this.view.getUint32(at));
  }

  int(size) {
    return BigInt.asIntN(8 * size, this.uint(size));
  }

  chunk(size) {
    if (size > MOST_VALUE_BYTES) throw new Error(`a text or bin of ${size} bytes`);
    const at = this.skip(Number(size));
    return this.bytes.slice(at, this.at);
  }

  text(size) {
    return TEXT.decode(this.chunk(size));
  }

  elements(count, level) {
    if (count > MOST_ELEMENTS) throw new Error(`${count} elements`);
    if (level > MOST_LEVELS && count > 0) throw new Error(`more than ${MOST_LEVELS} levels`);
    return Number(count);
  }

  array(size, level) {
    const count = this.elements(size, level);
    const found = [];
    for (let i = 0; i < count; i++) found.push(this.value(level + 1));
    return found;
  }

  map(size, level) {
    const count = this.elements(size, level);
    const found = new Map();
    for (let i = 0; i < count; i++) {
      const key = this.value(level + 1);
      if (typeof key !== "string" && !(key instanceof Uint8Array))
        throw new Error("a key that is no text or bin");
      found.set(key, this.value(level + 1));
    }
    return found;
  }

  value(level) {
    const code = this.bytes[this.skip(1)];
    if (code < 0x80) return BigInt(code);
    if (code < 0x90) return this.map(code & 15, level);
    if (code < 0xa0) return this.array(code & 15, level);
    if (code < 0xc0) return this.text(code & 31);
    if (code >= 0xe0) return BigInt(code - 256);
    switch (code) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.chunk(this.uint(1 << (code - 0xc4)));
      case 0xca: return this.view.getFloat32(this.skip(4));
      case 0xcb: return this.view.getFloat64(this.skip(8));
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return this.uint(1 << (code - 0xcc));
      case 0xd0: case 0xd1: case 0xd2: case 0xd3: return this.int(1 << (code - 0xd0));
      case 0xd9: case 0xda: case 0xdb: return this.text(this.uint(1 << (code - 0xd9)));
      case 0xdc: case 0xdd: return this.array(this.uint(2 << (code - 0xdc)), level);
      case 0xde: case 0xdf: return this.map(this.uint(2 << (code - 0xde)), level);
      default: throw new Error(`the byte ${code}, which begins no value`);
    }
  }
}

// The one value that `bytes` hold; `what` names it in errors.
export function unpackMsgpack(bytes, what) {
  const reader = new Reader(bytes);
  try {
    const value = reader.value(1);
    if (reader.at < bytes.length) throw new Error("bytes after its end");
    return value;
  } catch (error) {
    throw new Refusal("WireError", `${what} is not msgpack within the limits: ${error.message}`);
  }
}

function headBytes(length, small) {
  return length < small ? 1 : length < 256 ? 2 : length < 65536 ? 3 : 5;
}

function integerBytes(value) {
  if (value >= -32n && value < 128n) return 1;
  const [positive, below] = value < 0n ? [-value - 1n, 128n] : [value, 256n];
  for (let size = 1; size < 8; size *= 2)
    if (positive < below << BigInt(8 * (size - 1))) return 1 + size;
  return 9;
}

// Bytes that a flat map takes in its shortest form.
export function packedBytes(map) {
  const sizeOf = (value) => {
    if (value === null || typeof value === "boolean") return 1;
    if (typeof value === "bigint") return integerBytes(value);
    if (typeof value === "number") return 9;
    const size = typeof value === "string" ? new TextEncoder().encode(value).length : value.length;
    // A bin has no form of a single byte before it.
    const small = typeof value === "string" ? 32 : 0;
    return headBytes(size, small) + size;
  };
  let total = map.size < 16 ? 1 : 3;
  for (const [key, value] of map) total += sizeOf(key) + sizeOf(value);
  return total;
}
