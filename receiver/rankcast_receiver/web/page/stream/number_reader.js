// Unsigned LEB128 numbers below 2^64 in their shortest form.
import {Refusal} from "./refusal.js";

const MOST_BYTES = 10;

export class NumberReader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  // The next number, as a BigInt.
  read(name) {
    let value = 0n;
    for (let i = 0; i < MOST_BYTES && this.at < this.bytes.length; i++) {
      const byte = this.bytes[this.at++];
      value |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte >= 128) continue;
      if (value >> 64n || (byte === 0 && i > 0)) break;
      return value;
    }
    throw new Refusal("WireError",
      `${name} is not an LEB128 number below 2^64 in its shortest form`);
  }
}
