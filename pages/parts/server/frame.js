// Runs before Streamlit's own script. See frame.py.
(() => {
  // The server is where the page's own name is left out of the address.
  const pages = document.currentScript.dataset.pages.split(" ");
  const parts = location.pathname.split("/").filter(Boolean);
  if (pages.includes(parts.at(-1))) parts.pop();
  const base = location.origin + ["", ...parts, ""].join("/");
  window.__streamlit = {...window.__streamlit, BACKEND_BASE_URL: base, MAIN_PAGE_BASE_URL: base};

  // Streamlit leaves a page in two steps of history: the page without its controls' parameters, then the next one. The first is
  // replaced by the second, or Back would lead to the page without its run or photo.
  const SOON = 2000; // milliseconds between the two
  let stripped = -Infinity; // when the first was pushed
  const push = history.pushState.bind(history);
  const fewer = (now, then) => now.search !== then.search && [...then.searchParams].every(([name, value]) => now.searchParams.getAll(name).includes(value));
  history.pushState = (state, title, address) => {
    const now = new URL(location.href), then = new URL(address ?? now, document.baseURI), stays = now.pathname === then.pathname;
    if (!stays && performance.now() - stripped < SOON) history.replaceState(state, title, address);
    else push(state, title, address);
    stripped = stays && fewer(now, then) ? performance.now() : -Infinity;
  };
  addEventListener("popstate", () => { stripped = -Infinity; });

  // While the server is gone: a note at the edge, instead of a dialog over what is shown. Streamlit appends its dialogs to the body.
  const WORDS = "The server is gone. What you see stays; this page continues by itself when the server is back.";
  const EVERY = 1500; // milliseconds
  function look() {
    for (const layer of document.body.children) {
      const dialog = layer.id === "root" ? null : layer.querySelector('[role="dialog"]');
      if (!dialog?.textContent.includes("Connection error")) continue;
      dialog.querySelector('button[aria-label="Close"]')?.click();
      if (!document.getElementById("server-gone")) show();
    }
  }
  function write(id, role, words) {
    const note = document.createElement("div");
    note.id = id;
    note.setAttribute("role", role);
    note.textContent = words;
    Object.assign(note.style, {position: "fixed", left: "50%", bottom: "1rem", transform: "translateX(-50%)", zIndex: 2147483647,
      maxWidth: "min(44rem, calc(100vw - 2rem))", padding: "0.6rem 1rem", borderRadius: "0.5rem", background: "#31333f", color: "#fff",
      font: "16px/1.4 system-ui, sans-serif", boxShadow: "0 2px 12px rgb(0 0 0 / 0.4)"});
    document.body.append(note);
    return note;
  }
  function show() {
    const note = write("server-gone", "status", WORDS);
    const ask = () => fetch(`${base}_stcore/health`, {cache: "no-store"}).then((answer) => answer.ok, () => false)
      .then((back) => { if (back) note.remove(); else setTimeout(ask, EVERY); });
    setTimeout(ask, EVERY);
  }
  // Why a download failed: Streamlit shows it under the button for five seconds. The note stays until the next press.
  const watched = new WeakSet();
  addEventListener("click", ({target}) => {
    document.getElementById("download-failed")?.remove();
    const button = target.closest?.('[data-testid="stDownloadButton"]');
    if (!button || watched.has(button)) return;
    watched.add(button);
    new MutationObserver(() => {
      const why = button.querySelector('[data-testid="stDownloadButtonError"]')?.textContent;
      if (why && !document.getElementById("download-failed")) write("download-failed", "alert", `No file: ${why}`);
    }).observe(button, {childList: true, subtree: true});
  }, true);

  // A part that refreshes itself while another page is drawn may address a place that is not there. Streamlit's script fails then
  // (github.com/streamlit/streamlit/issues/15084), and the page shows nothing new for good: it is loaded again, from its address.
  const STUCK = /Bad delta path index|Cannot set a node at a delta path/, AGAIN = 30000, KEY = "loaded-again"; // milliseconds
  function loadAgain(words) {
    if (!STUCK.test(words) || Date.now() - Number(sessionStorage.getItem(KEY)) < AGAIN) return;
    sessionStorage.setItem(KEY, Date.now());
    location.reload();
  }
  addEventListener("error", ({message}) => loadAgain(message));
  addEventListener("unhandledrejection", ({reason}) => loadAgain(String(reason)));

  addEventListener("DOMContentLoaded", () => new MutationObserver(look).observe(document.body, {childList: true}));
})();
