import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kdcore.methods.review_kd import ReviewKD, review_kd_loss
from kdcore.tensors.outputs import Batch, Outputs, Shapes

STUDENT = Shapes(classes=3, pooled=10, features=((4, 16, 16), (6, 8, 8), (10, 4, 4)), attention=())
TEACHER = Shapes(classes=3, pooled=12, features=((5, 16, 16), (7, 16, 16), (12, 8, 8)), attention=())
VIT = Shapes(classes=3, pooled=8, features=((8, 6, 6),) * 12, attention=((2, 6, 6),) * 12, tokens=True)
BATCH = Batch(torch.rand(4, 3, 8, 8), torch.arange(4), torch.arange(4))


def outputs(shapes: Shapes, images: int = 4) -> Outputs:
    features = tuple(torch.randn(images, *s, requires_grad=True) for s in shapes.features)
    return Outputs(torch.randn(images, 3), torch.randn(images, shapes.pooled, requires_grad=True), features)


def official_hcl(fstudent, fteacher):
    """dvlab-research/ReviewKD CIFAR-100/model/reviewkd.py, hcl."""
    loss_all = 0.0
    for fs, ft in zip(fstudent, fteacher, strict=True):
        h = fs.shape[2]
        loss = F.mse_loss(fs, ft, reduction="mean")
        cnt = tot = 1.0
        for side in [4, 2, 1]:
            if side >= h:
                continue
            tmpfs, tmpft = F.adaptive_avg_pool2d(fs, (side, side)), F.adaptive_avg_pool2d(ft, (side, side))
            cnt /= 2.0
            loss = loss + F.mse_loss(tmpfs, tmpft, reduction="mean") * cnt
            tot += cnt
        loss_all = loss_all + loss / tot
    return loss_all


class OfficialABF(nn.Module):
    """ABF in the same file."""

    def __init__(self, in_channel, mid_channel, out_channel, fuse):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(in_channel, mid_channel, 1, bias=False), nn.BatchNorm2d(mid_channel))
        self.conv2 = nn.Sequential(
            nn.Conv2d(mid_channel, out_channel, kernel_size=3, stride=1, padding=1, bias=False),
            nn.BatchNorm2d(out_channel),
        )
        self.att_conv = nn.Sequential(nn.Conv2d(mid_channel * 2, 2, kernel_size=1), nn.Sigmoid()) if fuse else None

    def forward(self, x, y, shape, out_shape):
        n, _, h, w = x.shape
        x = self.conv1(x)
        if self.att_conv is not None:
            y = F.interpolate(y, (shape, shape), mode="nearest")
            z = self.att_conv(torch.cat([x, y], dim=1))
            x = x * z[:, 0].view(n, 1, h, w) + y * z[:, 1].view(n, 1, h, w)
        if x.shape[-1] != out_shape:
            x = F.interpolate(x, (out_shape, out_shape), mode="nearest")
        return self.conv2(x), x


def official(method: ReviewKD, student: list[torch.Tensor], teacher: list[torch.Tensor]) -> torch.Tensor:
    """ReviewKD.forward in the same file with this method's weights; maps from shallow to deep, the pooled one last."""
    in_channels, out_channels = [m.shape[1] for m in student], [m.shape[1] for m in teacher]
    shapes, out_shapes = [m.shape[2] for m in student][::-1], [m.shape[2] for m in teacher][::-1]
    abfs = nn.ModuleList()
    mid_channel = min(512, in_channels[-1])
    for idx, in_channel in enumerate(in_channels):
        abfs.append(OfficialABF(in_channel, mid_channel, out_channels[idx], idx < len(in_channels) - 1))
    for theirs, ours in zip(abfs, method.fusions, strict=True):
        state = {k.replace("narrow", "conv1").replace("widen", "conv2"): v for k, v in ours.state_dict().items()}
        theirs.load_state_dict({k.replace("share.", "att_conv.0."): v for k, v in state.items()})
    abfs, x = abfs[::-1], student[::-1]
    out_features, res_features = abfs[0](x[0], None, None, out_shapes[0])
    results = [out_features]
    for features, abf, shape, out_shape in zip(x[1:], abfs[1:], shapes[1:], out_shapes[1:], strict=True):
        out_features, res_features = abf(features, res_features, shape, out_shape)
        results.insert(0, out_features)
    return official_hcl(results, teacher)


