"""Speed and memory of training: our pipeline beside the bare step and the course's loader.

    python benchmarks/training.py                     # four trainings on each installed backend
    KERAS_BACKEND=jax python benchmarks/training.py   # on one backend
    python benchmarks/training.py --levers            # what batch size, XLA and the like give
    python benchmarks/training.py --cases hardnet --batches 256 1024 --precision mixed_bfloat16

Four trainings are measured: the baseline's U-Net and L2-Net (triplets), the improved residual U-Net
and HardNet (hardest in batch), each descriptor without a denoiser in front. Rates count the 32 x 32
patches that go through the network:

    step      the compiled training step alone, on one batch that stays where it is: the bound
    ours      `helpers.training`: batches from the store, made ahead, and the loss of every step
    course    a `PyDataset` that fills its batches in a loop over patches in a dictionary
    batches   our batch function alone, for each second of one core

By the bound: ours/step by the clock, the same for each second of a core (without idle waiting, but
little disturbed by other programs), course/step. By ours: what is left of the rate with a
checkpoint every 200 steps (worked out from the time that one takes), and the rate with stored noise
where the profile draws it anew.

Every measurement has a process of its own, so that its peak memory (resident, with what it has read
of the mapped store) is its own. Those of one line take turns, and ratios are medians over the
turns. Run it on an otherwise idle machine.
"""

import argparse
import itertools
import json
import math
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from helpers.dataset import PatchStore, open_dataset
from helpers.settings import PROFILES, TrainingSettings, profile

CASES = {  # title and the profile's field
    "unet": ("U-Net", "baseline_denoiser"),
    "l2net": ("L2-Net triplets", "baseline_descriptor"),
    "residual": ("residual U-Net", "improved_denoiser"),
    "hardnet": ("HardNet in batch", "improved_descriptor"),
}
BACKENDS = ("tensorflow", "jax", "torch")
BATCHES = (32, 64, 128, 256)
LEAST_STEPS = 2  # a turn: starting `fit` takes time, which a run spends every 200 steps only
STEPS = 100_000  # over which the learning rate falls: more than are measured
ENVIRONMENT = {  # for the measuring processes
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Several of them share a GPU, so none may take all of its memory beforehand.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


@dataclass(frozen=True)
class Variant:
    """One thing to measure; what is None stays as profile and backend have it."""

    backend: str
    case: str
    way: str = "ours"  # or "step" or "course"
    batch: int | None = None
    jit: bool | None = None  # compile the whole step with XLA; sums then come in any order
    precision: str | None = None  # a dtype policy of Keras
    redraw: bool | None = None  # draw the noise anew at each step

    def settings(self, profile_name: str) -> TrainingSettings:
        """The profile's settings with this variant's batch and redraw."""
        settings = getattr(profile(profile_name), CASES[self.case][1])
        changes = {"batch": self.batch, "redraw": self.redraw}
        return replace(settings, **{k: v for k, v in changes.items() if v is not None})


# What is measured: each makes a function that takes so many training steps. ----------------------


def bare_step(settings: TrainingSettings, model, batches, store) -> Callable[[int], None]:
    """The compiled step on one batch that is on the device already; nothing else runs.

    Where several devices share a batch, and on PyTorch, it is what `fit` makes of one batch.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        return _tensorflow_steps(model, batches(0))
    if keras.backend.backend() == "jax" and len(keras.distribution.list_devices()) == 1:
        return _jax_steps(model, batches(0))
    constant = batches(0)
    return lambda steps: model.fit(
        (constant for _ in itertools.count()), steps_per_epoch=steps, shuffle=False, verbose=0
    )


def _tensorflow_steps(model, batch) -> Callable[[int], None]:
    import tensorflow

    model.make_train_function()
    constant = iter(tensorflow.data.Dataset.from_tensors(batch).repeat())

    def take(steps: int) -> None:
        for _ in range(steps):
            logs = model.train_function(constant)
        float(logs["loss"])  # waits for the device

    return take


def _jax_steps(model, batch) -> Callable[[int], None]:
    import jax

    step = jax.jit(model.train_step, donate_argnums=0)
    kinds = ("trainable_variables", "non_trainable_variables")
    variables = [getattr(model, kind) for kind in kinds]
    variables += [model.optimizer.variables, model.metrics_variables]
    state = tuple([jax.numpy.array(each.value) for each in kind] for kind in variables)
    constant = jax.device_put(batch)

    def take(steps: int) -> None:
        nonlocal state
        for _ in range(steps):
            logs, state = step(state, constant)
        float(logs["loss"])  # waits for the device

    return take


def ours(settings: TrainingSettings, model, batches, store) -> Callable[[int], None]:
    """What a run does between two checkpoints."""
    from helpers import training
    from helpers.training.checkpoints import Progress

    progress = Progress()

    def take(steps: int) -> None:
        end = progress.step + steps
        plan = training.Plan(batches.per_epoch, end, end, patience=0, checkpoint_steps=end)
        training._train_stretch(model, batches, plan, progress, settings)

    return take


def course(settings: TrainingSettings, model, batches, store) -> Callable[[int], None]:
    """The course's way to feed: all patches in a dictionary, a Python loop a batch."""
    import keras

    rows = [int(row) for row in store.rows("train")]
    twins = [_dictionary(array, rows) for array in (store.noisy, store.clean)]
    first = 0

    class CourseBatches(keras.utils.PyDataset):
        def __init__(self, count: int):
            super().__init__()
            self.count = count

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int):
            return course_batch(*twins, course_items(settings, rows, first + index))

    def take(steps: int) -> None:
        nonlocal first
        model.fit(CourseBatches(steps), verbose=0)
        first += steps

    return take


