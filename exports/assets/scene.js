"use strict";
// Draws the meshes of the page's data with WebGL 2: a parallel camera, patient frame LPS, mm.
const DATA = JSON.parse(document.getElementById("data").textContent);
const space = document.getElementById("space"), labels = document.getElementById("labels");
const message = document.getElementById("message");
const on = Object.fromEntries(DATA.switches.map((s) => [s.key, s.on]));
const camera = { focus: [0, 0, 0], forward: [0, 1, 0], up: [0, 0, 1], halfHeight: 100 };
const NO_WEBGL =
  "This page draws in space with WebGL 2, which this browser does not offer. Switch on " +
  "hardware acceleration in its settings, or open the file in another browser (Firefox, " +
  "Chrome, Edge, or Safari from version 15). The pictures in the folder views/ show the same plan.";

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) =>
  [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const plus = (a, b, t) => [a[0] + t * b[0], a[1] + t * b[1], a[2] + t * b[2]];
const unit = (a) => a.map((x) => x / Math.hypot(...a));
const right = () => cross(camera.forward, camera.up);

function decoded(text, Kind) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Kind(bytes.buffer);
}

// Normals of the corners, averaged over neighbours: slices then show no stairs; corners stay put.
function smoothNormals(v, f, rounds) {
  let normals = new Float32Array(v.length);
  for (let i = 0; i < f.length; i += 3) {
    const [a, b, c] = [3 * f[i], 3 * f[i + 1], 3 * f[i + 2]];
    const p = [0, 1, 2].map((k) => v[b + k] - v[a + k]), q = [0, 1, 2].map((k) => v[c + k] - v[a + k]);
    const n = cross(p, q);
    for (const corner of [a, b, c]) for (let k = 0; k < 3; k++) normals[corner + k] += n[k];
  }
  for (let round = 0; round <= rounds; round++) {
    for (let i = 0; i < normals.length; i += 3) {
      const size = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
      for (let k = 0; k < 3; k++) normals[i + k] /= size;
    }
    if (round === rounds) break;
    const sum = Float32Array.from(normals);
    for (let i = 0; i < f.length; i += 3)
      for (let e = 0; e < 3; e++) {
        const from = 3 * f[i + e], to = 3 * f[i + ((e + 1) % 3)];
        for (let k = 0; k < 3; k++) sum[to + k] += normals[from + k];
      }
    normals = sum;
  }
  return normals;
}

// What the graphics card holds

let gl = null, program = null, drawn = [];
const VERTEX = `#version 300 es
in vec3 place; in vec3 normal; uniform vec3 right, up, forward, focus; uniform vec3 scale;
out vec3 side; out vec3 seen;
void main() {
  vec3 away = place - focus;
  seen = vec3(dot(away, right), dot(away, up), dot(away, forward));
  side = vec3(dot(normal, right), dot(normal, up), dot(normal, forward));
  gl_Position = vec4(seen * scale, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec3 side; in vec3 seen; uniform vec4 colour; uniform bool flatly; out vec4 pixel;
void main() {
  vec3 n = normalize(flatly ? cross(dFdx(seen), dFdy(seen)) : side);
  n *= n.z > 0.0 ? -1.0 : 1.0;
  float light = 0.50 + 0.50 * clamp(dot(n, normalize(vec3(-0.25, 0.4, -0.9))), 0.0, 1.0);
  pixel = vec4(colour.rgb * light, 1.0) * colour.a;
}`;

function start() {
  gl = space.getContext("webgl2", { antialias: true, alpha: false });
  if (!gl) return show(NO_WEBGL);
  program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "place");
  gl.bindAttribLocation(program, 1, "normal");
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return show(NO_WEBGL);
  drawn = DATA.meshes.map((mesh) => {
    const v = decoded(mesh.v, Float32Array), f = decoded(mesh.f, Uint32Array);
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    [v, mesh.flat ? new Float32Array(v.length) : smoothNormals(v, f, mesh.smooth)].forEach((values, n) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(n);
      gl.vertexAttribPointer(n, 3, gl.FLOAT, false, 0, 0);
    });
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, f, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    return { ...mesh, array, count: f.length, rgb: [1, 3, 5].map((k) => parseInt(mesh.colour.slice(k, k + 2), 16) / 255) };
  });
  message.hidden = true;
  draw();
}

function show(text) {
  message.textContent = text;
  message.hidden = false;
}

// One picture

let asked = false;
function ask() {
  if (!asked) requestAnimationFrame(draw);
  asked = true;
}

