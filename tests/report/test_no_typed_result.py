"""No result is typed: not in the report, not on a page, not in the text of a notebook."""

import re

import jupytext
import pytest

from helpers.common import paths
from helpers.notebook import execute
from helpers.report import latex, paragraphs, readme

COUNT = (
    r"(?:\d[\d.,]*|an?|half(?: an?)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|fifteen|twenty|thirty|forty|fifty|sixty|a hundred)"
)
TYPED = [
    r"(?<![\w.])\d*\.\d+",  # decimals
    r"\d\s*(?:\\,|~)?\s*(?:\\?%|per ?cent)",  # shares
    # durations, but not "a second image"
    rf"\b(?!a\s+second\b){COUNT}[\s~-]+(?:milliseconds?|ms|seconds?|s|minutes?|min|hours?|days?)\b",
    rf"\b(?!an? ){COUNT}[\s~-]*(?:times|fold)\b",  # speed-ups
    r"\d\s*(?:×|x|\$\\times\$)(?!\w|\s*\d)",
    r"\b\d{1,3}(?:,\d{3})+\b|\b\d{3,}\b",  # counts
]
# Not results: what is defined, asked for or promised. Taken out before anything is looked for.
DEFINITIONS = [
    r"128\s+(?:numbers|outputs)|(?:B|K|points), 128\)",  # of a descriptor
    r"cut out 16 times",  # of a point
    r"0\.\.255|\[0, 255\]",  # grey levels
    r"95(?:\\,|\s)+\\?%",  # of an interval
    r"pools of 100 to 20,000",  # of the benchmark
    r"(?:original\s+coursework|original coursework's epoch)[\w\s]*100,000(?:\s+triplets)?",
    r"all\s+116 sequences",  # of HPatches
    r"\b(?:19|20)\d\d\b|Python 3\.\d+(?: to 3\.\d+)?|4\.1 GB|100MB",  # years, versions, sizes
    r'width="\d+"',  # of a picture
    r"at most 200 steps\s+or about a minute",  # test_readme.py compares it with the code
    r"^\| `(?:smoke|coursework|long|full)`.*$|about 45 minutes",  # the same, with the profiles
    r"^\| (?!needs).*\bminutes?\b[\w ]* on two CPU cores \|$|^\| .*under a minute \|$",  # "takes"
    r"in ten minutes on two cores",  # what `make test` may take
    r"at most\s+900 points a scene and sequences 2,000",  # test_readme.py compares it with the code
    r"waits three\s+minutes",  # until a trial counts as lost
    r'\["log", 0\.001, 0\.01\]',  # an example of a search space
]


def typed_results(text: str) -> list[str]:
    """All that looks like the outcome of a measurement, with a few words around it."""
    text = re.sub(r"\\(?:result|includegraphics)(?:\[[^]]*\])?\{[^}]*\}", "", text)
    text = re.sub(r"(?<![\w.])\d*\.?\d+(?:pt|in|em)\b|\]\([^)]*\)|https?://\S+", "", text)
    for definition in DEFINITIONS:
        text = re.sub(definition, "", text, flags=re.MULTILINE)
    found = (match for typed in TYPED for match in re.finditer(typed, text))
    return [text[max(0, match.start() - 30) : match.end() + 20] for match in found]


@pytest.mark.parametrize(
    "sentence",
    [
        "S rises to .74", "S of 0.743", "12 % better", r"by 12\,\% of it", "in 40 minutes",
        "takes 3.5 s", "trained for twenty minutes", "half an hour", "within an hour", "8x faster",
        r"is 3$\times$ as fast", "five times faster", "tenfold", "2,718 points", "5109 points",
        "| improved | 0.868 |",
    ],
)  # fmt: skip
def test_a_typed_result_is_found(sentence):
    assert typed_results(f"The improved approach {sentence}.")


@pytest.mark.parametrize(
    "sentence",
    [
        r"reaches \result{improved.S} on 32$\times$32 pixels", "128 numbers", r"95\,\% bootstrap",
        "grey levels 0..255", "an epoch of three levels", r"\setlength{\tabcolsep}{3.2pt}",
    ],
)  # fmt: skip
def test_a_definition_is_not_taken_for_a_result(sentence):
    assert typed_results(f"The improved approach {sentence}.") == []


def test_the_report_contains_no_typed_result():
    text = latex.source_text(paths.REPORT_SOURCES / "report.tex")
    assert typed_results(text[text.index(r"\begin{document}") :]) == []


def test_no_result_is_typed_in_the_phrases_and_paragraphs_of_the_report():
    texts = [str(value) for name, value in vars(paragraphs).items() if name.isupper()]
    texts += [path.read_text(encoding="utf-8") for path in paths.TEXTS.glob("*.tex")]
    assert len(texts) > 20
    said = "\n".join(texts)
    assert typed_results(said) == []


@pytest.mark.parametrize("page", ["README.md", "helpers/EXTENDING.md"])
def test_pages_contain_no_typed_result(page):
    text = readme.BLOCK.sub("", (paths.ROOT / page).read_text(encoding="utf-8"))
    code = re.compile(
        r"^```(?:python|diff)$.*?^```$", re.DOTALL | re.MULTILINE
    )  # examples, no results
    assert typed_results(code.sub("", text)) == []


@pytest.mark.parametrize("source", execute.sources(), ids=lambda path: path.stem)
def test_the_text_of_a_notebook_contains_no_typed_result(source):
    cells = jupytext.read(source).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert typed_results(text) == []
