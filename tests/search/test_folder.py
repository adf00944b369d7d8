"""Names that cannot be folders are refused; the stop marker is read as it was written."""

from __future__ import annotations

import pytest

from automix.errors import SettingError
from automix.search.folder import StopMode, StudyFolder


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "-x", "a" * 101, "mit leer"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path, name):
    with pytest.raises(SettingError, match="study name"):
        StudyFolder(tmp_path, name)


@pytest.mark.parametrize("mode", StopMode)
def test_the_stop_marker_tells_how_to_stop(folder, mode):
    assert folder.stop_requested() is None
    folder.request_stop(mode)
    assert folder.stop_requested() is mode
    folder.clear_stop()
    folder.clear_stop()
    assert folder.stop_requested() is None
