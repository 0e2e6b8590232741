"""What this machine is, for the report and for the names of its files."""
import os
import platform
import re
from pathlib import Path

# AMD's cores by (family, first model, last model); its server names on virtual machines often say no more than "AMD EPYC".
ZEN = ((0x17, 0x00, 0x2F, "Zen"), (0x17, 0x30, 0xFF, "Zen 2"), (0x19, 0x00, 0x0F, "Zen 3"), (0x19, 0x10, 0x1F, "Zen 4"),
       (0x19, 0x20, 0x5F, "Zen 3"), (0x19, 0x60, 0xAF, "Zen 4"), (0x1A, 0x00, 0xFF, "Zen 5"))
SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")


def microarchitecture(vendor, family, model, sets):
    """Of AMD's CPUs, and of Intel's that have matrix instructions; "" for others, whose names tell."""
    if vendor == "GenuineIntel" and "amx_tile" in sets:
        return "AMX"
    if vendor != "AuthenticAMD":
        return ""
    return next((name for of, first, last, name in ZEN if family == of and first <= model <= last), "")


def slug(cpu, core, cpus):
    """A file name: "AMD EPYC", "Zen 4", 2 gives amd-epyc-zen4-2-cores."""
    plain = re.sub(r"\((R|TM)\)|@.*|\b(CPU|Processor|\d+-Core)\b", " ", cpu, flags=re.IGNORECASE)
    words = f"{plain} {core.replace(' ', '')} {cpus} {'core' if cpus == 1 else 'cores'}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def describe(threads):
    """JSON about this machine. cpus: those this process may use; threads: those the engines get."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines()) if key.strip()}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cpu = fields.get("model name", platform.processor() or "unknown")
    sets = [name for name in SETS if name in fields.get("flags", "").split()]
    core = microarchitecture(fields.get("vendor_id"), int(fields.get("cpu family", 0)), int(fields.get("model", 0)), sets)
    return {"cpu": cpu, "core": core, "cpus": len(os.sched_getaffinity(0)), "threads": threads,
            "instruction_sets": sets,
            "memory_gb": round(memory, 1), "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(), "slug": slug(cpu, core, threads)}


def title(machine):
    core = f" ({machine['core']})" if machine["core"] else ""
    return f"{machine['cpu']}{core}, {machine['threads']} {'thread' if machine['threads'] == 1 else 'threads'}"
