"""A run, or a sweep, as one page of HTML that needs nothing else: no network, no other file, no library.

`report_page` and `sweep_page` make the pages; `markup` escapes, `page` puts the parts together, `inline_svg` takes
pictures in. The page is whole without its script, which sorts and filters tables and draws what can be pointed at.
"""
