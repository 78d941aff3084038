"""Memory allocation: glibc keeps freed memory for the next step, instead of returning it to the kernel.

By default glibc returns freed blocks over 32 MiB; each step then faults the same pages in again, which costs a third of the
time of a step with large activations. Results do not change. Other allocators (musl, macOS, Windows) need no such setting.
"""

import ctypes
import platform

# names and numbers of glibc's malloc.h, and the values that keep freed memory in the process
KEEP = {"M_MMAP_THRESHOLD": (-3, 1 << 30), "M_TRIM_THRESHOLD": (-1, (1 << 31) - 1), "M_TOP_PAD": (-2, 256 << 20)}


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory; False where there is no glibc. May be called repeatedly."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, value) == 1 for option, value in KEEP.values())
