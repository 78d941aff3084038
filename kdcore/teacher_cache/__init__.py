"""Cached teacher outputs on disk: the teacher runs once for each augmented view of an image, for all runs.

With `teacher.cache_views: 8` each training image has eight fixed augmentations, one per epoch in turn, that depend only on the
data's seed, the view and the image. The first eight epochs run the teacher and cache the outputs that the terms use;
later epochs, and every run with the same teacher, images and augmentation, read them from disk.

    <data folder>/teacher-cache/<teacher>-<hash of the key>/
      key.json                all that determines the outputs
      000.rows, 001.rows, ... one per view: float16 [images, numbers per image], memory-mapped
      000.marks, ...          uint32 [images]: a checksum for each row, 0 where there is none yet

A row that is missing, partly written, damaged or of another entry fails its checksum, and the teacher runs again.
"""

from kdcore.teacher_cache.cache import TeacherCache, check
from kdcore.teacher_cache.packing import row_bytes

__all__ = ["TeacherCache", "check", "row_bytes"]
