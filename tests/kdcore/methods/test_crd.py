import math

import pytest
import torch
import torch.nn.functional as F

from kdcore.methods.crd import CRD, Negatives, crd_loss, crd_scores, in_batch_loss, moved, negatives_of
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs, Shapes

STUDENT = Shapes(classes=3, pooled=6, features=((6, 4, 4),), attention=())
TEACHER = Shapes(classes=3, pooled=10, features=((10, 4, 4),), attention=())


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape))


def outputs_of(shapes: Shapes, batch: int) -> Outputs:
    return Outputs(torch.randn(batch, shapes.classes), torch.randn(batch, shapes.pooled))


def batch_of(indices: list[int], targets: torch.Tensor) -> Batch:
    places = torch.tensor(indices)
    return Batch(torch.rand(len(indices), 3, 8, 8), targets[places], places)


class RepDistiller:
    """The authors' memory and criterion, as they compute them, for one given choice of places."""

    def __init__(self, memory_s, memory_t, temperature: float, momentum: float) -> None:
        self.memory_v1, self.memory_v2 = memory_s.clone(), memory_t.clone()
        self.temperature, self.momentum = temperature, momentum
        self.z_v1 = self.z_v2 = -1.0

    def __call__(self, v1, v2, y, idx):
        size, dim = self.memory_v1.shape
        b, k1 = idx.shape
        weight_v1 = torch.index_select(self.memory_v1, 0, idx.view(-1)).view(b, k1, dim)
        out_v2 = torch.exp(torch.bmm(weight_v1, v2.view(b, dim, 1)) / self.temperature)
        weight_v2 = torch.index_select(self.memory_v2, 0, idx.view(-1)).view(b, k1, dim)
        out_v1 = torch.exp(torch.bmm(weight_v2, v1.view(b, dim, 1)) / self.temperature)
        if self.z_v1 < 0:
            self.z_v1 = (out_v1.mean() * size).item()
        if self.z_v2 < 0:
            self.z_v2 = (out_v2.mean() * size).item()
        out_v1, out_v2 = out_v1 / self.z_v1, out_v2 / self.z_v2
        with torch.no_grad():
            for memory, v in ((self.memory_v1, v1), (self.memory_v2, v2)):
                pos = torch.index_select(memory, 0, y) * self.momentum + v * (1 - self.momentum)
                memory.index_copy_(0, y, pos / pos.pow(2).sum(1, keepdim=True).pow(0.5))
        return self.contrast(out_v1, size) + self.contrast(out_v2, size)

    @staticmethod
    def contrast(x, n_data: int):
        eps, bsz, m = 1e-7, x.shape[0], x.size(1) - 1
        pn = 1 / float(n_data)
        p_pos = x.select(1, 0)
        log_d1 = torch.div(p_pos, p_pos.add(m * pn + eps)).log()
        p_neg = x.narrow(1, 1, m)
        log_d0 = torch.div(p_neg.clone().fill_(m * pn), p_neg.add(m * pn + eps)).log()
        return (-(log_d1.sum(0) + log_d0.reshape(-1, 1).sum(0)) / bsz).squeeze()


