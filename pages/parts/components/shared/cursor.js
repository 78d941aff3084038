// One cursor for all components of a page: the epoch that is pointed at, and the stretch of epochs that is selected.
// Components are bundled apart, so the cursor is on `window`, where all of them find the same one.
//
// cursor.epoch()             the epoch that is pointed at, a fraction such as 2.5; null where nothing is
// cursor.get()               {epoch?, from?, to?, pinned?} or null; a stretch without an epoch: nothing is pointed at
// cursor.set(value, source)  calls every subscriber once where the value differs; null removes the cursor
// cursor.subscribe(fn)       calls fn(value, source) from now on; returns a function that ends it
//
// A chart with another x axis converts. `source` is whoever set the value, so that it can ignore its own.
// It belongs to a page: on the next one there is none. `from` and `to` are both there or neither; `pinned` says that the cursor stays when the pointer leaves.
function makeCursor() {
  const listeners = new Set(), page = () => globalThis.location?.pathname;
  let value = null, setOn = page();
  const now = () => (setOn === page() ? value : null);
  return {
    get: now,
    epoch: () => now()?.epoch ?? null,
    set(next, source) {
      if (setOn !== page()) { value = null; setOn = page(); }
      const plain = plainCursor(next);
      if (JSON.stringify(plain) === JSON.stringify(value)) return;
      value = plain;
      for (const listener of [...listeners]) {
        try { listener(value, source); } catch (error) { console.error(error); } // the others still move
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => { listeners.delete(listener); };
    },
  };
}

// A cursor without what is no number; null where nothing is left.
export function plainCursor(value) {
  const {epoch, from, to, pinned} = value ?? {}, plain = {};
  if (Number.isFinite(epoch)) plain.epoch = epoch;
  if (Number.isFinite(from) && Number.isFinite(to) && from !== to) Object.assign(plain, {from: Math.min(from, to), to: Math.max(from, to)});
  if (pinned && "epoch" in plain) plain.pinned = true;
  return Object.keys(plain).length ? plain : null;
}

export const cursor = (globalThis.distillationCursor ??= makeCursor());
