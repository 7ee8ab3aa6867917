"""What was tried and did not stay: each does what it says, and is found by its name."""

import shutil
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from ingredients import assemblies, averaging, losses, networks, views
from skimage.metrics import structural_similarity

from helpers import training
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.dataset.noise import noise_profile
from helpers.networks.blocks import macs
from helpers.networks.pipeline import join, join_end_to_end
from helpers.settings import SMOKE
from helpers.training import backend, checkpoints, loop, plan
from helpers.training.batches import Views
from helpers.training.losses import LOSSES
from helpers.training.model import compiled
from helpers.training.registry import DENOISERS, DESCRIPTORS
from helpers.training.runs import run_folder

DESCRIPTOR = replace(
    SMOKE.improved_descriptor,
    joining="direct",
    batch=8,
    redraw=False,
    network_options={"width": 4, "dropout": 0.3},
)
DENOISER = replace(
    SMOKE.improved_denoiser, batch=16, epochs=0.1, redraw=False, network_options={"width": 4}
)
# name -> (trainable parameters, multiply-adds of a patch); published or counted by hand
SIZES = {
    "unet_variant": (214_913, 30_703_616),
    "dncnn": (21_289, 21_676_032),
    "ffdnet": (86_641, 22_118_400),
    "nafnet_tiny": (72_433, 11_221_504),
    "hynet": (1_336_355, 39_092_224),
    "resnet_descriptor": (732_176, 21_905_408),
}
numbers = keras.ops.convert_to_numpy


@pytest.fixture
def patches() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype(np.float32)


# --- networks


@pytest.mark.parametrize("name", SIZES)
def test_a_network_has_its_size_and_answers_the_same_when_it_is_loaded(name, patches, tmp_path):
    network = (DENOISERS | DESCRIPTORS)[name]()
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert (trainable, macs(network)) == SIZES[name]
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    answer = numbers(network(patches))
    np.testing.assert_allclose(answer, numbers(loaded(patches)), rtol=1e-6, atol=1e-6)
    if name in DENOISERS:  # it starts as the identity
        np.testing.assert_array_equal(answer, patches)
    else:
        np.testing.assert_allclose(np.linalg.norm(answer, axis=1), np.ones(3), atol=1e-5)


def test_without_biases_the_answer_is_proportional_to_the_input(patches):
    network, rng = networks.unet_variant(width=4, bias=False), np.random.default_rng(1)
    network.set_weights([rng.normal(0, 0.1, w.shape) for w in network.get_weights()])
    once, twice = numbers(network(patches)), numbers(network(2 * patches))
    assert np.abs(once - patches).max() > 1  # it does something
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-2)


def test_the_noise_profile_is_a_channel_more(patches):
    seen = numbers(networks.NoiseProfile()(patches))
    np.testing.assert_array_equal(seen[..., :1], patches)
    np.testing.assert_array_equal(seen[..., 1], np.broadcast_to(noise_profile(), (3, 32, 32)))
    more = networks.unet_variant(width=4, profile=True).count_params()
    assert more - networks.unet_variant(width=4).count_params() == 9 * 4


def test_hynets_layer_by_hand():
    layer = networks.FilterResponse()
    layer.build((None, 1, 2, 1))
    x = np.array([-9.0, 3.0], np.float32).reshape(1, 1, 2, 1)
    root_mean_square = np.sqrt(45)
    np.testing.assert_allclose(numbers(layer(x)).ravel(), [-1, 3 / root_mean_square], rtol=1e-5)
    layer.set_weights([np.array([2.0]), np.array([0.5]), np.array([-9.0])])
    expected = 2 * x.ravel() / root_mean_square + 0.5
    np.testing.assert_allclose(numbers(layer(x)).ravel(), expected, rtol=1e-5)


# --- losses

POINTS, DIMENSIONS = 6, 8
POINT = np.arange(POINTS)


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def vectors(name: str, count: int = 2) -> np.ndarray:
    raw = np.random.default_rng(0).normal(size=(POINTS, count, DIMENSIONS)).astype(np.float32)
    return raw if name == "hybrid" else unit(raw)


def distance(u, v):
    return np.sqrt(max(0, 2 - 2 * float(u @ v)) + 1e-6)


