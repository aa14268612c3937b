import sys, time, os, threading, signal, subprocess
sys.dont_write_bytecode=True
import types
# bench.gate.runners imports the zoo (torch is lazy?)
try:
    from co3d_bench.bench.gate.runners import Command
    from co3d_bench.bench.record.case import Case
    from co3d_bench.bench.run.stop import Stop
except Exception as e: print("UNCLEAR A10  import:",type(e).__name__,e); raise SystemExit(2)
c=Case(model="command",backend="none",input="none")
with Stop() as stop:
    s=time.monotonic(); m=Command("x",("sh","-c","sleep 7.31 & sleep 7.31; true"),0.5).measure(c,1,False,stop); left=int(os.popen("ps -eo args | grep -c '[s]leep 7.31'").read()); print(f"timeout: {time.monotonic()-s:.1f}s {m.failure}; still running:", left)
with Stop() as stop:
    threading.Timer(0.3,lambda: os.kill(os.getpid(),signal.SIGTERM)).start()
    s=time.monotonic(); m=Command("x",("sleep","1.5"),10).measure(c,1,False,stop); received=time.monotonic()-s; print(f"SIGTERM after 0.3 s is received after {received:.1f}s")
os.system("for p in $(ps -eo pid,args | awk '/[s]leep 7.31/{print $1}'); do kill $p; done")
bad=[word for word,wrong in {f"{left} children outlive the timeout of their command": left>0, f"SIGTERM is received after {received:.1f} s": received>=1.3}.items() if wrong]
print("FAIL    A10  "+"; ".join(bad) if bad else "PASS    A10  a timeout ends the children too, and SIGTERM is received while a command runs"); sys.exit(bool(bad))