def _dictionary(patches: np.ndarray, rows: list[int]) -> dict[tuple[int, int], np.ndarray]:
    return {(row, strip): patches[row, strip].copy() for row in rows for strip in range(16)}


def course_items(settings: TrainingSettings, rows: list[int], step: int) -> list[list[tuple]]:
    """The (row, strip) of every patch of a batch: one, three or four an item, drawn one by one."""
    rng, count = random.Random(step), settings.batch
    points = rng.sample(rows, count) if settings.batches == "Views" else rng.choices(rows, k=count)
    if settings.batches == "DenoisingPairs":
        return [[(point, rng.randrange(16))] for point in points]
    if settings.batches == "Triplets":
        pairs = [[(point, strip) for strip in rng.sample(range(16), 2)] for point in points]
        return [[*pair, (rng.choice(rows), rng.randrange(16))] for pair in pairs]
    levels = (1, 6, 11)
    return [[(p, 0), *((p, rng.randrange(n, n + 5)) for n in levels)] for p in points]


def course_batch(noisy: dict, clean: dict, items: list[list[tuple]]) -> tuple:
    """One batch, filled patch by patch."""
    views = len(items[0])
    inputs = np.empty((len(items), views, 32, 32, 1))
    for place, item in enumerate(items):
        for view, name in enumerate(item):
            inputs[place, view, :, :, 0] = noisy[name]
    if views > 1:
        return inputs, np.array([item[0][0] for item in items], np.int32)
    targets = np.empty((len(items), 32, 32, 1))
    for place, (name,) in enumerate(items):
        targets[place, :, :, 0] = clean[name]
    return inputs[:, 0], targets


WAYS = {"step": bare_step, "ours": ours, "course": course}


# The measuring process ----------------------------------------------------------------------------


