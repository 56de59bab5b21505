
"use strict";
window.onerror = (message) => { document.documentElement.dataset.error = message; };

// Text is inserted as text nodes only, so that text from a registry cannot become markup.
const make = (space) => (name, properties = {}, ...inside) => {
  const element = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  for (const part of inside) {
    if (part instanceof Node) element.append(part);
    else element.append(document.createTextNode(part));
  }
  return element;
};
const html = make("http://www.w3.org/1999/xhtml");
const svg = make("http://www.w3.org/2000/svg");
const byId = (id) => document.getElementById(id);

const data = JSON.parse(byId("data").textContent);
const total = Math.max(data.total, 1);

// Words.
const STAGES = { queued: "not started", running: "running", pulled: "pulled", up_to_date: "up to date",
  failed: "failed", stopped: "stopped" };
const STATES = { exists: "here already", done: "done" };
const LEGEND = ["resolving", "waiting", "connecting", "downloading", "paused", "retrying", "unpacking",
  "committing"];
const scaled = (value, units, base) => {
  let unit = 0;
  while (value >= base && unit < units.length - 1) { value /= base; unit += 1; }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`;
};
const bytes = (count) => scaled(count, ["B", "kB", "MB", "GB", "TB"], 1000);
const rate = (perSecond) => `${bytes(perSecond)}/s`;
const time = (micros) => {
  if (micros < 60e6) return scaled(micros, ["µs", "ms", "s"], 1000);
  const seconds = Math.round(micros / 1e6), rest = (number) => String(number).padStart(2, "0");
  return seconds < 3600 ? `${Math.floor(seconds / 60)}m ${rest(seconds % 60)}s`
    : `${Math.floor(seconds / 3600)}h ${rest(Math.floor(seconds / 60) % 60)}m`;
};
// Returns a round interval for the ticks of the time axis.
const round = (micros) => (micros >= 60e6 ? time(micros)
  : micros >= 1e5 || micros === 0 ? `${Number((micros / 1e6).toFixed(3))} s` : `${Number((micros / 1e3).toFixed(3))} ms`);
const short = (digest) => digest.split(":").pop().slice(0, 12);
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const isOver = (layer) => layer.state === "done" || layer.state === "exists";
const length = (span) => (span ? span.to - span.from : 0);

// Converts counters to rates. The steps are wide enough to smooth noise and few enough to draw.
const rates = (count) => {
  const samples = data.samples.filter((sample) => count(sample) !== null);
  const steps = Math.min(200, Math.max(10, Math.floor(total / 200e3)));
  const points = [];
  let next = 0;
  const at = (moment) => {
    while (next < samples.length - 1 && samples[next].at < moment) next += 1;
    const [from, to] = [samples[Math.max(next - 1, 0)], samples[next]];
    if (!to) return 0;
    const part = to.at > from.at ? Math.min(1, Math.max(0, (moment - from.at) / (to.at - from.at))) : 1;
    return count(from) + part * (count(to) - count(from));
  };
  let before = at(0);
  for (let step = 1; step <= steps; step += 1) {
    const now = at((step * total) / steps);
    points.push(((now - before) / (total / steps)) * 1e6);
    before = now;
  }
  return samples.length > 1 ? points : [];
};
const series = {
  downloading: rates((sample) => sample.downloaded),
  unpacking: rates((sample) => sample.unpacked),
  cpu: rates((sample) => sample.cpu / 1e6),
  machine: rates((sample) => (sample.machine === null ? null : sample.machine / 1e6)),
};
const greatest = (...names) => Math.max(0, ...names.flatMap((name) => series[name]));
const value = (name, moment) => {
  const points = series[name];
  return points[Math.min(points.length - 1, Math.floor((moment / total) * points.length))] || 0;
};

// The chart.
const GUTTER = 178, MARGIN = 14;
let width = 0;
const x = (moment) => GUTTER + (moment / total) * (width - GUTTER - MARGIN);
const nice = (least) => {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * 0.999);
};
const ticks = () => {
  const step = nice(total / Math.max(2, (width - GUTTER) / 110));
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, place) => place * step);
};
const frame = (id, height) => {
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  for (const tick of ticks()) {
    picture.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 0, y2: height }));
  }
  byId(id).replaceChildren(picture);
  return picture;
};
const bar = (kind, span, y, height, title, more = {}) => svg("rect",
  { class: kind, x: x(span.from), y, width: Math.max(1, x(span.to) - x(span.from)), height, ...more },
  svg("title", {}, `${title}: ${kind} ${time(length(span))}, from ${time(span.from)} to ${time(span.to)}`));

const drawRows = () => {
  const moving = (pull) => pull.layers.filter((layer) => layer.state !== "exists");
  const count = data.pulls.reduce((sum, pull) => sum + moving(pull).length, 0);
  const isDense = count > 40;
  const [step, top, thick, low, thin] = isDense ? [13, 1.5, 6, 8, 3.5] : [22, 3, 10, 14, 5];
  const heading = 48;
  const picture = frame("rows", data.pulls.length * heading + count * step + 6);
  let y = 0;
  for (const pull of data.pulls) {
    const words = [pull.reference, pull.platform, STAGES[pull.stage]].filter(Boolean).join("  ·  ");
    picture.append(svg("text", { class: "pull", x: 0, y: y + 26 }, words));
    for (const span of pull.spans) {
      picture.append(bar(span.state, span, y + 34, 7, pull.reference, { "data-pull": pull.reference }));
      const band = { class: "band committing", x: x(span.from), y: y + heading,
        width: Math.max(1, x(span.to) - x(span.from)), height: moving(pull).length * step };
      if (span.state === "committing") picture.append(svg("rect", band));
    }
    y += heading;
    for (const layer of moving(pull)) {
      const [name, small] = [short(layer.digest), isDense ? " small" : ""];
      picture.append(
        svg("text", { class: `layer${small}`, x: 0, y: y + step / 2 + 3.5 }, name, svg("title", {}, layer.digest)),
        svg("text", { class: `right${small}`, x: GUTTER - 12, y: y + step / 2 + 3.5 }, bytes(layer.size)),
      );
      const mark = { "data-layer": layer.digest };
      for (const span of layer.spans.filter((span) => span.state !== "unpacking")) {
        picture.append(bar(span.state, span, y + top, thick, name, { ...mark, rx: 1.5 }));
      }
      if (layer.unpacking) {
        picture.append(bar("unpacking", layer.unpacking, y + low, thin, name, { ...mark, rx: 1 }));
      }
      const last = layer.spans.at(-1);
      if (!isOver(layer) && last) {
        picture.append(svg("text", { class: "cut", x: Math.min(x(last.to) + 2, width - 9), y: y + top + 8 }, "✕"));
      }
      y += step;
    }
  }
  return picture;
};

const meter = (picture, y, height, most, label, kinds) => {
  const level = (point) => y + height - (Math.min(point, most) / most) * height;
  for (const [part, text] of [[1, label(most)], [0.5, label(most / 2)], [0, ""]]) {
    const line = level(part * most);
    picture.append(svg("line", { class: "grid", x1: GUTTER, x2: width - MARGIN, y1: line, y2: line }),
      svg("text", { class: "right", x: GUTTER - 8, y: line + 4 }, text));
  }
  for (const [kind, isFilled] of kinds) {
    const points = series[kind];
    if (points.length === 0) continue;
    const edge = (place) => x((place * total) / points.length);
    const steps = points.map((point, place) => `L${edge(place)},${level(point)}L${edge(place + 1)},${level(point)}`);
    const line = `M${x(0)},${level(points[0])}${steps.join("")}`;
    if (isFilled) picture.append(svg("path", { class: `area ${kind}`, d: `${line}L${x(total)},${level(0)}L${x(0)},${level(0)}Z` }));
    picture.append(svg("path", { class: `line ${kind}`, d: line }));
  }
};

const drawMeters = () => {
  const picture = frame("meters", 216);
  picture.append(svg("line", { class: "grid", x1: 0, x2: width, y1: 0.5, y2: 0.5 }));
  const fastest = nice(Math.max(1, greatest("downloading", "unpacking")));
  meter(picture, 20, 84, fastest, rate, [["downloading", true], ["unpacking", false]]);
  const cpus = Math.max(data.cpus, Math.ceil(greatest("cpu") - 0.2));
  const some = (number) => `${Number(number.toFixed(1))} CPU${number === 1 ? "" : "s"}`;
  meter(picture, 124, 62, cpus, some, [["machine", false], ["cpu", true]]);
  const names = [[16, "downloading", "arriving"], [30, "unpacking", "being unpacked"], [120, "cpu", "this process"],
    [134, "machine", "the whole machine"]];
  for (const [y, kind, name] of names.filter(([, kind]) => series[kind].length > 0)) {
    picture.append(svg("rect", { class: kind, x: 0, y: y + 12, width: 10, height: 3 }), svg("text", { x: 16, y: y + 17 }, name));
  }
  for (const tick of ticks()) {
    picture.append(svg("text", { class: "middle", x: x(tick), y: 204 }, round(tick)));
  }
  return picture;
};

const draw = () => {
  width = Math.max(640, document.querySelector("main").clientWidth);
  const cursors = [drawRows(), drawMeters()].map((picture) => {
    const cursor = svg("line", { class: "cursor", y1: 0, y2: picture.getAttribute("height") });
    picture.append(cursor);
    return cursor;
  });
  const reading = svg("text", { class: "right", x: width - MARGIN, y: 14 });
  byId("meters").firstChild.append(reading);
  document.querySelector("main").onmousemove = (event) => {
    const place = event.clientX - byId("rows").getBoundingClientRect().left;
    const moment = ((place - GUTTER) / (width - GUTTER - MARGIN)) * total;
    const isInside = moment >= 0 && moment <= total;
    for (const cursor of cursors) {
      cursor.setAttribute("x1", place);
      cursor.setAttribute("x2", place);
      cursor.style.visibility = isInside ? "visible" : "hidden";
    }
    reading.textContent = isInside ? `at ${time(moment)}: ${rate(value("downloading", moment))} arriving, `
      + `${rate(value("unpacking", moment))} unpacked, ${value("cpu", moment).toFixed(2)} CPUs` : "";
  };
};

// The text around the chart.
const failure = (what, { message, tried, hint }) => html("div", { class: "failure" },
  html("p", {}, html("b", {}, what), ` ${message}`),
  ...tried.map((other) => html("p", {}, `tried: ${other}`)), ...(hint ? [html("p", {}, `hint: ${hint}`)] : []));

const tell = () => {
  const names = data.pulls.map((pull) => pull.reference);
  const name = names.length === 1 ? names[0] : counted(names.length, "image");
  document.title = `windlass pull: ${name}`;
  byId("name").textContent = name;
  const ends = Object.entries(STAGES).map(([stage, word]) => [data.pulls.filter((pull) => pull.stage === stage).length, word]);
  const told = ends.filter(([count]) => count > 0).map(([count, word]) => (names.length > 1 ? `${count} ${word}` : word));
  byId("what").textContent = [...told, `started ${data.started.replace("T", " ").replace("Z", " UTC")}`,
    `windlass ${data.windlass}`].join("  ·  ");
  const failed = data.pulls.filter((pull) => pull.failure);
  byId("failures").append(...failed.map((pull) => failure("failed:", pull.failure)), ...(data.failure ? [failure("failed:", data.failure)] : []));
  const sum = (field) => data.pulls.reduce((all, pull) => all + (pull[field] || 0), 0);
  const [first, last] = [data.samples[0], data.samples.at(-1)];
  const cpu = first ? last.cpu - first.cpu : 0;
  const perSecond = (count) => rate((count / total) * 1e6);
  for (const [what, number, more] of [
    ["Time", time(data.total), counted(names.length, "image")],
    ["Downloaded", bytes(data.moved.downloaded), `${perSecond(data.moved.downloaded)}, at most ${rate(greatest("downloading"))}`],
    ["Here already", bytes(sum("reused_bytes")), `of ${bytes(sum("reused_bytes") + sum("missing_bytes"))}`],
    ["Unpacked to", bytes(sum("content")), perSecond(sum("content"))],
    ["CPU time", time(cpu), `${(cpu / total).toFixed(2)} of ${counted(data.cpus, "CPU")}`],
  ]) byId("totals").append(html("div", {}, html("dt", {}, what), html("dd", {}, number), html("dd", { class: "more" }, more)));
  byId("legend").append(...LEGEND.map((kind) => html("span", {}, html("i", { class: kind }), kind)));
};

const COLUMNS = ["layer", "from", "state", "size", "unpacked to", "tries", "waiting", "connecting", "downloading",
  "backing off", "unpacking", "rate"];
const row = (kind, cells, bad) => html("tr", { class: kind }, ...cells.map((cell, place) => html(kind === "head" ? "th" : "td",
  { class: `${place < 3 ? "text" : ""}${place === 0 && kind !== "sum" ? " digest" : ""}${bad && place === 2 ? " bad" : ""}` }, cell)));
const timesOf = (layer) => {
  const { waiting = 0, connecting = 0, downloading = 0, paused = 0, retrying = 0 } = layer.times;
  return [waiting, connecting, downloading, paused + retrying, length(layer.unpacking)];
};
const table = (pull) => {
  const orDash = (number, words) => (number ? words(number) : "–");
  const rows = pull.layers.map((layer) => {
    const times = timesOf(layer), moving = times[1] + times[2];
    const state = STATES[layer.state] || `${layer.state}: ${bytes(layer.downloaded)} arrived`;
    return row(layer.state, [short(layer.digest), layer.source || "–", state, bytes(layer.size), orDash(layer.content, bytes),
      orDash(layer.tries, String), ...times.map((some) => orDash(some, time)),
      orDash(layer.downloaded && moving, () => rate((layer.downloaded / moving) * 1e6))], !isOver(layer));
  });
  const sum = (of) => pull.layers.reduce((all, layer) => all + of(layer), 0);
  const times = [0, 1, 2, 3, 4].map((place) => orDash(sum((layer) => timesOf(layer)[place]), time));
  rows.push(row("sum", [counted(pull.layers.length, "layer"), "", "", bytes(sum((layer) => layer.size)),
    orDash(sum((layer) => layer.content || 0), bytes), orDash(sum((layer) => layer.tries), String), ...times, ""]));
  return html("div", { class: "scroll" }, html("table", {}, html("thead", {}, row("head", COLUMNS)), html("tbody", {}, ...rows)));
};
const section = (pull) => {
  const verbs = [["resolving", "to resolve"], ["fetching", "to fetch"], ["committing", "to commit"]];
  const took = verbs.filter(([phase]) => pull.times[phase]).map(([phase, verb]) => `${time(pull.times[phase])} ${verb}`);
  const facts = [["digest", pull.digest], ["image ID", pull.image_id], ["platform", pull.platform], ["from", pull.endpoint],
    ["took", took.join(", ")]];
  const told = pull.setbacks.map(({ at, layer, error }) => `${time(at)}: ${layer ? `layer ${short(layer)}: ` : ""}${error}`);
  if (pull.more_setbacks > 0) told.push(`and ${pull.more_setbacks} more`);
  const parts = [html("h2", {}, pull.reference), html("dl", { class: "facts" },
    ...facts.filter(([, fact]) => fact).flatMap(([name, fact]) => [html("dt", {}, name), html("dd", {}, fact)]))];
  if (told.length > 0) parts.push(html("ul", {}, ...told.map((text) => html("li", {}, text))));
  if (pull.layers.length > 0) parts.push(table(pull));
  return html("section", {}, ...parts);
};

tell();
byId("tables").append(...data.pulls.map(section));
draw();
window.addEventListener("resize", draw);
document.documentElement.dataset.ready = data.pulls.reduce((sum, pull) => sum + pull.layers.length, 0);
