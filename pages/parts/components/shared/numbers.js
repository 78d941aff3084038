// Numbers as text, and arrays that arrive as text.
export const percent = (share) => `${Math.round(share * 100)} %`;

// A number's text as it is displayed: -0.19 as −0.19; zero has no sign.
export const minus = (text) => (text.startsWith("-") ? (/[1-9]/.test(text) ? "−" : "") + text.slice(1) : text);

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// The bytes of a base64 text.
export function unpack(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
