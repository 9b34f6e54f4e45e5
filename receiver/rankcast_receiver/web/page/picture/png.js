// PNG files of 8 or 16 bits a sample, grey or colour, with a text.
import {crc32} from "../stream/crc32.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const GREY = 0;
const COLOUR = 2;
const FILTER_UP = 2;

function chunk(type, ...parts) {
  const data = [new TextEncoder().encode(type), ...parts];
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const head = new Uint8Array(4), tail = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, size);
  new DataView(tail.buffer).setUint32(0, data.reduce((crc, part) => crc32(part, crc), 0));
  return [head, ...data, tail];
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Rows of big-endian samples, RGB where the picture is BGR, each as its difference to the row above.
function filteredRows({height, width, channels, samples}) {
  const bytes = samples.BYTES_PER_ELEMENT, shown = channels >= 3 ? 3 : 1;
  const size = width * shown * bytes;
  const out = new Uint8Array(height * (1 + size));
  let row = new Uint8Array(size), before = new Uint8Array(size);
  for (let y = 0; y < height; y++) {
    let to = 0;
    for (let x = 0; x < width; x++)
      for (let channel = shown - 1; channel >= 0; channel--) {
        const value = samples[(y * width + x) * channels + channel];
        if (bytes === 2) row[to++] = value >> 8;
        row[to++] = value & 255;
      }
    const at = y * (1 + size);
    out[at] = FILTER_UP;
    for (let i = 0; i < size; i++) out[at + 1 + i] = row[i] - before[i];
    [row, before] = [before, row];
  }
  return out;
}

// Returns a Blob. Of two channels the first is stored, of four or more the first three.
export async function pngOf(picture, text) {
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, picture.width);
  view.setUint32(4, picture.height);
  head[8] = 8 * picture.samples.BYTES_PER_ELEMENT;
  head[9] = picture.channels >= 3 ? COLOUR : GREY;
  // Keyword, no compression, no language, no translated keyword.
  const label = new TextEncoder().encode("Description\0\0\0\0\0");
  return new Blob([
    new Uint8Array(SIGNATURE), ...chunk("IHDR", head),
    ...chunk("iTXt", label, new TextEncoder().encode(text)),
    ...chunk("IDAT", await deflated(filteredRows(picture))), ...chunk("IEND"),
  ], {type: "image/png"});
}