function draw() {
  asked = false;
  const ratio = window.devicePixelRatio || 1;
  for (const canvas of [space, labels]) {
    const size = [space.clientWidth, space.clientHeight].map((n) => Math.max(1, Math.round(n * ratio)));
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  }
  if (!gl || gl.isContextLost()) return;
  gl.viewport(0, 0, space.width, space.height);
  gl.clearColor(1, 1, 1, 1);
  gl.depthMask(true);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.useProgram(program);
  const at = (name) => gl.getUniformLocation(program, name), high = camera.halfHeight;
  const vectors = { right: right(), up: camera.up, forward: camera.forward, focus: camera.focus };
  for (const [name, vector] of Object.entries(vectors)) gl.uniform3fv(at(name), vector);
  gl.uniform3f(at("scale"), space.height / space.width / high, 1 / high, 1 / DATA.reach_mm);
  gl.enable(gl.DEPTH_TEST);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const one = (mesh) => {
    gl.uniform4f(at("colour"), ...mesh.rgb, mesh.opacity);
    gl.uniform1i(at("flatly"), mesh.flat ? 1 : 0);
    gl.bindVertexArray(mesh.array);
    gl.drawElements(gl.TRIANGLES, mesh.count, gl.UNSIGNED_INT, 0);
  };
  const shown = drawn.filter((mesh) => on[mesh.switch]);
  gl.disable(gl.BLEND);
  gl.disable(gl.CULL_FACE);
  shown.filter((mesh) => mesh.opacity >= 1).forEach(one);
  // closed surfaces, one in the other: far sides from the outermost in, near sides back out
  const clear = shown.filter((mesh) => mesh.opacity < 1).sort((a, b) => b.size - a.size);
  gl.enable(gl.BLEND);
  gl.enable(gl.CULL_FACE);
  gl.depthMask(false);
  gl.cullFace(gl.FRONT);
  clear.forEach(one);
  gl.cullFace(gl.BACK);
  clear.reverse().forEach(one);
  gl.bindVertexArray(null);
  write(ratio);
}

// Page pixels (from the upper left corner of the scene) of a place in the patient.
function project(place) {
  const away = plus(place, camera.focus, -1), perMm = space.clientHeight / 2 / camera.halfHeight;
  return [space.clientWidth / 2 + perMm * dot(away, right()), space.clientHeight / 2 - perMm * dot(away, camera.up)];
}

function letters(direction) {
  const order = [0, 1, 2].sort((a, b) => Math.abs(direction[b]) - Math.abs(direction[a])).slice(0, 2);
  const two = order.map((k) => ["LR", "PA", "HF"][k][direction[k] > 0 ? 0 : 1]);
  return two[0] + (Math.abs(direction[order[1]]) > 0.4 ? two[1] : "");
}

function write(ratio) {
  const pen = labels.getContext("2d"), [wide, high] = [space.clientWidth, space.clientHeight];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const taken = [];
  const text = (words, places, size, always, colour) => {
    pen.font = `bold ${size}px "DejaVu Sans", Verdana, sans-serif`;
    const half = [pen.measureText(words).width / 2 + 3, size / 2 + 3];
    if (colour) half[0] += size;
    const free = ([x, y]) => x > half[0] && x < wide - half[0] && y > half[1] && y < high - half[1] &&
      taken.every((t) => Math.abs(t[0] - x) >= t[2] + half[0] || Math.abs(t[1] - y) >= t[3] + half[1]);
    const place = always ? places[0] : places.find(free);
    if (!place) return;
    const [x, y] = place;
    taken.push([x, y, ...half]);
    pen.lineWidth = 5;
    pen.lineJoin = "round";
    pen.strokeStyle = "rgba(255, 255, 255, 0.9)";
    pen.strokeText(words, x, y);
    pen.fillStyle = "#111";
    pen.fillText(words, x, y);
    if (!colour) return;
    const mark = [x - half[0] + 4, y - size / 2 + 1, size - 2, size - 2];
    pen.lineWidth = 2;
    pen.strokeStyle = pen.fillStyle;
    pen.strokeRect(...mark);
    pen.fillStyle = colour;
    pen.fillRect(...mark);
  };
  const minus = (a) => a.map((x) => -x);
  text(letters(minus(right())), [[24, high / 2]], 22, true);
  text(letters(right()), [[wide - 24, high / 2]], 22, true);
  text(letters(camera.up), [[wide / 2, 22]], 22, true);
  text(letters(minus(camera.up)), [[wide / 2, high - 22]], 22, true);
  const perMm = high / 2 / camera.halfHeight;
  const mm = [200, 100, 50, 20, 10, 5, 2, 1].find((n) => n * perMm <= 0.25 * wide) || 1;
  pen.fillStyle = "#111";
  pen.fillRect(wide - 30 - mm * perMm, high - 20, mm * perMm, 4);
  text(`${mm} mm`, [[wide - 30 - (mm * perMm) / 2, high - 34]], 15, true);
  for (const label of DATA.labels) {
    if (on[label.switch] && (!label.needs || on[label.needs]))
      text(label.text, label.at.map(project), label.size, false, label.colour);
  }
}

