"""Word problems made by parameterised templates.

Each template is a function from a stream of draws to a `Problem`: a question, its solution in steps
and as a program.  The idea is that of TemplateGSM (Zhang et al., "Training and Evaluating Language
Models with Template-based Data Generation", 2024, arXiv 2411.18104); templates, texts and the
verification are our own.  A new one is a function in a file of its topic, listed at the file's end.
"""

from __future__ import annotations

from research.rephrase.synthesis.math_templates.figures import FIGURES
from research.rephrase.synthesis.math_templates.money import MONEY
from research.rephrase.synthesis.math_templates.quantities import QUANTITIES
from research.rephrase.synthesis.math_templates.rates import RATES
from research.rephrase.synthesis.math_templates.unknowns import UNKNOWNS
from research.rephrase.synthesis.problem import Template

TEMPLATES: dict[str, Template] = {
    template.__name__: template for template in (*MONEY, *QUANTITIES, *RATES, *FIGURES, *UNKNOWNS)
}
