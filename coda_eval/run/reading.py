"""How completions of one run become programs: by the protocol's extractor, and by others beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from coda_eval.extract import Answer, find_extractor, same_program
from coda_eval.protocols import EvaluationProtocol, Prompt, choose_style, find_protocol
from coda_eval.records import CheckTests, Problem, Program, Sample, Tests
from coda_eval.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A protocol as it is applied in one run."""

    protocol: EvaluationProtocol
    style: str
    """`base` or `instruct`: which prompt was asked, or is taken to have been."""
    extractor: str | None = None
    """In the place of the protocol's own."""
    beside: tuple[str, ...] = ()
    """Extractors that are tried too, under the task's own tests."""
    _suites: dict[str, dict[str, Tests]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The protocol's tests by problem: made once, because some are large."""

    def __post_init__(self) -> None:
        for name in (*self.beside, *([self.extractor] if self.extractor else [])):
            find_extractor(name)

    def source(self, problem: Problem, completion: str, *, extractor: str | None = None) -> str:
        """The program in a completion; empty where there is none."""
        asking = self.protocol.asking(problem.form, self.style)
        answer = Answer(
            completion=completion,
            stop_strings=asking.stop_strings,
            continues_prompt=self.style == "base",
            inside_fence=asking.prompt(problem, ()).prefill.count("```") % 2 == 1,
        )
        return find_extractor(extractor or self.extractor or asking.extractor)(problem, answer) or ""

    def prompt(self, problem: Problem, few_shot: Sequence[Problem]) -> Prompt:
        """What the model is asked, with the task's few-shot problems where the protocol shows them."""
        return self.protocol.asking(problem.form, self.style).prompt(problem, few_shot)

    def suites(self, problem: Problem) -> dict[str, Tests]:
        """The tests that decide the run's verdicts."""
        if self.protocol.tests is None:
            return problem.suites
        if problem.task_id not in self._suites:
            self._suites[problem.task_id] = self.protocol.tests(problem)
        return self._suites[problem.task_id]

    def programs(self, problem: Problem, sample: Sample) -> Iterator[Program]:
        """What is executed for a sample: its solution under the protocol's tests, and what other extractors make.

        The latter only where it differs, and where there is a text to extract it from.
        """
        suites = self.suites(problem)
        yield from _programs(problem, suites, sample, sample.solution)
        if sample.stop_reason == "program":
            return
        for name in self.beside:
            other = self.source(problem, sample.completion, extractor=name)
            if suites is not problem.suites or not same_program(other, sample.solution):
                yield from _programs(problem, problem.suites, sample, other, label=f"@{name}")

    def identity(self) -> dict[str, object]:
        """What of it decides samples and verdicts."""
        return {"prompt": self.style, **({"extractor": self.extractor} if self.extractor else {})}


def choose_reading(
    task: Task,
    *,
    protocol: str | None,
    style: str,
    extractor: str | None = None,
    beside: tuple[str, ...] | None = None,
    model: str = "",
    has_chat_template: bool = True,
) -> Reading:
    """The reading that the options ask for.

    Raises:
        CodaEvalError: an option names something that the task or the protocol does not have.
    """
    how = find_protocol(task.choose_protocol(protocol))
    chosen = choose_style(style, model=model, has_chat_template=has_chat_template)
    own = extractor or how.asking(task.problems[0].form, chosen).extractor
    wanted = beside if beside is not None else ("evalplus",) if how.tests else task.extract_also
    # Its own extractor differs from the run itself only where the protocol's tests are not the task's.
    return Reading(
        protocol=how,
        style=chosen,
        extractor=extractor,
        beside=tuple(name for name in wanted if name != own or how.tests),
    )


def canonical_programs(task: Task) -> Iterator[Program]:
    """The canonical solutions, as programs under every suite of the task."""
    for problem in task.problems:
        source = problem.prompt + problem.canonical_solution
        sample = Sample(
            task_id=problem.task_id, sample=0, prompt_sha256="", completion="", solution=source, stop_reason="external"
        )
        yield from _programs(problem, problem.suites, sample, source)


def _programs(
    problem: Problem, suites: dict[str, Tests], sample: Sample, source: str, *, label: str = ""
) -> Iterator[Program]:
    for suite, tests in suites.items():
        epilogue = tests.epilogue if isinstance(tests, CheckTests) else ""
        yield Program(
            task_id=sample.task_id,
            sample=sample.sample,
            suite=suite + label,
            # Nothing is put after nothing: it has to be recognised as no program.
            source=f"{source}\n{epilogue}" if epilogue and source.strip() else source,
            entry_point=problem.entry_point,
            tests=tests,
        )
