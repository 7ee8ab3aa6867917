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
# # 6 · Report: figures, tables, PDF
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/USER/n-hpatches/blob/main/notebooks/6_report.ipynb)
#
# Nothing is trained here. Every figure, table and number of the report is drawn from the files that the
# earlier notebooks left (only the networks run once more, on a sample of the test patches), and LaTeX
# sets them. No result is typed anywhere. So this notebook alone redraws all figures but those of the
# dataset (notebook 1) and of the search (notebook 3).
#
# | needs | makes | takes |
# |---|---|---|
# | runs and scores of notebooks 2 to 5 | `figures/`, `report/generated/`, `report/report.pdf` | about a minute on two CPU cores |

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
from helpers import search, settings
from helpers.common import files, paths
from helpers.dataset import info
from helpers.evaluation import classical, samples, scoring, spectra
from helpers.notebook.data import find_data, open_data
from helpers.report import diagram, figures, latex, numbers, paragraphs, tables

profile, store = open_data(PROFILE, DATASET, SPLIT, SCENES, winner=True, needs="report")

# %%
runs = {
    approach: scoring.find_runs(profile, approach, store, PRETRAINED)
    for approach in profile.approaches
}
scores = {
    approach: scoring.score_run(descriptor_run, store, profile.pairs)
    for approach, (_, descriptor_run) in runs.items()
}

# %% [markdown]
# Hand-made descriptors beside them, and the improved one on clean patches.

# %%
improved_run = runs["improved"][1]
by_hand = classical.score_rows(store, profile.pairs)
on_clean = scoring.score_run(improved_run, store, profile.pairs, clean=True)
measured = {
    name: files.read_json(paths.MEASURED / f"{name}.json")
    for name in ("ablation", "depth", "frontier", "genuine", "inference", "published", "seeds")
}
winner = search.winner_file(search.winner_path(settings.profile(PROFILE), store))
tried = search.space_table(winner["searched"]["space"])["tried"]
searched = {
    **search.summary(winner),
    "budget": winner["searched"]["budget"],
    "settings": list(tried.index),
    "tried": list(tried),
}

# %% [markdown]
# ## What the denoisers do
#
# One test patch of each level, of the point whose contrast is the median: chosen by rule and not by looks.

# %%
denoisers = {approach: found[0] for approach, found in runs.items()}
clean, estimates = samples.denoise_sample(store, denoisers, part="test")
errors = tables.denoising_errors(clean, estimates)
denoising = figures.plot_denoising(*samples.denoising_rows(clean, estimates))
figures.save(denoising, "denoising")
denoising

# %% [markdown]
# From top to bottom the noise grows. A denoiser cannot bring back what noise has covered: the more noise, the
# smoother its picture. The ratio below each patch says how near it comes to the clean one.
#
# Which frequencies of the noise are left? The interim report found them removed in unequal proportions. What
# counts is all that is wrong after denoising: noise that is left and detail that is gone.

# %%
power = spectra.error_power(clean, estimates)
bands = spectra.by_band(*power)
spectrum = figures.plot_spectra(*spectra.by_ring(*power))
figures.save(spectrum, "spectrum")
spectrum

# %% [markdown]
# ## Losses

# %%
denoiser_losses = figures.plot_losses(denoisers)
figures.save(denoiser_losses, "denoiser-losses")
denoiser_losses

# %%
descriptors = {approach: found[1] for approach, found in runs.items()}
descriptor_losses = figures.plot_losses(descriptors)
figures.save(descriptor_losses, "descriptor-losses")
descriptor_losses

# %% [markdown]
# Each panel has a loss of its own, so only its course can be compared: whether the validation loss was still
# falling when training ended, and whether it parts from the training loss.
#
# ## Retrieval and matching by scene

# %%
figures.save(figures.plot_retrieval(**scores), "retrieval")
sequences = figures.plot_sequences(**scores)
figures.save(sequences, "sequences")
sequences

# %% [markdown]
# How far the scenes lie apart is what the intervals of the scores are made of.
#
# ## The pipelines, read from the trained networks

# %%
top_down = dict(reversed(descriptors.items()))
pipeline = diagram.plot_pipeline(*samples.pipeline_sample(store, top_down))
figures.save(pipeline, "pipeline")
pipeline

# %% [markdown]
# A box is as high as its feature map; below it stand side and channels. Many channels at many pixels cost most.
#
# What is a multiply-add worth? Pipelines of all sizes learned from equally many patches and were scored on
# scenes that they had not seen, none of them a test scene. This was measured once.

# %%
frontier = figures.plot_frontier(measured["frontier"]["rows"])
figures.save(frontier, "frontier")
frontier

# %% [markdown]
# ## What is found
#
# A few queries, many distances, and one pair of images where the dataset has images: for the hard patches
# of one image of a few test scenes, evenly spaced in their list.

