# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5 · Evaluation: verification, matching, retrieval
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/USER/n-hpatches/blob/main/notebooks/5_evaluation.ipynb)
#
# All pipelines describe the noisy patches of the test scenes, which no training here has seen, and the
# HPatches benchmark scores the descriptors on its three tasks. (Pretrained networks may have learned from
# such scenes elsewhere: then it is said below, and an asterisk marks their scores.)
#
# | needs | makes | takes |
# |---|---|---|
# | the four runs of notebooks 2 and 4 | scores in the run folders of the descriptors | about 3 minutes on two CPU cores |

# %% tags=["parameters"]
PROFILE = "coursework"  # smoke: under a minute each; long: hours; full: hours on a GPU; see README
DATASET = "photographs"  # or n-hpatches:PATH, hpatches:PATH, sequences:PATH, joined by +
SPLIT = None  # a, b, c, illum, view, full or a JSON file; None: the dataset's own
SCENES = None  # or "v_boat, i_leuven": only these scenes
PRETRAINED = False  # True: the improved networks that come with the code, none trained here
DRIVE = ""  # Colab: "/content/drive/MyDrive/n-hpatches" keeps all runs; "" loses them at its end

# %%
# Google Colab brings this notebook alone: fetch what it needs. Elsewhere nothing happens.
import os
import subprocess
import sys

if "google.colab" in sys.modules:
    if not os.path.isdir("helpers"):
        address = "https://github.com/USER/n-hpatches"
        if "/USER/" in address:
            sys.exit(f"{address} is nobody's: put the account that has the repository for USER.")
        clone = ["git", "clone", "-q", "--depth=1", address]
        if not os.path.isdir("n-hpatches") and subprocess.run(clone).returncode:
            sys.exit(f"{address} cannot be fetched: is it public, and is there a network?")
        os.chdir("n-hpatches")
    sys.path.insert(0, os.getcwd())
    from helpers.notebook import colab

    colab.set_up(DRIVE)

# %%
from helpers.evaluation import classical, samples, scoring
from helpers.notebook.data import find_data, open_data
from helpers.report import diagram, figures, tables

profile, store = open_data(PROFILE, DATASET, SPLIT, SCENES, winner=True, needs="report")

# %% [markdown]
# ## Describe and score

# %%
runs = {
    approach: scoring.find_runs(profile, approach, store, PRETRAINED)[1]
    for approach in profile.approaches
}
scores = {
    approach: scoring.score_run(descriptor_run, store, profile.pairs)
    for approach, descriptor_run in runs.items()
}

# %% [markdown]
# ## The summary
#
# V is the mean of the six imbalanced verification scores, M the mean matching score of the three
# levels, R the mean retrieval score of levels and pools, and S the mean of V, M and R. The brackets
# hold 95 % of the values that other test scenes of the same kind might have given (bootstrap over
# sequences). The last column is what the baseline of the coursework's interim report scored on *genuine* N-HPatches, on all
# points of split a's test scenes. Only scores of the same scenes and points can be compared with it; beside any others
# it shows the order of magnitude and no more.

# %%
tables.show(tables.summary_table(**scores))

# %%
figures.plot_scores(**scores)

# %% [markdown]
# All approaches have the same scenes, and what makes a scene hard widens both intervals. So they may overlap
# although one approach is better on every scene; the figure of scenes below shows whether it is.
#
# ## Beside descriptors made by hand
#
# Raw pixels and RootSIFT need no training. On noisy patches they show what the trained networks are worth,
# with a blur or non-local means in front what classical denoising is. The rows on *clean* patches show
# what the same descriptor reaches without noise; nobody is given those.

# %%
rows = classical.score_rows(store, profile.pairs) | scores
rows["improved, of clean patches"] = scoring.score_run(
    runs["improved"], store, profile.pairs, clean=True
)
tables.show(tables.comparison_table(rows))

# %% [markdown]
# A network that does no better than RootSIFT behind the best of the filters has learned little for its cost.
# How far a row lies below its clean one is what the noise takes away.
#
# ## Table 1: verification
#
# Do these two patches show the same point? *Inter*: the two scenes of a wrong pair are drawn independently,
# which is the easier case. *Intra*: both patches are from one scene.

# %%
tables.show(tables.verification_table(**scores))

# %% [markdown]
# The imbalanced scores are the stricter ones: five wrong pairs stand against each right one.
#
# ## Table 2: retrieval
#
# Find the five patches of the query's point in a pool of distractors. A dash stands where the test
# scenes do not have enough distractors to fill the pool.

# %%
tables.show(tables.retrieval_table(**scores))

# %%
figures.plot_retrieval(**scores)

# %% [markdown]
# The larger the pool, the more of its patches look like the query by chance.
#
# ## Table 3: matching
#
# For each patch of the reference image, is the nearest patch of the other image the right one?

# %%
tables.show(tables.matching_table(**scores))

# %% [markdown]
# Nothing but the nearest patch counts, which makes this the strictest of the three tasks. Scene by scene:

# %%
figures.plot_sequences(**scores)

# %% [markdown]
# How far the scenes lie apart is what the intervals of the summary are made of.
#
# ## What a patch goes through
#
# All pipelines, read from the trained networks: a box is what a layer or a residual block gives, as high
# as the feature map and thicker for more channels. Below it stand the kernel, changes of resolution (↓ ↑),
# the number of convolutions of a block (×) and the shape.

# %%
top_down = dict(reversed(runs.items()))
diagram.plot_pipeline(*samples.pipeline_sample(store, top_down))

# %% [markdown]
# A box is as high as its feature map; below it stand side and channels. Many channels at many pixels cost most.
#
# ## What is found
#
# Reference patches of a few test scenes (six at most, evenly spaced in their list), and what each pipeline holds for nearest to them among the hard
# patches of the second image of the same scene. A frame marks the right one; its rank stands behind the
# row. Queries are drawn with a fixed seed, in turn one that the improved approach finds and one that it
# misses.

# %%
described = samples.describe_strip(store, runs)
figures.plot_neighbours(*samples.compare_neighbours(store, described))

# %% [markdown]
# Beside a strong edge the wrong patches look much like the right one; where a patch shows little but noise,
# anything may come first.
#
# The same for points all over an image: lines lead from a point to what it is matched with.

# %%
scene = store.parts["test"][0]
look = find_data(PROFILE, DATASET, SPLIT, SCENES).look(scene)
matches = samples.matches(look, described, scene) if look else None
figures.plot_matches(*matches) if look else "Strips bring no images."

# %% [markdown]
# Lines of right matches run much alike, as a change of view moves all points together; wrong ones cross them.
#
# Patches of the same point should be near each other and all others far away. The less the two histograms
# overlap, the fewer wrong patches come before the right one.

# %%
figures.plot_distances(samples.pair_distances(described))

# %% [markdown]
# The left end of the grey histogram decides: other points that lie nearer than the right one.
#
# Next: [6 · Report](6_report.ipynb).
