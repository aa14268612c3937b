# mkrec.py FOLDER KIND: a store with one (hostile) record of KIND, made without torch
import sys, json, pathlib
from co3d_bench.bench.record.record import *
from co3d_bench.bench.record.case import Case
out, kind = pathlib.Path(sys.argv[1]), sys.argv[2]
env=Environment(machine=Machine(cpu_model="cpu",architecture="x86_64",physical_cores=1,logical_cores=1,memory_bytes=1,os="o",kernel="k",container=None),
  process=ProcessFacts(affinity=(0,),governor=None,frequency_hz=None,intra_op_threads=1,inter_op_threads=1),versions={"python":"3","torch":"2"},git_commit="0123456789abcdef",git_dirty=False)
model=ModelFacts(name="m",family="own",form="clip",title="M",input_shape=(3,4,8,8),classes=4)
def record(process=1, slow=1.0):
    return json.loads(Record(run_id="20260101T000000Z-aaaaaa",started_at="2026-01-01T00:00:00.000+00:00",duration_s=1,case=Case(model="m"),process=process,settings=Settings(processes=7),model=model,environment=env,
      counters=Counters(macs=10,counter="c",parameters=1,weights_bytes=4),output_sha256="0"*64,
      verification=Verification(reference="r",relative_error=0,tolerance=1e-3,passed=True),
      timing=Timing(load_s=1,first_prediction_s=1,warmup_predictions=1,warmup_s=1,warmup_stable=True,samples=Samples(latency_s=[slow*(0.1+0.0001*(i%7)) for i in range(100)]),sampling_wall_s=10,harness_cpu_share=0)).model_dump_json())
d=record(); s=d["timing"]["samples"]
lines=None
if kind=="ok": lines=[json.dumps(record(p)) for p in range(1,8)]
elif kind=="slow": lines=[json.dumps(record(p,1.3)) for p in range(1,8)]
elif kind=="deep": lines=[json.dumps(d),"["*200000]
elif kind=="key": d["x\n::error title=pwned::by a key\n##[group]y\x1b]0;pwned\x07"]=1; lines=[json.dumps(d)]
elif kind=="zero": s["latency_s"]=[0.0]*100
elif kind=="empty": s["latency_s"]=[]
elif kind=="negative": s["latency_s"]=[-1.0]*100
elif kind=="date": d["started_at"]="yesterday"
elif kind=="naive": d["started_at"]="2026-01-01T00:00:00"
elif kind=="uneven": s["involuntary_switches"]=[1]
elif kind=="nan": s["latency_s"]=[float("nan")]*100
elif kind=="infmem": d["environment"]["machine"]["memory_bytes"]=10**400
elif kind=="markup": d["environment"]["git_commit"]="[/a]"
elif kind=="formula": d["model"]["title"]="=HYPERLINK(\"http://x\",\"y\")"; d["case"]["model"]="=1+1"; d["notes"]=["=2+2"]
elif kind=="escape": d["model"]["title"]="\x1b[31mred\x1b]0;title\x07"; d["notes"]=["\x1b]52;c;cHduZWQ=\x07"]
elif kind=="live": d["notes"]=["@octocat #1 https://evil.example www.evil.example &lt;b&gt; $x$"]
elif kind=="latex": d["model"]["title"]="[9cm] t"
elif kind=="tokio": d["case"]["batch"]=10**30
else: raise SystemExit(kind)
out.mkdir(parents=True,exist_ok=True)
(out/"records.jsonl").write_text("\n".join(lines or [json.dumps(d)]).replace('{"schema_version": 1, ','{"schema_version":1,')+"\n")
