"""Contact sheets, measured in pixels."""

import numpy as np
from PIL import Image

from gcl_cli.artifacts.sheets import FRAME, GAP, LINE, RIGHT, WRONG, Cell, scaled, write_sheet

BLUE = (0, 0, 255)


def plain(height: int, width: int, colour: tuple[int, ...] | int = BLUE) -> np.ndarray:
    shape = (height, width) if isinstance(colour, int) else (height, width, 3)
    return np.full(shape, colour, np.uint8)


def sheet_of(folder, *rows, **words) -> np.ndarray:
    write_sheet(folder / "sheet.png", rows, **words)
    return np.asarray(Image.open(folder / "sheet.png"))


def areas(sheet: np.ndarray, colour: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns that a colour takes."""
    where = np.argwhere((sheet == colour).all(axis=2))
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(where.min(0), where.max(0), strict=True))


def test_grey_and_colour_pictures_lie_in_rows_under_their_headings(tmp_path):
    sheet = sheet_of(
        tmp_path, [Cell(plain(40, 60)), Cell(plain(40, 60, 7))], [Cell(plain(40, 60))], headings=("a", "b")
    )
    assert sheet.shape == (GAP + LINE + 2 * (40 + GAP), GAP + 2 * (60 + GAP), 3)
    assert (sheet[GAP + LINE :][:40, GAP : GAP + 60] == BLUE).all()
    assert (sheet[GAP + LINE :][:40, 2 * GAP + 60 :][:, :60] == 7).all()
    assert (sheet[-GAP - 40 :, 2 * GAP + 60 :] == 255).all()
    assert (sheet[: GAP + LINE] != 255).any()


def test_crops_of_any_size_come_to_one_height_and_keep_their_shape(tmp_path):
    tiny, large, lying = plain(8, 4), plain(900, 300, (255, 0, 0)), plain(10, 30, (0, 255, 0))
    sheet = sheet_of(tmp_path, [Cell(tiny), Cell(large), Cell(lying)], height=90)
    assert sheet.shape == (2 * GAP + 90, 4 * GAP + 45 + 30 + 180, 3)
    top = slice(GAP, GAP + 90)
    assert areas(sheet, BLUE) == (top, slice(GAP, GAP + 45))
    assert areas(sheet, (255, 0, 0)) == (top, slice(2 * GAP + 45, 2 * GAP + 75))
    assert areas(sheet, (0, 255, 0)) == (slice(GAP, GAP + 60), slice(3 * GAP + 75, 3 * GAP + 255))


def test_a_strip_is_never_wider_than_two_heights_nor_without_pixels():
    assert scaled(plain(1, 5000), 100).shape == (1, 200, 3)
    assert scaled(plain(5000, 1, 0), 100).shape == (100, 1)


def test_frames_and_captions_belong_to_one_picture_and_titles_to_a_row(tmp_path):
    cells = [Cell(plain(40, 60)), Cell(plain(40, 60), "no", RIGHT)], [Cell(plain(40, 60), "yes")]
    sheet = sheet_of(tmp_path, *cells, titles=("1", "2"))
    above = LINE + FRAME  # so that no frame touches a title
    step = above + 40 + LINE + GAP
    assert sheet.shape == (GAP + 2 * step, GAP + 2 * (60 + GAP), 3)
    corner = GAP + above, 2 * GAP + 60
    coloured = (sheet == RIGHT.colour).all(axis=2)
    framed = coloured[corner[0] - FRAME : corner[0] + 40 + FRAME, corner[1] - FRAME : corner[1] + 60 + FRAME]
    assert framed.sum() == 2 * FRAME * (40 + 60 + 2 * FRAME)
    assert (sheet[corner[0] + 40 + FRAME : GAP + step, corner[1] :] != 255).any()  # its caption
    assert not coloured[:, : corner[1] - FRAME].any()
    for row in range(2):
        begin = GAP + row * step
        assert (sheet[begin : begin + LINE, :60] != 255).any()  # its title


def test_right_and_wrong_are_told_apart_without_colours(tmp_path):
    def top_side(frame):
        sheet = sheet_of(tmp_path, [Cell(plain(40, 60), frame=frame)])
        return (sheet[GAP - FRAME : GAP, GAP - FRAME : GAP + 60 + FRAME] != 255).any(axis=(0, 2))

    assert top_side(RIGHT).all()
    dashes = np.diff(top_side(WRONG).astype(int))
    assert (dashes == 1).sum() > 3 and (dashes == -1).sum() > 3


def test_a_legend_shows_every_frame_below_the_pictures(tmp_path):
    cells = [Cell(plain(40, 60))]
    bare, explained = sheet_of(tmp_path, cells), sheet_of(tmp_path, cells, legend=[(RIGHT, "yes"), (WRONG, "no")])
    below = explained[len(bare) - GAP :]
    assert len(explained) == len(bare) + LINE + GAP
    assert all((below == frame.colour).all(axis=2).sum() > 4 * LINE for frame in (RIGHT, WRONG))
    assert areas(below, RIGHT.colour)[1].stop < areas(below, WRONG.colour)[1].start


def test_a_column_is_as_wide_as_the_words_in_it_and_the_sheet_as_a_title(tmp_path):
    narrow = [Cell(plain(40, 4), "a long caption"), Cell(plain(40, 4))]
    sheet = sheet_of(tmp_path, narrow)
    blue = np.flatnonzero((sheet == BLUE).all(axis=2).any(axis=0))
    assert blue[-1] - blue[0] > 60 and len(blue) == 8
    assert sheet_of(tmp_path, narrow, titles=("words " * 50,)).shape[1] > 900
