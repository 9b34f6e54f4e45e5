// Width and height of a JPEG from its markers, before anything is decoded.
import {Refusal} from "./refusal.js";

const MOST_SEGMENTS = 1024;

export function jpegSize(bytes) {
  const damaged = new Refusal("PayloadError", "the JPEG is damaged");
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw damaged;
  for (let at = 2, i = 0; at + 9 < bytes.length && i < MOST_SEGMENTS; i++) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff) throw damaged;
    // SOF0 to SOF15, without the tables DHT, JPG and DAC that lie among them.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return {height: (bytes[at + 5] << 8) | bytes[at + 6], width: (bytes[at + 7] << 8) | bytes[at + 8]};
    at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
  }
  throw damaged;
}

export function checkJpegSize(bytes, shape) {
  const {height, width} = jpegSize(bytes);
  if (height !== shape[0] || width !== shape[1])
    throw new Refusal("PayloadError",
      `the JPEG has ${width} x ${height} pixels, its header promises ${shape[1]} x ${shape[0]}`);
}
