"""Stores of earlier versions, as they wrote them, are read by this one; nothing measured is lost on the way."""

import json
from pathlib import Path

import pytest

from co3d_bench.bench.record.store import read_records
from co3d_bench.bench.stats.frame import load
from co3d_bench.reports.html import render_html

STORES = sorted(Path(__file__).with_name("stores").glob("version-*"))


@pytest.fixture(params=STORES, ids=lambda folder: folder.name)
def store(request):
    return request.param


def test_every_line_is_read_with_its_samples(store, recwarn):
    lines = [json.loads(line) for line in (store / "records.jsonl").read_text().splitlines()]
    records = read_records(store)
    assert not recwarn.list
    assert len(records) == len(lines)
    for line, record in zip(lines, records, strict=True):
        assert record.key.startswith(line["case"]["model"].replace(":", "_")[:3])
        assert (record.error is None) == (line["error"] is None)
        if line["timing"]:
            assert record.timing
            assert record.timing.samples.latency_s == line["timing"]["samples"]["latency_s"]


def test_all_kinds_are_there(store):
    table = load(store)
    assert set(table["device_kind"]) == {"cpu", "tx2"}
    assert set(table["backend"]) == {"eager", "native", "aten-json"}
    assert table["energy_j"].notna().sum() == 1
    assert table["error"].notna().sum() == 4


def test_they_have_a_page(store):
    page = render_html(read_records(store))
    assert "X3D-XS" in page
    assert "no such layer: blocks.7" in page
