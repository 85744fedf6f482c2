"""Reports: solvers compared on instances, as a frame, Markdown, CSV and one self-contained page.

Benchmarks of `dtopt bench` are run by `reports.bench`, kept by `reports.store`, measured by `reports.statistics` and
written by `reports.publish`; studies of online policies are in `reports.simulation`, the paper's figures in
`reports.reproduction`.

>>> from reports.compare import compare
>>> from reports.html import html
>>> comparison = compare([problem], ["greedy", "nearest"], time_limit=10)
>>> comparison.to_frame()
>>> Path("report.html").write_text(html(comparison))
"""
