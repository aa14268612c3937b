// Which candidates fit the limits: bench/stats/choose.py once more, on the same numbers, so that the page says what the
// terminal says. `candidates` and `rules` are those of the page's data; `limits` are by name, in SI.
"use strict";

function choose(candidates, rules, limits) {
  const last = (value) => value ?? Infinity;
  const verdicts = candidates.flatMap((candidate) =>
    usesOf(candidate, rules, limits.fps ?? null).map((use) => judge(candidate, use, rules, limits)),
  );
  const excess = ({ value, limit, missed }) =>
    value === null ? Infinity : missed ? value - limit : Math.abs(value / limit - 1);
  const key = ({ violations, figures, use }) => [
    violations.length,
    ...violations.map(excess).sort((a, b) => (a === b ? 0 : b - a)),
    last(figures.accuracy === null ? null : -figures.accuracy),
    last(figures.deadline),
    last(use.answers === null ? null : -use.answers),
    last(figures.memory),
  ];
  const keyed = verdicts.map((verdict) => [key(verdict), verdict]);
  keyed.sort(([a], [b]) => {
    const place = a.findIndex((value, index) => value !== b[index]);
    return place < 0 ? 0 : a[place] < b[place] ? -1 : 1;
  });
  return keyed.map(([, verdict]) => verdict);
}

function within(share, a, b) {
  return Math.abs(a - b) <= share * Math.max(a, b);
}

// Python's round: a half goes to the even neighbour.
function rounded(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

function usesOf(candidate, rules, fps) {
  const { trained, rate, form, watched, cameras } = candidate;
  if (watched) return [watched];
  const use = (way, answers, sees, every, states) => ({ way, answers, sees, every, states, fps: null });
  if (fps === null) return [use("trained", trained ?? rate, trained, 1, 1)];
  const every = trained ? Math.max(1, rounded(fps / trained)) : 1;
  const near = fps / every;
  const uses = [use("every", fps, form === "frame" ? fps : trained ? near : null, 1, 1)];
  if (every > 1) uses.push(use("trained", near, near, every, 1));
  if (every > 1 && form === "frame") uses.push(use("interleaved", fps, near, 1, every));
  return uses.filter((one) => !cameras.some(([way, other]) => way === one.way && within(rules.camera, other, fps)));
}

function figuresOf(candidate, use, rules) {
  const { rate, latency, frames, memory, state, idle, answer, accuracy, accuracies } = candidate;
  const added = use.states === 1 || candidate.watched ? 0 : state === null ? null : (use.states - 1) * state;
  const at = accuracies.find(([shown]) => use.sees !== null && within(rules.rate, shown, use.sees));
  return {
    fps: rate,
    deadline: latency === "infinite" ? Infinity : latency,
    react: frames === null || use.sees === null ? null : frames / use.sees,
    memory: memory === null || added === null ? null : memory + added,
    watts: idle === null || answer === null || use.answers === null ? null : idle + answer * use.answers,
    accuracy: use.sees === null ? accuracy : at ? at[1] : null,
  };
}

// At least so many answers were later than this, as far as is known.
function missedShare({ missed }, deadline) {
  return missed && deadline <= missed.deadline ? missed.share : 0;
}

function judge(candidate, use, rules, limits) {
  const figures = figuresOf(candidate, use, rules);
  const violations = [];
  for (const constraint of rules.constraints) {
    const { name, better } = constraint;
    let [limit, value] = [limits[name] ?? null, figures[name]];
    if (limit === null && name === "fps" && Object.keys(limits).length && value !== null) limit = use.fps;
    if (limit === null) continue;
    if (name === "fps") {
      if (use.fps !== null && !within(rules.camera, use.fps, limit)) value = null;
      limit = use.answers ?? limit;
    }
    if (value === null || (better === "higher" ? value < limit : value > limit)) {
      violations.push({ constraint, value, limit, missed: false });
    } else if (name === "deadline" && missedShare(candidate, limit) > rules.missed) {
      violations.push({ constraint, value: candidate.missed.share, limit: rules.missed, missed: true });
    }
  }
  return { candidate, use, figures, violations };
}