// Camera

function look(view) {
  camera.forward = unit(view.forward);
  camera.up = unit(plus(view.up, camera.forward, -dot(view.up, camera.forward)));
  if (view.focus) camera.focus = view.focus.slice();
  if (view.half_height_mm) camera.halfHeight = view.half_height_mm * Math.max(1, space.clientHeight / space.clientWidth);
  ask();
}

function turned(vector, axis, angle) {
  const part = plus(vector.map((x) => x * Math.cos(angle)), cross(axis, vector), Math.sin(angle));
  return plus(part, axis, dot(axis, vector) * (1 - Math.cos(angle)));
}

function rotate(across, down) { // radians
  const axis = right();
  let forward = turned(camera.forward, camera.up, -across);
  forward = turned(forward, axis, -down);
  look({ forward, up: turned(camera.up, axis, -down) });
}

function pan(dx, dy) { // page pixels
  const mm = camera.halfHeight * 2 / space.clientHeight;
  camera.focus = plus(plus(camera.focus, right(), -dx * mm), camera.up, dy * mm);
  ask();
}

function zoom(factor) {
  camera.halfHeight = Math.min(DATA.reach_mm, Math.max(2, camera.halfHeight * factor));
  ask();
}

const fingers = new Map();
space.addEventListener("pointerdown", (event) => {
  space.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
});
space.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY], [dx, dy] = [now[0] - before[0], now[1] - before[1]];
  if (fingers.size === 2) { // two fingers: spread to zoom, move to shift
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
    zoom(Math.hypot(before[0] - other[0], before[1] - other[1]) / Math.max(1, Math.hypot(now[0] - other[0], now[1] - other[1])));
    pan(dx / 2, dy / 2);
  } else if (event.shiftKey || event.buttons & 6) pan(dx, dy);
  else rotate(0.008 * dx, 0.008 * dy);
  fingers.set(event.pointerId, now);
});
for (const end of ["pointerup", "pointercancel"]) space.addEventListener(end, (event) => fingers.delete(event.pointerId));
space.addEventListener("contextmenu", (event) => event.preventDefault());
space.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(0.0012 * event.deltaY * (event.deltaMode ? 30 : 1)));
}, { passive: false });
space.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const view = DATA.views.find((v) => v.key === event.key.toLowerCase());
  if (step && event.shiftKey) pan(30 * step[0], 30 * step[1]);
  else if (step) rotate(0.12 * step[0], 0.12 * step[1]);
  else if (event.key === "+" || event.key === "=") zoom(0.87);
  else if (event.key === "-") zoom(1.15);
  else if (view) look(view);
  else return;
  event.preventDefault();
});
space.addEventListener("webglcontextlost", (event) => {
  event.preventDefault();
  show("The graphics card took the picture away. It comes back by itself, or when you load the page again.");
});
space.addEventListener("webglcontextrestored", start);
new ResizeObserver(ask).observe(space);

// Switches and buttons: every name is set as text, never as markup

function made(tag, inside, text) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  inside.append(element);
  return element;
}

for (const group of new Set(DATA.switches.map((s) => s.group))) {
  const box = made("fieldset", document.getElementById("switches"));
  made("legend", box, group);
  for (const item of DATA.switches.filter((s) => s.group === group)) {
    const line = made("label", box), input = made("input", line);
    input.type = "checkbox";
    input.checked = item.on;
    input.dataset.key = item.key;
    if (item.colour) made("i", line).className = "swatch";
    if (item.colour) line.lastChild.style.background = item.colour;
    made("span", line, item.label);
    input.addEventListener("change", () => { on[item.key] = input.checked; ask(); });
  }
  for (const [text, colour] of group === DATA.legend.group ? DATA.legend.entries : []) {
    const line = made("div", box), swatch = made("i", line);
    [line.className, swatch.className, swatch.style.background] = ["key", "swatch", colour];
    made("span", line, text);
  }
}
for (const view of DATA.views) {
  const button = made("button", document.getElementById("views"), view.label);
  button.type = "button";
  button.title = `${view.title} (key ${view.key.toUpperCase()})`;
  button.dataset.view = view.key;
  button.addEventListener("click", () => look(view));
}
window.viewer = { camera, project };
look(DATA.views[DATA.views.length - 1]);
start();
