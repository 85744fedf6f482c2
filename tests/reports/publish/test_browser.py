"""The page in headless Chromium: no accessibility violation, no console error, tables and figures that work.

Skipped where Chromium or the packages that drive it are missing: ``pip install 'dtopt[browser]'`` and a ``chromium`` on
the path.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from reports.html import html
from reports.publish.page import page as benchmark_page
from reports.publish.source import source
from tests.reports.samples import from_comparison

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is an optional extra: dtopt[browser]")
axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is an optional extra: dtopt[browser]")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no chromium on the path")]

READY = "document.documentElement.dataset.ready === 'true'"
WIDTHS = [1280, 390]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(sample, tmp_path_factory):
    made, problems = sample
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(benchmark_page(made, lambda one: problems[one.label]), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser):
    """Return a function that opens a page and, at the end, finds that nothing was said on the console."""
    contexts, said = [], []

    def open_page(address, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        view = context.new_page()
        view.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        view.on("pageerror", lambda error: said.append(str(error)))
        view.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        view.goto(address)
        return view

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def violations(view):
    view.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    return [
        (found["id"], [node["html"] for node in found["nodes"]]) for found in view.evaluate("axe.run()")["violations"]
    ]


def draw_all(view):
    for plot in view.locator("[data-plot]:visible").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits(opened, address, width, scheme):
    view = opened(address, width, color_scheme=scheme)
    view.wait_for_function(READY)
    draw_all(view)
    assert violations(view) == []
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    view.locator("#instance-grid tbody a").first.click()
    view.locator("#map .main-svg").first.wait_for()
    assert violations(view) == []
    assert view.evaluate("document.documentElement.scrollWidth") <= width


def test_tables_sort_and_filter(opened, address, sample):
    view = opened(address)
    view.wait_for_function(READY)
    rows = view.locator("#run-grid tbody tr")
    view.locator("#run-grid th button", has_text="objective").click()
    column = [h.strip() for h in view.locator("#run-grid thead th").all_inner_texts()]
    at = next(i for i, h in enumerate(column) if h.startswith("objective"))
    first = float(rows.first.locator("th, td").nth(at).inner_text())
    assert first == pytest.approx(sample[0].scores.frame["objective"].min(), rel=1e-4)
    view.locator("#run-grid th button", has_text="objective").click()
    first = float(rows.first.locator("th, td").nth(at).inner_text())
    assert first == pytest.approx(sample[0].scores.frame["objective"].max(), rel=1e-4)
    view.locator("#run-grid .filters select").first.select_option(label="greedy")
    frame = sample[0].scores.frame
    greedy = int((frame["solver"] == "greedy").sum())
    assert view.locator("#run-grid output").inner_text().endswith(f"of {greedy}")
    view.locator("#run-grid input").first.fill("nothing is called so")
    assert rows.count() == 0
    table = view.locator("table.sortable").first
    names = table.locator("tbody th").all_inner_texts()
    table.locator("th button", has_text="gap to best known").click()
    table.locator("th button", has_text="gap to best known").click()
    assert table.locator("tbody th").all_inner_texts() == names[::-1]


def test_groups_and_figures_are_chosen(opened, address, sample):
    view = opened(address)
    view.wait_for_function(READY)
    draw_all(view)
    shown = view.locator(".group:visible")
    assert shown.count() == 1
    view.locator("#group").select_option(index=1)
    assert sample[0].rankings[1].group.name in shown.inner_text()
    draw_all(view)
    view.locator(".group:visible [data-choice=profile]").select_option("profile-gap")
    view.wait_for_function("document.querySelector('.group:not([hidden])').textContent.includes('of the best 1 + gap')")


def test_an_instance_has_an_address(opened, address, sample):
    label = sorted(sample[0].results.instances)[2]
    view = opened(f"{address}#instance/{label.replace('/', '%2F')}")
    view.locator("#map .main-svg").first.wait_for()
    assert view.locator("#instance-title").inner_text() == label
    assert not view.locator("#overview").is_visible()
    before = view.locator("#map .main-svg").first.inner_html()
    view.locator("#view").select_option(index=2)
    view.wait_for_timeout(300)
    assert view.locator("#map .main-svg").first.inner_html() != before
    view.locator("#scale").select_option("objective")
    view.locator("#after").click()
    view.wait_for_function(f"document.getElementById('instance-title').textContent !== {label!r}")
    view.get_by_text("All instances").click()
    assert view.locator("#overview").is_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_a_comparison_is_accessible(opened, comparison, tmp_path, width):
    path = tmp_path / "report.html"
    path.write_text(html(comparison), encoding="utf-8")
    view = opened(path.as_uri(), width)
    view.locator(".main-svg").first.wait_for()
    assert violations(view) == []


@pytest.mark.bench
def test_ten_thousand_rows_open(opened, comparison, tmp_path, capsys, request):
    if "bench" not in request.config.option.markexpr:
        pytest.skip("prints measurements; run with -m bench")
    given, problems = from_comparison(comparison, copies=840)
    path = tmp_path / "large.html"
    path.write_text(benchmark_page(source(given), lambda one: problems[one.label]), encoding="utf-8")
    for width in WIDTHS:
        started = time.perf_counter()
        view = opened(path.as_uri(), width)
        view.wait_for_function(READY)
        opening = time.perf_counter() - started
        view.locator("[data-plot]:visible").first.scroll_into_view_if_needed()
        view.locator("[data-plot] .main-svg").first.wait_for()
        drawn = time.perf_counter() - started
        with capsys.disabled():
            size = path.stat().st_size / 1e6
            print(f"\n{len(given.runs)} rows, {size:.2f} MB, {width} px:", end=" ")
            print(f"{opening:.2f} s to the tables, {drawn:.2f} s to the first figure")