def naive_hinge(points, u, v, margin, similarity):
    """Mean over all points of `similarity` with the hardest negatives of both views."""
    terms = []
    for i in range(len(points)):
        others = [j for j in range(len(points)) if points[i] != points[j]]
        pairs = [pair for j in others for pair in ((u[i], v[j]), (u[j], v[i]))]
        pairs += [(view[i], view[j]) for j in others for view in (u, v)]
        hardest = min(d for d in (distance(*pair) for pair in pairs) if d >= 0.008)
        terms.append(similarity(margin, distance(u[i], v[i]), hardest))
    return np.mean(terms)


def naive_next(points, u, v):
    hinges = [max(0, 1 + distance(u[i], v[i]) - distance(u[i], v[i - 1])) for i in POINT]
    return np.mean([hinges[i] * (points[i] != points[i - 1]) for i in POINT])


def naive_second_order(points, u, v):
    rows = []
    for i in POINT:
        others = [j for j in POINT if points[j] != points[i]]
        near = set()
        for w in (u, v):
            near |= set(sorted(others, key=lambda j, w=w: distance(w[i], w[j]))[:3])
        change = sum((distance(u[i], u[j]) - distance(v[i], v[j])) ** 2 for j in near)
        rows.append(np.sqrt(change + 1e-6))
    hinge = naive_hinge(points, u, v, 1, lambda m, near, far: max(0, m + near - far) ** 2)
    return hinge + np.mean(rows)


def naive_hybrid(points, r, q):
    lengths = np.linalg.norm(r, axis=-1) - np.linalg.norm(q, axis=-1)

    def similarity(margin, near, far):
        return max(0, margin + near + near**2 - far - far**2)

    return naive_hinge(points, unit(r), unit(q), 1.2, similarity) + 0.1 * np.mean(lengths**2)


def naive_info_nce(points, u, v):
    terms = []
    for i in POINT:
        allowed = [j for j in POINT if j == i or points[j] != points[i]]
        for first, second in ((u, v), (v, u)):
            logits = np.array([float(first[i] @ second[j]) / 0.07 for j in allowed])
            terms.append(np.log(np.exp(logits).sum()) - logits[allowed.index(i)])
    return np.mean(terms)


MINING = {
    "next_in_batch": (losses.next_in_batch, naive_next),
    "second_order": (partial(losses.second_order, neighbours=3), naive_second_order),
    "hybrid": (losses.hybrid, naive_hybrid),
    "info_nce": (losses.info_nce, naive_info_nce),
}


@pytest.mark.second_backend
@pytest.mark.parametrize("points", [POINT, np.array([0, 0, 1, 2, 3, 4])], ids=["own", "twice"])
@pytest.mark.parametrize("name", MINING)
def test_a_mining_loss_equals_a_loop_weighted_by_level(name, points):
    loss, naive = MINING[name]
    seen = vectors(name, 3)
    near, far = (naive(points, seen[:, 0], seen[:, k]) for k in (1, 2))
    found = float(loss(points, seen, level_weights=[1, 3]))
    assert found == pytest.approx((near + 3 * far) / 4, rel=1e-5)


@pytest.mark.parametrize("name", MINING)
def test_a_mining_loss_falls_and_stays_finite_from_where_vectors_coincide(name):
    for seen in (vectors(name), np.repeat(vectors(name)[:, :1], 2, axis=1), np.zeros((6, 2, 8))):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((2, DIMENSIONS)), keras.layers.Dense(DIMENSIONS)])
        if name != "hybrid":
            model.add(keras.layers.UnitNormalization())
        model.compile(keras.optimizers.SGD(0.05), LOSSES[name], run_eagerly=True)
        values = [model.train_on_batch(seen, POINT) for _ in range(3)]
        assert np.isfinite(values).all() and values[-1] <= values[0]
        assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_second_order_takes_all_points_when_there_are_fewer_than_neighbours():
    eight, five = (float(losses.second_order(POINT, vectors(""), neighbours=n)) for n in (8, 5))
    assert eight == pytest.approx(five, rel=1e-6)


