// The header of a packet: every field is checked, in the order of docs/wire.md.
import {packedBytes, unpackMsgpack} from "./msgpack.js";
import {NumberReader} from "./number_reader.js";
import {Refusal} from "./refusal.js";

export const KIND = {key: 0, predicted: 1, status: 2, end: 3, reference: 4};
export const CFA_PATTERNS = ["", "RGGB", "BGGR", "GRBG", "GBRG"];
const MASK = (1n << 64n) - 1n;
const PPB = 1_000_000_000n;
const STREAM_ID_BYTES = 8;
const MOST_FIELDS_BYTES = 8192;
const MOST_META_BYTES = 4096;
const FIELD_COUNT = 7;
const PICTURE_COUNT = 8;
const MOST_CHANNELS = 64;
const MOST_MODEL_ID_BYTES = 32;

const wrong = (message) => new Refusal("WireError", message);

function uint(value, name, most, least = 0) {
  if (typeof value !== "bigint" || value < least || value > most)
    throw wrong(`${name} is ${String(value).slice(0, 40)}, want an integer from ${least} to ${most}`);
  return Number(value);
}

function optionalUint(value, name, most) {
  if (value === null) return null;
  if (typeof value !== "bigint" || value < 0n || value > most)
    throw wrong(`${name} is ${String(value).slice(0, 40)}, want an integer from 0 to ${most}`);
  return value;
}

function stringMap(value, name) {
  if (value === null) return new Map();
  if (!(value instanceof Map) || [...value.keys()].some((key) => typeof key !== "string"))
    throw wrong(`${name} is not a map with string keys`);
  return value;
}

const isScalar = (value) => !Array.isArray(value) && !(value instanceof Map);

function metaOf(value) {
  const meta = stringMap(value, "meta");
  if (![...meta.values()].every(isScalar))
    throw wrong("meta contains a value that is not nil, bool, int, float, str or bin");
  const size = meta.size ? packedBytes(meta) : 0;
  if (size > MOST_META_BYTES)
    throw new Refusal("LimitError", `got metadata of ${size} bytes, the limit is ${MOST_META_BYTES}`);
  return meta;
}

function paramsOf(value) {
  if (value === null) return [];
  const isNumber = (item) => typeof item === "bigint" || typeof item === "number";
  if (!Array.isArray(value) || !value.every(isNumber))
    throw wrong("params are not an array of numbers");
  return value;
}

function shapeOf(value, limits) {
  if (!Array.isArray(value) || value.length < 2 || value.length > 3)
    throw wrong("shape is not 2 or 3 integers");
  for (const side of value)
    if (typeof side !== "bigint" || side < 1n) throw wrong("shape has a side that is no integer from 1");
  const [height, width, channels = 1n] = value;
  if (channels > MOST_CHANNELS)
    throw new Refusal("LimitError", `got ${channels} channels, the limit is ${MOST_CHANNELS}`);
  if (height > limits.maxSide || width > limits.maxSide)
    throw new Refusal("LimitError",
      `got a picture of ${height} x ${width}, the limit is ${limits.maxSide} per side`);
  if (height * width * channels > limits.maxSamples)
    throw new Refusal("LimitError",
      `got ${height} x ${width} x ${channels} samples, the limit is ${limits.maxSamples}`);
  return value.map(Number);
}

function pictureOf(values, limits) {
  if (!Array.isArray(values) || values.length !== PICTURE_COUNT)
    throw wrong(`a picture is not an array of ${PICTURE_COUNT}`);
  const [layer, codec, shape, dtype, bits, cfa, rank, model] = values;
  const dtypeBytes = uint(dtype, "dtype", 2, 1);
  const picture = {
    layer: uint(layer, "layer", 255),
    codec: uint(codec, "codec", 65535),
    shape: shapeOf(shape, limits),
    dtypeBytes,
    significantBits: uint(bits, "significant_bits", 8 * dtypeBytes),
    cfa: uint(cfa, "cfa", CFA_PATTERNS.length - 1),
  };
  if (!Array.isArray(rank)) throw wrong("rank is not an array");
  picture.rank = rank.map((one) => uint(one, "rank", limits.maxSide));
  if (model !== null
      && !(model instanceof Uint8Array && model.length >= 1 && model.length <= MOST_MODEL_ID_BYTES))
    throw wrong(`model_id is not 1 to ${MOST_MODEL_ID_BYTES} bytes`);
  return picture;
}