class Measurement:
    """A compiled model that is fed in one way."""

    def __init__(self, variant: Variant, profile_name: str, store: PatchStore):
        import keras

        from helpers import training
        from helpers.training import backend

        if variant.precision:
            keras.config.set_dtype_policy(variant.precision)
        if variant.jit is not None:  # Keras leaves XLA out where operations must be deterministic
            backend.make_deterministic = keras.utils.set_random_seed
        self.variant = variant
        self.settings = variant.settings(profile_name)
        self.batches = training.make_batches(self.settings, store, "train")
        _, self.model = training.compiled(self.settings, training.Behind(), STEPS)
        if variant.jit is not None:
            self.model.jit_compile = variant.jit
        self.patches = self.settings.batch * math.prod(self.model.input_shape[1:]) // 1024
        self.take = WAYS[variant.way](self.settings, self.model, self.batches, store)
        self.step_rate = self._warm_up()

    def _warm_up(self) -> float:
        """Compiles, then takes steps until there are enough to tell how many a second there are."""
        self.take(1)
        for steps in (2**power for power in itertools.count()):
            seconds = timed(self.take, steps)
            if seconds > 0.5:
                return steps / seconds
        raise AssertionError("never gets here")

    def rate(self, seconds: float) -> tuple[float, float]:
        """Patches a second over about so many seconds, and in a second of one core."""
        steps, start = max(LEAST_STEPS, round(self.step_rate * seconds)), time.process_time()
        self.step_rate = steps / timed(self.take, steps)
        core_seconds = time.process_time() - start
        return self.step_rate * self.patches, steps * self.patches / core_seconds

    def facts(self) -> dict:
        """What else is to be known about it."""
        from helpers.common.provenance import device, package_versions

        facts = {"peak_mb": peak_megabytes(), "patches_a_step": self.patches}
        facts |= {"device": device(), "versions": package_versions()}
        facts |= {"redraw": getattr(self.batches, "redraw", False)}
        if self.variant.way == "ours":
            facts["batches_alone"] = batches_alone(self.batches)
            facts["checkpoint_seconds"] = self._checkpoint_seconds()
        return facts

    def _checkpoint_seconds(self) -> float:
        from helpers.training import checkpoints, curves

        progress = checkpoints.Progress(losses=[0.0] * 1000, rows=[(0.0, 0, 0.0, 0.0, 0.0)] * 10)
        if self.settings.patience:
            progress.best = checkpoints.copy_of(self.model)

        def save() -> None:
            checkpoints.save(Path(folder), self.model, progress)
            curves.write(Path(folder), progress)

        with tempfile.TemporaryDirectory() as folder:
            return statistics.median(timed(save) for _ in range(3))


def timed(work: Callable, *arguments) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def batches_alone(batches, seconds: float = 1.0) -> float:
    """Patches that a batch function makes for the network in a second of one core."""
    batches(0)  # compiles
    start, patches = time.thread_time(), 0
    for step in itertools.count(1):
        patches += batches(step)[0].size // 1024
        if time.thread_time() - start > seconds:
            break
    return patches / (time.thread_time() - start)


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return math.nan


def serve(variant: Variant, store: PatchStore, profile_name: str, pipe) -> None:
    """Makes ready, then measures whenever seconds come in, until None does."""
    from helpers.training import backend

    try:
        with backend.data_parallel(variant.settings(profile_name).batch):
            measurement = Measurement(variant, profile_name, store)
            pipe.send({"ready": True})
            while seconds := pipe.recv():
                pipe.send({"rate": measurement.rate(seconds)})
            pipe.send(measurement.facts())
    except Exception as error:  # of a backend, say of a full memory: the others go on
        pipe.send({"error": f"{type(error).__name__}: {error}"[:300]})


# The asking process -------------------------------------------------------------------------------


