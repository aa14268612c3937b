"""The machine, the process and the versions: everything that may explain a number."""

from collections.abc import Sequence

from markupsafe import Markup

from ...bench.record.record import Environment, ModelFacts
from ...bench.stats.case_result import CaseResult
from ..engines import engine_text
from ..notation import number
from ..page import Page, fragment
from ..select import model_title, with_source
from . import Section

_TEMPLATE = """\
{% for titles, facts in environments %}
{% if environments|length > 1 %}
<h3>{{ titles }}</h3>
{% endif %}
<dl class="environment">
{% for name, value in facts %}
<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>
{% endfor %}
</dl>
{% endfor %}"""


def facts(environment: Environment) -> list[tuple[str, str]]:
    """The environment as names and texts for people; what could not be read is left out."""
    machine, process = environment.machine, environment.process
    cores = f"{machine.logical_cores} logical"
    if machine.physical_cores is not None:
        cores += f", {machine.physical_cores} physical"
    commit = environment.git_commit[:12] if environment.git_commit else None
    limit = process.memory_limit_bytes
    found: list[tuple[str, str | None]] = [
        ("Processor", f"{machine.cpu_model} ({machine.architecture})"),
        ("Cores", cores),
        ("Memory", f"{number(machine.memory_bytes / 1e9)} GB" + _limit(limit)),
        ("System", f"{machine.os}, kernel {machine.kernel}"),
        ("Container", machine.container),
        ("Hypervisor", machine.hypervisor),
        ("Cores used", ", ".join(str(core) for core in process.affinity)),
        ("Threads", f"{process.intra_op_threads} within, {process.inter_op_threads} between operations"),
        ("Governor", process.governor),
        ("Allocator", process.allocator),
        ("OpenMP", ", ".join(process.openmp or ())),
        ("Frequency", None if process.frequency_hz is None else f"{number(process.frequency_hz / 1e9)} GHz"),
        ("Load average before", None if process.load_average_1min is None else f"{process.load_average_1min:.2f}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in environment.versions.items())),
        ("co3d-bench commit", commit and commit + (" with changes" if environment.git_dirty else "")),
    ]
    return [(name, value) for name, value in found if value]


def _limit(limit_bytes: int | None) -> str:
    return "" if limit_bytes is None else f", limited to {number(limit_bytes / 1e9)} GB"


def _without_load(environment: Environment) -> str:
    """Two environments that differ only in how busy the moment was are shown as one."""
    process = environment.process.model_copy(update={"load_average_1min": None, "frequency_hz": None})
    return environment.model_copy(update={"process": process}).model_dump_json()


def weights(models: Sequence[ModelFacts]) -> str:
    """Where the weights came from: once if it is the same for all, else network by network, each with all of its."""
    sources = dict.fromkeys(
        (model.title, "random, seeded" if model.weights == "seeded" else model.weights) for model in models
    )
    if len(different := {source for _, source in sources}) == 1:
        return different.pop()
    return "; ".join(f"{title}: {source}" for title, source in sources)


def commits(models: Sequence[ModelFacts]) -> str:
    """The commit of each custom network's own repository; empty where none is known."""
    known = {model.title: model.source for model in models if model.source and model.source.git_commit}
    return "; ".join(
        f"{title}: {(source.git_commit or '')[:12]}{' with changes' if source.git_dirty else ''}"
        for title, source in known.items()
    )


def engines(records: Sequence[CaseResult]) -> str:
    """Every engine that ran, as it describes itself, and the backends it was asked for by; empty where none did."""
    backends: dict[str, dict[str, None]] = {}
    for record in records:
        if record.engine is not None:
            backends.setdefault(engine_text(record.engine), {})[record.case.backend] = None
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in backends.items())


def render(page: Page) -> Markup | None:
    groups: dict[tuple[str, str], list[CaseResult]] = {}
    for record in page.records:
        if record.environment is not None:
            groups.setdefault((record.source, _without_load(record.environment)), []).append(record)
    if not groups:
        return None
    shown = []
    for records in groups.values():
        titles = dict.fromkeys(map(model_title, records))
        models = [record.model for record in records if record.model]
        environment = next(record.environment for record in records if record.environment)
        shown_facts = facts(environment) + ([("Weights", weights(models))] if models else [])
        shown_facts += [("Networks' commits", text)] if (text := commits(models)) else []
        shown_facts += [("Engines", text)] if (text := engines(records)) else []
        shown.append((with_source(", ".join(titles), records[0]), shown_facts))
    return fragment(_TEMPLATE, environments=shown)


SECTION = Section("Where this was measured", order=50, render=render)