def test_value_worked_by_hand():
    student, teacher = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 3.0], [1.0, 3.0]]]])
    whole, one = (1 + 9 + 1 + 9) / 4, 2.0**2  # 2 x 2 as it is, and its mean; 4 x 4 and 2 x 2 are not coarser
    assert review_kd_loss([student], [teacher]).item() == pytest.approx((whole + one / 2) / 1.5)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 8])
def test_the_context_loss_is_that_of_the_authors_code(side):
    student, teacher = torch.randn(3, 5, side, side), torch.randn(3, 5, side, side)
    torch.testing.assert_close(review_kd_loss([student] * 2, [teacher] * 2), official_hcl([student] * 2, [teacher] * 2))


def test_value_and_gradient_are_those_of_the_authors_code():
    torch.manual_seed(0)
    method, student, teacher = ReviewKD(STUDENT, TEACHER), outputs(STUDENT), outputs(TEACHER)
    leaves = [*student.features, student.pooled]
    ours = method(student, teacher, BATCH, 1.0)
    theirs = official(
        method,
        [*student.features, student.pooled[:, :, None, None]],
        [*teacher.features, teacher.pooled[:, :, None, None]],
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(loss, leaves) for loss in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_is_zero_for_equal_maps():
    maps = [torch.randn(2, 3, 8, 8), torch.randn(2, 3, 1, 1)]
    assert review_kd_loss(maps, maps) == 0


def test_grids_need_not_be_square():
    student, teacher = torch.randn(2, 3, 3, 6), torch.randn(2, 3, 3, 6)
    assert review_kd_loss([student], [teacher]).isfinite()
    wide = dataclasses.replace(STUDENT, features=tuple((c, h, 2 * w) for c, h, w in STUDENT.features))
    assert ReviewKD(wide, TEACHER)(outputs(wide), outputs(TEACHER), BATCH, 1.0).isfinite()


def test_a_shallow_teacher_map_teaches_the_deepest_student_layer():
    method, student, teacher = ReviewKD(STUDENT, TEACHER), outputs(STUDENT), outputs(TEACHER)
    unchanged = [f.detach() for f in teacher.features[1:]]
    first = torch.randn_like(teacher.features[0])
    losses = []
    for shallow in (teacher.features[0].detach(), first):
        said = Outputs(teacher.logits, teacher.pooled.detach(), (shallow, *unchanged))
        losses.append(torch.autograd.grad(method(student, said, BATCH, 1.0), student.pooled)[0])
    assert not torch.allclose(*losses)


def test_a_last_batch_of_one_image_does_not_end_the_run():
    method, student = ReviewKD(STUDENT, TEACHER), outputs(STUDENT, images=1)
    loss = method(student, outputs(TEACHER, images=1), BATCH, 1.0)
    loss.backward()
    assert loss == 0


def test_a_pair_with_a_vit_is_warned_of():
    assert ReviewKD(STUDENT, TEACHER).warnings() == ()
    (warning,) = ReviewKD(STUDENT, VIT).warnings()
    assert "published between CNNs" in warning
    assert ReviewKD(STUDENT, VIT).pairs == [(0, 3), (1, 7), (2, 11)]


def test_what_cannot_work_is_refused_with_the_way_out():
    with pytest.raises(
        ValueError, match=r"the teacher has 1 feature map\(s\), and knowledge review needs two or more. Use"
    ):
        ReviewKD(STUDENT, dataclasses.replace(TEACHER, features=TEACHER.features[:1]))
    with pytest.raises(ValueError, match="are not ordered from shallow to deep"):
        ReviewKD(STUDENT, TEACHER, pairs=[(1, 1), (0, 0)])
