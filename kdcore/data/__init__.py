"""Datasets and batches: which images a run trains, validates and is tested on, and how they reach the device.

    train = loading.load(recipe.data, "train", device="cuda")
    for batch in batches(train, 64, seed=0, epoch=3, augment=Augmentation(("flip", "crop"))):
        ...

`datasets` has a file a dataset and loads without torch; `loading` chooses a split's images and reads them; `batches` makes
an epoch of a split.
"""
