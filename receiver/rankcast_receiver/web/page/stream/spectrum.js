// Singular values in the body of an `svd` packet; other codecs send none.

const SVD = 1;
const CODED = 0;
const FLOAT_BYTES = [0, 2, 4, 8];
const STEP_BYTES = 8;
const MATRIX_BYTES = 16;
const CLASS_BYTES = 5;
const ENTRY_BYTES = 16;

class Body {
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  skip(bytes) {
    this.at += bytes;
    return this.at - bytes;
  }

  uint(bytes) {
    const at = this.skip(bytes);
    return bytes === 1 ? this.view.getUint8(at)
      : bytes === 2 ? this.view.getUint16(at, true) : this.view.getUint32(at, true);
  }

  float(bytes) {
    const at = this.skip(bytes);
    return bytes === 4 ? this.view.getFloat32(at, true) : this.view.getFloat64(at, true);
  }

  // The tables of a matrix: as long as the classes in use tell.
  skipTables() {
    let classes = this.view.getBigUint64(this.at, true);
    let used = 0;
    for (; classes; classes &= classes - 1n) used++;
    this.skip(MATRIX_BYTES + CLASS_BYTES * used);
  }
}

function planeSizes({shape: [height, width, channels = 1]}, colour) {
  if (!colour) return Array.from({length: channels}, () => [height, width]);
  const half = [Math.ceil(height / 2), Math.ceil(width / 2)];
  return [[height, width], half, half];
}

// A list of singular values for each plane, largest first; null if the codec sends none. The body is
// that of a packet that was decoded.
export function spectrumOf({picture, params}, bytes) {
  if (picture.codec !== SVD) return null;
  const [form, colour] = params.map(Number);
  const body = new Body(bytes);
  const planes = planeSizes(picture, colour);
  const bandCount = body.uint(1);
  body.skip(1);
  const ends = [];
  for (let band = 0; band < bandCount - 1; band++) {
    ends.push(planes.map(() => body.uint(2)));
    body.skip(ENTRY_BYTES);
  }
  ends.push(picture.rank);
  const found = planes.map(() => []);
  ends.forEach((ranks, band) => planes.forEach(([height, width], plane) => {
    const count = ranks[plane] - found[plane].length;
    if (form === CODED && band === 0 && picture.rank[plane] > 0) {
      body.skip(STEP_BYTES);
      body.skipTables();
      body.skipTables();
    }
    if (count === 0) return;
    for (let k = 0; k < count; k++) found[plane].push(body.float(FLOAT_BYTES[form] === 8 ? 8 : 4));
    if (form === CODED) {
      const words = body.uint(4) + body.uint(4);
      body.skip(words);
    } else body.skip(count * (height + width) * FLOAT_BYTES[form]);
  }));
  return found;
}
