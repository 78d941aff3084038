// Requests what is new of an active run about once a second, without a rerun of the page; more often until it has moved, for a minute.
const EVERY = 1000, UNTIL_MOVED = 250, AFTER_A_FAILURE = 3000; // milliseconds
const OFTEN = 240; // requests, after which a run counts as slow

// ask: () => the address to request. take: gets the news as plain data. moved: whether what is to be seen has changed. Returns a
// function that ends it.
export function pollWhile(active, ask, take, report, moved) {
  let open = true, timer = 0, often = 0;
  const pause = () => moved() || ++often > OFTEN ? EVERY : UNTIL_MOVED;
  async function poll() {
    let wait = 0;
    try {
      if (!document.hidden) {
        const response = await fetch(ask());
        if (response.status === 404) return; // deleted meanwhile
        if (!response.ok) throw new Error(response.status);
        const news = response.status === 204 ? null : await response.json();
        if (!open) return;
        report("");
        if (news) take(news);
      }
    } catch {
      wait = AFTER_A_FAILURE;
      if (open) report("No connection to the server; trying again.");
    }
    if (open && active()) timer = setTimeout(poll, wait || pause());
  }
  timer = setTimeout(poll, pause());
  return () => { open = false; clearTimeout(timer); };
}
