"""Reports: solvers compared on instances, as a frame, Markdown, CSV and one self-contained page.

Benchmarks of `dtopt bench` are read by `reports.store`, measured by `reports.statistics` and written by
`reports.publish`.

>>> from reports.compare import compare
>>> from reports.html import html
>>> comparison = compare([problem], ["greedy", "nearest"], time_limit=10)
>>> comparison.to_frame()
>>> Path("report.html").write_text(html(comparison))
"""