function fieldsOf(bytes, limits) {
  const values = bytes.length ? unpackMsgpack(bytes, "header") : [];
  if (!Array.isArray(values) || values.length > FIELD_COUNT)
    throw wrong(`the fields are not an array of at most ${FIELD_COUNT}`);
  const at = (index) => values[index] ?? null;
  return {
    params: paramsOf(at(0)),
    checksum: optionalUint(at(2), "checksum", 0xffffffffn),
    deviceFrameId: optionalUint(at(3), "device_frame_id", MASK),
    deviceTimeNs: optionalUint(at(4), "device_time_ns", MASK),
    meta: metaOf(at(5)),
    x: stringMap(at(6), "x"),
    picture: at(1) === null ? null : pictureOf(at(1), limits),
  };
}

// Returns [header, where the body begins]; that of a predicted frame lacks what its reference has.
export function parseHeader(bytes, limits) {
  if (bytes.length < 1 + STREAM_ID_BYTES)
    throw wrong(`got a header of ${bytes.length} bytes, its kind or stream_id is missing`);
  const kind = bytes[0];
  if (kind > KIND.reference) throw wrong(`kind is ${kind}, want 0 to ${KIND.reference}`);
  const predicted = kind === KIND.predicted;
  const numbers = new NumberReader(bytes, 1 + STREAM_ID_BYTES);
  const sequence = numbers.read("sequence");
  const frame = (sequence + numbers.read("frame")) & MASK;
  const refSequence = predicted ? (sequence - numbers.read("ref_sequence")) & MASK : null;
  const tMonoNs = numbers.read("t_capture_mono_ns");
  const utc = numbers.read("t_capture_utc_ns");
  const squaredError = numbers.read("squared_error");
  const lost = numbers.read("energy_ppb");
  if (lost > PPB + 1n) throw wrong(`energy_ppb is ${PPB + 1n - lost}, want an integer from 0`);
  const fieldsBytes = numbers.read("the length of the fields");
  if (fieldsBytes > MOST_FIELDS_BYTES)
    throw new Refusal("LimitError",
      `got header fields of ${fieldsBytes} bytes, the limit is ${MOST_FIELDS_BYTES}`);
  const end = numbers.at + Number(fieldsBytes);
  if (end > bytes.length)
    throw wrong(`got ${bytes.length - numbers.at} bytes for header fields of ${fieldsBytes}`);
  const fields = fieldsOf(bytes.subarray(numbers.at, end), limits);
  const isPicture = kind !== KIND.status && kind !== KIND.end;
  if (isPicture && !predicted && !fields.picture) throw wrong("a key frame without a picture, want one");
  if (!isPicture && (fields.picture || fields.params.length))
    throw wrong("a status or end with a picture or params, want neither");
  const header = {
    kind,
    streamId: Array.from(bytes.subarray(1, 1 + STREAM_ID_BYTES),
      (byte) => byte.toString(16).padStart(2, "0")).join(""),
    sequence, frame, refSequence, tMonoNs,
    tUtcNs: predicted ? 0n : utc,
    utcDriftNs: predicted ? (utc & 1n ? -(utc >> 1n) - 1n : utc >> 1n) : null,
    squaredError: squaredError ? squaredError - 1n : null,
    energy: lost ? Number(PPB + 1n - lost) / 1e9 : null,
    ...fields,
  };
  return [header, end];
}

// The encoder's own PSNR in dB on the full scale of the dtype; null if it did not state one.
export function psnrOf({squaredError, picture}) {
  if (squaredError === null || !picture) return null;
  const peak = 2 ** (8 * picture.dtypeBytes) - 1;
  const samples = picture.shape.reduce((product, side) => product * side);
  return 10 * Math.log10(peak * peak * samples / Number(squaredError));
}
