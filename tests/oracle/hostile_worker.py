"""Runs files through one engine, each in a child of its own: python hostile_worker.py ENGINE [TOOL]

Started by hostile.py under strace. A line of standard input is a case in JSON: name, folder, model (a file name in it); its image
is x.npy in that folder. The answering line says how the child ended: "answer" with the values, "error" with its text,
"crash" with the signal, or "hang", and the largest memory it held. The child runs in the folder; the opening of MARK + name
tells strace's reader which case the lines of this process and those after it belong to.
"""
import base64
import json
import os
import resource
import signal
import sys
import tempfile
import time

import numpy as np

MARK = "/case/"
MOST_SECONDS = 20  # of the CPU
MOST_WAITING = 100  # for other work on the machine, or for what never comes
MOST_ADDRESSES = 16 << 30
TICK = 0.02


def residua(model, image, direct=False):
    words = [sys.argv[2], "run", "--model", model, "--input", image, "--output", "y.npy", "--threads", "1"]
    os.execv(words[0], words + ["--direct"] * direct)


def onnxruntime(model, image):
    settings = engine.SessionOptions()
    settings.log_severity_level, settings.intra_op_num_threads = 4, 1
    session = engine.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: np.load(image)})[0]


def openvino(model, image):
    compiled = engine.Core().compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"})
    return compiled([np.load(image)])[compiled.outputs[0]]


def ncnn(model, image):
    net = engine.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    for code, what in ((net.load_param(model), "load_param"), (net.load_model(model.replace(".param", ".bin")), "load_model")):
        if code != 0:
            raise RuntimeError(f"{what} gives {code}")
    run = net.create_extractor()
    pixels = np.load(image)[0]
    if run.input("x", engine.Mat(pixels).clone()) != 0:  # a clone is aligned as ncnn's layers need it
        raise RuntimeError("there is no input x")
    code, values = run.extract("y")
    if code != 0 or values.empty():
        raise RuntimeError(f"extract gives {code}")
    return np.array(values)


ENGINES = {"residua": residua, "residua --direct": lambda *files: residua(*files, direct=True), "onnxruntime": onnxruntime,
           "openvino": openvino, "ncnn": ncnn}


def child(run, case, said):
    os.setsid()
    mark(case["name"])
    os.chdir(case["folder"])
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(said, 2)
    os.dup2(said, 1)
    code = 0
    try:
        np.save("y.npy", run(case["model"], "x.npy"))
    except BaseException as error:  # whatever an engine throws, it has said no
        os.write(2, f"{type(error).__name__}: {error}".encode())
        code = 1
    os._exit(code)


def watched(process):
    """(status, largest memory) once the child ends, or (None, largest memory) of one that had to be ended.

    Turns are counted, not time: when the machine is needed for other work, both processes stand still."""
    for _ in range(int(MOST_WAITING / TICK)):
        ended, status, usage = os.wait4(process, os.WNOHANG)
        if ended:
            return status, usage.ru_maxrss
        time.sleep(TICK)
    os.killpg(process, signal.SIGKILL)
    return None, os.wait4(process, 0)[2].ru_maxrss


def mark(name):
    try:
        os.open(MARK + name, os.O_RDONLY)
    except FileNotFoundError:
        pass


def outcome(name, case):
    answer = os.path.join(case["folder"], "y.npy")
    if os.path.exists(answer):
        os.unlink(answer)
    with tempfile.TemporaryFile() as said:
        process = os.fork()
        if process == 0:
            child(ENGINES[name], case, said.fileno())
        status, memory = watched(process)
        said.seek(0)
        text = said.read().decode(errors="replace")[-400:]
    found = {"memory": memory * 1024, "said": text}
    if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return {**found, "kind": "hang"}
    if os.WIFSIGNALED(status):
        return {**found, "kind": "crash", "signal": signal.Signals(os.WTERMSIG(status)).name}
    if os.WEXITSTATUS(status) != 0 or not os.path.exists(answer):
        return {**found, "kind": "error"}
    values = np.load(answer).astype(np.float32)
    return {**found, "kind": "answer", "values": base64.b64encode(values.tobytes()).decode(), "count": values.size}


if __name__ == "__main__":
    chosen = sys.argv[1]
    if not chosen.startswith("residua"):
        engine = __import__(chosen)
    for line in sys.stdin:
        print(json.dumps(outcome(chosen, json.loads(line))), flush=True)
