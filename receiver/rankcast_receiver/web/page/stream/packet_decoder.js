// From packets of one camera back to samples, like rankcast.Decoder.
import {Chain} from "./chain.js";
import {CoreInstance, numbersOf} from "./core_instance.js";
import {KIND} from "./header.js";
import {parsePacket} from "./packet.js";
import {Refusal} from "./refusal.js";

export const CODECS = ["raw", "svd", "jpeg", "svd-patch", "lossless", "pca", "kmeans", "gan"];
const JPEG = 2;
const SVD_PATCH = 3;
const OF_THE_CORE = new Set([0, 1, SVD_PATCH, 4]);

export class PacketDecoder {
  constructor(module, limits) {
    this.module = module;
    this.limits = limits;
    this.core = null;
    this.begin(null);
  }

  begin(streamId) {
    this.streamId = streamId;
    this.codec = null;
    this.chain = new Chain();
  }

  // Returns {header, body, size, samples, rgba}. `samples` is null for `jpeg`, which the browser draws,
  // else returns the samples of this picture, until the next but one is decoded; `rgba` the same as a
  // screen takes them, null unless they are of three channels and 8 bits.
  decode(bytes) {
    const packet = parsePacket(bytes, this.limits);
    try {
      return this.decodePacket(packet);
    } catch (error) {
      // So that whoever counts pictures knows which one was given up.
      error.sequence = packet.header.sequence;
      throw error;
    }
  }

  decodePacket(packet) {
    const {kind, streamId} = packet.header;
    if (kind === KIND.status || kind === KIND.end)
      throw new Refusal("WireError", "got a status or end, want a picture");
    if (streamId !== this.streamId) this.begin(streamId);
    const header = this.chain.complete(packet.header);
    const {codec} = header.picture;
    if (codec !== this.codec) this.changeCodec(codec, header);
    if (kind === KIND.reference && codec !== SVD_PATCH)
      throw new Refusal("PayloadError", `got a reference of codec id ${codec}, which predicts nothing`);
    const pixels = codec === JPEG ? {samples: null, rgba: null} : this.pixelsOf(header, packet.body);
    this.chain.add(header);
    return {...packet, header, ...pixels};
  }

  changeCodec(codec, header) {
    if (codec !== JPEG && !OF_THE_CORE.has(codec))
      throw new Refusal("UnknownCodecError",
        `the page has no decoder of ${CODECS[codec] ?? `codec id ${codec}`}`);
    if (header.kind === KIND.predicted)
      throw new Refusal("NeedKeyframe",
        `frame ${header.sequence} is predicted from a frame that has not been decoded`);
    this.core?.forget();
    this.codec = codec;
  }

  pixelsOf(header, body) {
    const numbers = numbersOf(header);
    try {
      this.core ??= new CoreInstance(this.module);
      const missing = this.core.missing(numbers, body.length);
      if (missing?.onlyBody) this.core.takeBody(missing.sizes.body);
      else if (missing && header.kind === KIND.predicted)
        throw new Refusal("PayloadError", "a predicted frame of another size than its reference");
      else if (missing) this.core = new CoreInstance(this.module, missing.sizes);
      return this.core.decode(numbers, body);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      // A trap, or memory that the browser does not give: the instance is of no more use.
      this.core = null;
      this.begin(this.streamId);
      const space = error instanceof RangeError;
      throw new Refusal(space ? "LimitError" : "PayloadError",
        space ? "the browser has no memory left for this picture" : `the core stopped: ${error.message}`);
    }
  }
}
