"""Residua, through its C interface."""
import ctypes
import os

import numpy as np

from engines import CLASSES

PACKAGES = ()
SCHEDULES = {"auto": 0, "latency": 1, "throughput": 2}


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 1020)]


class VersionInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t)] + [
        (name, ctypes.c_char_p) for name in ("version", "compiler", "onednn", "instruction_sets", "instruction_set_in_use")]


class ContextOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("threads", ctypes.c_int32), ("schedule", ctypes.c_int),
                ("profile", ctypes.c_int32)]


class Input(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("format", ctypes.c_int), ("data", ctypes.c_void_p),
                ("batch", ctypes.c_int32), ("height", ctypes.c_int32), ("width", ctypes.c_int32)]


def candidates(batch, threads, options):
    return [{"label": f"schedule {options.schedule}", "schedule": options.schedule}]


class Engine:
    """A model and one context. configuration["library"]: the libresidua.so to load."""

    def __init__(self, path, batch, threads, configuration):
        self.library = ctypes.CDLL(configuration["library"])
        self.error = Error()
        version = VersionInfo(ctypes.sizeof(VersionInfo))
        self.call("residua_get_version", ctypes.byref(version))
        self.version = f"{version.version.decode()} ({version.instruction_set_in_use.decode()})"
        model, self.context = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("residua_model_load", os.fsencode(path), None, ctypes.byref(model))
        options = ContextOptions(ctypes.sizeof(ContextOptions), threads, SCHEDULES[configuration["schedule"]], 0)
        self.call("residua_context_create", model, ctypes.byref(options), ctypes.byref(self.context))

    def call(self, function, *arguments):
        if getattr(self.library, function)(*arguments, ctypes.byref(self.error)) != 0:
            raise RuntimeError(self.error.message.decode())

    def run(self, images):
        batch, _, height, width = images.shape
        given = Input(ctypes.sizeof(Input), 0, images.ctypes.data, batch, height, width)
        output = np.empty((batch, CLASSES), np.float32)
        self.call("residua_context_run", self.context, ctypes.byref(given), ctypes.c_void_p(output.ctypes.data),
                  ctypes.c_size_t(output.size))
        return output
