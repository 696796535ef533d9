"""A model behind an OpenAI-compatible endpoint, asked with as many requests at a time as a batch has rows."""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from coda_eval.config import DEFAULT_MAX_NEW_TOKENS, RunConfig, SamplerConfig
from coda_eval.endpoint import Draw, Endpoint, EndpointCompletion, parse_reference
from coda_eval.errors import ConfigError
from coda_eval.protocols import Prompt
from coda_eval.records import Problem
from coda_eval.run.generator import Batch, ForwardSeconds, Item, Written
from coda_eval.run.reading import Reading
from coda_eval.tasks import Task

_UNDERSTOOD = frozenset({"max_new_tokens", "temperature", "top_p", "seed", "batch_size"})
"""What an endpoint can be told."""


class EndpointGenerator:
    """A `Generator` that asks an endpoint: base prompts as texts to continue, instruct prompts as a chat.

    A batch is timed as a whole, as on a device: until the slowest of its requests is answered.
    """

    def __init__(self, config: RunConfig, task: Task, reading: Reading) -> None:
        """Nothing is sent yet.

        Raises:
            ConfigError: the reference is malformed, or the configuration asks for what no endpoint can be told.
        """
        defaults = SamplerConfig()
        for field in dataclasses.fields(SamplerConfig):
            if field.name not in _UNDERSTOOD and getattr(config.sampler, field.name) != getattr(defaults, field.name):
                raise ConfigError(
                    f"--{field.name.replace('_', '-')} means nothing to an endpoint; leave it out for {config.model}"
                )
        self._settings = config.sampler
        self._max_new_tokens = config.sampler.max_new_tokens or DEFAULT_MAX_NEW_TOKENS
        self._chat = reading.style == "instruct"
        self._prompts: dict[str, Prompt] = {
            problem.task_id: reading.prompt(problem, task.few_shot) for problem in task.problems
        }
        self._endpoint = Endpoint(parse_reference(config.model), config.endpoint)
        self._threads = ThreadPoolExecutor(config.sampler.batch_size, thread_name_prefix="endpoint")

    def identity(self) -> Mapping[str, object]:
        reference = self._endpoint.reference
        return {
            "endpoint": {"model": reference.model, "base_url": reference.base_url},
            "sampler": {
                "algorithm": "endpoint",
                "max_new_tokens": self._max_new_tokens,
                "temperature": self._settings.temperature,
                "top_p": self._settings.top_p,
                "seed": self._settings.seed,
            },
        }

    def facts(self) -> Mapping[str, object]:
        return {"device": f"endpoint {self._endpoint.reference.base_url}"}

    def prompt_text(self, problem: Problem) -> str:
        prompt = self._prompts[problem.task_id]
        return prompt.text + prompt.prefill

    def compile(self) -> float:
        return 0.0

    def warm_up(self, items: Sequence[Item]) -> float:
        return 0.0  # a request may cost money, and the server is warm or not as its other users find it

    def forward_seconds(self) -> ForwardSeconds:
        return ForwardSeconds(None, None)

    def write(self, items: Sequence[Item]) -> Batch:
        started = time.perf_counter()
        answers = list(self._threads.map(self._ask, items))
        seconds = time.perf_counter() - started
        return Batch(
            [Written(text=each.text, stop_reason=each.stop_reason, tokens=each.tokens) for each in answers], seconds
        )

    def _ask(self, item: Item) -> EndpointCompletion:
        prompt = self._prompts[item.problem.task_id]
        # A seed for each sample, so that several of one problem differ.
        drawn = f"{self._settings.seed}/{item.problem.task_id}/{item.sample}"
        draw = Draw(
            max_new_tokens=self._max_new_tokens,
            temperature=self._settings.temperature,
            top_p=self._settings.top_p,
            seed=zlib.crc32(drawn.encode()) & 0x7FFFFFFF,
        )
        if not self._chat:
            return self._endpoint.complete(prompt.text, draw)
        messages = prompt.messages()
        if prompt.prefill:
            messages.append({"role": "assistant", "content": prompt.prefill})
        return self._endpoint.chat(messages, draw)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._endpoint.__exit__(kind, error, trace)
