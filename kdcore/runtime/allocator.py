"""The C library's memory allocator, told to keep what a training step frees.

glibc gives every freed block over 32 MiB back to the kernel; each step then faults the same pages in again, which costs a
third of the time of a step with large activations. Settings, not arithmetic: results stay as they are. Other allocators
(musl, macOS, Windows) have no such call and need none.
"""

import ctypes
import platform

# names and numbers of glibc's malloc.h, and the values that keep freed memory in the process
KEEP = {"M_MMAP_THRESHOLD": (-3, 1 << 30), "M_TRIM_THRESHOLD": (-1, (1 << 31) - 1), "M_TOP_PAD": (-2, 256 << 20)}


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for the process; False where there is no glibc. May be called often."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, value) == 1 for option, value in KEEP.values())