def test_dssim_equals_that_of_scikit_image_and_is_mixed_by_its_share(patches):
    noisy = np.clip(patches + np.random.default_rng(1).normal(0, 25, patches.shape), 0, 255)
    noisy = noisy.astype(np.float32)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        (1 - structural_similarity(a[..., 0], b[..., 0], data_range=255, **options)) / 2
        for a, b in zip(patches.astype(float), noisy.astype(float), strict=True)
    ]
    np.testing.assert_allclose(numbers(losses.dssim(patches, noisy)), expected, rtol=1e-4)
    both = numbers(losses.charbonnier_dssim(patches, noisy, share=0.25))
    smooth = numbers(LOSSES["charbonnier"](patches, noisy))
    np.testing.assert_allclose(both, 0.75 * smooth + 63.75 * np.array(expected), rtol=1e-4)


# --- views


def rng():
    return np.random.default_rng(5)


@pytest.fixture
def smooth():
    """Smooth patches (64, 65, 65) whose grey levels stay away from black and white."""
    rows, columns = np.mgrid[:65, :65]
    waves = [128 + 40 * np.sin(rows / (5 + k)) + 20 * np.cos(columns / 7) for k in range(64)]
    return np.stack(waves).astype(np.uint8)


@pytest.mark.parametrize("change", [views.photometric, views.geometric])
def test_every_patch_is_changed_by_itself_and_by_the_generator_alone(change, smooth):
    same = np.repeat(smooth[:1], 8, axis=0).reshape(2, 4, 65, 65)
    changed = change(rng(), same)
    assert changed.shape == same.shape and changed.dtype == np.uint8
    assert len({patch.tobytes() for patch in changed.reshape(8, -1)}) == 8
    np.testing.assert_array_equal(changed, change(rng(), same))


def test_other_light_keeps_what_is_seen_and_burns_out_instead_of_wrapping_round(smooth):
    changed = views.photometric(rng(), smooth)
    pairs = zip(smooth, changed, strict=True)
    assert np.median([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]) > 0.8
    means = changed.mean(axis=(1, 2))
    assert means.min() < 105 and means.max() > 150
    assert views.photometric(rng(), np.full((200, 65, 65), 250, np.uint8)).min() > 60


def test_geometric_changes_move_what_is_seen_by_a_few_pixels_and_repeat_the_edge():
    spot = np.zeros((100, 65, 65), np.uint8)
    spot[:, 44:47, 30:35] = 255
    moved = views.geometric(rng(), spot).astype(float)
    weights = moved / moved.sum(axis=(1, 2), keepdims=True)
    rows = (weights * np.arange(65)[:, None]).sum(axis=(1, 2)) - 45
    columns = (weights * np.arange(65)).sum(axis=(1, 2)) - 32
    assert 1 < np.hypot(rows, columns).mean() < 4 and np.hypot(rows, columns).max() < 8
    assert abs(rows.mean()) < 0.7 and abs(columns.mean()) < 0.7
    grey = np.full((50, 65, 65), 90, np.uint8)
    np.testing.assert_array_equal(views.geometric(rng(), grey), grey)


def changed(store, **options):
    return views.ChangedViews(store, "train", batch=8, seed=3, augment=True, **options)(0)


@pytest.mark.parametrize("redraw", [False, True])
def test_unchanged_views_are_views_and_twins_are_their_clean_patches(redraw, tiny_store):
    plain, points = Views(tiny_store, "train", 8, seed=3, augment=True, redraw=redraw)(0)
    seen, (same, clean) = changed(tiny_store, redraw=redraw, twins=True)
    np.testing.assert_array_equal(seen, plain)
    np.testing.assert_array_equal(same, points)
    np.testing.assert_array_equal(seen[:, 0], clean[:, 0])  # ref has no noise
    assert 5 < np.abs(seen - clean)[:, 1:].mean() < 30


def test_twins_have_the_light_and_place_of_their_views_and_a_teacher_sees_them(tiny_store):
    options = {"redraw": True, "photometric": True, "geometric": True, "twins": True}
    seen, (_, clean) = changed(tiny_store, **options)
    np.testing.assert_array_equal(seen[:, 0], clean[:, 0])
    differences = (seen - clean)[:, 1:]
    assert 5 < np.abs(differences).mean() < 30 and abs(differences.mean()) < 5
    _, (_, stored) = changed(tiny_store, twins=True)
    np.testing.assert_array_equal(changed(tiny_store, clean=True)[0], stored)


