// Watch: trainings, also those that run in another terminal: curves, speed, and the samples of each
// evaluation under a slider over time.

import { button, chooser, element, recall, keep, setChildren } from "./dom.js";
import { wasAborted } from "./engine_error.js";
import { measureOf, RunCurves } from "./run_curves.js";

const POLL = 2000; // milliseconds
const POLL_AFTER_ERROR = 8000;
const PLAYED = 15_000; // at most, from the first sample to the last
const SLOWEST = 1100;
const FASTEST = 150;
const AXES = [["seconds", "time"], ["characters", "characters read"], ["steps", "steps"]];

export const watchPart = {
  id: "watch",
  title: "Watch",
  suits: () => true,
  needs: ["runs", "run", "curves"],
  mount: (root, context) => new RunWatch(root, context),
};

class RunWatch {
  constructor(root, context) {
    this.context = context;
    this.charrnn = context.charrnn;
    this.entries = [];
    this.chosen = [null, null]; // the names of the two runs
    this.known = new Map(); // what is known of a run, by name
    this.timer = 0;
    this.visible = false;
    this.asking = null;
    this.drawn = "";
    this.place = null; // seconds; null: the newest sample, which a live run moves
    this.playing = 0;
    this.played = false;
    this.told = false;
    this.contents = new Map(); // what a part shows, so that what is the same is left alone
    this.makeParts(root);
    document.addEventListener("visibilitychange", () => this.follow());
    new ResizeObserver(() => this.visible && this.drawLater()).observe(this.curves.frame);
  }

  show() {
    this.visible = true;
    this.follow();
  }

  hide() {
    this.visible = false;
    this.pause();
    this.follow();
  }

  // --- the parts of the page

  makeParts(root) {
    this.list = element("ul", { class: "run-list", "aria-label": "Trainings" });
    this.beside = chooser("Compare with", [["", "nothing"]], {
      onChange: (name) => this.choose(this.chosen[0], name || null),
    });
    this.facts = element("div", { class: "run-facts" });
    this.axis = chooser("Over", AXES, {
      value: recall("watch-axis", "seconds"),
      onChange: (axis) => {
        keep("watch-axis", axis);
        this.draw();
      },
    });
    this.curves = new RunCurves({
      onPoint: (seconds) => {
        this.pause();
        this.go(seconds);
      },
    });
    this.table = element("div", { class: "scroll", tabindex: "0", role: "region",
      "aria-label": "The evaluations as a table" });
    this.makeStory();
    this.nothing = element("div", { class: "card empty", hidden: true },
      element("h2", {}, "No training yet"),
      element("p", {}, "Start one in a terminal, where the server was started:"),
      element("p", {}, element("code", {}, "charrnn train book.txt")),
      element("p", {}, "It appears here while it learns."));
    this.something = element("div", { class: "watch" },
      element("aside", { class: "card run-side" },
        element("h2", { id: "runs-title" }, "Trainings"), this.list, this.beside.node),
      element("div", { class: "stack" },
        this.facts,
        element("section", { class: "card", "aria-label": "Samples over time" },
          element("div", { class: "row spread" },
            element("h2", {}, "From noise to style"), this.play),
          this.samples,
          this.story),
        element("section", { class: "card", "aria-label": "Curves" },
          element("div", { class: "row spread curves-head" },
            element("h2", {}, "Curves"), this.axis.node),
          this.curves.node,
          element("details", {},
            element("summary", {}, "The evaluations as a table"), this.table))));
    setChildren(root, this.nothing, this.something);
  }

  makeStory() {
    this.play = button("Play", () => this.toggle(), { kind: "quiet" });
    this.slide = element("input", {
      type: "range", min: 0, max: 0, step: 1, value: 0, name: "time",
      "aria-label": "Time of the training",
      onInput: () => {
        this.pause();
        this.go(this.places()[Number(this.slide.value)]);
      },
    });
    this.when = element("p", { class: "soft number story-place" });
    this.story = element("div", { class: "story" }, this.slide, this.when);
    this.samples = element("div", { class: "samples" });
  }

  // --- following

  /** Asks now and again while the part and the tab can be seen, and not otherwise. */
  follow() {
    clearTimeout(this.timer);
    if (!this.visible || document.hidden) {
      this.asking?.abort();
      this.asking = null;
      return;
    }
    if (!this.asking) this.ask();
  }

