"""ImageNet's classes, for weights whose number of outputs is that of one of its lists."""

from timm.data import ImageNetInfo, infer_imagenet_subset


def of_imagenet(outputs: int) -> tuple[str, ...] | None:
    """The names of ImageNet's 1,000 classes, or of another of its lists with this number; None where there is none."""
    subset = infer_imagenet_subset({"num_classes": outputs})
    if subset is None:
        return None
    known = ImageNetInfo(subset)
    names = [known.index_to_description(place).split(", ")[0] for place in range(known.num_classes())]
    numbers = [known.index_to_label_name(place) for place in range(known.num_classes())]
    # two cranes, two maillots: the synset's number tells them apart
    shared = {name for name in names if names.count(name) > 1} if outputs == 1000 else set(names)
    return tuple(f"{name} ({number})" if name in shared else name for name, number in zip(names, numbers, strict=True))
