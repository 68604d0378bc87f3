import json
import re

from lczmap.report.markup import Html, Number, json_script, paragraph, table, tag
from lczmap.report.prose import rendered
from lczmap.report.values import flat_table


def test_text_is_escaped_and_html_is_not() -> None:
    assert tag("p", "a < b & c", Html("<br>")) == "<p>a &lt; b &amp; c<br></p>"


def test_an_attribute_cannot_end_its_quotes() -> None:
    assert tag("img", alt='"><script>', hidden=True, title=None) == '<img alt="&quot;&gt;&lt;script&gt;" hidden>'


def test_data_for_scripts_cannot_end_the_element_and_stays_the_same() -> None:
    content = {"city": "</script><!-- & \u2028 München"}
    written = json_script("facts", content)
    inside = re.fullmatch(r'<script type="application/json" id="facts">(.*)</script>', written, re.DOTALL)
    assert inside is not None
    assert not set("<>&\u2028") & set(inside[1])
    assert json.loads(inside[1]) == content


def test_numbers_of_a_table_stand_to_the_right() -> None:
    written = table(["name", "share", "cells", "none"], [["a", Number("5 %"), 1200, None]])
    assert '<td>a</td><td class="number">5 %</td><td class="number">1,200</td><td class="number">–</td>' in written
    assert '<th scope="col" class="number">share</th>' in written


def test_backticks_become_code() -> None:
    assert paragraph("use `lczmap <x>` here") == "<p>use <code>lczmap &lt;x&gt;</code> here</p>"


def test_a_card_in_markdown_becomes_html() -> None:
    card = "# Title\n\n- one\n- <two>\n\n| class | recall |\n|---|---|\n| LCZ 1 | 0.53 |\n\nLast\nline."
    written = rendered(card)
    assert "<h4>Title</h4><ul><li>one</li><li>&lt;two&gt;</li></ul>" in written
    assert "<tbody><tr><td>LCZ 1</td><td>0.53</td></tr></tbody>" in written
    assert written.endswith("<p>Last line.</p>")


def test_settings_of_any_depth_are_one_row_each() -> None:
    written = flat_table({"map": {"pixel": 100, "crs": None}, "exports": [], "other_maps": [{"name": "x"}], "on": True})
    rows = re.findall(r"<code>(.*?)</code></td><td>(.*?)</td>", written)
    assert rows == [
        ("map.pixel", "100"),
        ("map.crs", "none"),
        ("exports", "none"),
        ("other_maps[0].name", "x"),
        ("on", "yes"),
    ]