  async ask() {
    const asking = new AbortController();
    this.asking = asking;
    let pause = POLL;
    try {
      this.takeList(await this.charrnn.runs({ signal: asking.signal }));
      await this.readChosen(asking.signal);
      this.told = false;
    } catch (error) {
      if (!wasAborted(error) && !this.told) this.context.showError(error);
      this.told ||= !wasAborted(error);
      pause = POLL_AFTER_ERROR;
    }
    if (this.asking !== asking) return;
    this.asking = null;
    this.timer = setTimeout(() => this.follow(), pause);
  }

  takeList(entries) {
    this.entries = entries;
    const names = entries.map((each) => each.name);
    this.nothing.hidden = names.length > 0;
    this.something.hidden = names.length === 0;
    const [a, b] = this.chosen;
    const first = names.includes(a) ? a : (entries.find((each) => each.live) ?? entries[0])?.name;
    this.chosen = [first ?? null, names.includes(b) && b !== first ? b : null];
    this.showList();
  }

  async readChosen(signal) {
    const names = this.chosen.filter(Boolean);
    await Promise.all(names.map((name) => this.read(name, signal)));
    if (signal.aborted) return;
    this.showFacts();
    this.showStory();
    await this.drawIfNew(signal);
    if (!this.played) this.playAtFirst();
  }

  /** Reads what is new of a run. */
  async read(name, signal) {
    const before = this.known.get(name);
    const after = before?.next_after;
    let now = await this.charrnn.run(name, { after, signal });
    if (before && now.generation !== before.generation) {
      now = await this.charrnn.run(name, { signal });
    } else if (before) {
      const kept = (each) => each.step <= after;
      now.training = [...before.training.filter(kept), ...now.training];
      now.evaluations = [...before.evaluations.filter(kept), ...now.evaluations];
    }
    this.known.set(name, now);
  }

  choose(a, b) {
    this.pause();
    this.chosen = [a, b === a ? null : b];
    this.place = null;
    this.played = true;
    this.showList();
    this.asking?.abort();
    this.asking = null;
    this.follow();
  }

  runs() {
    return this.chosen.map((name) => this.known.get(name)).filter(Boolean);
  }

  /** Whether a part has something else to show now: a selection in it, or how far it is scrolled,
   * would be lost. */
  isNew(part, ...content) {
    const text = JSON.stringify(content);
    if (this.contents.get(part) === text) return false;
    this.contents.set(part, text);
    return true;
  }

  // --- the list

  showList() {
    const [a, b] = this.chosen;
    if (!this.isNew(this.list, this.entries, a, b)) return;
    const focused = this.list.contains(document.activeElement)
      ? document.activeElement.dataset.name : null;
    const scrolled = this.list.scrollTop;
    setChildren(this.list, ...this.entries.map((entry) => this.listRow(entry, a)));
    this.list.scrollTop = scrolled;
    if (focused !== null) {
      [...this.list.querySelectorAll("button")].find((each) => each.dataset.name === focused)
        ?.focus();
    }
    const others = this.entries.map((each) => each.name).filter((name) => name !== a);
    const options = others.map((name) => element("option", { value: name }, shownName(name)));
    if (document.activeElement !== this.beside.input) {
      setChildren(this.beside.input, element("option", { value: "" }, "nothing"), ...options);
      this.beside.set(b ?? "");
    }
    this.beside.node.hidden = others.length === 0;
  }

  listRow(entry, a) {
    const facts = [lossOf(entry), entry.steps && `${share(entry)} %`].filter(Boolean);
    return element("li", {},
      element("button", {
        type: "button", class: "run-row", "aria-pressed": String(entry.name === a),
        "data-name": entry.name, onClick: () => this.choose(entry.name, this.chosen[1]),
      },
      element("span", { class: "run-name" }, shownName(entry.name)),
      entry.live && element("span", { class: "live" }, "live"),
      element("span", { class: "run-row-facts number" },
        facts.length > 0 ? facts.join(" · ") : "nothing measured yet")));
  }

  // --- numbers

