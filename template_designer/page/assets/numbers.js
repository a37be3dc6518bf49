"use strict";
// Goals, metrics and dose-volume histograms.
window.planningParts = window.planningParts || {};

planningParts["dvh-plot"] = {
  props: ["dvh", "fixed"],
  data() { return { wide: 290, high: 168, left: 30, bottom: 28, top: 6, right: 8 }; },
  computed: {
    ticks() {
      const step = [10, 20, 50, 100, 200, 500].find((n) => this.dvh.end_gy / n <= 7) || 1000;
      return Array.from({ length: Math.floor(this.dvh.end_gy / step) + 1 }, (_, n) => n * step);
    },
    curves() {
      return this.dvh.curves.map((c, n) => {
        return { name: c.structure, ...c.look, wide: n === 0 ? 2.6 : 1.4, d: "M" + c.points.map(([gy, pct]) => `${this.x(gy)} ${this.y(pct)}`).join("L") };
      });
    },
    goals() {
      return this.dvh.goals.map((g) => {
        const x = Number(this.x(g.dose_gy)), y = Number(this.y(g.volume_pct)), turn = { up: 0, right: 90, down: 180, left: 270 }[g.points_to];
        return { ...g, place: `translate(${x} ${y}) rotate(${turn})` };
      });
    },
  },
  methods: {
    x(gy) { return (this.left + (this.wide - this.left - this.right) * gy / this.dvh.end_gy).toFixed(1); },
    y(pct) { return (this.high - this.bottom - (this.high - this.bottom - this.top) * pct / 100).toFixed(1); },
  },
  template: `
  <figure class="dvh"><svg :viewBox="'0 0 ' + wide + ' ' + high" role="img" aria-label="Dose-volume histograms of target and organs">
    <g class="grid"><path v-for="t in ticks" :d="'M' + x(t) + ' ' + y(0) + 'V' + y(100)"/><path v-for="p in [0, 25, 50, 75, 100]" :d="'M' + x(0) + ' ' + y(p) + 'H' + x(dvh.end_gy)"/></g>
    <path class="rx" :d="'M' + x(fixed.prescription_gy) + ' ' + y(0) + 'V' + y(100)"/>
    <text v-for="t in ticks" :x="x(t)" :y="high - bottom + 11" class="tick">{{ t }}</text>
    <text v-for="p in [0, 50, 100]" :x="left - 4" :y="Number(y(p)) + 3" class="tick end">{{ p }}</text>
    <text :x="(left + wide) / 2" :y="high - 4" class="axis">dose, Gy (dashed: prescription); volume, %</text>
    <path v-for="c in curves" :key="c.name" :d="c.d" fill="none" :stroke="c.colour" :stroke-width="c.wide" :stroke-dasharray="c.dash"><title>{{ c.name }}</title></path>
    <path v-for="g in goals" :transform="g.place" d="M0 -5L4.5 3.5H-4.5Z" :class="['goal', { met: g.met }]"><title>{{ g.text }}: {{ g.met ? "met" : "missed" }}</title></path>
  </svg>
</figure>`,
};

planningParts["goal-table"] = {
  props: ["goals", "fresh"],
  template: `
  <table class="goals" :class="{ old: !fresh }"><caption>Goals</caption>
    <tr v-for="g in goals" :class="g.met ? 'met' : 'missed'" :data-goal="g.structure + ' ' + g.metric">
      <td class="sign" aria-hidden="true">{{ g.met ? "✓" : "✗" }}</td><td>{{ g.structure }} {{ g.metric }}<small>{{ g.limit }}</small></td>
      <td class="value">{{ g.value }}</td><td class="verdict">{{ g.met ? "met" : "MISSED" }}</td></tr>
  </table>`,
};

planningParts["target-table"] = {
  props: ["numbers", "fixed", "fresh"],
  template: `
  <table class="target" :class="{ old: !fresh }"><caption>{{ fixed.target }}</caption><tr><th v-for="m in numbers.target">{{ m[0] }}<small v-if="m[2]"> {{ m[2] }}</small></th></tr>
    <tr><td v-for="m in numbers.target" :data-metric="m[0]">{{ m[1] }}</td></tr></table>`,
};

// every structure once: its switch, its colours in slices and curves, its doses
planningParts["structure-table"] = {
  props: ["numbers", "look", "fresh"],
  emits: ["toggle"],
  computed: {
    rows() {
      const doses = Object.fromEntries(this.numbers.organs.map((o) => [o[0], o.slice(1)]));
      return this.numbers.looks.map((s) => ({ ...s, doses: doses[s.name] }));
    },
  },
  template: `
  <table class="structures"><caption>Structures in slices and curves; Gy</caption>
    <tr><th></th><th>Dmax</th><th>D2cc</th><th>mean</th></tr>
    <tr v-for="s in rows" :key="s.name"><td><label><input type="checkbox" :data-structure="s.name" :checked="!look.hidden.includes(s.name)" @change="$emit('toggle', s.name)"><i :style="{ background: s.colour }"></i><svg width="18" height="8" aria-hidden="true"><path v-if="s.curve" d="M0 4H18" :stroke="s.curve.colour" stroke-width="2.4" :stroke-dasharray="s.curve.dash"/></svg> {{ s.name }}</label></td>
      <td v-for="n in 3" :class="{ old: !fresh }">{{ s.doses ? s.doses[n - 1] : "" }}</td></tr></table>`,
};