class Child:
    """A measuring process and what it has answered."""

    def __init__(self, variant: Variant, store: PatchStore, options: argparse.Namespace):
        context = multiprocessing.get_context("spawn")
        self.pipe, far_end = context.Pipe()
        arguments = (variant, store, options.profile, far_end)
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        with environment(ENVIRONMENT | {"KERAS_BACKEND": variant.backend}):
            self.process.start()
        far_end.close()  # so that its end is noticed
        batch = variant.settings(options.profile).batch
        self.result = {**asdict(variant), "batch": batch, "rates": [], "core_rates": []}

    def ask(self, seconds: float | None) -> None:
        """Has it measured for so many seconds; None: asks for the facts and lets it end."""
        if "error" not in self.result:
            self.pipe.send(seconds)
            self.receive()

    def receive(self) -> None:
        """Takes in an answer."""
        try:
            answer = self.pipe.recv()
        except EOFError:
            self.process.join()
            answer = {"error": f"ended with {self.process.exitcode}, perhaps for want of memory"}
        if rates := answer.pop("rate", None):
            self.result["rates"].append(rates[0])
            self.result["core_rates"].append(rates[1])
        self.result |= answer


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for processes that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def measure(variants: list[Variant], store: PatchStore, options) -> dict[Variant, dict]:
    """Measures variants in turns, each in a process of its own."""
    children = {variant: Child(variant, store, options) for variant in variants}
    for child in children.values():
        child.receive()  # that it is ready
    for _ in range(options.rounds):
        for child in children.values():
            child.ask(options.seconds / options.rounds)
    for child in children.values():
        child.ask(None)
        child.process.join()
    return {variant: _summary(child.result) for variant, child in children.items()}


def _summary(result: dict) -> dict:
    rate = statistics.median(result["rates"]) if result["rates"] else math.nan
    return {**result, "patches_per_second": rate}


def ratio(result: dict, bound: dict, kind: str = "rates") -> float:
    """The median over the turns of one rate ("core_rates": for each core) by another."""
    if "error" in result or "error" in bound:
        return math.nan
    return statistics.median(a / b for a, b in zip(result[kind], bound[kind], strict=True))


def with_checkpoints(result: dict, every: int = 200) -> float:
    """The share of the rate that is left when a checkpoint is saved after so many steps."""
    training = every * result["patches_a_step"] / result["patches_per_second"]
    return training / (training + result["checkpoint_seconds"])


# Tables -------------------------------------------------------------------------------------------


TITLES = (
    f"{'':27s} {'patches a second':^32s}  {'by the bound':^18s}  {'by ours':^15s}  "
    f"{'peak MB':^20s}\n"
    f"{'':27s} {'step':>7s} {'ours':>7s} {'course':>7s} {'batches':>8s}  "
    f"{'ours':>5s} {'core':>5s} {'course':>6s}  {'saved':>7s} {'stored':>7s}  "
    f"{'step':>6s} {'ours':>6s} {'course':>6s}"
)


def compare_ways(backend: str, store: PatchStore, options) -> list[dict]:
    """One line a training: the bound, ours and the course's way."""
    results = []
    for case in options.cases:
        variants = {way: Variant(backend, case, way) for way in ("step", "ours", "course")}
        if variants["ours"].settings(options.profile).redraw and store.clean65 is not None:
            variants["stored"] = replace(variants["ours"], redraw=False)
        measured = measure(list(variants.values()), store, options)
        line = {way: measured[variant] for way, variant in variants.items()}
        if not results:
            print(_header(line["ours"]))
            print(TITLES)
        print(line_of(line), flush=True)
        results += line.values()
    return results


def line_of(line: dict[str, dict]) -> str:
    """A line of the table from the results of "step", "ours", "course" and perhaps "stored"."""
    ways = ("step", "ours", "course")
    mine, bound = line["ours"], line["step"]
    errors = [f"{way}: {result['error']}" for way, result in line.items() if "error" in result]
    title = f"{CASES[mine['case']][0]}, batch {mine['batch']}"
    if errors:
        return f"{title:27s} {'; '.join(errors)}"
    rates = " ".join(f"{line[way]['patches_per_second']:7,.0f}" for way in ways)
    bounds = f"{ratio(mine, bound):5.3f} {ratio(mine, bound, 'core_rates'):5.3f}"
    bounds += f" {ratio(line['course'], bound):6.3f}"
    stored = f"{ratio(line['stored'], mine):7.3f}" if "stored" in line else f"{'-':>7s}"
    memory = " ".join(f"{line[way]['peak_mb']:6.0f}" for way in ways)
    return (
        f"{title:27s} {rates} {mine['batches_alone']:8,.0f}  {bounds}  "
        f"{with_checkpoints(mine):7.4f} {stored}  {memory}"
    )


