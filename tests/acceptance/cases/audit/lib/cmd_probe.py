import sys, time, os, threading, signal, subprocess
sys.dont_write_bytecode=True
import types
# bench.gate.runners imports the zoo (torch is lazy?)
try:
    from co3d_bench.bench.gate.runners import Command
    from co3d_bench.bench.record.case import Case
    from co3d_bench.bench.run.stop import Stop
except Exception as e: print("import:",type(e).__name__,e); raise SystemExit
c=Case(model="command",backend="none",input="none")
with Stop() as stop:
    s=time.monotonic(); m=Command("x",("sh","-c","sleep 7.31 & sleep 7.31; true"),0.5).measure(c,1,False,stop); print(f"timeout: {time.monotonic()-s:.1f}s {m.failure}; still running:", os.popen("ps -eo args | grep -c '[s]leep 7.31'").read().strip())
with Stop() as stop:
    threading.Timer(0.3,lambda: os.kill(os.getpid(),signal.SIGTERM)).start()
    s=time.monotonic(); m=Command("x",("sleep","1.5"),10).measure(c,1,False,stop); print(f"SIGTERM after 0.3 s is heard after {time.monotonic()-s:.1f}s")
os.system("for p in $(ps -eo pid,args | awk '/[s]leep 7.31/{print $1}'); do kill $p; done")
