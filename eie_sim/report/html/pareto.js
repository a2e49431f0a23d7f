// The chart of a sweep: two metrics to choose, machines to point at and to pick, the file of the one picked last.

const SVG = "http://www.w3.org/2000/svg";

function draw(name, attributes, text = "") {
  const found = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.textContent = text;
  return found;
}

const figure = (value) =>
  value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e7)
    ? value.toLocaleString("en", { maximumSignificantDigits: 4 }) : value.toExponential(3);

/** Round numbers between two others: a power of ten times 1, 2 or 5. */
function ticks(low, high, log, most) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
      for (const digit of [1, 2, 5]) found.push(digit * 10 ** power);
    const inside = found.filter((value) => value >= low && value <= high);
    const decades = inside.filter((value) => Number.isInteger(Math.log10(value)));
    if (inside.length > 2) return inside.length > most && decades.length > 1 ? decades : inside;
  }
  const step = 10 ** Math.floor(Math.log10((high - low) / most));
  const wide = [1, 2, 5, 10].map((digit) => digit * step).find((width) => (high - low) / width <= most);
  const first = Math.ceil(low / wide);
  return Array.from({ length: Math.floor(high / wide) - first + 1 }, (_, at) => (first + at) * wide);
}

class Scale {
  constructor(metric, log, begin, end) {
    const low = Math.min(...metric.values), high = Math.max(...metric.values);
    this.log = log && low > 0;
    const margin = this.log ? Math.max((high / low) ** 0.05, 1.02) : (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
    this.low = this.log ? low / margin : low - margin;
    this.high = this.log ? high * margin : high + margin;
    Object.assign(this, { begin, end });
  }

  at(value) {
    const [low, high, place] = this.log ? [this.low, this.high, value].map(Math.log) : [this.low, this.high, value];
    return this.begin + ((place - low) / (high - low)) * (this.end - this.begin);
  }
}

/** Places of the machines that none beats in both metrics, in order of the first. */
function frontOf(x, y) {
  const good = (metric, at) => (metric.more ? -1 : 1) * metric.values[at];
  const order = x.values.map((_, at) => at)
    .sort((a, b) => good(x, a) - good(x, b) || good(y, a) - good(y, b) || a - b);
  const found = [];
  let best = Infinity, same = [NaN, NaN];
  for (const at of order) {
    const place = [good(x, at), good(y, at)];
    if (place[1] < best || (place[0] === same[0] && place[1] === same[1])) { found.push(at); same = place; }
    best = Math.min(best, place[1]);
  }
  return found;
}

class ParetoChart {
  constructor(place, data) {
    this.data = data;
    this.at = 0;
    this.chosen = new Set();
    this.log = { x: true, y: true };
    this.axes = { x: data.metrics[0], y: data.metrics[1] };
    this.build(place);
    new ResizeObserver(() => this.paint()).observe(this.chart);
    this.paint();
  }

  build(place) {
    this.told = make("output", { id: "pareto-told", "aria-live": "polite" }, "Nothing is pointed at.");
    this.count = make("output", { id: "pareto-count" }, "No machine is picked.");
    this.chart = make("div", {
      class: "chart", tabindex: "0", role: "application", "aria-roledescription": "chart of machines",
      "aria-label": "Machines: arrow keys move from one to the next, Enter picks", "aria-describedby": "pareto-told",
    });
    const clear = make("button", { type: "button" }, "Pick none");
    clear.addEventListener("click", () => { this.chosen.clear(); this.picked(); });
    place.append(make("div", { class: "controls" }, ...this.chooser("x", "Horizontal"), ...this.chooser("y", "Vertical")),
      this.chart, make("p", {}, this.told), make("p", { class: "controls" }, this.count, clear));
    this.chart.addEventListener("keydown", (event) => this.key(event));
    this.chart.addEventListener("focus", () => this.point(this.at));
    this.chart.addEventListener("pointermove", (event) => this.point(this.nearest(event)));
    this.chart.addEventListener("click", (event) => { this.point(this.nearest(event)); this.pick(this.at); });
    this.rows = new Map([...document.querySelectorAll("tr[data-link]")].map((row) => [Number(row.dataset.link), row]));
    this.rows.forEach((row, at) => row.addEventListener("click", () => { this.point(at); this.pick(at); }));
  }

  chooser(axis, text) {
    const select = make("select", { id: `axis-${axis}` },
      ...this.data.metrics.map((one, at) => make("option", { value: at }, one.label)));
    select.value = String(this.data.metrics.indexOf(this.axes[axis]));
    select.addEventListener("change", () => { this.axes[axis] = this.data.metrics[select.value]; this.paint(); });
    const log = make("input", { type: "checkbox", id: `log-${axis}` });
    log.checked = true;
    log.addEventListener("change", () => { this.log[axis] = log.checked; this.paint(); });
    return [make("span", {}, make("label", { for: select.id }, `${text} axis `), select),
      make("label", { for: log.id }, log, ` logarithmic, ${text.toLowerCase()}`)];
  }