def _header(result: dict) -> str:
    versions = result.get("versions", {})
    names = (result["backend"], "keras", "numpy")
    listed = ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
    return f"\n{result['backend']} on {result.get('device')} ({listed})"


def compare_levers(backend: str, store: PatchStore, options) -> list[dict]:
    """What each change of one setting gives, beside the profile as it is."""
    results = []
    for case in options.cases:
        base = Variant(backend, case)
        measured = measure([base, *levers(base, store, options)], store, options)
        if not results:
            print(_header(measured[base]))
            print(f"{'':27s} {'patches/s':>9s} {'share':>6s} {'core':>6s} {'peak MB':>8s}")
        print(f"{CASES[case][0]}, batch {measured[base]['batch']}")
        for variant, result in measured.items():
            title = f"  {describe(variant)}"
            if "error" in result:
                print(f"{title:27s} {result['error']}")
                continue
            rate, base_result = result["patches_per_second"], measured[base]
            shares = [ratio(result, base_result, kind) for kind in ("rates", "core_rates")]
            listed = " ".join(f"{share:6.3f}" for share in shares)
            print(f"{title:27s} {rate:9,.0f} {listed} {result['peak_mb']:8.0f}", flush=True)
        results += measured.values()
    return results


def levers(base: Variant, store: PatchStore, options) -> list[Variant]:
    """The variants that differ from the profile in one setting."""
    settings = base.settings(options.profile)
    changes = [{"batch": batch} for batch in options.batches if batch != settings.batch]
    if base.backend == "tensorflow":  # JAX has nothing but XLA
        changes += [{"jit": word == "on"} for word in options.jit]
    changes += [{"precision": name} for name in options.precision if name != "float32"]
    if settings.batches != "Triplets" and store.clean65 is not None:
        redraws = [word == "on" for word in options.redraw]
        changes += [{"redraw": redraw} for redraw in redraws if redraw != settings.redraw]
    return [replace(base, **change) for change in changes]


def describe(variant: Variant) -> str:
    """What a variant changes, in words."""
    changed = [
        variant.batch and f"batch {variant.batch}",
        variant.jit is not None and f"any order, XLA {'on' if variant.jit else 'off'}",
        variant.precision,
        variant.redraw is not None and f"noise {'drawn anew' if variant.redraw else 'stored'}",
    ]
    return ", ".join(words for words in changed if words) or "as the profile has it"


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--dataset", default="photographs", help="as in `make report DATASET=`")
    parser.add_argument("--profile", choices=PROFILES, default="coursework")
    parser.add_argument("--seconds", type=float, default=15, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns to split the seconds into")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--levers", action="store_true", help="all of the following")
    parser.add_argument("--batches", type=int, nargs="+", default=[], metavar="SIZE")
    parser.add_argument("--jit", nargs="+", choices=("on", "off"), default=[], help="TensorFlow")
    parser.add_argument("--precision", nargs="+", default=[], metavar="POLICY")
    parser.add_argument("--redraw", nargs="+", choices=("on", "off"), default=[])
    options = parser.parse_args(words)
    if options.levers:
        options.batches = options.batches or list(BATCHES)
        options.jit = options.jit or ["on", "off"]
        options.precision = options.precision or ["mixed_bfloat16"]
        options.redraw = options.redraw or ["on", "off"]
    return options


def main() -> None:
    options = parse()
    named = os.environ.get("KERAS_BACKEND")
    backends = [named] if named else [name for name in BACKENDS if find_spec(name)]
    store = open_dataset(  # builds it, once
        options.dataset, points_per_scene=profile(options.profile).points_per_scene
    )
    print(f"{store.name}: {len(store.rows('train')):,} training points, profile {options.profile}")
    changes = options.batches or options.jit or options.precision or options.redraw
    compare = compare_levers if changes else compare_ways
    results = [result for backend in backends for result in compare(backend, store, options)]
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
