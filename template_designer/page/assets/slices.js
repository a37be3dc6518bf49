"use strict";
// One CT slice: picture, outlines, isodoses, needles, seeds, and the cursor that links the views.
window.planningParts = window.planningParts || {};

const SECTIONS = {
  axial: { title: "Axial", across: [0, 1], down: [1, 1], through: 2 },
  sagittal: { title: "Sagittal", across: [1, 1], down: [2, -1], through: 0 },
  coronal: { title: "Coronal", across: [0, 1], down: [2, -1], through: 1 },
};
const GREYS = { tissue: [40, 400], bone: [400, 1800], lung: [-500, 1500] };

planningParts["ct-slice"] = {
  props: ["section", "cursor", "revision", "stale", "look", "looks", "fixed"],
  emits: ["cursor"],
  data() { return { cut: null, lines: {}, wrong: "", zoom: { span: 190, middle: null }, size: [1, 1], drag: 0 }; },
  computed: {
    how() { return SECTIONS[this.section]; },
    at() { return this.cursor[this.how.through]; },
    asked() { return `${this.at}|${this.revision}|${this.look.window}`; },
    // where the cursor lies in the picture's own millimetres, y downwards
    here() { return this.flat(this.cursor); },
    box() {
      const [left, top, wide, high] = this.cut ? this.cut.box : [0, 0, 1, 1];
      const ratio = this.size[0] / this.size[1];
      let span = Math.max(wide, high * ratio), middle = [left + wide / 2, top + high / 2];
      if (this.zoom) [span, middle] = [Math.max(this.zoom.span, this.zoom.middle ? 0 : this.zoom.span * ratio), this.zoom.middle || this.start];
      return [middle[0] - span / 2, middle[1] - span / ratio / 2, span, span / ratio];
    },
    perPixel() { return this.box[2] / this.size[0]; },
    bar() {
      const mm = [100, 50, 20, 10, 5, 2, 1].find((n) => n <= 0.3 * this.box[2]) || 1;
      const right = this.box[0] + 0.97 * this.box[2], y = this.box[1] + this.box[3] - 12 * this.perPixel;
      return { mm, line: `M${right - mm} ${y}H${right}`, x: right - mm / 2, y: y - 5 * this.perPixel };
    },
    sides() {
      const [x, y, w, h] = this.box, p = this.perPixel, l = this.cut ? this.cut.letters : {};
      return [
        { t: l.left, x: x + 10 * p, y: y + h / 2 + 5 * p }, { t: l.right, x: x + w - 10 * p, y: y + h / 2 + 5 * p },
        { t: l.top, x: x + w / 2, y: y + 17 * p }, { t: l.bottom, x: x + w / 2, y: y + h - 6 * p },
      ];
    },
    shownLooks() { return (this.looks || []).filter((s) => this.lines[s.name] && !this.look.hidden.includes(s.name)); },
    labels() { // outside the skin, none over another: ever farther out, or left out
      const found = {}, high = 13 * this.perPixel, [x0, y0, w, h] = this.box;
      const placed = this.sides.map((s) => ({ x: s.x, y: s.y - 5 * this.perPixel, wide: 22 * this.perPixel, side: true }));
      for (const n of this.cut ? this.cut.needles : []) found[n.label] = found[n.label] || n.line.slice(1).split("L").map((p) => p.split(" ").map(Number));
      for (const [label, [start, end]] of Object.entries(found)) {
        const way = [start[0] - end[0], start[1] - end[1]], long = Math.hypot(...way), u = long < 1 ? [0.7, -0.7] : way.map((c) => c / long);
        const wide = label.length * 7.6 * this.perPixel;
        for (let step = 1; step < 14; step++) {
          const x = start[0] + u[0] * step * 0.75 * high, y = start[1] + u[1] * step * 0.75 * high;
          const free = placed.every((p) => Math.abs(p.x - x) > (p.wide + wide) / 2 || Math.abs(p.y - y) > high);
          if (free && x - wide / 2 > x0 && x + wide / 2 < x0 + w && y - high > y0 && y + high < y0 + h) { placed.push({ label, x, y, wide }); break; }
        }
      }
      return placed.filter((p) => !p.side);
    },
  },
  watch: { asked() { this.fetchCut(); } },
  created() { this.start = this.flat(this.cursor); },
  mounted() {
    this.watcher = new ResizeObserver(() => {
      this.size = [Math.max(1, this.$refs.stage.clientWidth), Math.max(1, this.$refs.stage.clientHeight)];
    });
    this.watcher.observe(this.$refs.stage);
    this.fetchCut();
  },
  beforeUnmount() { this.watcher.disconnect(); },
  methods: {
    flat(place) {
      const { across, down } = this.how;
      return [across[1] * place[across[0]], down[1] * place[down[0]]];
    },
    // one question at a time; the newest place is asked for when the answer is there
    async fetchCut() {
      if (this.waiting) { this.again = true; return; }
      this.waiting = true;
      do {
        this.again = false;
        const at = this.at, [level, width] = GREYS[this.look.window] || GREYS.tissue;
        try {
          const cut = await this.json(`slice?section=${this.section}&at=${at}&level=${level}&width=${width}&r=${this.revision}`);
          this.cut = cut;
          this.wrong = "";
          this.lines = await this.json(`outlines?section=${this.section}&at=${at}`);
        } catch (error) { this.wrong = String(error.message || error); }
      } while (this.again);
      this.waiting = false;
    },
    async json(path) {
      const answer = await fetch(path), content = await answer.json();
      if (content.error) throw new Error(content.error);
      return content;
    },
    place(event) {
      const b = this.$refs.stage.getBoundingClientRect();
      return [this.box[0] + (event.clientX - b.x) * this.perPixel, this.box[1] + (event.clientY - b.y) * this.perPixel];
    },
    point(event) {
      const { across, down } = this.how, flat = this.place(event), cursor = this.cursor.slice();
      cursor[across[0]] = across[1] * flat[0];
      cursor[down[0]] = down[1] * flat[1];
      this.$emit("cursor", cursor);
    },
    down(event) {
      this.$refs.stage.setPointerCapture(event.pointerId);
      this.drag = event.shiftKey || event.buttons & 6 ? 2 : 1;
      this.from = this.place(event);
      if (this.drag === 1) this.point(event);
    },
    move(event) {
      if (this.drag === 1) this.point(event);
      if (this.drag !== 2) return;
      const now = this.place(event), [x, y, w, h] = this.box;
      this.zoom = { span: w, middle: [x + w / 2 + this.from[0] - now[0], y + h / 2 + this.from[1] - now[1]] };
    },
    step(slices) {
      const cursor = this.cursor.slice();
      cursor[this.how.through] += slices * (this.section === "axial" ? this.fixed.slice_mm : 2);
      this.$emit("cursor", cursor);
    },
    zoomBy(factor, about) {
      const [x, y, w, h] = this.box, [px, py] = about || this.here, span = Math.min(1000, Math.max(15, w * factor)), f = span / w;
      this.zoom = { span, middle: [px + (x + w / 2 - px) * f, py + (y + h / 2 - py) * f] };
    },
    wheel(event) {
      if (event.ctrlKey || event.shiftKey) this.zoomBy(event.deltaY > 0 || event.deltaX > 0 ? 1.15 : 0.87, this.place(event));
      else this.step(event.deltaY > 0 ? -1 : 1);
    },
    key(event) {
      const { across, down } = this.how, cursor = this.cursor.slice();
      const ways = { ArrowLeft: [across, -1], ArrowRight: [across, 1], ArrowUp: [down, -1], ArrowDown: [down, 1] };
      if (ways[event.key]) {
        const [[axis, sign], way] = ways[event.key];
        cursor[axis] += sign * way * (event.shiftKey ? 10 : 1);
        this.$emit("cursor", cursor);
      } else if (event.key === "PageUp") this.step(1);
      else if (event.key === "PageDown") this.step(-1);
      else if (event.key === "+" || event.key === "=") this.zoomBy(0.8);
      else if (event.key === "-") this.zoomBy(1.25);
      else if (event.key === "0") this.zoom = null;
      else return;
      event.preventDefault();
    },
    seed(s) { // a box as long as the seed looks from here
      const part = Math.hypot(...s.axis), u = part > 1e-6 ? s.axis.map((c) => c / part) : [1, 0];
      const long = Math.max(4.5 * part, 1.5) / 2, half = 0.75, [x, y] = s.at;
      const c = (a, b) => `${x + a * long * u[0] - b * half * u[1]},${y + a * long * u[1] + b * half * u[0]}`;
      return [c(1, 1), c(1, -1), c(-1, -1), c(-1, 1)].join(" ");
    },
  },
  template: `
  <section class="pane slice" :data-section="section">
    <h2>{{ how.title }} <small v-if="cut">{{ cut.place }}</small>
      <span class="tools"><button title="Nearer (+)" @click="zoomBy(0.8)">+</button><button title="Farther (-)" @click="zoomBy(1.25)">−</button><button title="Whole slice (0)" @click="zoom = null">⤢</button></span></h2>
    <div class="stage" ref="stage" tabindex="0" role="application" :aria-label="how.title + ' slice. Arrow keys move the cursor, Page Up and Page Down change the slice, plus and minus zoom.'"
         @pointerdown.prevent="$event.currentTarget.focus(); down($event)" @pointermove="move" @pointerup="drag = 0" @pointercancel="drag = 0" @wheel.prevent="wheel" @contextmenu.prevent @keydown="key">
      <svg v-if="cut" :viewBox="box.join(' ')" preserveAspectRatio="none">
        <image :href="cut.picture" :x="cut.box[0]" :y="cut.box[1]" :width="cut.box[2]" :height="cut.box[3]" preserveAspectRatio="none"/>
        <g v-for="s in shownLooks" :key="s.name" class="outline" :data-structure="s.name">
          <path :d="lines[s.name]" class="under"/><path :d="lines[s.name]" :stroke="s.colour" :stroke-dasharray="s.dash"><title>{{ s.name }}</title></path></g>
        <g v-for="d in fixed.isodoses" :key="d.key" :class="['isodose', { old: stale }]" :data-isodose="d.key">
          <template v-if="cut.isodoses[d.key] && look.isodoses.includes(d.key)"><path :d="cut.isodoses[d.key]" class="under"/><path :d="cut.isodoses[d.key]" :stroke="d.colour" :class="'dose-' + d.key"/></template></g>
        <polygon v-for="s in cut.seeds" :points="seed(s)" :class="['seed', { inside: s.inside, old: stale }]"/>
        <g v-for="n in cut.needles" :class="['needle', { inside: n.inside, old: stale }]"><path :d="n.line" class="under"/><path :d="n.line"/></g>
        <text v-for="n in labels" :key="n.label" class="label" :x="n.x" :y="n.y + 4 * perPixel" :font-size="11 * perPixel" :stroke-width="3 * perPixel">{{ n.label }}</text>
        <g class="cursor"><path :d="'M' + box[0] + ' ' + here[1] + 'h' + box[2] + 'M' + here[0] + ' ' + box[1] + 'v' + box[3]"/></g>
        <text v-for="s in sides" class="letter" :x="s.x" :y="s.y" :font-size="14 * perPixel" :stroke-width="3 * perPixel">{{ s.t }}</text>
        <g class="bar"><path :d="bar.line"/><text :x="bar.x" :y="bar.y" :font-size="11 * perPixel" :stroke-width="3 * perPixel">{{ bar.mm }} mm</text></g>
      </svg>
      <p v-if="wrong" class="wrong">{{ wrong }}</p>
      <p v-else-if="stale" class="wrong waits">Needles and isodoses of before; the new ones are worked out.</p>
    </div>
  </section>`,
};
