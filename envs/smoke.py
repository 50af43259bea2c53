"""Does an environment that was just built work: the packages fit, a server answers, a kernel runs.

`SCRIPT` runs inside of it with its own Python, before anybody may use it. No I/O here.
"""

from __future__ import annotations

import shlex

from envs import conda
from envs.recipe import Recipe

WORKS = "launcher: it works"
"""What a check of an image prints last. No check holds it in one piece: an ENTRYPOINT that only
prints its command must not pass."""
SCRIPT = """
import os, random, socket, subprocess, sys, tempfile, time, urllib.request

home = tempfile.mkdtemp()
os.environ.update(HOME=home, JUPYTER_RUNTIME_DIR=home, IPYTHONDIR=home, JUPYTER_TOKEN="smoke")
check = subprocess.run([os.environ.get("UV", "uv"), "pip", "check", "--python", sys.executable],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
if check.returncode and "lenient" in sys.argv:
    print("Note: " + check.stdout.strip().splitlines()[-1])
elif check.returncode:
    print(check.stdout)
    sys.exit("its packages do not fit together: " + check.stdout.strip().splitlines()[-1])
def free_port():
    # Below those that the system gives out meanwhile, to whoever asks or connects.
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as given_out:
            first = int(given_out.read().split()[0])
    except (OSError, ValueError, IndexError):
        first = 32768
    below = range(max(1024, first - 12000), first)
    for port in random.sample(below, min(100, len(below))) + [0]:
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return free.getsockname()[1]

port = free_port()
log = open(os.path.join(home, "log"), "w+")
server = subprocess.Popen(
    [sys.executable, "-m", "jupyter_server", "--ServerApp.ip=127.0.0.1",
     "--ServerApp.port=%d" % port, "--ServerApp.port_retries=0", "--ServerApp.open_browser=False",
     "--ServerApp.root_dir=" + home, "--ServerApp.allow_root=True"], stdout=log, stderr=log)
try:
    from jupyter_client.manager import start_new_kernel
    for name in ["python3", "ir"] if "r" in sys.argv else ["python3"]:
        which = "its kernel" if name == "python3" else "its kernel " + name
        try:
            manager, client = start_new_kernel(kernel_name=name, startup_timeout=60)
        except Exception as error:
            sys.exit("%s does not start: %s" % (which, error))
        reply = client.execute_interactive("1 + 1", timeout=60, output_hook=lambda message: None)
        manager.shutdown_kernel(now=True)
        if reply["content"]["status"] != "ok":
            sys.exit(which + " does not run a cell")
    deadline = time.time() + 60
    while True:
        try:
            url = "http://127.0.0.1:%d/api/status?token=smoke" % port
            urllib.request.urlopen(url, timeout=5).read()
            break
        except OSError as error:
            if server.poll() is not None or time.time() > deadline:
                log.seek(0)
                said = [line for line in log.read().splitlines() if line.strip()]
                print("\\n".join(said[-15:]))
                sys.exit("its server does not answer: %s" % (said[-1] if said else error))
            time.sleep(0.1)
finally:
    server.kill()
print("launcher: " + "it works")
"""


def smoke_command(recipe: Recipe) -> str:
    """The shell command that runs the script in an image of the recipe, by its server's Python."""
    script = shlex.quote(SCRIPT) + (" r" if recipe.r else "")
    if not recipe.conda:
        return f"exec python -c {script}"
    # conda's packages know nothing of pip's names (opencv, opencv-python), so that is only said.
    places = conda.IN_IMAGE
    return (
        f". {places.activate}; python=python; "
        f"[ -e {places.programs}/jupyter-server ] && python={places.server}/bin/python; "
        f'exec "$python" -c {script} lenient'
    )
