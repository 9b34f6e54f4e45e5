// Messages of the live stream, and the packets in them.
import {crc32} from "./crc32.js";
import {parseHeader} from "./header.js";
import {Refusal} from "./refusal.js";

const VERSION = 2;
const VERSION_1_MARK = 0xa5;
const PREFIX_BYTES = 8;
const MOST_TOPIC_BYTES = 320;

// Splits TOPIC NUL REST; the camera is all before the last slash of the topic.
export function splitMessage(buffer) {
  const bytes = new Uint8Array(buffer);
  const nul = bytes.subarray(0, MOST_TOPIC_BYTES).indexOf(0);
  const topic = nul < 0 ? "" : new TextDecoder().decode(bytes.subarray(0, nul));
  const slash = topic.lastIndexOf("/");
  if (slash < 1) throw new Refusal("WireError", "got a message without a topic");
  return {camera: topic.slice(0, slash), channel: topic.slice(slash + 1), at: nul + 1};
}

// Returns {header, body, size}; the header of a predicted frame is short until its chain completes it.
export function parsePacket(bytes, limits) {
  if (bytes.length > limits.maxPacketBytes)
    throw new Refusal("LimitError",
      `got a packet of ${bytes.length} bytes, the limit is ${limits.maxPacketBytes}`);
  if (bytes.length < PREFIX_BYTES)
    throw new Refusal("WireError",
      `got ${bytes.length} bytes, a Rankcast packet has more than ${PREFIX_BYTES}`);
  if (bytes[0] !== 0x52 || bytes[1] !== 0x4b || bytes[2] !== 0x43)
    throw new Refusal("WireError", "a Rankcast packet begins with 524b43, this one does not");
  if (bytes[3] !== VERSION)
    throw new Refusal("UnknownVersionError",
      `got a packet of version ${bytes[3] === VERSION_1_MARK ? 1 : bytes[3]}, this page reads `
      + `${VERSION}: update the older end`);
  const wanted = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  const content = bytes.subarray(PREFIX_BYTES);
  if (crc32(content) !== wanted)
    throw new Refusal("WireError", "CRC-32 differs: the packet was cut or damaged in transit");
  const [header, bodyAt] = parseHeader(content, limits);
  return {header, body: content.subarray(bodyAt), size: bytes.length};
}
