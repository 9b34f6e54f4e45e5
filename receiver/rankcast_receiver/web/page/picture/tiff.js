// TIFF files with every channel at full depth, uncompressed, with a text.

const SHORT = 3, LONG = 4, ASCII = 2;
const GREY = 1, COLOUR = 2, UNSPECIFIED = 0;
const HEAD_BYTES = 8;
const ENTRY_BYTES = 12;

// RGB where the picture is BGR.
function ordered({channels, samples}) {
  if (channels < 3) return samples;
  const out = samples.slice();
  for (let i = 0; i < out.length; i += channels) [out[i], out[i + 2]] = [samples[i + 2], samples[i]];
  return out;
}

export function tiffOf(picture, text) {
  const {height, width, channels} = picture;
  const samples = ordered(picture);
  const data = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  const same = (value, count) => Array.from({length: count}, () => value);
  const extra = channels - (channels >= 3 ? 3 : 1);
  const entries = [
    [256, LONG, [width]], [257, LONG, [height]],
    [258, SHORT, same(8 * samples.BYTES_PER_ELEMENT, channels)], [259, SHORT, [1]],
    [262, SHORT, [channels >= 3 ? COLOUR : GREY]],
    [270, ASCII, [...new TextEncoder().encode(`${text}\0`)]],
    [273, LONG, [0]], [277, SHORT, [channels]], [278, LONG, [height]], [279, LONG, [data.length]],
    [284, SHORT, [1]], ...(extra ? [[338, SHORT, same(UNSPECIFIED, extra)]] : []),
  ];
  const sizes = {[SHORT]: 2, [LONG]: 4, [ASCII]: 1};
  const tableBytes = 2 + ENTRY_BYTES * entries.length + 4;
  let free = HEAD_BYTES + tableBytes;
  const places = entries.map(([, type, values]) => {
    const bytes = sizes[type] * values.length;
    if (bytes <= 4) return 0;
    free += bytes + (bytes & 1);
    return free - bytes - (bytes & 1);
  });
  const head = new DataView(new ArrayBuffer(free + (free & 1)));
  head.setUint32(0, 0x002a4949, true);
  head.setUint32(4, HEAD_BYTES, true);
  head.setUint16(HEAD_BYTES, entries.length, true);
  entries.forEach(([tag, type, values], i) => {
    const at = HEAD_BYTES + 2 + ENTRY_BYTES * i;
    head.setUint16(at, tag, true);
    head.setUint16(at + 2, type, true);
    head.setUint32(at + 4, values.length, true);
    if (places[i]) head.setUint32(at + 8, places[i], true);
    const to = places[i] || at + 8;
    values.forEach((value, k) => {
      if (type === ASCII) head.setUint8(to + k, value);
      else if (type === SHORT) head.setUint16(to + 2 * k, value, true);
      else head.setUint32(to + 4 * k, tag === 273 ? head.byteLength : value, true);
    });
  });
  return new Blob([head.buffer, data], {type: "image/tiff"});
}
