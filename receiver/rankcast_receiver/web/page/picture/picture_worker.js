// Worker of one camera: decodes its packets, draws the newest picture, answers questions about it.
import {KIND, psnrOf} from "../stream/header.js";
import {checkJpegSize, jpegSize} from "../stream/jpeg_size.js";
import {parsePacket} from "../stream/packet.js";
import {CODECS, PacketDecoder} from "../stream/packet_decoder.js";
import {Refusal} from "../stream/refusal.js";
import {spectrumOf} from "../stream/spectrum.js";
import {fileOf, jpegName} from "./snapshot.js";
import {Stage} from "./stage.js";
import {PLAIN_VIEW} from "./view_settings.js";

const SPECTRUM_EVERY_MS = 250;
const LONGEST_WAIT_MS = 100;
const nowMs = () => performance.timeOrigin + performance.now();
const nextPaint = self.requestAnimationFrame
  ? (draw) => self.requestAnimationFrame(draw) : (draw) => setTimeout(draw, 16);

class PictureWorker {
  constructor({canvas, module, limits, camera}) {
    this.camera = camera;
    this.limits = limits;
    this.decoder = module && new PacketDecoder(module, limits);
    this.stage = new Stage(canvas);
    this.isDrawing = false;
    this.drawnMs = -Infinity;
    this.probe = null;
    // After a jump in a recording: the first picture to show, and the stream of those before it.
    this.showFrom = null;
    this.seeks = 0;
    this.spectrumMs = 0;
    this.decodeMs = 0;
    this.verified = 0;
    // JPEGs decode behind our back: one at a time, and the newest of those that wait.
    this.jpegBusy = false;
    this.jpegNext = null;
  }

  packet({buffer, at}) {
    const start = performance.now();
    let found = null;
    try {
      if (!this.decoder) this.refuseUnread(new Uint8Array(buffer, at));
      found = this.decoder.decode(new Uint8Array(buffer, at));
      if (!found.samples) {
        checkJpegSize(found.body, found.header.picture.shape);
        this.jpeg(found.body, this.describe(found));
        return;
      }
      if (found.header.checksum !== null) this.verified++;
      this.decodeMs += performance.now() - start;
      this.show(this.describe(found), {read: found.samples, rgba: found.rgba});
    } catch (error) {
      error.sequence ??= found?.header.sequence;
      this.refuse(error);
    }
  }

  // Whoever sent it is to know which picture was given up.
  refuseUnread(bytes) {
    const refusal = new Refusal("UnknownCodecError", "this browser has no WebAssembly with SIMD");
    refusal.sequence = parsePacket(bytes, this.limits).header.sequence;
    throw refusal;
  }

  describe({header, body, size}) {
    const {picture} = header;
    const isSvd = CODECS[picture.codec] === "svd";
    const due = isSvd && performance.now() - this.spectrumMs > SPECTRUM_EVERY_MS;
    if (due) this.spectrumMs = performance.now();
    return {
      sequence: header.sequence, tMonoNs: header.tMonoNs, tUtcNs: header.tUtcNs,
      streamId: header.streamId, kind: header.kind, isKey: header.kind !== KIND.predicted,
      codec: CODECS[picture.codec], shape: picture.shape, sampleBytes: picture.dtypeBytes,
      bits: picture.significantBits || 8 * picture.dtypeBytes, cfa: picture.cfa,
      rank: picture.rank, params: header.params, energy: header.energy, psnrDb: psnrOf(header),
      squaredError: header.squaredError, meta: header.meta, bytes: size, exact: true,
      spectrum: due ? spectrumOf(header, body) : null,
    };
  }

