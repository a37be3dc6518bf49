"use strict";
// The plate as the operator sees it, and what is asked of its holes.
window.planningParts = window.planningParts || {};

const MARKS = {
  locked: "held as it is", forbidden: "forbidden: stays empty", "by hand": "loaded by hand",
};

planningParts["plate-map"] = {
  props: ["plate", "selected", "whole"],
  emits: ["select", "ask"],
  computed: {
    // the plate, or only the holes whose needles would meet the target, and two more round them
    view() {
      const p = this.plate, near = p.holes.filter((h) => !h.why.startsWith("misses ")), all = this.whole || !near.length;
      const reach = (place, half) => (all ? [-half, half] : [
        Math.max(-half, Math.min(...near.map(place)) - 2.5 * this.pitch), Math.min(half, Math.max(...near.map(place)) + 2.5 * this.pitch)]);
      const [left, right] = reach((h) => h.x, p.width / 2), [top, bottom] = reach((h) => h.y, p.height / 2);
      return { left, right, top, bottom, size: Math.max(right - left, bottom - top) / 100 };
    },
    box() {
      const v = this.view, side = 12 * v.size;
      return [v.left - side, v.top - side, v.right - v.left + 2 * side, v.bottom - v.top + 2 * side].join(" ");
    },
    holes() {
      const v = this.view, shown = (h) => h.x > v.left && h.x < v.right && h.y > v.top && h.y < v.bottom;
      return this.plate.holes.filter(shown);
    },
    columns() { return this.ends((h) => h.x, (h) => h.label.replace(/\d+$/, "")); },
    rows() { return this.ends((h) => h.y, (h) => h.label.replace(/^\D+/, "")); },
    pitch() {
      const xs = [...new Set(this.plate.holes.map((h) => h.x))].sort((a, b) => a - b);
      return xs.length > 1 ? xs[1] - xs[0] : 5;
    },
    // one hole takes part in the order of Tab; arrow keys go on from there
    reachable() {
      const holes = this.holes;
      return (holes.find((h) => h.key === this.selected) || holes.find((h) => h.state === "planned") || holes[0]).key;
    },
  },
  methods: {
    ends(place, name) {
      const found = new Map();
      for (const hole of this.holes) found.set(place(hole), name(hole));
      return [...found].map(([at, text]) => ({ at, text })).sort((a, b) => a.at - b.at);
    },
    words(hole) {
      const state = hole.state === "planned" ? `planned, ${hole.seeds} seed${hole.seeds > 1 ? "s" : ""}` : hole.state;
      return [`${hole.label}: ${state}`, hole.why, MARKS[hole.mark]].filter(Boolean).join("; ");
    },
    press(event, hole) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const asked = { l: "lock", f: "forbid", c: "clear", h: "load" }[event.key.toLowerCase()];
      if (step) this.go(hole, step);
      else if (event.key === "Enter" || event.key === " ") this.$emit("select", hole.key, true);
      else if (asked) { this.$emit("select", hole.key, false); this.$emit("ask", asked, hole.key); }
      else return;
      event.preventDefault();
    },
    go(hole, [right, down]) {
      const way = (h) => (h.x - hole.x) * right + (h.y - hole.y) * down;
      const aside = (h) => Math.abs((h.x - hole.x) * down) + Math.abs((h.y - hole.y) * right);
      const ahead = this.holes.filter((h) => way(h) > 0.1 && aside(h) < 0.1);
      const next = ahead.sort((a, b) => way(a) - way(b))[0];
      if (!next) return;
      this.$emit("select", next.key, false);
      this.$nextTick(() => document.getElementById("hole-" + next.key).focus());
    },
  },
  template: `
  <svg class="plate" :viewBox="box" role="group" :aria-label="'Plate ' + plate.name + ' as the operator sees it'">
    <rect :x="view.left" :y="view.top" :width="view.right - view.left" :height="view.bottom - view.top" class="board"/>
    <path v-if="view.left <= -plate.width / 2 && view.top <= -plate.height / 2" :d="'M' + view.left + ' ' + (view.top + 6) + 'l6 -6h-6z'" class="corner"/>
    <text v-for="c in columns" :x="c.at" :y="view.top - 1.6 * view.size" class="rim" :font-size="3.6 * view.size">{{ c.text }}</text>
    <text v-for="r in rows" :x="view.left - 3 * view.size" :y="r.at + 1.3 * view.size" class="rim" :font-size="3.6 * view.size">{{ r.text }}</text>
    <g class="side" :font-size="4.6 * view.size">
      <text :x="(view.left + view.right) / 2" :y="view.top - 6 * view.size">{{ plate.letters.top }}</text>
      <text :x="(view.left + view.right) / 2" :y="view.bottom + 6 * view.size">{{ plate.letters.bottom }}</text>
      <text :x="view.right + 5.4 * view.size" :y="(view.top + view.bottom) / 2 + 1.6 * view.size">{{ plate.letters.right }}</text>
      <text :x="view.left - 8.4 * view.size" :y="(view.top + view.bottom) / 2 + 1.6 * view.size">{{ plate.letters.left }}</text>
    </g>
    <g v-for="h in holes" :key="h.key" :id="'hole-' + h.key" :data-hole="h.key" :data-state="h.state" :data-mark="h.mark"
       :class="['hole', h.state, { chosen: h.key === selected }]" :transform="'translate(' + h.x + ' ' + h.y + ')'"
       role="button" :aria-label="words(h)" :aria-pressed="h.key === selected" :tabindex="h.key === reachable ? 0 : -1"
       @click="$emit('select', h.key, false)" @keydown="press($event, h)">
      <title>{{ words(h) }}</title>
      <rect class="touch" :x="-pitch / 2" :y="-pitch / 2" :width="pitch" :height="pitch"/>
      <path v-if="h.state === 'blocked' && h.mark !== 'forbidden'" class="cross" d="M-0.8 -0.8L0.8 0.8M0.8 -0.8L-0.8 0.8"/>
      <circle v-if="h.state === 'open' && h.mark !== 'forbidden'" class="ring" r="1.25"/>
      <circle v-if="h.state === 'planned'" class="disc" r="2.05"/>
      <rect v-if="h.mark === 'locked'" class="lock" x="-2.3" y="-2.3" width="4.6" height="4.6"/>
      <path v-if="h.mark === 'by hand'" class="hand" d="M0 -2.75L2.75 0L0 2.75L-2.75 0Z"/>
      <g v-if="h.mark === 'forbidden'" class="no"><circle r="1.9"/><path d="M-1.2 0H1.2"/></g>
      <text v-if="h.state === 'planned'" class="count" y="0.95">{{ h.seeds }}</text>
    </g>
  </svg>`,
};

