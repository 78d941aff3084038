// Requests what is new of an active run about once a second, without a rerun of the page.
const EVERY = 1000, AFTER_A_FAILURE = 3000; // milliseconds

// ask: () => the address to request. take: gets the news as plain data. Returns a function that ends it.
export function pollWhile(active, ask, take, report) {
  let open = true, timer = 0;
  async function poll() {
    let wait = EVERY;
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
    if (open && active()) timer = setTimeout(poll, wait);
  }
  timer = setTimeout(poll, EVERY);
  return () => { open = false; clearTimeout(timer); };
}