  showFacts() {
    const runs = this.runs();
    if (!this.isNew(this.facts, this.entries, runs.map((run) => [run.name, run.step, run.live,
      run.evaluations.length]))) return;
    setChildren(this.facts, ...runs.map((run, number) => {
      const entry = this.entries.find((each) => each.name === run.name) ?? {};
      const steps = run.steps ? ` of ${whole(run.steps)}` : "";
      const facts = [
        [measureOf(run).title, valueOf(run, run.evaluations.at(-1)) ?? "..."],
        ["step", `${whole(run.step)}${steps}`],
        ["time", clock(run.seconds)],
        ["speed", run.characters_per_second ? `${whole(run.characters_per_second)} /s` : "..."],
      ];
      if (run.live && Number.isFinite(run.seconds_left) && run.seconds_left > 0) {
        facts.push(["left, about", clock(run.seconds_left)]);
      }
      return element("div", { class: `card run-card run-${number}` },
        element("h2", {}, shownName(run.name), run.live && element("span", { class: "live" }, "live")),
        run.live && run.steps
          ? element("progress", { max: run.steps, value: Math.min(run.step, run.steps),
            "aria-label": `Progress of ${shownName(run.name)}` }) : null,
        element("dl", { class: "facts number" },
          facts.map(([name, value]) => element("div", {}, element("dt", {}, name),
            element("dd", {}, value)))),
        entry.corpus && element("p", { class: "hint" }, `${entry.task}, ${entry.corpus}`));
    }));
  }

  // --- curves

  drawLater() {
    clearTimeout(this.redraw);
    this.redraw = setTimeout(() => this.draw(), 200);
  }

  /** Draws for another axis or size. */
  async draw() {
    try {
      await this.drawIfNew();
    } catch (error) {
      if (!wasAborted(error)) this.context.showError(error);
    }
  }

  async drawIfNew(signal) {
    const runs = this.runs();
    const axis = this.axis.value();
    const size = this.curves.size();
    const version = JSON.stringify([axis, size, runs.map((run) => [
      run.name, run.generation, run.step, run.evaluations.length, run.unit, run.baselines,
    ])]);
    if (runs.length === 0 || version === this.drawn) return;
    const measured = runs.filter((run) => run.training.length > 0 || hasEvaluation(run));
    if (measured.length === 0) {
      this.curves.clear("Nothing is measured yet. The curve begins in a moment.");
    } else if (new Set(runs.filter(hasEvaluation).map((run) => measureOf(run).short)).size > 1) {
      this.curves.clear("These two are measured in different ways: choose one at a time.");
    } else {
      const names = measured.map((run) => run.name);
      const text = await this.charrnn.curves(names, { x: axis, ...size, signal });
      if (signal?.aborted) return;
      this.curves.show(text, measured, axis);
    }
    this.drawn = version;
    this.showTable(runs);
    this.showPlace();
  }

  showTable(runs) {
    const rows = runs.flatMap((run) => run.evaluations.filter((each) => valueOf(run, each))
      .map((each) => element("tr", {},
        runs.length > 1 && element("td", {}, shownName(run.name)),
        element("td", { class: "number" }, whole(each.step)),
        element("td", { class: "number" }, clock(each.seconds)),
        element("td", { class: "number" }, valueOf(run, each)))));
    setChildren(this.table, element("table", {},
      element("thead", {}, element("tr", {},
        runs.length > 1 && element("th", { scope: "col" }, "training"),
        element("th", { scope: "col", class: "number" }, "step"),
        element("th", { scope: "col", class: "number" }, "time"),
        element("th", { scope: "col", class: "number" }, runs[0] ? measureOf(runs[0]).title : ""))),
      element("tbody", {}, rows)));
  }

  // --- the samples over time

  /** The times at which something was sampled, ascending. */
  places() {
    const seconds = this.runs().flatMap((run) => run.evaluations.map((each) => each.seconds));
    return [...new Set(seconds)].sort((a, b) => a - b);
  }

  /** Returns the number of the place that is shown. */
  shownPlace() {
    const places = this.places();
    if (this.place === null) return places.length - 1;
    return Math.max(places.findLastIndex((each) => each <= this.place), 0);
  }

  go(seconds) {
    const places = this.places();
    this.place = seconds >= places.at(-1) ? null : seconds;
    this.showPlace();
  }