# %%
described = samples.describe_strip(store, descriptors)
neighbours = figures.plot_neighbours(*samples.compare_neighbours(store, described))
figures.save(neighbours, "neighbours")
figures.save(figures.plot_distances(samples.pair_distances(described)), "distances")
neighbours

# %% [markdown]
# Beside a strong edge the wrong patches look much like the right one; where a patch shows little but noise,
# anything may come first.

# %%
scene = store.parts["test"][0]
look = find_data(PROFILE, DATASET, SPLIT, SCENES).look(scene)
lines = samples.matches(look, described, scene) if look else None
matched = samples.count_matches(scene, lines[1]) if look else {}
matches = figures.plot_matches(*lines) if look else "Strips bring no images."
if look:
    figures.save(matches, "matches")
matches

# %% [markdown]
# Lines of right matches run much alike, as a change of view moves all points together; wrong ones cross them.
#
# ## Tables
#
# Each becomes a LaTeX file in `report/generated/`; `helpers/report/rounding.py` rounds them, and nothing else.
# Those of genuine sequences have the improved networks in `helpers/training/pretrained` beside the
# baseline, which learned from such sequences, too.

# %%
networks = {
    f"{approach}-{role}": run
    for approach, found in runs.items()
    for role, run in zip(("denoiser", "descriptor"), found, strict=True)
}
trained = numbers.read_runs(networks)
made_by = {"profile": profile.name, **numbers.runs_provenance(trained, scores)}
rows = {**by_hand, **scores, "improved, of clean patches": on_clean}
costs = numbers.pipeline_costs(trained, measured["inference"])
costs["improved, of clean patches"] = costs["improved"]
root_sift = {"noisy": by_hand["root_sift"], "clean": by_hand["root_sift_clean"]}
genuine = measured["genuine"]["rows"]
genuine_pair = {"baseline": genuine["baseline"], "improved": genuine["pretrained"]}
genuine_costs = {name: {"macs": count} for name, count in measured["genuine"]["macs"].items()}
genuine_costs["pretrained_clean"] = genuine_costs["pretrained"]
made = {
    "dataset": tables.dataset_table(store.summary()),
    "summary": tables.summary_table(**scores),
    "comparison": tables.comparison_table(rows, costs),
    "ablation": tables.ablation_table(measured["ablation"]),
    "depth": tables.search_table(measured["depth"]),
    "frontier": tables.frontier_table(measured["frontier"]),
    "seeds": tables.seeds_table(measured["seeds"]),
    "levels": tables.levels_table(measured["seeds"]),
    "inference": tables.inference_table(measured["inference"]),
    "networks": tables.networks_table(trained["outcome"]),
    "denoising": tables.denoising_table(errors),
    "provenance": tables.provenance_table(made_by),
    "genuine": tables.comparison_table(genuine, genuine_costs),
}
for prefix, shown in (("", scores), ("genuine-", genuine_pair)):
    made[f"{prefix}verification"] = tables.verification_table(**shown)
    made[f"{prefix}retrieval"] = tables.retrieval_table(**shown)
    made[f"{prefix}matching"] = tables.matching_table(**shown)
for name, table in made.items():
    tables.write_table(table, name)
tables.show(made["networks"])

# %% [markdown]
# The multiply-adds of one patch decide what a network costs in use, and how many patches it can learn from in
# the same time. The number of parameters says little about that.

# %%
tables.show(made["comparison"])

# %% [markdown]
# What a network is worth shows beside RootSIFT on the same noisy patches; what the noise costs it, beside its
# own row of clean ones.

# %%
tables.show(made["genuine"])

# %% [markdown]
# These rows were measured once and cannot be compared with those above: other scenes, other pools.
#
# ## Numbers in the text
#
# The text of the report says `\result{improved.S}`; the file written here says what that is. What is said in
# other words for other data is written here, too.

# %%
collected = numbers.collect_numbers(
    scores,
    trained,
    measured,
    dataset=store.summary(),
    noise=info.measured_sigma(store),
    denoising={**errors, "points": len(clean)},
    pictures={"scenes": len(described["improved"])},
    limits={"notes": store.notes, "warnings": tables.warnings_of(rows)},
    spectrum=bands,
    provenance=made_by,
    search=searched,
    classical={"root_sift": root_sift},
    matches=matched,
    cost={approach: costs[approach]["macs"] / 1e6 for approach in scores},
    **{"improved-clean": on_clean},
)
numbers.write_numbers(collected, paragraphs.phrases(collected))
paragraphs.write_paragraphs(collected)

# %% [markdown]
# ## The PDF
#
# LaTeX runs last. Where it is not installed, everything above is made all the same.

# %%
print(latex.missing_tools() or latex.build_pdf())
