// Files that the page makes or fetches, saved as the browser saves downloads.
import {make} from "./element.js";

const KEEP_MS = 10_000;

// Returns the name of the file.
export function saveBlob({blob, href, name}) {
  const url = blob ? URL.createObjectURL(blob) : href;
  make("a", {href: url, download: name}).click();
  if (blob) setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
  return name;
}

// The newest picture of a camera, losslessly coded by its sender.
export async function saveOriginal(camera) {
  const answer = await fetch(`/api/cameras/${encodeURIComponent(camera)}/snapshot?original=1`);
  if (!answer.ok) throw new Error((await answer.json()).error);
  const said = answer.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1];
  return {blob: await answer.blob(), name: said ?? `${camera.replace(/[^A-Za-z0-9_@.-]/g, "_")}_original.png`};
}
