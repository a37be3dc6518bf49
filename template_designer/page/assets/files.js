"use strict";
// Saving as a new plan, and exporting single formats.
window.planningParts = window.planningParts || {};

planningParts["file-dialog"] = {
  props: ["kind", "status", "names"],
  emits: ["done", "close"],
  data() { return { folder: this.status.folder ? this.status.folder + (this.kind === "save" ? "-next" : "-export") : "", formats: [] }; },
  mounted() { this.$refs.dialog.showModal(); this.$refs.folder.focus(); },
  template: `
  <dialog ref="dialog" @cancel.prevent="$emit('close')" @close="$emit('close')">
    <form @submit.prevent="$emit('done', kind, { folder, formats })">
      <h2>{{ kind === "save" ? "Save as a new plan" : "Export single formats" }}</h2>
      <p>{{ kind === "save" ? "The plan is worked out in full and checked against every hard rule; then all its files are written, or none." : "Files of the plan as it stands now." }}</p>
      <label class="wide">Folder on this machine, new or empty<input ref="folder" data-file="folder" v-model="folder" required></label>
      <fieldset v-if="kind === 'export'"><legend>Formats</legend><label v-for="n in names" :key="n[0]"><input type="checkbox" :value="n[0]" v-model="formats"> {{ n[0] }} <small>{{ n[1] }}</small></label></fieldset>
      <div class="row end"><button type="button" @click="$emit('close')">Back</button><button class="main" data-file="go" :disabled="kind === 'export' && !formats.length">{{ kind === "save" ? "Save" : "Export" }}</button></div>
    </form>
  </dialog>`,
};
