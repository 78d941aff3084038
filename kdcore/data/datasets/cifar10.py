"""CIFAR-10: 60,000 photos of 32 pixels in ten classes (Krizhevsky, 2009)."""

from kdcore.data.cifar import Cifar


class Cifar10(Cifar):
    title = "CIFAR-10"
    summary = "60,000 photos of 32 pixels in ten classes of animals and vehicles."
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    unpacked = "cifar-10-batches-py"
    archive = "cifar-10-python.tar.gz"
    torchvision_name = "CIFAR10"
