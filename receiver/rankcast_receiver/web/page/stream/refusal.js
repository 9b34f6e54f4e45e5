// Why a packet was not shown. Kinds are the names of rankcast.errors.

export class Refusal extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}