  paint() {
    const width = Math.max(this.chart.clientWidth - 16, 260), height = Math.min(Math.max(width * 0.6, 260), 520);
    const { x, y } = this.axes;
    this.scales = { x: new Scale(x, this.log.x, 64, width - 12), y: new Scale(y, this.log.y, height - 44, 32) };
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.paintAxes(svg, width, height);
    const front = frontOf(x, y);
    const places = this.places = x.values.map((_, at) => [this.scales.x.at(x.values[at]), this.scales.y.at(y.values[at])]);
    const on = new Set(front);
    const path = front.map((at) => places[at].map((one) => one.toFixed(1)).join(",")).join(" ");
    svg.append(draw("polyline", { class: "steps", points: path }));
    const order = places.map((_, at) => at).sort((a, b) => on.has(a) - on.has(b) || a - b); // the front on top
    this.dots = [];
    for (const at of order) {
      const kind = `point${on.has(at) ? " front" : ""}${this.chosen.has(at) ? " chosen" : ""}`;
      this.dots[at] = draw("circle", { class: kind, cx: places[at][0].toFixed(1), cy: places[at][1].toFixed(1), r: on.has(at) ? 5 : 4 });
      svg.append(this.dots[at]);
    }
    this.ring = svg.appendChild(draw("circle", { class: "ring", r: 9, visibility: "hidden" }));
    this.chart.replaceChildren(svg);
    this.orders = { x: this.order(x), y: this.order(y) };
  }

  paintAxes(svg, width, height) {
    const { x, y } = this.scales;
    for (const value of ticks(x.low, x.high, x.log, width / 80)) {
      const at = x.at(value);
      svg.append(draw("line", { x1: at, x2: at, y1: 32, y2: height - 44 }),
        draw("text", { x: at, y: height - 28, "text-anchor": "middle" }, figure(value)));
    }
    for (const value of ticks(y.low, y.high, y.log, height / 40)) {
      const at = y.at(value);
      svg.append(draw("line", { x1: 64, x2: width - 12, y1: at, y2: at }),
        draw("text", { x: 58, y: at + 4, "text-anchor": "end" }, figure(value)));
    }
    svg.append(draw("text", { class: "axis-name", x: width - 12, y: height - 8, "text-anchor": "end" }, this.name("x")),
      draw("text", { class: "axis-name", x: 12, y: 18 }, this.name("y")));
  }

  name(axis) {
    return `${this.axes[axis].label} (${this.axes[axis].more ? "more" : "less"} is better)`;
  }

  order(metric) {
    return metric.values.map((_, at) => at).sort((a, b) => metric.values[a] - metric.values[b] || a - b);
  }

  nearest(event) {
    const box = this.chart.firstElementChild.getBoundingClientRect();
    const scale = this.chart.firstElementChild.viewBox.baseVal.width / box.width;
    const [left, top] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let best = 0, least = Infinity;
    this.places.forEach(([x, y], at) => {
      const far = (x - left) ** 2 + (y - top) ** 2;
      if (far < least) [best, least] = [at, far];
    });
    return best;
  }

  key(event) {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.pick(this.at); return; }
    const [axis, step] = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowDown: ["y", -1], ArrowUp: ["y", 1],
      Home: ["x", -Infinity], End: ["x", Infinity] }[event.key] ?? [];
    if (!axis) return;
    event.preventDefault();
    const order = this.orders[axis];
    this.point(order[Math.min(Math.max(order.indexOf(this.at) + step, 0), order.length - 1)]);
  }

  point(at) {
    this.at = at;
    const [x, y] = this.places[at];
    Object.entries({ cx: x, cy: y, visibility: "visible" }).forEach(([key, value]) => this.ring.setAttribute(key, value));
    const metrics = this.data.metrics.map((one) => `${one.label}: ${figure(one.values[at])}`);
    this.told.textContent = [this.described(at), ...metrics].filter(Boolean).join("; ");
  }

  described(at) {
    const inputs = this.data.inputs.filter((one) => one.at).map((one) => `${one.name} ${one.shown[one.at[at]]}`);
    return [...inputs, ...(this.data.fits[at] ? [] : ["does not hold every workload"])].join(", ");
  }

  pick(at) {
    if (!this.chosen.delete(at)) this.chosen.add(at);
    this.picked();
  }

  picked() {
    this.dots.forEach((dot, at) => dot.classList.toggle("chosen", this.chosen.has(at)));
    this.rows.forEach((row, at) => row.classList.toggle("chosen", this.chosen.has(at)));
    const last = [...this.chosen].at(-1);
    const names = [...this.chosen].map((at) => this.described(at) || "the only one");
    this.count.textContent = names.length ? `Picked: ${names.join(" | ")}` : "No machine is picked.";
    document.getElementById("toml").value = last === undefined ? "" : this.toml(last);
  }

  /** Fields of the machine as TOML; what else tells it from others, as comments. */
  toml(at) {
    const of = (one) => one.toml[one.at ? one.at[at] : 0];
    const lines = this.data.inputs.filter((one) => of(one) !== null)
      .map((one) => `${one.machine ? "" : "# "}${one.name} = ${of(one)}`);
    return `${lines.sort((a, b) => b.startsWith("#") - a.startsWith("#")).join("\n")}\n`;
  }
}

new ParetoChart(document.getElementById("pareto"), JSON.parse(document.getElementById("sweep-data").textContent));
