import sys, time, os
sys.dont_write_bytecode=True
from co3d_bench.bench.run.child import run_child
from co3d_bench.bench.run.stop import Stop
DONE=b'{"event":"failed","failure":{"kind":"exception","message":"x"}}\n'
def t(name, code, timeout=2):
    with Stop() as stop:
        s=time.monotonic(); o=run_child([sys.executable,"-c",code],b"{}\n",timeout,stop=stop); e=time.monotonic()-s
    print(f"{name}: {e:.1f}s timed_out={o.timed_out} rc={o.returncode} final={o.final.event if o.final else None} tail={o.stderr_tail[-120:]!r}")
    return o
# 1. final event sent, process ends, but a forked child keeps the channel
kept=t("fork keeps channel", f"import os,time,sys\nsys.stdin.buffer.readline()\nch=os.dup(1);os.dup2(2,1)\nif os.fork()==0: time.sleep(30);os._exit(0)\nos.write(ch,{DONE!r})")
# 2. setsid'd helper survives the timeout
t("setsid survives", "import os,time,sys\nif os.fork()==0:\n os.setsid(); os.close(1); os.close(2); time.sleep(4); os._exit(0)\ntime.sleep(30)",1)
survivors=int(os.popen("ps -eo pid,sid,args | grep '[o]s.setsid' | wc -l").read()); print("  survivors:", survivors)
# 3. forged events
t("forged", f"import os,sys\nos.write(1,{DONE!r})\nimport time;time.sleep(0)")
bad=[word for word,wrong in {"a fork that keeps the channel costs the whole time limit": kept.timed_out or not kept.final, "a helper with a session of its own lives on": survivors>0}.items() if wrong]
print("FAIL    A08  "+"; ".join(bad) if bad else "PASS    A08  the result is taken when it comes, and no fork lives on"); sys.exit(bool(bad))
