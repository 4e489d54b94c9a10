"""Pictures."""

from __future__ import annotations

import io

import PIL.ExifTags
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import ArtifactUnreadableError, BadValueError
from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest
from nbpipe.store.images import Pixels, Png
from nbpipe.store.npz import npz_of
from nbpipe.store.store import Store
from tests.store.kinds import opened, picture, with_palette
from tests.store.trials import loading, there_and_back

MODES = [mode for mode in PIL.Image.MODES if mode not in ("P", "PA")]


def gif(frames: int) -> PIL.Image.Image:
    file = io.BytesIO()
    pictures = [PIL.Image.new("L", (4, 4), shade * 20) for shade in range(frames)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:])
    return PIL.Image.open(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(17, 9), (1, 1), (8, 1)], ids=str)
def test_an_image_of_any_mode_comes_back_pixel_by_pixel(mode, size):
    image = picture(mode, size)

    again = there_and_back(Pixels(), image)

    assert (again.mode, again.size, again.tobytes()) == (image.mode, image.size, image.tobytes())
    if Png().encode(image) is not None:
        assert there_and_back(Png(), image) == image


@given(
    colours=st.integers(0, 256),
    highest=st.integers(0, 255),
    palette=st.sampled_from(["RGB", "RGBA"]),
    clear=st.none() | st.integers(0, 255) | st.binary(max_size=9),
)
def test_a_palette_comes_back_whatever_the_pixels_speak_of(colours, highest, palette, clear):
    image = PIL.Image.new("P", (3, 3), highest)
    image.putpalette(bytes(place % 256 for place in range(len(palette) * colours)), palette)
    if clear is not None:
        image.info["transparency"] = clear
    materializer = Pixels() if Png().encode(image) is None else Png()

    again = there_and_back(materializer, image)

    assert again.tobytes() == image.tobytes()
    assert (again.info, again.getpalette(None)) == (image.info, image.getpalette(None))
    assert content_digest(again).digest == content_digest(image).digest
    assert again.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


def test_any_viewer_shows_what_png_has_a_place_for():
    image = opened()

    by_viewer = PIL.Image.open(io.BytesIO(joined(Png().encode(image))))

    assert by_viewer.format == "PNG"
    assert by_viewer.tobytes() == image.tobytes()
    assert by_viewer.getexif()[PIL.ExifTags.Base.Make] == "<b>Nobody</b>"


def test_what_a_file_said_comes_back_and_so_does_exif_data_that_was_changed():
    image = opened()
    assert image.info["comment"] == b"a 'note'"
    image.getexif()[PIL.ExifTags.Base.Software] = "'; DROP TABLE"

    again = there_and_back(Png(), image)

    assert again.info == image.info
    assert dict(again.getexif()) == dict(image.getexif())


def test_exif_data_that_its_format_would_change_is_refused():
    image = opened()
    image.getexif()[PIL.ExifTags.Base.Software] = "é"

    with pytest.raises(BadValueError, match=r"image\.info"):
        Png().encode(image)


def test_asking_for_exif_data_changes_nothing_and_changing_it_does():
    image = opened()
    before = content_digest(image).digest

    assert image.getexif()[PIL.ExifTags.Base.Make]
    asked = content_digest(image).digest
    image.getexif()[PIL.ExifTags.Base.Make] = "Somebody"

    assert asked == before
    assert content_digest(image).digest != before


def test_an_image_just_opened_from_a_file_is_the_image_in_memory(tmp_path):
    path = tmp_path / "a.bmp"
    picture("RGB").save(path)

    with PIL.Image.open(path) as file:
        again = there_and_back(Png(), file)

        assert type(again) is PIL.Image.Image
        assert content_digest(again).digest == content_digest(file).digest


def test_an_image_of_several_frames_is_not_carried_and_says_what_to_store(workspace):
    with gif(3) as film:
        answer = Store(workspace).keep({"film": film, "n": 1}, made_by="step")

    (left,) = answer.not_carried
    assert "3 frames" in left.why
    assert "Store the path of the file" in left.why
    with gif(3) as film, pytest.raises(BadValueError):
        Pixels().encode(film)
    with gif(1) as still:
        assert there_and_back(Png(), still).tobytes() == still.tobytes()


def test_more_than_an_image_is_left_to_others():
    class Mine(PIL.Image.Image):
        pass

    noted = picture("RGB")
    noted.info["unit"] = object()

    for image in (Mine(), noted):
        assert Png().encode(image) is None
        assert Pixels().encode(image) is None


def test_a_picture_larger_than_pillow_opens_is_not_written_as_png(monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 10)

    assert Png().encode(picture("RGB")) is None
    assert there_and_back(Pixels(), picture("RGB")) == picture("RGB")


def test_an_image_of_the_first_version_is_read(workspace):
    store = Store(workspace)
    file = io.BytesIO()
    picture("RGB").save(file, "PNG")
    version = store.keep({"image": picture("RGB")}, made_by="step").versions["image"]
    older = version.as_record() | {
        "materializer": "png@1",
        "inline": None,
        "blob": store.blobs.write([file.getvalue()]),
    }

    assert store.load(type(version).from_record(older)) == picture("RGB")
    with pytest.raises(ArtifactUnreadableError, match="png@3"):
        store.load(type(version).from_record(older | {"materializer": "png@3"}))


@pytest.mark.parametrize(
    "said",
    [
        {"size": [10**6, 10**6]},
        {"size": [-1, -15]},
        {"size": ["5", 3]},
        {"mode": "no such"},
        {"mode": "P"},
        {"palette": ["RGB", "AAAA"]},
        {"exif": "AAAA"},
        {"info": {"$path": 7}},
    ],
    ids=str,
)
def test_what_somebody_else_wrote_about_pixels_is_refused_or_harmless(said):
    good = {"mode": "F", "size": [5, 3], "info": {}, "palette": None, "exif": None}
    data = joined(npz_of({"pixels": with_pixels()}, good | said))

    try:
        assert Pixels().decode(memoryview(bytearray(data)), loading()).size == (5, 3)
    except (ValueError, TypeError, LookupError, AttributeError, OSError, SyntaxError):
        return


def with_pixels():
    import numpy as np

    return np.zeros((3, 5, 1), "f4")


def test_palettes_of_two_kinds_are_two():
    assert content_digest(with_palette("RGB", 4)).digest != content_digest(with_palette("RGBA", 4)).digest
