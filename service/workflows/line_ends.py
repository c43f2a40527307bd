"""Line ends after template tags, which Jinja's `trim_blocks` would remove from lines that also hold text."""

import re

_TAG = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def keep_line_ends(source: str) -> str:
    """`source` changed so that a line end after a tag is kept, unless the line contains only tags.

    Jinja's `trim_blocks` removes the line end after every tag, so that `{% endif %}` at the end of a line of text would
    join the next line to it; its `+%}` keeps it. Line numbers do not change.
    """
    done, at = [], 0
    for tag in _TAG.finditer(source):
        done.append(source[at : tag.start()])
        at = tag.end()
        ends_line = source.startswith(("\n", "\r\n"), at)
        line = source[source.rfind("\n", 0, tag.start()) + 1 : tag.start()]
        if ends_line and tag[0][-3] not in "+-" and _TAG.sub("", line).strip():
            done.append(tag[0][:-2] + "+" + tag[0][-2:])
        else:
            done.append(tag[0])
    return "".join(done) + source[at:]
