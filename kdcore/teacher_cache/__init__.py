"""The teacher's answers, kept on disk: it is asked once for each augmented view of an image, whatever run asks again.

With `teacher.cache_views: 8` each training image comes in eight augmentations in turn, one an epoch, that follow from the
data's seed, the view and the image alone. The first eight epochs ask the teacher and keep what the terms read of its
answers; later epochs, and every run with the same teacher, images and augmentation, read it.

    <data folder>/teacher-cache/<teacher>-<hash of the key>/
      key.json                all that decides an answer, in words
      000.rows, 001.rows, ... one a view: float16 [images, numbers an image], mapped into memory
      000.marks, ...          uint32 [images]: a checksum of each row, 0 where there is none yet

A row that is missing, half written, damaged or another entry's does not have its checksum, so the teacher is asked again.
"""

from kdcore.teacher_cache.cache import TeacherCache, check
from kdcore.teacher_cache.packing import row_bytes

__all__ = ["TeacherCache", "check", "row_bytes"]
