"""All settings in one place: frozen dataclasses, and the profiles that fill them.

A profile is chosen by name: `smoke` (for tests), `coursework` (default), `long` (the same networks
trained to the end), `full` (the original coursework's numbers of epochs and triplets and far
beyond, for a GPU). Epochs are passes over the data; where these are far larger than the
photographs, `most_items` ends a training sooner.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from helpers.common.errors import InputError
from helpers.common.values import Checked, Count, Options, Seed, Some, Word

APPROACHES = ("baseline", "improved")
# These names stand for something else in the numbers and tables of the report.
NO_APPROACHES = (
    *("ablation", "classical", "columns", "compare", "cost", "dataset", "denoising", "depth"),
    *("frontier", "genuine", "improved-clean", "inference", "limits", "matches", "name", "noise"),
    *("noisy", "outcome", "pictures", "provenance", "published", "search", "seeds", "settings"),
    "spectrum",
)
Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class TrainingSettings(Checked):
    """Everything that decides one training run, apart from the data."""

    approach: Word  # "baseline", "improved", or "search" for a trial
    role: Literal["denoiser", "descriptor"]
    network: str  # a name in DENOISERS or DESCRIPTORS of `helpers.training.registry`, as are ...
    loss: str  # ... one in LOSSES
    batches: str  # ... and one in BATCHES: "DenoisingPairs", "Triplets" or "Views"
    batch: Annotated[int, Field(ge=2, le=2**20)]  # patches, triplets or points a batch
    optimizer: Literal["sgd", "nesterov", "adamw"]  # "nesterov": momentum 0.9
    learning_rate: Annotated[float, Field(gt=0, le=1000)]  # the highest, where it has a schedule
    epochs: Annotated[float, Field(gt=0, le=10**6)]  # passes over the training data, in parts, too
    network_options: Options = field(default_factory=dict)  # arguments of the network's function
    loss_options: Options = field(default_factory=dict)  # arguments of the loss, such as a margin
    batch_options: Options = field(default_factory=dict)  # of the batches: views_per_level
    joining: Literal["direct", "frozen", "end_to_end"] = "frozen"  # of a descriptor: without a
    # denoiser; behind one that stays as it is; behind one that learns along
    assembly: str = "plain"  # how network, denoiser and loss are put together: one in ASSEMBLIES
    assembly_options: Options = field(default_factory=dict)  # arguments of the assembly
    schedule: Literal["constant", "cosine"] = "constant"  # "cosine" falls to zero over all epochs
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0  # of "adamw"
    triplets: Some = 0  # an epoch, for "Triplets"
    redraw: bool = False  # draw the noise anew at each step
    augment: bool = False  # flips and quarter turns
    validations: Annotated[int, Field(ge=1, le=1000)] = 10  # of the loss, over the whole run
    validation_batches: Count = 20  # batches of held-out training scenes each time
    patience: Some = 0  # validations without a better loss until training stops; 0: never
    seed: Seed = 1  # of weights, batches, noise and dropout
    most_items: Some = 0  # over all epochs, counted as `batch` counts; 0: as many as epochs bring

    def shortened(self, share: float) -> "TrainingSettings":
        """The same settings for a part of the training, in (0, 1]."""
        most_items = math.ceil(self.most_items * share)
        return replace(self, epochs=self.epochs * share, most_items=most_items)

    @property
    def name(self) -> str:
        """Such as "improved-denoiser", with which the names of its runs begin."""
        return f"{self.approach}-{self.role}"


def checked(values: Any, where: str) -> TrainingSettings:
    """Settings out of what a file holds, {"approach": "improved", "role": ...} for example.

    Raises:
        InputError: a field is missing, not known, of another kind or out of its range; the
            sentence begins with `where`, such as the path of the file.
    """
    try:
        return TrainingSettings(**values)
    except (InputError, TypeError) as error:  # TypeError: a field is not known, or missing
        problem = str(error).replace("TrainingSettings.__init__()", "a training's settings")
        raise InputError(f"{where}: {problem.removesuffix('.')}.") from error


@dataclass(frozen=True)
class SearchSettings(Checked):
    """A search for better settings of the improved descriptor, see `helpers.search`."""

    trials: Count  # in all, of all workers
    budget: Share  # part of the descriptor's training that each trial gets
    points_per_scene: Count | None  # at most: the search works on a smaller dataset
    measure: str = "validation_error"  # 1 - S on validation scenes, or "validation_loss"
    space: dict[str, Any] = field(default_factory=dict)  # what to vary, see `helpers.search.space`


@dataclass(frozen=True)
class Profile(Checked):
    """How much of everything: data, training and benchmark."""

    name: str
    duration: str  # of all of `make report` on the photographs, in words
    points_per_scene: Count | None  # of training and validation scenes; None: all that were found
    pairs: Count  # verification pairs of each kind
    baseline_denoiser: TrainingSettings
    baseline_descriptor: TrainingSettings
    improved_denoiser: TrainingSettings
    improved_descriptor: TrainingSettings
    search: SearchSettings
    seed: Seed = 1  # of the dataset and of the search
    limits_test: bool = False  # no more points are built of any scene, of test scenes neither
    # Further approaches by their names: settings of the denoiser and of the descriptor of each.
    others: dict[Word, tuple[TrainingSettings, TrainingSettings]] = field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        if odd := {*self.others} & {*APPROACHES, *NO_APPROACHES}:
            raise InputError(f"{min(odd)} is no name for a further approach: give it another one.")

    @property
    def approaches(self) -> tuple[str, ...]:
        """The names of all approaches: "baseline", "improved" and `others`."""
        return (*APPROACHES, *self.others)

    def trainings(self, approach: str) -> tuple[TrainingSettings, TrainingSettings]:
        """Settings of denoiser and descriptor of an approach; InputError where there is none."""
        if approach in APPROACHES:
            return getattr(self, f"{approach}_denoiser"), getattr(self, f"{approach}_descriptor")
        if approach not in self.others:
            known = ", ".join(self.approaches)
            raise InputError(
                f"The profile {self.name} has no approach {approach!r}: choose one of {known}."
            )
        denoiser, descriptor = self.others[approach]
        return replace(denoiser, approach=approach), replace(descriptor, approach=approach)


BASELINE_DENOISER = TrainingSettings(
    approach="baseline",
    role="denoiser",
    network="shallow_unet",
    loss="mean_absolute_error",
    batches="DenoisingPairs",
    batch=50,
    optimizer="nesterov",
    learning_rate=1e-5,
    epochs=1,
)
BASELINE_DESCRIPTOR = TrainingSettings(
    approach="baseline",
    role="descriptor",
    network="l2net",
    loss="triplet",
    batches="Triplets",
    batch=50,
    triplets=100_000,
    optimizer="sgd",
    learning_rate=0.1,
    epochs=1,
    validation_batches=200,  # 10,000 triplets
)
IMPROVED_DENOISER = TrainingSettings(
    approach="improved",
    role="denoiser",
    network="half_unet",
    network_options={"width": 10},
    loss="charbonnier",
    batches="DenoisingPairs",
    batch=128,
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    weight_decay=1e-4,
    redraw=True,
    augment=True,
    epochs=2,
    validations=12,
    patience=4,
)
IMPROVED_DESCRIPTOR = TrainingSettings(
    approach="improved",
    role="descriptor",
    joining="frozen",
    network="hardnet",
    # Of the networks of report/measured/frontier.json one that costs little; the learning rate, the
    # weights and no dropout won a search on the validation scenes of the photographs.
    network_options={"width": 16, "body": "halving", "dropout": 0.0},
    loss="hardest_in_batch",
    loss_options={"level_weights": [0.5, 1, 1.5]},
    batches="Views",
    batch=128,
    optimizer="adamw",
    learning_rate=5e-3,
    schedule="cosine",
    weight_decay=1e-4,
    redraw=True,
    augment=False,  # patches are upright in use, see report/measured/ablation.json
    epochs=32,
    validations=18,
    validation_batches=3,
    patience=4,
)

# The interim report's plan: filters, rate, and the attention given to each level of noise. Wider
# networks would take longer to train than all the rest of the coursework profile.
SPACE = {
    "network_options.width": ("choice", [12, 16, 20, 24]),
    "learning_rate": ("log", 1e-3, 2e-2),
    "loss_options.level_weights": (
        "choice",
        {
            "alike": [1, 1, 1],
            "more to easy": [1.5, 1, 0.5],
            "more to tough": [0.5, 1, 1.5],
            "most to tough": [0.25, 0.75, 2],
        },
    ),
    "network_options.dropout": ("choice", [0.0, 0.1, 0.3]),
}
SEARCH = SearchSettings(trials=24, budget=0.07, points_per_scene=300, space=SPACE)

_tiny = {"validations": 2, "validation_batches": 2}
SMOKE = Profile(
    name="smoke",
    duration="about three minutes",
    points_per_scene=40,
    pairs=1_000,
    baseline_denoiser=replace(BASELINE_DENOISER, epochs=0.02, **_tiny),
    baseline_descriptor=replace(BASELINE_DESCRIPTOR, triplets=400, **_tiny),
    improved_denoiser=replace(IMPROVED_DENOISER, batch=32, epochs=0.05, **_tiny),
    improved_descriptor=replace(
        IMPROVED_DESCRIPTOR,
        network_options={"width": 16, "body": "halving", "dropout": 0.0},
        batch=32,
        epochs=0.5,
        **_tiny,
    ),
    search=replace(SEARCH, trials=2, budget=1.0, points_per_scene=40),
    limits_test=True,
)
# What the limits of the others allow is a little more than the photographs have, so that these
# are trained as the epochs say. The genuine N-HPatches has ten times as many points.
COURSEWORK = Profile(
    name="coursework",
    duration="about 45 minutes on two CPU cores without a GPU",
    points_per_scene=700,
    pairs=100_000,
    baseline_denoiser=replace(BASELINE_DENOISER, most_items=100_000),
    baseline_descriptor=replace(BASELINE_DESCRIPTOR, triplets=15_000, validation_batches=10),
    improved_denoiser=replace(IMPROVED_DENOISER, most_items=200_000),
    improved_descriptor=replace(IMPROVED_DESCRIPTOR, most_items=190_000),
    search=SEARCH,
)
LONG = Profile(
    name="long",
    duration="hours on two CPU cores",
    points_per_scene=None,
    pairs=100_000,
    # The baseline until its validation losses stop falling, or several times the epochs.
    baseline_denoiser=replace(
        BASELINE_DENOISER, epochs=4, most_items=1_500_000, validations=16, patience=4
    ),
    baseline_descriptor=replace(
        COURSEWORK.baseline_descriptor, epochs=10, validations=40, patience=10
    ),
    improved_denoiser=replace(IMPROVED_DENOISER, epochs=4, most_items=2_000_000, validations=24),
    improved_descriptor=replace(
        IMPROVED_DESCRIPTOR, batch=256, most_items=700_000, validations=25, patience=8
    ),
    search=replace(SEARCH, trials=30),
)
FULL = Profile(
    name="full",
    duration="hours on a GPU; far too long without one",
    points_per_scene=None,
    pairs=1_000_000,
    baseline_denoiser=BASELINE_DENOISER,
    baseline_descriptor=BASELINE_DESCRIPTOR,
    improved_denoiser=replace(
        IMPROVED_DENOISER,
        network="residual_unet",
        network_options={"width": 16},
        epochs=20,
        most_items=10_000_000,
        validations=40,
        patience=8,
    ),
    improved_descriptor=replace(
        IMPROVED_DESCRIPTOR,
        network_options={"width": 32, "dropout": 0.3},
        batch=1024,
        epochs=100,
        most_items=3_000_000,
        validations=100,
        patience=15,
    ),
    search=replace(
        SEARCH,
        trials=60,
        budget=0.1,
        space=SPACE | {"network_options.width": ("choice", [16, 24, 32])},
    ),
)
PROFILES = {profile.name: profile for profile in (SMOKE, COURSEWORK, LONG, FULL)}


def profile(name: str) -> Profile:
    """The profile of that name; InputError where there is none."""
    if name not in PROFILES:
        raise InputError(f"There is no profile {name!r}: choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]