planningParts["hole-panel"] = {
  props: ["hole", "fixed", "inside", "locked", "hand"],
  emits: ["ask"],
  data() { return { seeds: 3, spacing: this.fixed.spacing_mm[0], behind: 0 }; },
  watch: {
    "hole.key"() { // as many as fit, three at most, from the deepest place on
      const places = this.hole ? this.hole.behind : [];
      this.behind = places.length ? places[0] : 0;
      this.seeds = places.length ? Math.min(3, Math.floor((places[places.length - 1] - this.behind) / this.spacing + 1e-6) + 1) : 1;
    },
  },
  computed: {
    needle() { return this.hole && this.inside && this.inside[this.hole.label]; },
    state() {
      const h = this.hole;
      if (h.state === "planned") return `needle with ${h.seeds} seed${h.seeds > 1 ? "s" : ""}`;
      return h.state === "open" ? "open, no needle" : `blocked: ${h.why}`;
    },
  },
  template: `
  <div class="hole-panel" aria-live="polite">
    <template v-if="hole">
      <p><b class="name">{{ hole.key }}</b> {{ state }}<span v-if="hole.mark">; <b>{{ ({locked: "held", forbidden: "forbidden", "by hand": "loaded by hand"})[hole.mark] }}</b></span></p>
      <p v-if="needle && hole.state === 'planned'" class="small">set to {{ needle.depth_mm }} mm, nearest {{ needle.near }}<span v-if="needle.bone_mm">, bone {{ needle.bone_mm }} mm</span></p>
      <div class="row">
        <button data-ask="lock" :disabled="locked || hole.state !== 'planned' || hole.mark === 'locked'" title="Keep this needle as it is (L)" @click="$emit('ask', 'lock', hole.key)">Hold</button>
        <button data-ask="forbid" :disabled="locked || hole.mark === 'forbidden'" title="Leave this hole empty (F)" @click="$emit('ask', 'forbid', hole.key)">Forbid</button>
        <button data-ask="clear" :disabled="locked || !hole.mark" title="Ask nothing of this hole any more (C)" @click="$emit('ask', 'clear', hole.key)">Free</button>
      </div>
      <form class="row" v-if="hole.behind.length" @submit.prevent="$emit('ask', 'load', hole.key, {seeds, spacing_mm: spacing, behind_mm: behind})">
        <label title="Number of seeds"><input data-load="seeds" type="number" v-model.number="seeds" min="1" :max="hole.behind.length"> seeds</label>
        <label title="Between their centres"><input data-load="spacing" type="number" v-model.number="spacing" :min="fixed.spacing_mm[0]" :max="fixed.spacing_mm[1]" :step="fixed.step_mm"> mm apart,</label>
        <label title="How far the deepest seed lies behind the deepest permitted place">from <select v-model.number="behind"><option v-for="b in hole.behind" :value="b">{{ b }}</option></select> mm</label>
        <button data-ask="load" :disabled="locked" title="Put these seeds there by hand (H)">Load</button>
      </form>
    </template>
    <p v-else class="small">Click a hole, or reach the plate with Tab and move with the arrow keys. Keys: L hold, F forbid, H load by hand, C free.</p>
  </div>`,
};
