"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { graph, steps, arrays } = data;
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const PHASES = {
    start: "Start", forward: "Forward pass", backward: "Backward pass",
    result: "Result", update: "Update",
  };

  /* ---- small helpers: every text goes in as text ------------------------------------------- */

  function element(tag, attributes = {}, ...children) {
    const e = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
    e.append(...children);
    return e;
  }
  function shape(tag, attributes = {}, text) {
    const e = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
    if (text !== undefined) e.textContent = text;
    return e;
  }
  const valueOf = (text) =>
    Number(text.replaceAll("−", "-").replace("∞", "Infinity").replace("True", "1").replace("False", "0"));
  const sizeOf = (shape) => (shape.length ? shape.join(" × ") : "");

  /* ---- arrays ------------------------------------------------------------------------------ */

  function table(rows, tinted) {
    const cells = rows.map((row) => (row ? row.split(" ") : []));
    const sizes = cells.flat().map((t) => Math.abs(valueOf(t))).filter(Number.isFinite);
    const largest = Math.max(...sizes, 0);
    const body = element("tbody");
    for (const row of cells) {
      const tr = element("tr");
      for (const text of row) {
        const td = element("td", {}, text);
        const v = valueOf(text);
        if (!Number.isFinite(v)) td.style.background = "rgba(160, 60, 200, .25)";
        else if (tinted && largest > 0 && v !== 0) {
          const strength = (0.06 + 0.36 * (Math.abs(v) / largest)).toFixed(3);
          td.style.background = `rgba(var(--${v < 0 ? "negative" : "positive"}), ${strength})`;
        }
        tr.append(td);
      }
      body.append(tr);
    }
    return element("div", { class: "numbers" }, element("table", {}, body));
  }

  function channels(name) {
    const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    if (text[0] === "#") return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
    return text.split(",").map(Number);
  }

  /* Between two tiles a line of cells stays empty. */
  const place = (i, tile) => (tile ? i + Math.floor(i / tile) : i);

  function paint(canvas, heat) {
    const bytes = atob(heat.cells);
    const [low, zero, high, broken] = ["--negative", "--zero", "--positive", "--broken"].map(channels);
    const [tileRows, tileColumns] = heat.tile || [0, 0];
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes.charCodeAt(i), v = (byte - 128) / 127;
      const row = place(Math.floor(i / heat.columns), tileRows), column = place(i % heat.columns, tileColumns);
      const at = 4 * (row * canvas.width + column);
      const end = v < 0 ? low : high;
      for (let c = 0; c < 3; c++) {
        image.data[at + c] = byte ? zero[c] + Math.abs(v) * (end[c] - zero[c]) : broken[c];
      }
      image.data[at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  function heatMap(array, label) {
    const heat = array.heat, [tileRows, tileColumns] = heat.tile || [0, 0];
    const width = place(heat.columns - 1, tileColumns) + 1, height = place(heat.rows - 1, tileRows) + 1;
    const cell = (room, count, least) => Math.max(least, Math.min(14, Math.floor(room / count)));
    let across = cell(200, width, 2), down = cell(160, height, 2);
    if (heat.tile) across = down = Math.min(8, across, down);  // images keep their proportions
    const canvas = element("canvas", {
      class: "heat", width, height, role: "img",
      "aria-label": `Heat map of ${label}: ${array.min} to ${array.max}, mean ${array.mean}`,
    });
    canvas.style.width = `${width * across}px`;
    canvas.style.height = `${height * down}px`;
    canvas.repaint = () => paint(canvas, heat);
    canvas.repaint();
    const scale = element("div", { class: heat.least === "0" ? "scale positive" : "scale" },
      element("span", {}, heat.least), element("i"), element("span", {}, heat.largest));
    const parts = [canvas, scale];
    const fact = (text) => parts.push(element("div", { class: "facts" }, text));
    const [h, w] = heat.block;
    if (h * w > 1) fact(`a cell is the mean of ${h} × ${w} elements`);
    if (heat.tile) {
      const [shown, all] = heat.tiles;
      fact(`${shown < all ? `${shown} of ` : ""}${all} tiles of ${tileRows} × ${tileColumns}`);
    }
    return parts;
  }

  function histogram(array) {
    const width = 168, height = 30, n = array.bins.length, most = Math.max(...array.bins);
    const svg = shape("svg", {
      class: "histogram", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `Histogram of the elements from ${array.min} to ${array.max}`,
    });
    array.bins.forEach((count, i) => {
      const h = count ? Math.max(1, (count / most) * height) : 0;
      svg.append(shape("rect", { x: (i * width) / n, y: height - h, width: width / n - 1, height: h }));
    });
    return svg;
  }

  function figure(item) {
    const array = arrays[item.array];
    const what = array.shape.length ? sizeOf(array.shape) : "";
    const caption = element("figcaption", {}, element("b", {}, item.label));
    if (what) caption.append(` ${what}`);
    const box = element("figure", { class: item.role }, caption);
    if (array.numbers) {
      const single = array.numbers.length === 1 && !array.numbers[0].includes(" ");
      if (!array.numbers.join("")) box.append(element("div", { class: "facts" }, "empty"));
      else {
        const tinted = !single && array.dtype.startsWith("float");
        const numbers = table(array.numbers, tinted);
        if (array.numbers[0].split(" ").length > 7) numbers.classList.add("wide");
        if (single) numbers.classList.add("single");
        box.append(numbers);
      }
      return box;
    }
    if (array.heat) box.append(...heatMap(array, item.label));
    if (array.min !== undefined) {
      box.append(element("div", { class: "facts" }, `${array.min} … ${array.max}, mean ${array.mean}`));
    }
    if (array.broken) box.append(element("div", { class: "facts" }, `${array.broken} not finite`));
    const more = element("details", {}, element("summary", {}, "numbers"));
    if (array.bins) more.append(histogram(array), element("div", { class: "facts" }, `how often, ${array.min} to ${array.max}`));
    more.append(element("div", { class: "facts" }, `${array.dtype}; the first rows and columns:`), table(array.corner, true));
    box.append(more);
    return box;
  }

  /* ---- the explanation --------------------------------------------------------------------- */

  function block(b) {
    if (b.say !== undefined) return b.say ? element("p", {}, b.say) : "";
    if (b.note !== undefined) return b.note ? element("p", { class: "note" }, b.note) : "";
    if (b.head !== undefined) return element("h3", {}, b.head);
    const row = element("div", { class: "row" });
    // A sign stays on the line of the array that it belongs to.
    let term = null, open = false;
    for (const item of b.row) {
      const closing = item.sign === ")" || item.sign === ",";
      if (!term || !(open || closing)) row.append((term = element("span", { class: "term" })));
      term.append(item.sign !== undefined ? element("span", { class: "sign" }, item.sign) : figure(item));
      open = item.sign !== undefined && !closing;
    }
    return row;
  }

  function explain(step) {
    const panel = $("step");
    const where = [step.where, step.part].filter(Boolean).join(" · ");
    const phase = element("p", { class: `phase ${step.phase}` }, PHASES[step.phase]);
    if (where) phase.append(element("small", {}, ` · ${where}`));
    const children = [phase, element("h2", {}, step.title)];
    if (step.formula) children.push(element("p", { class: "formula" }, step.formula));
    panel.className = step.phase;
    panel.replaceChildren(...children, ...step.blocks.map(block).filter(Boolean));
    panel.scrollTop = 0;
    const said = step.blocks.find((b) => b.say);
    $("status").textContent =
      `Step ${now + 1} of ${steps.length}. ${PHASES[step.phase]}. ${step.title}. ${step.formula || ""}. ${said ? said.say : ""}`;
  }

  /* ---- the graph --------------------------------------------------------------------------- */

  const boxes = {};
  const edges = [];
  const PAD = 6;

  function curve(points) {
    const at = points.map(([x, y]) => `${x},${y}`);
    return `M${at[0]}C${at.slice(1).join(" ")}`;
  }

  function drawGraph() {
    const [width, height] = graph.size;
    const svg = shape("svg", {
      viewBox: `${-PAD} ${-PAD} ${width + 2 * PAD + 6} ${height + 2 * PAD}`,
      role: "group", "aria-label": "Computation graph: each box is a button that goes to its step",
    });
    svg.dataset.width = width + 2 * PAD + 6;
    svg.dataset.height = height + 2 * PAD;
    const defs = shape("defs");
    for (const name of ["plain", "forward", "backward"]) {
      const marker = shape("marker", {
        id: `arrow-${name}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9,
        orient: "auto", markerUnits: "userSpaceOnUse",
      });
      marker.append(shape("path", { d: "M0,0.5L8,4L0,7.5Z", id: `tip-${name}` }));
      defs.append(marker);
    }
    svg.append(defs);
    for (const { title, box: [x, y, w, h] } of graph.frames) {
      const g = shape("g", { class: "frame" });
      g.append(shape("rect", { x, y, width: w, height: h, rx: 8 }));
      g.append(shape("text", { x: x + 10, y: y + 16 }, title));
      svg.append(g);
    }
    for (const edge of graph.edges) {
      const forward = shape("path", { class: "edge", d: curve(edge.curve), "marker-end": "url(#arrow-plain)" });
      const gradient = shape("path", {
        class: "edge gradient", d: curve([...edge.curve].reverse()), transform: "translate(6 0)",
        "marker-end": "url(#arrow-backward)",
      });
      svg.append(forward, gradient);
      edges.push({ forward, gradient });
    }
    for (const [id, node] of Object.entries(graph.boxes)) {
      const [x, y, w, h] = node.box;
      const g = shape("g", { class: `box ${node.kind}`, tabindex: 0, role: "button", transform: `translate(${x} ${y})` });
      g.append(shape("rect", { width: w, height: h, rx: 7 }));
      g.append(shape("text", { class: "head", x: 12, y: 19 }, node.head));
      const value = shape("text", { x: 12, y: 36 });
      const grad = shape("text", { class: "grad", x: 12, y: 53 });
      g.append(value);
      if (node.grad !== null) g.append(grad);
      g.addEventListener("click", () => visit(id));
      g.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          event.stopPropagation();
          visit(id);
        }
      });
      svg.append(g);
      boxes[id] = { g, value, grad, node };
    }
    $("canvas").append(svg);
    $("folded").hidden = !Object.values(graph.boxes).some((node) => node.kind === "folded");
    return svg;
  }

  function fit() {
    const room = $("canvas").getBoundingClientRect();
    const width = Number(svg.dataset.width), height = Number(svg.dataset.height);
    const across = (room.width - 34) / width, whole = (room.height - 34) / height;
    const phone = matchMedia("(max-width: 760px)").matches;
    const scale = phone ? Math.max(0.64, Math.min(1, across)) : Math.max(0.72, Math.min(1.15, across, Math.max(0.85, whole)));
    svg.setAttribute("width", Math.round(width * scale));
    svg.setAttribute("height", Math.round(height * scale));
  }

  /* What is known at a step: the values and gradients, and the edges they have gone along. */
  function known(at) {
    const values = new Set(), grads = new Set(), forward = new Set(), backward = new Set();
    for (const step of steps.slice(0, at + 1)) {
      (step.values || []).forEach((id) => values.add(id));
      (step.grads || []).forEach((id) => grads.add(id));
      for (const edge of step.edges || []) (step.phase === "forward" ? forward : backward).add(edge);
    }
    return { values, grads, forward, backward };
  }

  function mark(step) {
    const { values, grads, forward, backward } = known(now);
    const going = new Set(step.edges || []);
    edges.forEach((edge, i) => {
      const went = forward.has(i), back = backward.has(i), here = going.has(i);
      edge.forward.setAttribute("class", `edge${went ? " forward" : ""}${here && step.phase === "forward" ? " now" : ""}`);
      edge.forward.setAttribute("marker-end", `url(#arrow-${went ? "forward" : "plain"})`);
      edge.gradient.setAttribute("class", `edge gradient${back ? " done" : ""}${here && step.phase === "backward" ? " now" : ""}`);
    });
    for (const [id, { g, value, grad, node }] of Object.entries(boxes)) {
      const current = step.node === id, target = step.target === id;
      g.setAttribute("class", `box ${node.kind}${current ? ` current ${step.phase === "forward" ? "" : "backward"}` : ""}${target ? " target" : ""}`);
      if (current) g.setAttribute("aria-current", "step");
      else g.removeAttribute("aria-current");
      value.textContent = values.has(id) ? node.value : "…";
      value.setAttribute("class", values.has(id) ? "" : "unknown");
      grad.textContent = grads.has(id) ? `grad ${node.grad}` : "";
      g.setAttribute("aria-label", [node.head, node.kind, value.textContent, grad.textContent].filter(Boolean).join(", "));
    }
    const seen = [step.node, step.target].filter((id) => id in boxes).map((id) => boxes[id].g);
    if (seen.length) reveal(seen);
  }

  /* Scroll to the middle of these boxes; if there is no room for all of them, to the first. */
  function reveal(seen) {
    const room = $("canvas"), outer = room.getBoundingClientRect();
    const places = seen.map((g) => g.getBoundingClientRect());
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const offset = (start, end, length) => {
      const first = Math.min(...places.map((p) => p[start])), last = Math.max(...places.map((p) => p[end]));
      const [from, to] = last - first <= outer[length] ? [first, last] : [places[0][start], places[0][end]];
      return (from + to) / 2 - outer[start] - outer[length] / 2;
    };
    room.scrollTo({
      left: room.scrollLeft + offset("left", "right", "width"),
      top: room.scrollTop + offset("top", "bottom", "height"),
      behavior: calm ? "auto" : "smooth",
    });
  }

  /* ---- the passes, above the slider -------------------------------------------------------- */

  const PARTS = {
    start: "Forward", forward: "Forward", backward: "Backward", result: "Result", update: "Result",
  };

  function drawPhases() {
    for (const name of new Set(steps.map((step) => PARTS[step.phase]))) {
      const count = steps.filter((step) => PARTS[step.phase] === name).length;
      const part = element("span", { class: name.toLowerCase() }, count > steps.length / 8 ? name : "");
      part.style.flexGrow = count;
      $("phases").append(part);
    }
  }

  function markPhase(phase) {
    const name = PARTS[phase].toLowerCase();
    for (const part of $("phases").children) part.classList.toggle("now", part.classList.contains(name));
  }

  /* ---- going from step to step ------------------------------------------------------------- */

  let now = 0;
  let timer = null;

  function go(to) {
    now = Math.max(0, Math.min(steps.length - 1, to));
    const step = steps[now];
    explain(step);
    mark(step);
    markPhase(step.phase);
    $("slider").value = now;
    $("slider").setAttribute("aria-valuetext", `${now + 1} of ${steps.length}: ${step.title}`);
    $("count").textContent = `${now + 1} / ${steps.length}`;
    $("first").disabled = $("back").disabled = now === 0;
    $("next").disabled = $("last").disabled = now === steps.length - 1;
    if (now === steps.length - 1) stop();
    try {
      // A reload, or a copy of the address, leads to this step; Back leads out of the page.
      history.replaceState(null, "", `#${now + 1}`);
    } catch { /* not allowed everywhere, such as in the frame of a notebook */ }
  }

  /* The step that the address names, as in page.html#7; this one if there is no such step. */
  function linked() {
    const at = Number(location.hash.slice(1)) - 1;
    return at in steps ? at : now;
  }

  /* A box leads to its step in the pass that is being looked at; a second time to the other. */
  function visit(id) {
    stop();
    const back = ["backward", "result", "update"].includes(steps[now].phase);
    const forward = steps.findIndex((s) => (s.values || []).includes(id) && s.phase !== "backward");
    const first = steps.findIndex((s) => s.node === id && s.phase === "forward");
    const backward = steps.findIndex((s) => s.node === id && s.phase === "backward" && s.target);
    const reached = steps.findLastIndex((s) => s.target === id);
    const places = [first >= 0 ? first : forward, backward >= 0 ? backward : reached].filter((i) => i >= 0);
    if (back) places.reverse();
    go(places.find((i) => i !== now) ?? now);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    $("play").textContent = "Play";
  }
  function play() {
    if (timer !== null) return stop();
    if (now === steps.length - 1) go(0);
    $("play").textContent = "Pause";
    timer = setInterval(() => go(now + 1), 2500);
  }

  $("first").addEventListener("click", () => { stop(); go(0); });
  $("back").addEventListener("click", () => { stop(); go(now - 1); });
  $("next").addEventListener("click", () => { stop(); go(now + 1); });
  $("last").addEventListener("click", () => { stop(); go(steps.length - 1); });
  $("play").addEventListener("click", play);
  $("slider").max = steps.length - 1;
  drawPhases();
  $("slider").addEventListener("input", (event) => { stop(); go(Number(event.target.value)); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tag = event.target.tagName;
    const moves = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: steps.length - 1 };
    if (event.key in moves && tag !== "INPUT") {
      event.preventDefault();
      stop();
      go(moves[event.key]);
    } else if (event.key === " " && tag !== "BUTTON" && tag !== "SUMMARY") {
      event.preventDefault();
      play();
    }
  });

  /* ---- light and dark ---------------------------------------------------------------------- */

  const dark = matchMedia("(prefers-color-scheme: dark)");
  function setTheme(name) {
    document.documentElement.dataset.theme = name;
    document.querySelectorAll("canvas.heat").forEach((canvas) => canvas.repaint());
  }
  dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  $("theme").addEventListener("click", () =>
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));

  setTheme(dark.matches ? "dark" : "light");
  const svg = drawGraph();
  fit();
  addEventListener("resize", fit);
  addEventListener("hashchange", () => { stop(); go(linked()); });
  go(linked());
})();
