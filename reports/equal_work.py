"""What a second of video costs by a clip network at each stride, beside its frame network: rows and words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as Collection
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from ..bench.stats.case_result import CaseResult
from ..bench.stats.equal_work import EqualWork, equal_work
from ..bench.stats.metrics import Metric, Unit, get_metric
from .notation import number
from .select import Pair, Setting, by_setting, clip_counterparts, differing_facts, model_title
from .tables.table import WARNING, WORDS, Cell, Column, Row, Table, cells

# Costs of a prediction, and what they are called where they are of a second of video.
COSTS = {"macs": "MACs", "latency": "Time", "energy": "Energy"}
NEARLY = 0.1  # costs that differ by less are nearly the same


@dataclass(frozen=True)
class Work:
    """One cost of a clip network and of its frame network, measured under the same circumstances."""

    pair: Pair
    cost: Metric
    costs: EqualWork

    @property
    def clip(self) -> str:
        return model_title(self.pair.origin)

    @property
    def frame(self) -> str:
        return model_title(self.pair.result)

    @property
    def models(self) -> frozenset[str]:
        """The names of both networks."""
        return frozenset((self.pair.origin.case.model, self.pair.result.case.model))

    @property
    def same(self) -> tuple[object, ...]:
        """What another engine's has in common with it, where the cost does not depend on the engine."""
        return self.models, self.cost.word, self.costs

    @property
    def word(self) -> str:
        return COSTS[self.cost.word]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of both networks, if they are about this cost."""
        both = (*self.pair.origin.warnings, *self.pair.result.warnings)
        return tuple(dict.fromkeys(both)) if self.cost.noisy else ()


def works(cases: Sequence[CaseResult]) -> tuple[Work, ...]:
    """Every cost of every pair of these cases, which are of one setting; figures that machines make only where both
    were measured under the same circumstances."""
    found = []
    for pair in clip_counterparts(cases):
        differ = bool(differing_facts((pair.origin, pair.result)))
        for cost in map(get_metric, COSTS):
            work = equal_work(_cost(pair.origin, cost), _cost(pair.result, cost), pair.origin.model, pair.result.model)
            if work and not (cost.noisy and differ):
                found.append(Work(pair, cost, work))
    return tuple(found)


def _cost(case: CaseResult, cost: Metric) -> float | None:
    """Of one prediction: a call of a batch makes several."""
    value = case.value(cost)
    return value / case.case.batch if value and cost.word == "latency" else value


def of_video(work: EqualWork) -> str:
    """What the costs are of, in words."""
    if work.frames_per_s is None:
        return "a frame of video"
    return f"a second of video ({work.frames_per_s:.3g} frames)"


def cost_of_video(work: EqualWork, stride: int | None = None) -> float:
    """Of a second of video, else of a frame: by the clip network at this stride, or by the frame network."""
    second = work.per_second(stride)
    if second is not None:
        return second
    return work.frame if stride is None else work.per_frame(stride)


def costs_text(work: EqualWork, unit: Unit, word: str, clip: str, frame: str) -> str:
    """The cost by both networks, at each stride worth a look."""

    def text(stride: int | None = None) -> str:
        return number(unit.of(cost_of_video(work, stride)))

    strides = ", ".join(f"{text(stride)} at stride {stride}" for stride in work.strides)
    return f"{word} of {of_video(work)}, {unit.text}: {frame} {text()}; {clip} {strides}"


def sentence(work: EqualWork, clip: str, frame: str) -> str:
    """From which stride the clip network is cheaper, and what it costs without overlap."""
    length = work.clip_frames
    if work.stride < 1:
        return f"{clip} costs less than {frame} at every stride"
    gaps = f", which leaves out frames between its clips of {length}" if work.cheaper_from > length else ""
    times = work.stride / length
    nearly = ": nearly the same" if abs(times - 1) <= NEARLY else ""
    return (
        f"{clip} costs less than {frame} from a stride of {work.cheaper_from} frames on{gaps}; at stride {length}, "
        f"without overlap, it costs {number(times)} times as much{nearly}"
    )


def works_by_setting(groups: Mapping[Setting, Sequence[CaseResult]]) -> dict[Setting, tuple[Work, ...]]:
    """The costs of each setting that has any; MACs, which no engine changes, where they first appear."""
    found, seen = {}, set()
    for setting, cases in groups.items():
        new = [work for work in works([case for case in cases if case.ok]) if work.cost.noisy or work.same not in seen]
        seen |= {work.same for work in new}
        if new:
            found[setting] = tuple(new)
    return found


def works_of(cases: Iterable[CaseResult], models: Collection[str]) -> dict[Setting, tuple[Work, ...]]:
    """By setting, those of the pairs in which one of these networks is."""
    everything = works_by_setting(by_setting(cases))
    named = {setting: tuple(work for work in found if models & work.models) for setting, found in everything.items()}
    return {setting: found for setting, found in named.items() if found}


def render_equal_work(found: Mapping[Setting, Sequence[Work]]) -> RenderableType:
    """For the terminal: each cost of each pair, in two lines."""
    lines: list[Text] = []
    for setting, group in found.items():
        lines += [Text(""), Text(f"Clips and frames at equal work: {setting.title}", "bold")]
        for work in group:
            text = costs_text(work.costs, work.cost.unit, work.word, work.clip, work.frame)
            lines += [Text(text), Text(f"  {said(work)}")]
    return Group(*lines)


def said(work: Work) -> str:
    """The sentence of a pair, with its mark."""
    text = sentence(work.costs, work.clip, work.frame)
    return f"{text} (measured with a warning {WARNING})" if work.warnings else text


def _shown(work: Work, stride: int | None = None) -> Cell:
    unit = work.cost.unit
    value = cost_of_video(work.costs, stride)
    return Cell(f"{number(unit.of(value))} {unit.text}", value)


COLUMNS: tuple[Column[Work], ...] = (
    Column("Cost", lambda work: Cell(work.word, work.word), kind=WORDS),
    Column("Frame by frame", _shown, explains="by the frame network, at every frame"),
    Column("Clips, stride 1", lambda work: _shown(work, 1), explains="by the clip network, called at every frame"),
    Column(
        "Without overlap",
        lambda work: _shown(work, work.costs.clip_frames),
        explains="by the clip network, called once for each clip of new frames",
    ),
    Column(
        "Clips cheaper from",
        lambda work: Cell(f"stride {work.costs.cheaper_from}", work.costs.cheaper_from),
        explains="the smallest stride, in frames, at which the clip network costs less",
    ),
)


def table(found: Sequence[Work]) -> Table:
    """A row for each cost of each pair."""
    rows = (
        Row(
            f"{work.clip} and {work.frame}",
            cells(COLUMNS, work),
            work.pair.result.case,
            detail=of_video(work.costs),
            warnings=work.warnings,
        )
        for work in found
    )
    return Table("Networks", COLUMNS, tuple(rows))
