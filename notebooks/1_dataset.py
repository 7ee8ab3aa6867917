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
# # 1 · The dataset: noisy patches, seen sixteen times
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/USER/n-hpatches/blob/main/notebooks/1_dataset.ipynb)
#
# A descriptor has to say what is in a small, noisy patch, so that the same point of a scene can be
# found again in another photograph. This notebook builds the patches that all later ones learn
# from, and looks at them before anything is trained.
#
# | needs | makes | takes |
# |---|---|---|
# | nothing: the photographs ship inside scikit-image and scikit-learn | a patch store in `data/`, `figures/regions`, `figures/strips`, `figures/noise` | about a minute on two CPU cores |

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
import numpy as np

from helpers.benchmark.layout import LEVELS
from helpers.dataset import info, noise
from helpers.notebook import explorer
from helpers.notebook.data import find_data, open_data
from helpers.report import figures, tables

# %% [markdown]
# ## Cut once, map for ever
#
# A *sequence* has six images. The photographs are turned into such: a `v_` sequence shows a photograph under
# five homographies as wide as those of HPatches, an `i_` sequence under five strong changes of
# light. (Sequences of your own are taken as they are, and strips bring their patches.) Points are detected in
# the first image only; each is cut out of it (`ref`) and out of the
# other five at three levels of geometric jitter (`easy`, `hard`, `tough`). That makes 16 patches a
# point. Each has a noisy twin, and the noise grows with the level.
#
# The store below is built at the first call and memory-mapped from then on. What is left out of it, by a
# limit or by the split, is said first.

# %%
profile, store = open_data(PROFILE, DATASET, SPLIT, SCENES, needs="look at it")
tables.show(tables.dataset_table(store.summary()))

# %% [markdown]
# Scenes never cross the border between the three parts: the networks learn on *train*, early
# stopping watches *validation*, and *test* has no part in any choice: the benchmark scores it at the end.

# %%
{part: ", ".join(names) for part, names in store.parts.items()}

# %% [markdown]
# ## Where the patches come from
#
# Left: every region that was kept in image 1 of a training scene, after regions that some image cuts off and
# near-duplicates were dropped. Right: another image of the scene. White is where a region of image 1 falls
# in it; the coloured squares are what the three levels of jitter make of it.

# %%
shown = "train" if store.parts["train"] else "test"  # some splits have test scenes only
scene = store.parts[shown][-1]
look = find_data(PROFILE, DATASET, SPLIT, SCENES).look(scene)
regions = figures.plot_regions(*look) if look else "Strips bring no images."
if look:
    figures.save(regions, "regions")
regions

# %% [markdown]
# ## One point, sixteen patches
#
# Rows: clean above noisy. Columns: `ref`, then images 2 to 6 at the three levels. From left to
# right the patch moves, turns and changes size more and more, and drowns in noise.

# %%
point = store.rows(shown)[len(store.rows(shown)) // 3]
strips = figures.plot_strips(store, point)
figures.save(strips, "strips")
strips

# %%
# In a running notebook, pick another scene and point.
explorer.strips(store, shown)

# %% [markdown]
# Do patches of one point show the same thing? The table gives the mean normalised cross-correlation of
# `ref` with the clean patches of its point: 1 for equal patches, near 0 for patches of two different points.
# It falls with the level.

# %%
tables.show(tables.correlation_table(info.correlations(store)))

# %% [markdown]
# ## The noise, measured
#
# The recipe adds Gaussian noise to a patch of 65 × 65 pixels and then shrinks it to 32 × 32 without
# smoothing. So the noise in the middle of a patch is stronger than near its border, and `ref`
# patches have none. If the dataset keeps to the recipe, what we measure is what that asks for.

# %%
sample = np.random.default_rng(0).choice(store.rows(shown), 200)
difference = store.noisy[sample].astype(np.float32) - store.clean[sample]
by_level = {
    level: difference[:, 1 + 5 * i : 6 + 5 * i].std(axis=(2, 3)).ravel()
    for i, level in enumerate(LEVELS)
}
picture = figures.plot_noise(by_level, noise.noise_profile())
figures.save(picture, "noise")
picture

# %% [markdown]
# Patches that are nearly black or white measure less than the rest, since noise cannot leave the
# range 0..255. Next: [2 · The baseline](2_baseline.ipynb).
