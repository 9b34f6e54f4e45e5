// What stands in a picture: never may one that has stopped look live.

const JOIN_MS = 1500;
const EARLY = new Set(["connecting", "opening"]);
const OWN_WORDS = new Set(["frozen", "ended", "past"]);

function says(camera) {
  return camera.detail ? `${camera.words}: ${camera.detail}` : camera.words;
}

// Returns {word, tone, detail}; the word is empty while the picture is live.
// `seen`: isPaused, silenceMs (of the server), camera (as it lists it, or null), ageMs (of the newest
// picture drawn, or null), watchedMs (since it was asked for), hasJoined (one came since), refusal.
export function pictureState(seen) {
  const {camera, ageMs} = seen;
  const hasPicture = ageMs !== null;
  if (seen.isPaused) return {word: "PAUSED", tone: "paused", detail: "press space to go on"};
  if (seen.silenceMs > 0) {
    const seconds = (seen.silenceMs / 1000).toFixed(1);
    return {word: "NO SIGNAL", tone: "dead", detail: `no word from the server for ${seconds} s`};
  }
  if (!camera)
    return {word: "NO SIGNAL", tone: "dead", detail: "the receiver no longer has this camera"};
  if (camera.state === "waiting_for_trigger")
    return {word: "WAITING FOR TRIGGER", tone: "waiting", detail: camera.detail ?? ""};
  if (!camera.live) {
    if (OWN_WORDS.has(camera.state))
      return {word: camera.words.toUpperCase(), tone: "stale", detail: camera.detail ?? ""};
    if (hasPicture) return {word: "STALE", tone: "stale", detail: says(camera)};
    if (EARLY.has(camera.state))
      return {word: camera.words.toUpperCase(), tone: "waiting", detail: camera.detail ?? ""};
    return {word: "NO SIGNAL", tone: "dead", detail: says(camera)};
  }
  const refusal = seen.refusal ? `${seen.refusal.kind}: ${seen.refusal.text}` : "";
  const isOld = hasPicture && ageMs > 1000 * (camera.stale_after_s ?? Infinity);
  if ((!hasPicture || isOld) && !seen.hasJoined && seen.watchedMs < JOIN_MS)
    return {word: "JOINING", tone: "waiting", detail: ""};
  if (!hasPicture)
    return {word: "NO SIGNAL", tone: "dead", detail: refusal || "no picture has come to this page"};
  if (isOld)
    return {word: "STALE", tone: "stale", detail: refusal || "pictures do not come to this page in time"};
  return {word: "", tone: "live", detail: camera.detail ?? ""};
}
