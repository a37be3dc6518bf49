"use strict";
// The plan in space: the scene of scene.html inside a frame, with cursor and plate drawn over it.
window.planningParts = window.planningParts || {};

planningParts["space-view"] = {
  props: ["revision", "stale", "plates", "cursor", "look", "looks"],
  data() { return { shown: 0, loaded: false, marks: { cursor: null, plates: [] }, views: [], wrong: "" }; },
  watch: {
    revision() { this.keep(); this.shown = this.revision; this.loaded = false; },
    look: { handler() { this.switches(); }, deep: true },
  },
  mounted() { this.shown = this.revision; this.frameNumber = requestAnimationFrame(this.follow); },
  beforeUnmount() { cancelAnimationFrame(this.frameNumber); },
  methods: {
    inside() {
      const frame = this.$refs.frame;
      return frame && frame.contentWindow && frame.contentWindow.viewer ? frame.contentWindow : null;
    },
    keep() {
      const scene = this.inside();
      if (scene) this.camera = JSON.parse(JSON.stringify(scene.viewer.camera));
    },
    ready() {
      const scene = this.inside();
      this.loaded = true;
      if (!scene) { this.wrong = "the scene could not be loaded"; return; }
      this.wrong = "";
      if (this.camera) { Object.assign(scene.viewer.camera, this.camera); scene.ask(); }
      this.views = [...scene.document.querySelectorAll("#views button")].map((b) => ({ key: b.dataset.view, text: b.dataset.view === "0" ? "⟲" : b.dataset.view.toUpperCase(), title: b.title }));
      this.switches();
    },
    turn(key) {
      const scene = this.inside();
      if (scene) scene.document.querySelector(`[data-view="${key}"]`).click();
    },
    // the page's switches work the scene's own, which are hidden
    switches() {
      const scene = this.inside();
      if (!scene) return;
      for (const line of scene.document.querySelectorAll("#switches label")) {
        const box = line.querySelector("input"), key = box.dataset.key, name = line.textContent;
        let on = null;
        if (key.startsWith("structure:") && this.looks && this.looks.some((s) => s.name === name)) on = !this.look.hidden.includes(name);
        if (key.startsWith("isodose:")) on = key === "isodose:100" ? this.look.isodoses.includes("100") : this.look.isodoses.includes(key.slice(8)) && this.look.space;
        if (on !== null && box.checked !== on) box.click();
      }
    },
    follow() {
      this.frameNumber = requestAnimationFrame(this.follow);
      const scene = this.inside();
      if (!scene || !this.loaded) return;
      const camera = scene.viewer.camera, stage = this.$refs.frame;
      const now = JSON.stringify([camera, this.cursor, this.plates.map((p) => p.corners), stage.clientWidth, stage.clientHeight]);
      if (now === this.before) return;
      this.before = now;
      const project = (place) => scene.viewer.project(place).map((x) => Math.round(10 * x) / 10);
      this.marks = {
        cursor: project(this.cursor),
        plates: this.plates.map((p) => "M" + p.corners.map((c) => project(c).join(" ")).join("L") + "Z"),
      };
    },
  },
  template: `
  <section class="pane space">
    <h2>In space <span class="tools"><button v-for="v in views" :key="v.key" :title="v.title" @click="turn(v.key)">{{ v.text }}</button></span></h2>
    <div class="stage">
      <iframe v-if="shown" ref="frame" :class="{ old: stale || !loaded }" :src="'scene.html?r=' + shown" title="The plan in space: drag to turn, wheel to zoom" @load="ready"></iframe>
      <p v-else class="wait">The scene is built once dose and needles are known.</p>
      <svg v-if="marks.cursor" class="over" aria-hidden="true">
        <path v-for="d in marks.plates" :d="d" class="stand"/>
        <path class="cross" :d="'M' + (marks.cursor[0] - 14) + ' ' + marks.cursor[1] + 'h28M' + marks.cursor[0] + ' ' + (marks.cursor[1] - 14) + 'v28'"/>
        <circle class="cross" :cx="marks.cursor[0]" :cy="marks.cursor[1]" r="6"/>
      </svg>
      <p v-if="wrong" class="wrong">{{ wrong }}</p>
      <p v-else-if="shown && (stale || !loaded)" class="wrong waits">Plate, needles and dose of before; only the dashed outline is where the plate stands now.</p>
    </div>
  </section>`,
};
