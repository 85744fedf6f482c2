"""Instances, scenarios and suites are the same to the last bit on every CPU."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.instances.everything import digest, small

ROOT = Path(__file__).resolve().parents[2]

# --- the same under every set of CPU features -------------------------------------------------------------------------

#: What the C library chooses its functions by, so named in glibc; others do not read it.
GLIBC = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD"


def features():
    """Return the CPU features that NumPy chooses its loops by at run time and that this CPU has."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]


def made(**environment):
    """Start making everything with some environment variables."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("NPY_DISABLE_CPU_FEATURES",)}
    command = [sys.executable, "-W", "ignore::ImportWarning", "-m", "tests.instances.everything"]
    return subprocess.Popen(
        command, cwd=ROOT, env={**inherited, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_everything_is_the_same_with_and_without_cpu_features():
    names = features()
    everything_off = {"NPY_DISABLE_CPU_FEATURES": " ".join(names), "GLIBC_TUNABLES": GLIBC}
    runs = [made(), made(**everything_off)]
    newest = [name for name in names if "512" in name or name == "X86_V4"]
    if newest and len(newest) < len(names):
        runs.append(made(NPY_DISABLE_CPU_FEATURES=" ".join(newest)))
    hashes = []
    for run in runs:
        output, errors = run.communicate(timeout=300)
        assert run.returncode == 0, errors
        hashes.append(json.loads(output))
    assert len(hashes[0]) > 100
    for other in hashes[1:]:
        assert {name: found for name, found in other.items() if found != hashes[0][name]} == {}
        assert other.keys() == hashes[0].keys()


# --- the same as when this was written --------------------------------------------------------------------------------

#: A change of draws or formulas makes other instances, and is a new release of the suites.
GOLDEN = {
    "paper": "597fe3d8c4e61a45",
    "tight-capacity": "40d41236d5d579d4",
    "tight-deadline": "963319a78ee67237",
    "costly-servers": "b160501c733bc735",
    "correlated": "aa3205c4c7eb372b",
    "large": "37698e4997950f0d",
    "city": "524c1acf0385da5a",
}


@pytest.mark.parametrize("preset", GOLDEN)
def test_a_preset_makes_the_instance_that_it_always_made(preset):
    assert digest(small(preset, 1))[:16] == GOLDEN[preset]


# --- only of operations that are the same everywhere ------------------------------------------------------------------

#: What is computed there enters instances, scenarios or traces.
MAKERS = [
    *(
        f"dtopt/{name}.py"
        for name in ("channel", "elementary", "geography", "nearest", "network", "propagation", "sharing")
    ),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "dtopt" / "problem").glob("*.py"))),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "dtopt" / "scenario").glob("*.py"))),
    *(
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "instances").rglob("*.py"))
        # They make nothing themselves; the other runs SUMO.
        if "suites" not in path.parts and path.name != "make_sumo_trace.py"
    ),
]
#: Modules whose numbers come from a C library or from BLAS; a tree of points is asked by `dtopt.nearest` alone, which
#: decides by distances of its own, and by `instances.lists` to refuse users out of reach.
FOREIGN = {"scipy", "torch", "numba", "random", "statistics", "cmath", "highspy"}
ALLOWED_IMPORTS = {("dtopt/nearest.py", "scipy.spatial"), ("instances/lists.py", "scipy.spatial")}


def words(text):
    return frozenset(text.split())


#: NumPy's functions whose last bits depend on the CPU, the C library or BLAS, or whose order of adding is its own.
FORBIDDEN_NUMPY = words(
    "exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2 sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh "
    "arcsinh arccosh arctanh hypot power float_power cbrt radians degrees deg2rad rad2deg sinc i0 angle "
    "dot vdot inner matmul einsum tensordot linalg fft polyfit polyval convolve correlate cov corrcoef "
    "sum nansum mean nanmean average median nanmedian std nanstd var nanvar prod nanprod trapezoid quantile percentile "
    "interp linspace logspace geomspace gradient reduce"
)
FORBIDDEN_METHODS = {"sum", "mean", "std", "var", "prod", "dot", "reduce"}
#: Distributions of a generator that call the C library, or may round once or twice.
FORBIDDEN_DRAWS = words(
    "uniform normal standard_normal exponential standard_exponential lognormal dirichlet gamma standard_gamma poisson "
    "beta binomial geometric pareto weibull rayleigh triangular laplace logistic vonmises wald zipf "
    "multivariate_normal multinomial choice"
)
ALLOWED_MATH = {"inf", "nan", "isfinite", "isinf", "isnan", "floor", "ceil", "prod", "sqrt", "fsum", "gcd", "isclose"}


def faults_of(path, text):
    """Return what a module computes by operations that differ between machines, one line each."""
    found = []

    def report(node, what):
        found.append(f"{path}:{node.lineno}: {what}")

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.split(".")[0] in FOREIGN and (path, name) not in ALLOWED_IMPORTS:
                    report(node, f"imports {name}")
                if isinstance(node, ast.ImportFrom) and name in ("numpy", "math"):
                    report(node, f"imports from {name}")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            report(node, "@")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            # Of two constants the compiler of Python makes a constant; powers of two are exact.
            if isinstance(node, ast.AugAssign) or ast.unparse(node.left) not in ("2", "2.0"):
                report(node, "**")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
            if node.attr in FORBIDDEN_NUMPY:
                report(node, f"np.{node.attr}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "math":
            if node.attr not in ALLOWED_MATH:
                report(node, f"math.{node.attr}")
        elif isinstance(node, ast.Call):
            whole = any(k.arg == "dtype" and ast.unparse(k.value) == "np.int64" for k in node.keywords)
            if isinstance(node.func, ast.Name) and node.func.id in ("sum", "pow"):
                report(node, f"{node.func.id}()")
            elif isinstance(node.func, ast.Attribute):
                if node.func.attr in FORBIDDEN_METHODS and not whole and ast.unparse(node.func.value) != "math":
                    report(node, f".{node.func.attr}()")
                if node.func.attr in FORBIDDEN_DRAWS:
                    report(node, f".{node.func.attr}()")
    return found


@pytest.mark.parametrize("path", MAKERS)
def test_instances_are_made_of_portable_operations_only(path):
    assert faults_of(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "y = np.log(x)",
        "y = math.log(x)",
        "y = x ** 0.5",
        "y = x**2",
        "y = a @ b",
        "y = rng.normal(0.0, 1.0, 3)",
        "y = rng.uniform(0.0, 1.0)",
        "y = rng.choice(3, p=p)",
        "y = x.sum()",
        "y = np.add.reduce(x)",
        "y = x.mean(axis=0)",
        "y = sum(parts)",
        "y = np.linalg.norm(x)",
        "from scipy.special import ndtr",
        "from math import exp",
    ],
)
def test_an_operation_that_differs_between_machines_is_found(line):
    assert len(faults_of("dtopt/network.py", f"{line}\n")) >= 1


@pytest.mark.parametrize(
    "line", ["y = x.sum(dtype=np.int64)", "y = 2.0**-53", "y = np.sqrt(x) * x", "y = rng.random(3)"]
)
def test_portable_operations_are_let_through(line):
    assert faults_of("dtopt/network.py", f"{line}\n") == []
