"""Sentences that say how long a search may take, and sentences that name a time and do not say that."""

from __future__ import annotations

import pytest

from search_core.task import parse_task

BOUNDS = {
    "find documents in less than 20 ms": 20,
    "find documents, <20ms": 20,
    "find documents with latency <= 20 ms": 20,
    "find documents, latency ≤20ms": 20,
    "find documents, max 20 ms": 20,
    "find documents, max. 20ms": 20,
    "find documents (maximum latency: 20 ms)": 20,
    "find documents with a maximum of 20 milliseconds": 20,
    "find documents, 20 ms max": 20,
    "find documents with a 20 ms limit": 20,
    "find documents with a limit of 20 ms": 20,
    "find documents, limited to 20 ms": 20,
    "find documents within 20 milliseconds": 20,
    "find documents within 20 msec": 20,
    "find documents in at most 20 ms": 20,
    "find documents in 20 ms at most": 20,
    "find documents in 20 ms or less": 20,
    "find passages, 1.5 seconds or less": 1500,
    "find documents in .5 s or faster": 500,
    "find documents in under 1 sec": 1000,
    "find documents in under 1,500 ms": 1500,
    "search with no more than 50ms": 50,
    "search with not more than 50 ms": 50,
    "search, but it must not take more than 50 ms": 50,
    "search, which shouldn't take longer than 50 ms": 50,
    "search no slower than 50 ms": 50,
    "search without exceeding 50 ms": 50,
    "search, not to exceed 50 ms": 50,
    "Search, Not Over 50 MS": 50,
    "find up to 10 documents within 50 ms": 50,
    "检索文档，不超过20毫秒": 20,
    "检索文档，不得超过20毫秒": 20,
    "检索文档，延迟不能大于 20 ms": 20,
    "检索文档，不到20毫秒": 20,
    "检索文档，小于20毫秒": 20,
    "检索文档，低于20毫秒": 20,
    "检索文档，响应时间＜20毫秒": 20,
    "检索文档，最多20毫秒": 20,
    "检索文档，最大延迟20毫秒": 20,
    "检索文档，延迟上限为20毫秒": 20,
    "检索文档，延迟控制在20毫秒": 20,
    "20毫秒以内检索文档": 20,
    "20毫秒之内检索文档": 20,
    "检索文档，20毫秒以下": 20,
    "在 20 ms 内查找": 20,
    "检索文档，2秒钟以内": 2000,
    "检索文档，以20毫秒为限": 20,
    "检索文档，10-20毫秒以内": 20,
}
NO_BOUNDS = (
    "find documents",
    "find documents under 20 similar ones",
    "find what is below 3 sections",
    "find at most 20 documents",
    "find documents about a delay of 20 ms",
    "find documents in at least 20 ms",
    "find documents about more than 20 ms",
    "find outages of over 20 seconds",
    "find outages of no less than 20 seconds",
    "find outages that were not under 20 seconds",
    "find outages that were not within 20 seconds",
    "find outages > 20 seconds",
    "find what takes 20 ms",
    "find the climax 20 seconds before the end",
    "检索文档",
    "检索超过20毫秒的请求",
    "检索不少于20毫秒的请求",
    "检索不得低于20毫秒的请求",
    "检索至少20毫秒的请求",
    "检索20毫秒以上的请求",
    "检索前20秒内容",
    "检索最多20个文档",
    "找不到20秒的录音",
)


@pytest.mark.parametrize("sentence", [*BOUNDS, *NO_BOUNDS])
def test_a_bound_is_the_most_that_the_sentence_names(sentence: str) -> None:
    assert parse_task(sentence, 60).latency_ms == BOUNDS.get(sentence)
