// Overrides are set as soon as they are chosen; the page then shows what is served. Until here nothing can be chosen.
for (const select of document.querySelectorAll("select[data-flag]")) {
  select.addEventListener("change", async () => {
    const path = "/_serve/overrides/" + encodeURIComponent(select.dataset.flag);
    const body = JSON.stringify({ variant: select.value });
    await fetch(path, select.value ? { method: "PUT", body } : { method: "DELETE" });
    location.reload();
  });
  select.disabled = false;
}
