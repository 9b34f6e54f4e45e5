// What the header of a predicted frame shares with that of its reference.
import {Refusal} from "./refusal.js";

const MASK = (1n << 64n) - 1n;

export class Chain {
  constructor() {
    this.held = new Map();
  }

  // Records a complete header: later frames may be predicted from its picture, or from the one that
  // it was predicted from itself.
  add(header) {
    const reference = this.referenceOf(header);
    this.held = new Map();
    if (reference) this.held.set(reference.sequence, reference);
    this.held.set(header.sequence, header);
  }

  complete(header) {
    if (header.utcDriftNs === null) return header;
    const reference = this.referenceOf(header);
    if (!reference)
      throw new Refusal("NeedKeyframe",
        `frame ${header.sequence} is predicted from frame ${header.refSequence}, which has not `
        + "been decoded");
    const offset = reference.tUtcNs - reference.tMonoNs;
    return {
      ...header,
      utcDriftNs: null,
      tUtcNs: (header.tMonoNs + offset + header.utcDriftNs) & MASK,
      params: header.params.length ? header.params : reference.params,
      picture: header.picture ?? reference.picture,
    };
  }

  referenceOf(header) {
    if (header.refSequence === null) return null;
    const reference = this.held.get(header.refSequence);
    return reference?.streamId === header.streamId ? reference : null;
  }
}
