// Addresses of views in the browser: which view a location shows, and the location that shows a view.
const OF_A_WINDOW = ["present", "notes", "follow", "embed", "embed_options", "remove", "own"]; // no part of a view, as in stage/address.py

// What stands before the page in a path: "/" or the base path of a proxy.
export function baseOf(pathname, pages) {
  const parts = pathname.split("/").filter(Boolean);
  if (parts.length && pages.includes(parts.at(-1))) parts.pop();
  return parts.length ? `/${parts.join("/")}/` : "/";
}

// {page, query} of a location; null where it is no page of the app.
export function viewOf({pathname, search}, pages) {
  return viewOn(pathname.slice(baseOf(pathname, pages).length).replace(/\/$/, ""), search, pages);
}

function viewOn(page, search, pages) {
  if (!pages.includes(page)) return null;
  const query = new URLSearchParams(search);
  for (const name of OF_A_WINDOW) query.delete(name);
  return {page, query: query.toString()};
}

// The view of a storyboard's address such as "/train?run=one"; null where it is no page of the app.
export function viewAt(address, pages) {
  const [path, query = ""] = address.split("?");
  return viewOn(path.replace(/^\//, ""), query, pages);
}

export function sameView(one, other) {
  const key = (view) => view && `${view.page}?${[...new URLSearchParams(view.query)].map((pair) => pair.join("=")).sort().join("&")}`;
  return key(one) === key(other);
}

// The path and query that show a view on this server; null for a page that is none of the app's.
export function pathOf({page, query}, pathname, pages, present) {
  if (!pages.includes(page)) return null;
  const all = new URLSearchParams(query ?? "");
  for (const name of OF_A_WINDOW) all.delete(name);
  if (present) all.set("present", "1");
  return baseOf(pathname, pages) + page + (`${all}` ? `?${all}` : "");
}