def test_values_gradients_and_memory_are_those_of_the_authors_code():
    torch.manual_seed(0)
    targets = torch.arange(40) % 3
    method = CRD(STUDENT, TEACHER, negatives=50, width=8).train()
    method.see_data(targets)
    theirs = RepDistiller(method.bank_student, method.bank_teacher, 0.07, 0.5)
    for start in (0, 8):  # the second batch keeps the first one's constants and meets a memory that has moved
        batch = batch_of([start, start + 3, start + 5, 2], targets)
        said = [outputs_of(STUDENT, 4), outputs_of(TEACHER, 4)]
        leaves = [method.embed_student.weight, method.embed_teacher.weight]
        drawn = []
        handle = method.negatives.register_forward_hook(lambda module, args, out, drawn=drawn: drawn.append(out))
        loss = method(*said, batch, 4.0)
        handle.remove()
        gradients = torch.autograd.grad(loss, leaves)
        places = torch.cat([batch.indices[:, None], drawn[0]], dim=1)
        v1, v2 = (
            x / x.pow(2).sum(1, keepdim=True).pow(0.5)
            for x in (method.embed_student(said[0].pooled), method.embed_teacher(said[1].pooled))
        )
        expected = theirs(v1, v2, batch.indices, places)
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(gradients, torch.autograd.grad(expected, leaves), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(method.bank_student, theirs.memory_v1)
        torch.testing.assert_close(method.bank_teacher, theirs.memory_v2)


def test_value_worked_by_hand():
    # one negative of two images: noise 1/2; both scores 1/2, so that either is told right with probability 1/2
    scores = torch.tensor([[0.5, 0.5]])
    torch.testing.assert_close(crd_loss(scores, images=2), torch.tensor(2 * math.log(2.0)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("images", [2000, 50_000])
def test_starts_where_random_directions_do_with_the_defaults_whatever_the_number_of_images(images):
    torch.manual_seed(0)
    wide = Shapes(classes=10, pooled=64, features=(), attention=())
    method, targets = CRD(wide, wide), torch.arange(images) % 10
    method.see_data(targets)
    batch = batch_of(torch.randperm(images)[:32].tolist(), targets)
    # log(1 + M) = 9.7 for the pair and 1 for the negatives; cosines of random directions have a variance of 1 / 128, and
    # half of that over the temperature squared is the gap between the mean of their exponentials and that of the pair's log
    expected = math.log(1 + 16384) + 1 + 1 / (2 * 128 * 0.07**2)
    assert expected == pytest.approx(11.5, abs=0.01)
    assert method(outputs_of(wide, 32), outputs_of(wide, 32), batch, 4.0).item() == pytest.approx(2 * expected, abs=0.8)


def test_a_negative_is_never_known_to_be_of_the_image_s_class_and_all_others_are_drawn():
    targets = torch.tensor([2, 0, 1, NO_LABEL, 0, 2, NO_LABEL, 1, 0])
    drawn = Negatives(targets)(torch.arange(9), 4000)
    for image, others in enumerate(drawn):
        labelled = targets[image] != NO_LABEL
        allowed = [j for j in range(9) if (targets[j] != targets[image] if labelled else j != image)]
        counts = torch.bincount(others, minlength=9)
        assert [j for j in range(9) if counts[j]] == allowed
        # alike often: a standard deviation is about 25 of 4000 / 8
        assert (counts[allowed] - 4000 / len(allowed)).abs().max() < 150


def test_withheld_labels_are_warned_of():
    method = CRD(STUDENT, TEACHER, negatives=4)
    method.see_data(torch.tensor([0, 1, 2, NO_LABEL]))
    (told,) = method.warnings()
    assert told.startswith("25 % of the training images have no label, so some negatives are of the image's own class")
    method.see_data(torch.tensor([0, 1, 2, 0]))
    assert method.warnings() == ()


def test_data_of_one_class_is_refused():
    with pytest.raises(ValueError, match="All training images are of one class.*use data with two or more classes"):
        Negatives(torch.zeros(5, dtype=torch.long))


def test_an_image_twice_in_a_batch_moves_its_row_once_by_their_mean():
    bank, embedding = unit(5, 4), unit(3, 4)
    after = moved(bank, embedding, torch.tensor([1, 3, 1]), momentum=0.5)
    torch.testing.assert_close(after[1], F.normalize(0.5 * bank[1] + 0.25 * (embedding[0] + embedding[2]), dim=0))
    torch.testing.assert_close(after[3], F.normalize(0.5 * bank[3] + 0.5 * embedding[1], dim=0))
    assert torch.equal(after[[0, 2, 4]], bank[[0, 2, 4]])


def test_the_score_is_that_of_the_image_s_own_row():
    bank = unit(7, 4)
    scores = crd_scores(bank[[2, 5]], bank, torch.tensor([[2, 0], [5, 2]]), temperature=0.5)
    expected = [[1.0, bank[2] @ bank[0]], [1.0, bank[5] @ bank[2]]]
    torch.testing.assert_close(scores, (torch.tensor(expected) / 0.5).exp())


def test_evaluation_leaves_the_memory_alone():
    method = CRD(STUDENT, TEACHER, negatives=10).eval()
    targets = torch.arange(20) % 3
    method.see_data(targets)
    before = method.bank_student.clone()
    method(outputs_of(STUDENT, 4), outputs_of(TEACHER, 4), batch_of([0, 1, 2, 3], targets), 4.0)
    assert torch.equal(method.bank_student, before)


def test_in_batch_is_symmetric_cross_entropy_of_cosines():
    student, teacher = unit(5, 8), unit(5, 8)
    everything = torch.ones(5, 5, dtype=torch.bool)
    expected = 0.0
    for i in range(5):
        to_teacher = torch.stack([student[i] @ teacher[j] / 0.1 for j in range(5)])
        to_student = torch.stack([teacher[i] @ student[j] / 0.1 for j in range(5)])
        expected -= (to_teacher.log_softmax(0)[i] + to_student.log_softmax(0)[i]) / 10
    torch.testing.assert_close(in_batch_loss(student, teacher, everything, temperature=0.1), expected)


def test_in_batch_leaves_out_images_of_one_class_and_an_image_s_own_copies():
    targets = torch.tensor([0, 0, 1, NO_LABEL, NO_LABEL])
    batch = Batch(torch.rand(6, 3, 8, 8), torch.cat([targets, targets[3:4]]), torch.tensor([0, 1, 2, 3, 4, 3]))
    allowed = negatives_of(batch)
    assert not allowed[0, 1]  # of one class
    assert allowed[0, 2]  # of two
    assert allowed[0, 3]  # perhaps of one, which nobody knows
    assert allowed[3, 4]
    assert not allowed[3, 5]  # the same image
    assert not allowed.diagonal().any()


def test_in_batch_ignores_the_pairs_that_are_not_apart():
    student, teacher = unit(3, 4), unit(3, 4)
    apart = torch.tensor([[0, 0, 1], [0, 0, 1], [1, 1, 0]], dtype=torch.bool)
    before = in_batch_loss(student, teacher, apart, temperature=0.1)
    logits = student @ teacher.T / 0.1
    rows = [[0, 2], [1, 2], [2, 0, 1]]  # whom each image is told from, itself first
    expected = sum(-m[i, row].log_softmax(0)[0] for m in (logits, logits.T) for i, row in enumerate(rows)) / 6
    torch.testing.assert_close(before, expected)


def test_refusals_say_what_would_do():
    with pytest.raises(ValueError, match="'queue' is not one of 'bank', 'in_batch'"):
        CRD(STUDENT, TEACHER, variant="queue")
    with pytest.raises(ValueError, match=r"negatives \(0\) and width \(128\) must be at least 1"):
        CRD(STUDENT, TEACHER, negatives=0)
    with pytest.raises(ValueError, match=r"momentum \(1\) in \[0, 1\)"):
        CRD(STUDENT, TEACHER, momentum=1.0)
