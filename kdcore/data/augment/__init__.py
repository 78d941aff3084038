"""Augmentation of training images in whole batches, on their device: views of single images, and mixtures of two.

    settings = Augmentation.of(recipe.data)
    drawn = settings.draw(images=64, side=(32, 32), seed=(0, epoch, number))      a few numbers per image, on the CPU
    views = settings.apply(pixels, drawn)                                         uint8 [64, 32, 32, 3] -> float [64, 3, 32, 32]
    mixed = mixing.mixed(views, targets, mixing.draw(recipe.data, (32, 32), (0, epoch, number)))

Student, twin and teacher get the same views and mixtures. Every kind of augmentation has a random stream of its own, so
that one more does not change the others.
"""

from kdcore.data.augment.views import Augmentation, Drawn, generator

__all__ = ["Augmentation", "Drawn", "generator"]
