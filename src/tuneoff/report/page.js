"use strict";
/* Downloads, filters and contents. Without it the page shows everything, and downloads lead to the files beside it. */
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];

  /* Each figure is saved from the page itself, which may have been mailed without its folder. */
  const bytes = image => Uint8Array.from(atob(image.src.split(",")[1]), letter => letter.charCodeAt(0));
  const drawn = image => new Promise((resolve, reject) => {
    const canvas = document.createElement("canvas");
    canvas.width = 2 * image.getAttribute("width");
    canvas.height = 2 * image.getAttribute("height");
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(blob => blob ? resolve(blob) : reject(new Error("the picture is too large")), "image/png");
  });
  const made = {
    svg: image => new Blob([bytes(image)], { type: "image/svg+xml" }),
    png: drawn,
    text: (_, link) => new Blob([link.dataset.text], { type: "text/plain" }),
  };
  document.addEventListener("click", async event => {
    const link = event.target.closest("a[data-save]");
    if (!link) return;
    event.preventDefault();
    const image = link.closest("figure")?.querySelector("img");
    const url = URL.createObjectURL(await made[link.dataset.save](image, link));
    const save = document.createElement("a");
    save.href = url;
    save.download = link.download;
    save.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });

  /* Contents: the headings as they stand. */
  const contents = document.getElementById("contents");
  if (contents) {
    const list = contents.appendChild(document.createElement("ul"));
    all("main h2").forEach((heading, number) => {
      heading.id ||= `part-${number + 1}`;
      const link = list.appendChild(document.createElement("li")).appendChild(document.createElement("a"));
      link.href = `#${heading.id}`;
      link.textContent = heading.textContent;
    });
    contents.hidden = false;
    document.body.classList.add("listed");
  }

  /* On paper every part is open; examples stay as the reader left them. */
  const folded = [];
  addEventListener("beforeprint", () => {
    for (const part of all("details.part:not([open])")) {
      part.open = true;
      folded.push(part);
    }
  });
  addEventListener("afterprint", () => folded.splice(0).forEach(part => { part.open = false; }));

  /* The examples of one slice. */
  for (const select of all("select[data-slices]")) {
    const examples = all("article", select.closest("section"));
    select.addEventListener("change", () => {
      for (const example of examples) {
        const named = all(".slices span", example).map(one => one.textContent);
        example.hidden = select.value !== "" && !named.includes(select.value);
      }
    });
    select.closest(".choose").hidden = false;
  }

  /* Filters: what is about something that is not chosen is hidden, and a table without rows left, too. */
  const panel = document.getElementById("filters");
  if (!panel) return;
  const kinds = [...new Set(all("input", panel).map(box => box.name))];
  const boxes = kind => all(`input[name="${kind}"]`, panel);
  const place = `tuneoff ${location.pathname}`;
  const about = all("main [data-model], main [data-task], main [data-technique]");
  const apply = () => {
    const left = new Map(kinds.map(kind => [kind, boxes(kind).filter(box => !box.checked).map(box => box.value)]));
    const named = (element, kind) => kind === "technique" ? element.dataset[kind].split(" ") : [element.dataset[kind]];
    for (const element of about) {
      element.hidden = kinds.some(kind =>
        element.dataset[kind] !== undefined && named(element, kind).some(name => left.get(kind).includes(name)));
    }
    for (const block of all("main .scroll")) {
      const rows = all("tbody tr", block);
      block.classList.toggle("empty", rows.length > 0 && rows.every(row => row.hidden));
    }
    for (const kind of kinds) {
      panel.querySelector(`[data-count="${kind}"]`).textContent = boxes(kind).filter(box => box.checked).length;
    }
    try {
      sessionStorage.setItem(place, JSON.stringify([...left]));
    } catch { /* a browser that keeps nothing still filters */ }
  };
  try {
    for (const [kind, values] of JSON.parse(sessionStorage.getItem(place) || "[]")) {
      for (const box of boxes(kind)) box.checked = !values.includes(box.value);
    }
  } catch { /* nothing was kept */ }
  panel.addEventListener("change", apply);
  panel.addEventListener("click", event => {
    const button = event.target.closest("button[data-set]");
    if (!button) return;
    for (const box of boxes(button.dataset.set)) box.checked = button.dataset.to === "all";
    apply();
  });
  panel.hidden = false;
  apply();
})();
