// PEs over time: one canvas a layer, of which every cell can be read by pointing at it or by arrow keys.

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Numbers of 8 bits, or of 16, the lower byte first. */
function levelsOf(text, wide) {
  const bytes = bytesOf(text);
  return wide ? Uint16Array.from({ length: bytes.length / 2 }, (_, at) => bytes[2 * at] + 256 * bytes[2 * at + 1]) : bytes;
}

/** The five shades of the legend, as the style sheet has them in the colours of now. */
function shadesOf(legend) {
  return [...legend.querySelectorAll("i")].map((one) =>
    getComputedStyle(one).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number));
}

/** The colour of a share of 0 to 1. */
function shade(shades, share) {
  const place = share * (shades.length - 1);
  const low = Math.min(Math.floor(place), shades.length - 2);
  return shades[low].map((from, at) => from + (shades[low + 1][at] - from) * (place - low));
}

class HeatMap {
  constructor(figure, data, name) {
    this.data = data;
    this.lines = data.pes.length - 1;
    this.bins = data.cycles.length - 1;
    this.levels = { busy: bytesOf(data.busy), waiting: levelsOf(data.waiting, data.wide) };
    this.most = { busy: 100, waiting: data.most * data.steps };
    this.kind = "busy";
    this.at = [0, 0];
    this.build(figure, name);
    this.paint();
    repaints.push(() => this.paint());
  }

  build(figure, name) {
    this.canvas = make("canvas", { width: this.bins, height: this.lines, "aria-hidden": "true" });
    this.canvas.style.height = `${Math.min(Math.max(this.lines * 5, 80), 384)}px`;
    this.cursor = make("div", { class: "cursor", hidden: "" });
    this.told = make("output", { id: `${name}-told`, "aria-live": "polite" }, "Nothing is pointed at.");
    this.map = make("div", {
      class: "map", tabindex: "0", role: "application", "aria-roledescription": "map of PEs over time",
      "aria-label": `${this.data.layer}: arrow keys move over PEs and time`, "aria-describedby": this.told.id,
    }, this.canvas, this.cursor);
    this.legend = this.makeLegend();
    const last = this.data.cycles[this.bins] - 1;
    const axis = make("div", { class: "axis" }, make("span", {}, "0 µs"),
      make("span", {}, `PE 0 at the top, PE ${this.data.pes[this.lines] - 1} at the bottom`),
      make("span", {}, `${(last * this.data.us).toPrecision(4)} µs`));
    figure.append(this.choice(name), this.legend, this.map, axis, this.told);
    this.map.addEventListener("pointermove", (event) => this.point(event));
    this.map.addEventListener("pointerdown", (event) => this.point(event));
    this.map.addEventListener("focus", () => this.move(...this.at));
    this.map.addEventListener("keydown", (event) => this.key(event));
  }

  choice(name) {
    const found = make("fieldset", { class: "choice" }, make("legend", {}, "Shown:"));
    for (const [kind, text] of [["busy", "busy cycles"], ["waiting", "activations that wait"]]) {
      const button = make("input", { type: "radio", name: `${name}-kind`, id: `${name}-${kind}`, value: kind });
      button.checked = kind === this.kind;
      button.addEventListener("change", () => { this.kind = kind; this.paint(); });
      found.append(make("label", { for: button.id }, button, ` ${text}`));
    }
    return found;
  }

  makeLegend() {
    this.ends = [make("span"), make("span")];
    const shades = make("span", { class: "shades", "aria-hidden": "true" }, ...[0, 1, 2, 3, 4].map(() => make("i")));
    return make("div", { class: "scale" }, this.ends[0], shades, this.ends[1]);
  }

  paint() {
    const shades = shadesOf(this.legend);
    const most = this.most[this.kind];
    const colours = Array.from({ length: most + 1 }, (_, level) => shade(shades, level / most));
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(this.bins, this.lines);
    this.levels[this.kind].forEach((level, at) => image.data.set([...colours[level], 255], 4 * at));
    context.putImageData(image, 0, 0);
    const busy = this.kind === "busy";
    this.ends[0].textContent = busy ? "0 % of cycles busy" : "0 activations wait";
    this.ends[1].textContent = busy ? "100 %" : `${this.data.most}`;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    this.move(((event.clientY - box.top) / box.height) * this.lines, ((event.clientX - box.left) / box.width) * this.bins);
  }

  key(event) {
    const [line, bin] = this.at;
    const to = {
      ArrowUp: [line - 1, bin], ArrowDown: [line + 1, bin], ArrowLeft: [line, bin - 1], ArrowRight: [line, bin + 1],
      PageUp: [line - 8, bin], PageDown: [line + 8, bin], Home: [line, 0], End: [line, this.bins - 1],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    this.move(...to);
  }

  move(line, bin) {
    line = Math.min(Math.max(Math.floor(line), 0), this.lines - 1);
    bin = Math.min(Math.max(Math.floor(bin), 0), this.bins - 1);
    this.at = [line, bin];
    const cell = [100 / this.bins, 100 / this.lines];
    Object.assign(this.cursor.style, {
      left: `${bin * cell[0]}%`, top: `${line * cell[1]}%`, width: `max(6px, ${cell[0]}%)`, height: `max(6px, ${cell[1]}%)`,
    });
    this.cursor.hidden = false;
    this.told.textContent = this.text(line, bin);
  }

  text(line, bin) {
    const { pes, cycles, us, most } = this.data;
    const last = pes[line + 1] - 1;
    const who = pes[line] === last ? `PE ${last}` : `PEs ${pes[line]} to ${last}`;
    const from = cycles[bin], to = cycles[bin + 1] - 1;
    const place = line * this.bins + bin;
    const busy = this.levels.busy[place];
    const waiting = (this.levels.waiting[place] / this.data.steps).toFixed(this.data.steps > 1 ? 1 : 0);
    const when = `${((from - 1) * us).toFixed(2)} to ${(to * us).toFixed(2)} µs (cycles ${from} to ${to})`;
    return `${who}, ${when}: busy ${busy} %, ${waiting} of ${most} activations wait`;
  }
}

function drawHeatMaps() {
  const block = document.getElementById("heat-data");
  const maps = block ? JSON.parse(block.textContent) : {};
  for (const figure of document.querySelectorAll("figure[data-heat]")) {
    // A closed part of the page costs nothing until somebody opens it.
    const draw = () => {
      if (!figure.dataset.drawn) new HeatMap(figure, maps[figure.dataset.heat], figure.dataset.heat);
      figure.dataset.drawn = "yes";
    };
    const part = figure.closest("details");
    if (!part || part.open) draw();
    else {
      part.addEventListener("toggle", draw, { once: true });
      addEventListener("beforeprint", draw);
    }
  }
}

drawHeatMaps();
