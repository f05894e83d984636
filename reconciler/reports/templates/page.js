"use strict";
(() => {
  const root = document.documentElement;
  const form = document.querySelector(".toolbar");
  const remembered = "reconciler-theme";
  const MANY = 8;

  // Colours work by the choice alone; here it is only kept, where the browser keeps anything for files.
  const themes = [...document.querySelectorAll(".theme input")];
  const keep = (use) => { try { return use(window.localStorage); } catch { return null; } };
  const kept = keep((store) => store.getItem(remembered));
  for (const choice of themes) {
    if (choice.value === kept) choice.checked = true;
    choice.addEventListener("change", () => keep((store) => store.setItem(remembered, choice.value)));
  }

  const cards = [...document.querySelectorAll(".card")];
  const folded = cards.filter((card) => card.matches("details"));
  const setOpen = (open, among) => { for (const card of among) card.open = open; };

  // On paper everything that is shown is open; afterwards it is as it was.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = folded.filter((card) => !card.open && !card.hidden);
    setOpen(true, closed);
  });
  window.addEventListener("afterprint", () => setOpen(false, closed));

  if (!form) return;
  const search = form.querySelector("#search");
  const output = form.querySelector("output");
  const nothing = document.querySelector(".nothing");
  const total = Number(output.dataset.total);

  let texts = null;
  const read = (card) => `${card.textContent.toLowerCase().replace(/\s+/g, " ")}`;
  const chosen = (group) =>
    [...form.querySelectorAll(`[data-group="${group}"] input:checked`)].map((choice) => choice.value);

  const fits = (card, index, words, kinds, badges) =>
    (!kinds.length || kinds.includes(card.dataset.kind)) &&
    (!badges.length || badges.some((badge) => card.dataset.badges.split(" ").includes(badge))) &&
    words.every((word) => texts[index].includes(word));

  const filter = () => {
    texts ??= cards.map(read);
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = chosen("kind");
    const badges = chosen("badge");
    let shown = 0;
    cards.forEach((card, index) => {
      const fit = fits(card, index, words, kinds, badges);
      shown += fit;
      if (card.hidden === fit) card.hidden = !fit;
    });
    output.textContent = shown === total ? `${total} in all` : `${shown} of ${total} shown`;
    nothing.hidden = shown > 0;
  };

  const clear = () => {
    search.value = "";
    for (const choice of form.querySelectorAll("input:checked")) choice.checked = false;
    filter();
  };

  let waiting = 0;
  search.addEventListener("input", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(filter);
  });
  form.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());

  const actions = {
    expand: () => setOpen(true, folded.filter((card) => !card.hidden)),
    collapse: () => setOpen(false, folded),
    clear: () => { clear(); search.focus(); },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) actions[button.dataset.do]();
  });

  // Keys act where the focus is, never on the whole page.
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.preventDefault(); clear(); }
    if (event.key === "ArrowDown") { event.preventDefault(); heads()[0]?.focus(); }
  });
  const heads = () => folded.filter((card) => !card.hidden).map((card) => card.firstElementChild);
  const steps = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  document.querySelector(".cards").addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName !== "SUMMARY") return;
    if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); return; }
    if (!(event.key in steps)) return;
    event.preventDefault();
    const all = heads();
    const next = all.indexOf(event.target) + steps[event.key];
    all[Math.max(0, Math.min(all.length - 1, next))].focus();
  });

  // A link to a flag opens it, whatever was filtered away.
  const follow = () => {
    const card = /^#flag-\d+$/.test(location.hash) && document.querySelector(location.hash);
    if (!card) return;
    if (card.hidden) clear();
    if (card.matches("details")) card.open = true;
    card.scrollIntoView();
    card.firstElementChild.focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", follow);
  document.querySelector("main").addEventListener("click", (event) => {
    if (event.target.closest('a[href^="#flag-"]')) setTimeout(follow);
  });

  root.classList.add("scripted");
  form.hidden = false;
  if (folded.length > MANY) setOpen(false, folded);
  output.textContent = `${total} in all`;
  follow();
})();
