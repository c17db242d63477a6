// Bytes inside a text: base64 of what zlib compressed.

/** Returns a promise of an ArrayBuffer. */
export async function unpackBytes(packed) {
  const bytes = Uint8Array.from(atob(packed), (each) => each.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}
