"""The report: its schema, its table, its page, its charts."""

import re
from pathlib import Path

import msgspec
import pytest

from benchmarks.topology import output, page, report
from benchmarks.topology.figures import summarise
from benchmarks.topology.formulas import FORMULAS, Room
from benchmarks.topology.report import NodeDetail, ParticipantDetail, Report, Run, Topology
from benchmarks.topology.table import table

README = Path(page.__file__).parent / "README.md"


def made_run(topology: Topology, n: int, uplink_bps: int | None = None) -> Run:
    """A run whose figures are invented, but belong together."""
    copies = n - 1 if topology == "mesh" else 1
    each = [
        ParticipantDetail(
            name=f"p{place}",
            connections=copies,
            bytes_out=copies * 125_000,
            packets_out=copies * 125,
            bytes_in=(n - 1) * 125_000,
            packets_in=(n - 1) * 125,
            encodes=float(copies),
            cpu_seconds=0.1,
            memory_bytes=15 << 20,
            time_to_first_frame_ms=80.0 if place else None,
            loss=0.3 if uplink_bps and topology == "mesh" and n > 2 else 0.0,
            frames_per_second_shown=30.0,
            frozen_seconds=0.5 if uplink_bps and topology == "mesh" and n > 2 else 0.0,
            latencies_ms=[0.5 + number / 1000 for number in range(2000)],
        )
        for place in range(n)
    ]
    nodes = [NodeDetail(seconds=1.0, connections=0, bytes_out=0, packets_out=0, bytes_in=0, packets_in=0,
                        cpu_seconds=0.2, memory_bytes=44 << 20)]  # fmt: skip
    room = Room(topology, n, 1e6, 125, 30, uplink_bps)
    return Run(
        topology=topology, participants=n, bitrate_bps=950_000, offered_bps=1e6, offered_packets_per_second=125,
        seconds=1.0, uplink_bps=uplink_bps, figures=summarise(room, each, nodes, 1.0), each=each, nodes=nodes,
        remarks=["a <remark>"],
    )  # fmt: skip


def made_report(uplink_bps: int | None = None) -> Report:
    topologies: tuple[Topology, ...] = ("mesh", "sfu", "sfu-media", "tree")
    runs = [made_run(topology, n, uplink_bps) for topology in topologies for n in (2, 4)]
    return Report(command="test", seed=1, machine=report.machine_now(), runs=runs)


def test_the_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(path, made_report())
    read = report.read(path)
    assert [run.topology for run in read.runs][::2] == ["mesh", "sfu", "sfu-media", "tree"]
    assert len(read.runs[0].each[0].latencies_ms) == 1000
    assert read.machine["cores"]


def test_the_document_has_the_promised_shape(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(path, made_report())
    document = msgspec.json.decode(path.read_bytes())
    first = document["runs"][0]
    assert (first["topology"], first["participants"], first["bitrate_bps"]) == ("mesh", 2, 950_000)
    for name in (
        "uplink_bps_per_participant", "downlink_bps_per_participant", "server_out_bps", "server_cpu_seconds",
        "connections_per_participant", "encodes_per_participant", "frame_latency_ms_p50",
    ):  # fmt: skip
        assert {"measured", "formula"} <= set(first["figures"][name])
    assert first["figures"]["uplink_bps_per_participant"] == {
        "measured": 1e6, "formula": 1e6, "deviation_percent": 0.0, "text": "(n-1)b",
    }  # fmt: skip
    assert set(FORMULAS) <= set(first["figures"])


def test_a_report_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"runs": 5}')
    with pytest.raises(msgspec.ValidationError):
        report.read(path)


def test_every_field_and_figure_is_documented() -> None:
    text = README.read_text()
    structs = (Report, Run, report.Figure, ParticipantDetail, NodeDetail)
    names = {name for struct in structs for name in struct.__struct_fields__} | set(
        made_run("sfu", 2).figures
    )
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_the_table_has_a_line_for_each_run() -> None:
    text = table(made_report().runs)
    assert len(re.findall(r"^sfu-media +4 ", text, re.MULTILINE)) == 2
    assert "1.00 =1.00 +0.0%" in text
    assert "! mesh 2: a <remark>" in text


@pytest.mark.parametrize("uplink_bps", [None, 2_000_000])
def test_the_page_stands_alone(tmp_path: Path, uplink_bps: int | None) -> None:
    pytest.importorskip("matplotlib")
    files = output.write_all(tmp_path, made_report(uplink_bps))
    assert {path.suffix for path in files} == {".json", ".html", ".png", ".svg"}
    text = (tmp_path / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)', text.replace("xlink:", ""))
    assert "a &lt;remark&gt;" in text
    assert text.count("<svg") == 4 + 6  # a drawing for each topology, six charts
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"#0[1-5]0[1-5]0[1-6]|#1[1-4]0", text)  # stand-ins of colours
    assert ("breaks on uplinks of 2 Mb/s" in text) == bool(uplink_bps)
