"use strict";
// The page: one component over the shared state; every change is asked of the program, by "act".

const PAGE = {
  props: ["fixed", "plates", "numbers", "reach", "status", "cursor", "look", "said"],
  data() {
    return { selected: null, whole: false, plateNumber: 0, dialog: null, gone: false, lost: false, notice: null, limits: { needles: null, seeds: null }, offset: null, place: this.cursor };
  },
  inject: ["trame"],
  computed: {
    plate() { return this.plates[Math.min(this.plateNumber, this.plates.length - 1)]; },
    hole() { return this.plate.holes.find((h) => h.key === this.selected) || null; },
    searching() { return this.status.searching !== null; },
    locked() { return this.searching; },
    shift() { return this.offset || this.plate.offset; },
    stale() { return !!this.numbers && !this.status.fresh; },
    isodosesShown() { return this.look.isodoses; },
    looks() { return this.numbers ? this.numbers.looks : []; },
    sliders() {
      return [
        ["right_mm", "right", -30, 30, 0.5, "mm"], ["down_mm", "down", -30, 30, 0.5, "mm"], ["away_mm", "off the skin", 0, 20, 0.5, "mm"],
        ["tilt_right_deg", "tilt right", -30, 30, 0.5, "°"], ["tilt_down_deg", "tilt down", -30, 30, 0.5, "°"],
      ].map(([key, text, low, high, step, unit]) => ({ key, text, low, high, step, unit }));
    },
    where() { return ["x", "y", "z"].map((n, k) => `${n} ${this.place[k].toFixed(1)}`).join(", "); },
  },
  watch: {
    cursor(now) { if (!this.ours) this.place = now; },
    said(now) { if (now.text) this.notice = now; },
    "status.max_needles": { handler(now) { this.limits.needles = now; }, immediate: true },
    "status.max_seeds": { handler(now) { this.limits.seeds = now; }, immediate: true },
    "plate.offset"() { if (!this.sliding) this.offset = null; },
  },
  mounted() {
    window.addEventListener("keydown", this.key);
    this.timer = setInterval(this.alive, 4000);
  },
  beforeUnmount() { window.removeEventListener("keydown", this.key); clearInterval(this.timer); },
  methods: {
    async act(name, content) {
      if (name !== "seal") this.notice = null;
      const answer = await this.trame.trigger("act", [name, content || {}]);
      return !(answer && answer.error);
    },
    ask(name, hole, content) {
      if (name === "load" && !content) {
        this.selected = hole;
        this.$nextTick(() => { const first = document.querySelector("[data-load=seeds]"); if (first) first.focus(); });
      } else this.act(name, { hole, ...content });
    },
    select(key, toPanel) {
      this.selected = key;
      if (toPanel) this.$nextTick(() => { const b = document.querySelector(".hole-panel button:not(:disabled)"); if (b) b.focus(); });
    },
    // the newest place is sent when the one before has been; the view here follows at once
    moveCursor(place) {
      const rounded = place.map((x, k) => Math.round(100 * Math.min(this.fixed.high[k], Math.max(this.fixed.low[k], x))) / 100);
      this.place = rounded;
      this.ours = true;
      clearTimeout(this.later);
      this.later = setTimeout(() => { this.trame.state.set("cursor", this.place); this.ours = false; }, 60);
    },
    // one move at a time; the newest is asked for when the one before is done, then the step is sealed
    slide(key, value) {
      this.offset = { ...this.shift, [key]: Number(value) };
      this.wanted = true;
      this.slideOn();
    },
    slid() { this.released = true; this.slideOn(); },
    async slideOn() {
      if (this.sliding) return;
      this.sliding = true;
      while (this.wanted || this.released) {
        if (this.wanted) {
          this.wanted = false;
          if (!(await this.act("move", { ...this.offset, plate: this.plateNumber, merge: true })) && !this.wanted) this.offset = null;
        } else {
          this.released = false;
          await this.act("seal");
        }
      }
      this.sliding = false;
    },
    back() { this.offset = null; this.act("move", { plate: this.plateNumber }); },
    limit() { this.act("limit", { needles: this.limits.needles, seeds: this.limits.seeds }); },
    set(change) { this.trame.state.set("look", { ...this.look, ...change }); },
    toggle(list, name) { return list.includes(name) ? list.filter((n) => n !== name) : [...list, name]; },
    async file(kind, content) { this.dialog = null; await this.act(kind, content); },
    key(event) {
      if (!(event.ctrlKey || event.metaKey) || event.target.matches("input, select, dialog *")) return;
      const name = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
      if (!name) return;
      event.preventDefault();
      if (this.status[name] && !this.locked) this.act(name);
    },
    async alive() {
      try {
        const answer = await (await fetch("alive")).json();
        [this.gone, this.lost] = [false, answer.folder_missing];
      } catch { this.gone = true; }
    },
  },
  template: `
  <div class="page">
    <header>
      <h1>{{ fixed.id }}</h1>
      <p class="sum" v-if="numbers"><span :class="{ old: stale }">{{ numbers.needles }} needles, {{ numbers.seeds }} seeds {{ fixed.source }}<template v-if="status.planned"> of {{ numbers.strength_u }} U</template></span>; {{ fixed.prescription_gy }} Gy<b v-if="status.unsaved" class="unsaved"> not saved</b></p>
      <div class="tasks">
        <button data-act="undo" :disabled="!status.undo || locked" :title="status.undo ? 'Undo: ' + status.undo + ' (Ctrl Z)' : 'Nothing to undo'" @click="act('undo')">↶ Undo</button>
        <button data-act="redo" :disabled="!status.redo || locked" :title="status.redo ? 'Redo: ' + status.redo + ' (Ctrl Y)' : 'Nothing to redo'" @click="act('redo')">↷ Redo</button>
        <label title="At most so many needles in the next search; empty: as the case says">needles ≤ <input data-limit="needles" type="number" min="1" v-model="limits.needles" :placeholder="fixed.max_needles || 'any'" :disabled="locked" @change="limit"></label>
        <template v-if="!searching">
          <button class="main" data-act="reoptimise" :disabled="!!status.busy" @click="act('reoptimise')" :title="status.planned ? 'Search from the loading at hand: seconds' : 'Search from nothing'">{{ status.planned ? "Re-optimise" : "Plan" }}</button>
          <button v-if="status.planned" data-act="afresh" :disabled="!!status.busy" @click="act('reoptimise', { afresh: true })" title="Search without the loading at hand, as long as design does">Plan afresh</button>
        </template>
        <template v-else>
          <progress :value="status.searching || null" max="1" aria-label="Search"></progress><span>{{ status.afresh ? "planning" : "searching" }} {{ Math.round(100 * status.searching) }} %</span>
          <button data-act="cancel" @click="act('cancel')">Cancel</button>
        </template>
        <button data-act="save" :disabled="!!status.busy || locked || !status.planned" @click="dialog = 'save'">Save as…</button>
        <button data-act="export" :disabled="!!status.busy || locked || !status.planned" @click="dialog = 'export'">Export…</button>
      </div>
    </header>
    <div class="notes" role="status">
      <p v-if="gone" class="bad">The program has ended or does not answer. What was not saved is lost if it has ended; start it again and load this page from its new address.</p>
      <p v-else-if="lost || status.folder_missing" class="bad">The folder {{ status.folder }} is gone. The plan is still here: save it elsewhere.</p>
      <p v-if="status.busy && !searching" class="busy">{{ status.busy }}…</p>
      <p v-if="notice" :class="notice.wrong ? 'bad' : 'good'">{{ notice.text }} <button aria-label="Close" @click="notice = null">×</button></p>
    </div>
    <main>
      <aside class="left">
        <nav v-if="plates.length > 1" class="row"><button v-for="(p, n) in plates" :aria-pressed="n === plateNumber" @click="plateNumber = n; selected = null; offset = null">{{ p.name }}</button></nav>
        <plate-map :plate="plate" :selected="selected" :whole="whole" @select="select" @ask="ask"></plate-map>
        <p class="key"><span><i class="disc">3</i> needle, seeds</span><span><i class="ring"></i> open</span><span><i class="cross">×</i> blocked</span><span><i class="box"></i> held</span><span><i class="diamond"></i> by hand</span><span><i class="no">–</i> forbidden</span><label><input type="checkbox" v-model="whole"> whole plate</label></p>
        <hole-panel :hole="hole" :fixed="fixed" :inside="numbers && numbers.inside" :locked="locked" @ask="ask"></hole-panel>
        <section class="move"><h2>Entry plane <button data-act="back" :disabled="locked || !Object.values(shift).some((x) => x)" @click="back">Back</button></h2>
          <label v-for="s in sliders" :key="s.key"><span>{{ s.text }}</span><input type="range" :data-move="s.key" :min="s.low" :max="s.high" :step="s.step" :value="shift[s.key]" :disabled="locked" @input="slide(s.key, $event.target.value)" @change="slid"><output>{{ shift[s.key] }} {{ s.unit }}</output></label>
          <p class="reach"><b data-reach>{{ reach.pct }} %</b> of the target in reach, <b data-open>{{ plate.open }}</b> holes<span v-for="h in reach.hidden.slice(0, 2)">; {{ h.pct }} % hidden: {{ h.cause }}</span></p>
        </section>
      </aside>
      <div class="views">
        <ct-slice section="axial" :cursor="place" :revision="status.revision" :stale="stale" :look="look" :looks="looks" :fixed="fixed" @cursor="moveCursor"></ct-slice>
        <space-view :revision="status.revision" :stale="stale" :plates="plates" :cursor="place" :look="look" :looks="looks"></space-view>
        <ct-slice section="sagittal" :cursor="place" :revision="status.revision" :stale="stale" :look="look" :looks="looks" :fixed="fixed" @cursor="moveCursor"></ct-slice>
        <ct-slice section="coronal" :cursor="place" :revision="status.revision" :stale="stale" :look="look" :looks="looks" :fixed="fixed" @cursor="moveCursor"></ct-slice>
      </div>
      <aside class="right">
        <template v-if="numbers && status.planned && numbers.goals.length">
          <p v-if="!status.fresh" class="stale">working out the dose…</p>
          <goal-table :goals="numbers.goals" :fresh="status.fresh"></goal-table>
          <dvh-plot :class="{ old: stale }" :dvh="numbers.dvh" :fixed="fixed"></dvh-plot>
          <target-table :numbers="numbers" :fixed="fixed" :fresh="status.fresh"></target-table>
        </template>
        <p v-else class="none">{{ status.planned ? "Working out the dose…" : "Not planned yet: Plan looks for needles and seeds, or load holes by hand." }}</p>
        <fieldset class="switches"><legend>Shown</legend>
          <div class="row"><label v-for="w in ['tissue', 'bone', 'lung']"><input type="radio" name="window" :checked="look.window === w" @change="set({ window: w })"> {{ w }}</label></div>
          <label v-for="d in fixed.isodoses" :key="d.key"><input type="checkbox" :data-isodose="d.key" :checked="look.isodoses.includes(d.key)" @change="set({ isodoses: toggle(look.isodoses, d.key) })"><svg class="line" width="16" height="9" aria-hidden="true"><path d="M0 4.5H16" :stroke="d.colour" :class="'dose-' + d.key"/></svg>{{ d.text }}</label>
        </fieldset>
        <structure-table v-if="numbers" :numbers="numbers" :look="look" :fresh="status.fresh" @toggle="set({ hidden: toggle(look.hidden, $event) })"></structure-table>
        <p class="where">Cursor {{ where }} mm (LPS). Planning aid, not a medical device.</p>
      </aside>
    </main>
    <file-dialog v-if="dialog" :kind="dialog" :status="status" :names="fixed.formats" @done="file" @close="dialog = null"></file-dialog>
  </div>`,
};

window.planningPage = {
  install(app) {
    for (const [name, part] of Object.entries(window.planningParts)) app.component(name, part);
    app.component("planning-page", PAGE);
  },
};
