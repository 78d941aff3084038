"""CIFAR-100: 60,000 photos of 32 pixels in a hundred classes (Krizhevsky, 2009)."""

from kdcore.data.cifar import Cifar

CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""


class Cifar100(Cifar):
    title = "CIFAR-100"
    summary = "60,000 photos of 32 pixels in a hundred classes, 500 training photos of each."
    classes = tuple(CLASSES.split())
    unpacked = "cifar-100-python"
    archive = "cifar-100-python.tar.gz"
    torchvision_name = "CIFAR100"
