// Checks the draw on the buyer's own device, by the algorithm of docs/draw.md. Loaded when a buyer asks for it.
const encoder = new TextEncoder();
const ROUNDS = 16;

const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const toHex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const fromBase64 = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

function join(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}

// A number as `width` bytes, big-endian; all of ours are below 2^53.
function bytes(number, width) {
  const out = new Uint8Array(width);
  for (let index = width - 1, left = number; index >= 0; index -= 1, left = Math.floor(left / 256)) out[index] = left % 256;
  return out;
}

function text(value) {
  const encoded = encoder.encode(value);
  return join(bytes(encoded.length, 2), encoded);
}

async function keyed(secret) {
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return async (message) => new Uint8Array(await crypto.subtle.sign("HMAC", key, message));
}

// The permutation's key: the seed, with the beacon mixed in if one was announced.
export async function drawKey(record) {
  const seed = fromHex(record.seed);
  if (!record.beacon) return seed;
  const { source, value } = record.beacon;
  return (await keyed(seed))(join(encoder.encode("tidegate draw beacon v1"), text(record.onsale), text(source), text(value)));
}

// The position of `entry` (1-based) among `size`.
export async function position(key, onsale, size, entry) {
  const mac = await keyed(key);
  const prefix = join(encoder.encode("tidegate draw v1"), text(onsale), bytes(size, 8));
  const round = async (number, value) =>
    (await mac(join(prefix, bytes(number, 1), bytes(value, 8)))).slice(0, 6).reduce((sum, byte) => sum * 256 + byte, 0);
  let leftRadix = Math.max(1, Math.ceil(Math.sqrt(size)));
  // Square roots of large numbers are rounded: put the result right.
  while (leftRadix > 1 && (leftRadix - 1) * (leftRadix - 1) >= size) leftRadix -= 1;
  while (leftRadix * leftRadix < size) leftRadix += 1;
  const rightRadix = Math.max(1, Math.ceil(size / leftRadix));
  let index = entry - 1;
  do {
    let left = Math.floor(index / rightRadix), right = index % rightRadix;
    for (let number = 0; number < ROUNDS; number += 1) {
      if (number % 2 === 0) left = (left + (await round(number, right))) % leftRadix;
      else right = (right + (await round(number, left))) % rightRadix;
    }
    index = left * rightRadix + right;
  } while (index >= size);
  return index + 1;
}

export function readRecord(token) {
  return JSON.parse(new TextDecoder().decode(fromBase64(token.split(".")[1])));
}

// The entry in the draw of the place `number` of `epoch`; null for one that took no part.
export function entryOf(record, epoch, number) {
  let before = 0;
  for (const [pooled, size] of record.pool) {
    if (pooled === epoch) return number <= size ? before + number : null;
    before += size;
  }
  return null;
}

// True or false; null where this browser knows no Ed25519.
async function signedBy(token, keys) {
  const [head, payload, signature] = token.split(".");
  const { kid, alg } = JSON.parse(new TextDecoder().decode(fromBase64(head)));
  const found = keys.find((key) => key.kid === kid && key.crv === "Ed25519");
  if (!found || !["EdDSA", "Ed25519"].includes(alg)) return false;
  let key;
  try {
    key = await crypto.subtle.importKey("jwk", { kty: "OKP", crv: "Ed25519", x: found.x }, "Ed25519", false, ["verify"]);
  } catch {
    return null;
  }
  return crypto.subtle.verify("Ed25519", key, fromBase64(signature), encoder.encode(`${head}.${payload}`));
}

// What came of checking `token`, the signed record, as the name of a text and its values. `place` is {epoch, number, position},
// `fingerprint` what was announced, as this device first saw it.
export async function check(token, keys, place, fingerprint) {
  const signed = await signedBy(token, keys);
  if (signed === false) return [["wrong_signature", {}]];
  const record = readRecord(token);
  if (toHex(await crypto.subtle.digest("SHA-256", fromHex(record.seed))) !== fingerprint) return [["wrong_seed", {}]];
  const size = record.pool.reduce((sum, [, joined]) => sum + joined, 0);
  const entry = entryOf(record, place.epoch, place.number);
  const also = signed ? [["signed", {}]] : [];
  if (entry === null) return [["behind", { size }], ...also];
  const computed = await position(await drawKey(record), record.onsale, size, entry);
  if (computed !== place.position) return [["wrong_position", { computed, position: place.position }]];
  return [["correct", { size, position: computed }], ...also];
}