  showStory() {
    this.slide.max = Math.max(this.places().length - 1, 0);
    this.slide.disabled = this.places().length < 2;
    this.play.hidden = this.places().length < 2;
    this.showPlace();
  }

  showPlace() {
    const runs = this.runs();
    const places = this.places();
    const number = this.shownPlace();
    const seconds = places[number] ?? 0;
    const found = runs.map((run) => run.evaluations.findLast((each) => each.seconds <= seconds));
    this.slide.value = number;
    this.slide.style.setProperty("--part", `${100 * number / Math.max(places.length - 1, 1)}%`);
    const said = runs.map((run, at) => describePlace(run, found[at], runs.length > 1));
    const text = [clock(seconds), ...said].join(", ");
    this.slide.setAttribute("aria-valuetext", text);
    this.when.textContent = places.length > 0 ? text : "";
    const texts = found.map((each) => each?.sample ?? "There is no sample of this training yet.");
    if (this.isNew(this.samples, runs.map((run) => run.name), texts)) {
      setChildren(this.samples, ...runs.map((run, at) => element("figure", { class: `run-${at}` },
        runs.length > 1 && element("figcaption", { class: "soft" }, shownName(run.name)),
        element("p", { class: "written sample", dir: "auto" }, texts[at]))));
    }
    this.curves.mark(new Map(runs.map((run, at) => [run.name, found[at]])));
  }

  // --- playing

  playAtFirst() {
    const finished = this.runs().every((run) => !run.live);
    if (this.places().length < 3 || !finished) return;
    this.played = true;
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.start();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.start();
  }

  start() {
    const places = this.places();
    if (places.length < 2) return;
    if (this.shownPlace() === places.length - 1) this.go(places[0]);
    const step = Math.min(Math.max(PLAYED / places.length, FASTEST), SLOWEST);
    this.play.textContent = "Pause";
    this.playing = setInterval(() => {
      const next = this.shownPlace() + 1;
      const now = this.places();
      if (next < now.length) this.go(now[next]);
      if (next >= now.length - 1) this.pause();
    }, step);
  }

  pause() {
    clearInterval(this.playing);
    this.playing = 0;
    this.play.textContent = "Play";
  }
}

function hasEvaluation(run) {
  return run.evaluations.some((each) => each.validation_nats !== undefined);
}

/** Returns the measure of an evaluation as text; undefined where it has none. */
function valueOf(run, evaluation) {
  const value = evaluation && measureOf(run).value(evaluation);
  return Number.isFinite(value) ? shortNumber(value) : undefined;
}

function describePlace(run, evaluation, named) {
  const name = named ? `${shownName(run.name)}: ` : "";
  if (!evaluation) return `${name}not begun`;
  const value = valueOf(run, evaluation);
  const measured = value ? `${value} ${measureOf(run).short}` : "before the first step";
  return `${name}step ${whole(evaluation.step)}, ${measured}`;
}

function lossOf(entry) {
  if (Number.isFinite(entry.accuracy)) return `accuracy ${shortNumber(entry.accuracy)}`;
  if (Number.isFinite(entry.root_mean_squared_error)) {
    return `error ${shortNumber(entry.root_mean_squared_error)}`;
  }
  return Number.isFinite(entry.validation_bits) ? `${shortNumber(entry.validation_bits)} bits` : null;
}

function share(entry) {
  return Math.floor(Math.min(100 * entry.step / entry.steps, 100));
}

/** Shows a name on one line, whatever is in it. */
function shownName(name) {
  const plain = name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u{FFFD}");
  return plain.length > 48 ? `${plain.slice(0, 47)}…` : plain;
}

function shortNumber(value) {
  const size = Math.abs(value);
  return size >= 1e6 || (size > 0 && size < 1e-3) ? value.toPrecision(3) : value.toFixed(3);
}

function whole(number) {
  return Math.round(number).toLocaleString("en");
}

/** Shows seconds as people say them. */
function clock(seconds) {
  const rest = Math.round(seconds);
  if (rest < 60) return `${rest} s`;
  if (rest < 3600) return `${Math.floor(rest / 60)} min ${rest % 60} s`;
  if (rest < 86_400) return `${Math.floor(rest / 3600)} h ${Math.floor(rest / 60) % 60} min`;
  return `${Math.floor(rest / 86_400)} d ${Math.floor(rest / 3600) % 24} h`;
}