# --- assemblies

TWINS = {"batches": "ChangedViews", "batch_options": {"twins": True}, "assembly": "taught"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return tmp_path / "runs"


def test_raw_vectors_are_the_descriptors_before_their_scaling(patches):
    descriptor = DESCRIPTORS["hardnet"](width=4)
    raw = numbers(assemblies.raw_vectors(descriptor)(patches))
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.ptp(lengths) > 1e-3
    np.testing.assert_allclose(raw / lengths, numbers(descriptor(patches)), atol=1e-5)


def test_the_hybrid_loss_is_trained_on_raw_vectors(tiny_store):
    settings = replace(DESCRIPTOR, loss="hybrid", loss_options={}, assembly="raw")
    network, model = compiled(settings, None, steps=4)
    seen, _ = training.make_batches(settings, tiny_store, "train")(0)
    lengths = np.linalg.norm(numbers(model(seen)), axis=-1)
    assert np.ptp(lengths) > 1e-3
    np.testing.assert_allclose(np.linalg.norm(numbers(network(seen[:, 0])), axis=-1), 1, atol=1e-5)


def test_a_student_is_drawn_to_its_teacher_and_the_teacher_is_part_of_its_name(tiny_store, folder):
    clean = {"batches": "ChangedViews", "batch_options": {"clean": True}}
    teacher = training.train(replace(DESCRIPTOR, **clean), tiny_store)
    seen = tiny_store.clean[:24, 0, ..., None].astype("float32")
    wanted = training.load_network(teacher).predict_on_batch(seen)
    distances, names = [], []
    for weight in (0.01, 100.0):
        options = {"teacher": teacher.name, "distillation": weight}
        student = replace(DESCRIPTOR, seed=2, **TWINS, assembly_options=options)
        network, model = compiled(student, None, steps=30)
        batches = training.make_batches(student, tiny_store, "train")
        for _ in loop.step_losses(model, batches, 0, 30):
            pass
        distances.append(np.linalg.norm(network.predict_on_batch(seen) - wanted, axis=1).mean())
        names.append(run_folder(student, tiny_store).name)
    assert distances[1] < 0.9 * distances[0]
    other = {"teacher": "another", "distillation": 100.0}
    names.append(run_folder(replace(student, assembly_options=other), tiny_store).name)
    assert len(set(names)) == 3


def test_reconstruction_is_the_error_of_the_denoiser_that_learns_along(tiny_store, folder):
    denoiser = training.train(DENOISER, tiny_store)
    totals = []
    for weight in (0.0, 1.0):
        settings = replace(
            DESCRIPTOR,
            joining="end_to_end",
            **TWINS,
            assembly_options={"reconstruction": weight},
        )
        _, model = compiled(settings, denoiser, steps=4)
        inputs, targets = training.make_batches(settings, tiny_store, "train")(0)
        totals.append(model.evaluate(inputs, targets, verbose=0, return_dict=True)["loss"])
    front = training.load_network(denoiser)
    denoised = np.stack([front.predict_on_batch(inputs[:, k]) for k in range(4)], axis=1)
    assert totals[1] - totals[0] == pytest.approx(np.abs(denoised - targets[1]).mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reconstruction": 0.1}, "Only a denoiser that learns along"),
        ({"distillation": 1.0}, "Distillation and a teacher's run need each other"),
        ({"teacher": "a"}, "Distillation and a teacher's run need each other"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        compiled(replace(DESCRIPTOR, **TWINS, assembly_options=options), None, steps=4)


# --- averaging and batch statistics


@pytest.fixture(scope="module")
def watched(tiny_store, tmp_path_factory):
    settings = replace(DESCRIPTOR, epochs=2, validations=3, validation_batches=1, patience=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "RUNS", tmp_path_factory.mktemp("runs"))
        watch = averaging.snapshots(run_folder(settings, tiny_store))
        # Checkpoints between the validations, which are two steps apart.
        patch.setattr(plan, "CHECKPOINT_STEPS", 1)
        return training.train(settings, tiny_store, on_validation=watch)


def trained_values(model: keras.Model) -> list[np.ndarray]:
    return [numbers(variable) for variable in model.trainable_variables]


def test_the_weights_of_each_validation_are_kept_and_their_mean_is_taken(watched):
    snapshots = [checkpoints.read(file) for file in sorted((watched / "snapshots").iterdir())]
    # The first before any step, and none from between.
    assert [len(snapshot["losses"]) for snapshot in snapshots] == [0, 2, 4, 6]
    averaged = averaging.average(watched, 3)
    trained = [i for i, variable in enumerate(averaged.variables) if variable.trainable]
    for i in trained:
        values = [snapshot[f"variable_{i}"] for snapshot in snapshots[1:]]
        assert not np.array_equal(values[0], values[2])
        np.testing.assert_allclose(numbers(averaged.variables[i]), np.mean(values, 0), atol=1e-6)
    own, last = training.load_pipeline(watched), averaging.average(watched, 1)
    for one, other in zip(trained_values(own), trained_values(last), strict=True):
        np.testing.assert_array_equal(one, other)


def test_missing_and_damaged_snapshots_are_refused(watched, tmp_path):
    run = shutil.copytree(watched, tmp_path / "run")
    *_, second, newest = sorted((run / averaging.FOLDER).iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"lacks whole snapshots .*: delete it"):
        averaging.average(run, 1)
    newest.write_bytes(second.read_bytes())
    second.unlink()  # as a kill would leave it, between a checkpoint and its copy
    assert averaging.average(run, 1)
    with pytest.raises(InputError, match=rf"lacks whole snapshots .*{second.name}"):
        averaging.average(run, 2)


@pytest.fixture
def batches(tiny_store):
    return training.make_batches(DESCRIPTOR, tiny_store, "train")


def descriptor(dropout: float = 0.0) -> keras.Model:
    return DESCRIPTORS["hardnet"](width=4, dropout=dropout)


def norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]


def test_statistics_are_means_over_the_batches_and_keep_no_trace_of_those_before(batches):
    network = descriptor()
    first = norms(network)[0]
    before = keras.Model(network.input, first.input)
    first.moving_variance.assign(first.moving_variance * 0 + 99.0)
    seen = [numbers(before(batches(step)[0][:, k])) for step in range(2) for k in range(4)]
    averaging.recalibrate_batch_norm(join(None, network), batches, count=2)
    mean = np.mean([batch.mean(axis=(0, 1, 2)) for batch in seen], axis=0)
    variance = np.mean([batch.var(axis=(0, 1, 2)) for batch in seen], axis=0)
    np.testing.assert_allclose(numbers(first.moving_mean), mean, atol=1e-4)
    np.testing.assert_allclose(numbers(first.moving_variance), variance, rtol=1e-3)
    assert first.momentum == 0.99


@pytest.mark.parametrize("joined", ["frozen", "end to end", "loaded end to end"])
def test_of_each_joining_the_descriptors_change_and_the_denoisers_stay(joined, batches):
    patch, network = keras.Input((32, 32, 1)), descriptor(dropout=0.3)
    front = keras.Model(patch, keras.layers.BatchNormalization(name="upstream")(patch))
    pipeline = (join if joined == "frozen" else join_end_to_end)(front, network)
    if joined == "loaded end to end":
        pipeline = join(None, pipeline)  # as `load_pipeline` hands it on
    averaging.recalibrate_batch_norm(pipeline, batches, count=1)
    np.testing.assert_array_equal(numbers(front.get_layer("upstream").moving_mean), 0)
    assert all(np.abs(numbers(norm.moving_mean)).max() > 0 for norm in norms(network))


def test_the_same_seed_gives_the_same_bits_also_where_dropout_is_at_work(batches, tmp_path):
    descriptor(dropout=0.3).save(tmp_path / "saved.keras")
    found = []
    for _ in range(2):
        backend.make_deterministic(1)
        network = keras.saving.load_model(tmp_path / "saved.keras")
        averaging.recalibrate_batch_norm(join(None, network), batches, count=1)
        found.append(numbers(norms(network)[-1].moving_variance))
    np.testing.assert_array_equal(*found)