  // NAME/jpeg: uint32 length, JSON, a JPEG that the server made.
  served({buffer, at}) {
    try {
      const view = new DataView(buffer, at);
      const size = view.getUint32(0, true);
      const json = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, at + 4, size)));
      const bytes = new Uint8Array(buffer, at + 4 + size);
      const {height, width} = jpegSize(bytes);
      if (height > this.limits.maxSide || height * width > this.limits.maxSamples)
        throw new Refusal("LimitError", `got a JPEG of ${width} x ${height} pixels`);
      this.jpeg(bytes, {
        sequence: BigInt(json.sequence), tMonoNs: BigInt(json.t_mono_ns),
        tUtcNs: json.t_utc_ns == null ? null : BigInt(json.t_utc_ns),
        streamId: json.stream ?? null, kind: null, isKey: true, codec: json.codec, shape: json.shape,
        sampleBytes: json.dtype === "uint16" ? 2 : 1, bits: 8, cfa: 0, rank: [], params: [],
        energy: null, psnrDb: json.psnr_db, squaredError: null,
        meta: new Map(Object.entries(json.meta ?? {})), bytes: bytes.length, exact: false,
        spectrum: null,
      });
    } catch (error) {
      this.refuse(error instanceof Refusal ? error : new Refusal("WireError", error.message));
    }
  }

  async jpeg(bytes, info) {
    if (this.jpegBusy) {
      if (this.jpegNext) this.answer("given-up", {sequence: this.jpegNext[1].sequence});
      this.jpegNext = [bytes, info];
      return;
    }
    this.jpegBusy = true;
    const {seeks} = this;
    const start = performance.now();
    try {
      const bitmap = await createImageBitmap(new Blob([bytes], {type: "image/jpeg"}));
      this.decodeMs += performance.now() - start;
      if (seeks === this.seeks) this.show({...info, exact: false}, {bitmap, jpeg: bytes});
      else {
        bitmap.close();
        this.answer("given-up", {sequence: info.sequence});
      }
    } catch {
      const refusal = new Refusal("PayloadError", "the browser cannot decode this JPEG");
      refusal.sequence = info.sequence;
      this.refuse(refusal);
    }
    this.jpegBusy = false;
    const next = this.jpegNext;
    this.jpegNext = null;
    if (next) this.jpeg(...next);
  }

  show(info, source) {
    const [height, width] = source.bitmap ? [source.bitmap.height, source.bitmap.width] : info.shape;
    const isShown = this.isWanted(info);
    this.answer("decoded", {info, isShown, verified: this.verified, decodeMs: this.decodeMs});
    if (!isShown) {
      source.bitmap?.close();
      return;
    }
    this.stage.put({height, width, channels: info.shape[2] ?? 1, bits: info.bits, cfa: info.cfa,
      sampleBytes: info.sampleBytes, info, ...source});
    this.redraw();
  }

  // A sender that began anew counts from 0 again, in another stream, which a seek of its own names.
  isWanted({sequence, streamId}) {
    const from = this.showFrom;
    return from === null || (streamId === from.streamId && sequence >= from.sequence);
  }

  // At most once a frame of the screen, however many pictures arrive. Packets of a backlog come before
  // frames of the screen: while there is one, and at the very start, something is drawn between them.
  redraw() {
    if (!this.stage.picture) return;
    if (performance.now() - this.drawnMs > LONGEST_WAIT_MS) this.draw();
    else if (!this.isDrawing) {
      this.isDrawing = true;
      nextPaint(() => {
        this.isDrawing = false;
        this.draw();
      });
    }
  }

  draw() {
    const {info} = this.stage.picture;
    const drawn = this.stage.draw();
    this.drawnMs = performance.now();
    this.answer("drawn", {sequence: info.sequence, tMonoNs: info.tMonoNs, tUtcNs: info.tUtcNs, atMs: nowMs(),
      paintMs: this.stage.paintMs, ...drawn});
    this.tellValues();
  }

  refuse(error) {
    const kind = error instanceof Refusal ? error.kind : "PageError";
    this.answer("refused", {kind, message: error.message, sequence: error.sequence ?? null});
  }

  tellValues() {
    if (!this.probe) return;
    const {x, y} = this.probe;
    this.answer("values", {x, y, values: this.stage.valuesAt(x, y)});
  }

  set({view}) {
    this.stage.view = {...PLAIN_VIEW, ...view};
    this.redraw();
  }

  look({probe}) {
    this.probe = probe;
    this.tellValues();
  }

  keep() {
    this.answer("kept", {sequence: this.stage.keep()});
    this.redraw();
  }

  seek({stream, sequence}) {
    this.seeks++;
    if (this.jpegNext) this.answer("given-up", {sequence: this.jpegNext[1].sequence});
    this.jpegNext = null;
    // Decoding goes on in the memory of the picture that stays on the canvas meanwhile.
    this.stage.hold();
    this.showFrom = {sequence: BigInt(sequence), streamId: stream};
  }

  async snapshot({format}) {
    const {picture} = this.stage;
    if (!picture) {
      this.answer("snapshot", {error: "There is no picture yet"});
      return;
    }
    if (picture.bitmap) {
      this.answer("snapshot", {blob: new Blob([picture.jpeg], {type: "image/jpeg"}),
        name: jpegName(this.camera, picture.info), note: "the JPEG that is shown"});
      return;
    }
    // A copy: the next pictures are decoded while this one is packed.
    const copy = {...picture, samples: picture.read().slice()};
    this.answer("snapshot", await fileOf(this.camera, copy, picture.info, format));
  }

  answer(type, values) {
    self.postMessage({type, ...values});
  }
}

let worker = null;
self.onmessage = ({data}) => {
  if (data.type === "start") worker = new PictureWorker(data);
  else worker[data.type](data);
};
