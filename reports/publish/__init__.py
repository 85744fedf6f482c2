"""Publishing a benchmark: the answer in words, tables, curves, one page, and figures for a paper.

>>> from reports.publish.page import page
>>> from reports.publish.source import source
>>> from reports.store import load
>>> Path("report.html").write_text(page(source(load(["results.sqlite"]))))
"""
