"""A subunit v2 stream on standard input becomes JSON: {name of test: [status, reason or traceback]}.

Runs in tempest's virtual environment, where subunit is.
"""

import collections
import json
import sys

import subunit
import testtools

FINAL = {"success": "passed", "xfail": "passed", "fail": "failed", "uxsuccess": "failed", "skip": "skipped"}


class Results(testtools.StreamResult):
    """Each test's last word, and what was attached to it."""

    def __init__(self):
        super().__init__()
        self.statuses = {}
        self.texts = collections.defaultdict(lambda: collections.defaultdict(bytes))

    def status(self, test_id=None, test_status=None, file_name=None, file_bytes=None, **_more):
        if file_name and file_bytes is not None:
            self.texts[test_id][file_name] += bytes(file_bytes)
        # A class that cannot be set up or taken down has its say under a name like a test's.
        if test_id and test_status in FINAL:
            self.statuses[test_id] = FINAL[test_status]

    def text(self, test_id):
        for name, content in sorted(self.texts[test_id].items()):
            if name.startswith(("reason", "traceback")):
                return content.decode("utf-8", "replace").strip()
        return ""


def main():
    results = Results()
    subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="stdout").run(results)
    json.dump({name: [word, results.text(name)] for name, word in results.statuses.items()}, sys.stdout)


if __name__ == "__main__":
    main()
