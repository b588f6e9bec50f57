//! Whole images through all steps.

use image::DynamicImage;

use super::*;
use crate::testing::{difference, exif, jpeg, photo, png, png_header, read, webp, with_exif};

fn made(bytes: &[u8], query: &str, accept: &str) -> Result<Made, MakeError> {
    let params = Params::parse(Some(query)).unwrap();
    make(bytes.to_vec(), &params, &Accept::parse(Some(accept)))
}

#[test]
fn resizes_and_converts_from_each_format_to_each() {
    let picture = photo(300, 200);
    let small = picture
        .resize_exact(150, 100, image::imageops::FilterType::Lanczos3)
        .to_rgb8();
    for source in [jpeg(&picture), png(&picture), webp(&picture)] {
        for (name, format) in [
            ("jpeg", Format::Jpeg),
            ("png", Format::Png),
            ("webp", Format::WebP),
        ] {
            let made = made(&source, &format!("w=150&format={name}"), "").unwrap();
            assert_eq!(
                (made.format, Format::sniff(&made.file)),
                (format, Some(format))
            );
            let answer = read(&made.file).to_rgb8();
            assert_eq!(answer.dimensions(), (150, 100));
            let difference = difference(&small, &answer);
            assert!(difference < 6.0, "{name} differs by {difference}");
        }
    }
}

#[test]
fn the_orientation_is_applied_and_not_kept() {
    // Red on the left, blue on the right; seen, a quarter turn clockwise: red on top.
    let picture = DynamicImage::from(image::RgbImage::from_fn(80, 40, |x, _| {
        image::Rgb(if x < 40 { [255, 0, 0] } else { [0, 0, 255] })
    }));
    let source = with_exif(&jpeg(&picture), &exif(6));
    for query in [
        "format=png",
        "format=jpeg",
        "w=20&format=png",
        "crop=0,0,40,80&w=10&format=png",
    ] {
        let made = made(&source, query, "").unwrap();
        let answer = read(&made.file).to_rgb8();
        assert_eq!(answer.height(), answer.width() * 2, "{query}");
        let (top, bottom) = (
            answer.get_pixel(5, 2),
            answer.get_pixel(5, answer.height() - 3),
        );
        assert!(top[0] > 200 && top[2] < 60, "{query}: {top:?}");
        assert!(bottom[2] > 200 && bottom[0] < 60, "{query}: {bottom:?}");
        let again = Source::probe(&made.file).unwrap();
        assert!(!again.has_metadata && again.seen_size() == answer.dimensions());
    }
    let made = made(&source, "crop=0,0,40,20&format=png", "").unwrap();
    let answer = read(&made.file).to_rgb8();
    assert!(
        answer.pixels().all(|pixel| pixel[0] > 200),
        "the top quarter is red"
    );
}

#[test]
fn an_image_that_needs_no_work_is_passed_on_as_it_is() {
    let picture = photo(60, 40);
    for source in [jpeg(&picture), png(&picture)] {
        assert_eq!(made(&source, "", "*/*").unwrap().file, source);
        assert_eq!(made(&source, "w=500", "*/*").unwrap().file, source);
        assert_ne!(made(&source, "w=59", "*/*").unwrap().file, source);
    }
    let source = jpeg(&picture);
    assert_ne!(made(&source, "q=50", "*/*").unwrap().file, source);
    assert_ne!(made(&source, "crop=0,0,30,40", "*/*").unwrap().file, source);
}

#[test]
fn metadata_never_leaves() {
    let source = with_exif(&jpeg(&photo(60, 40)), &exif(1));
    let made = made(&source, "", "*/*").unwrap();
    assert_eq!(made.format, Format::Jpeg);
    assert!(!Source::probe(&made.file).unwrap().has_metadata);
}

#[test]
fn accept_decides_when_no_format_is_named() {
    let picture = photo(60, 40);
    let format = |accept| made(&jpeg(&picture), "w=30", accept).unwrap().format;
    assert_eq!(format("image/webp,*/*"), Format::WebP);
    assert_eq!(format("*/*"), Format::Jpeg);
    assert_eq!(format("image/png"), Format::Png);
    let mut clear = picture.to_rgba8();
    clear.get_pixel_mut(3, 3)[3] = 0;
    let clear = png(&clear.into());
    assert_eq!(
        made(&clear, "", "image/jpeg;q=0.9,*/*;q=0.9")
            .unwrap()
            .format,
        Format::Png
    );
    assert!(matches!(
        made(&clear, "", "text/html"),
        Err(MakeError::NotAcceptable)
    ));
}

#[test]
fn an_opaque_picture_with_a_channel_for_opacity_counts_as_opaque() {
    let source = png(&DynamicImage::from(photo(60, 40).to_rgba8()));
    let made = made(&source, "w=30", "image/jpeg,image/png;q=0.9").unwrap();
    assert_eq!(made.format, Format::Jpeg);
}

#[test]
fn too_large_a_webp_is_refused_by_name_or_avoided() {
    let source = jpeg(&photo(100, 100));
    let big = "w=2100&h=2100&fit=fill&upscale=true";
    match made(&source, &format!("{big}&format=webp"), "") {
        Err(MakeError::Param(error)) => assert_eq!(error.name, "format"),
        other => panic!("{other:?}"),
    }
    let made = made(&source, big, "image/webp,*/*").unwrap();
    assert_eq!(made.format, Format::Jpeg);
}

#[test]
fn a_parameter_that_does_not_go_with_the_source_is_refused_by_name() {
    let source = jpeg(&photo(60, 40));
    match made(&source, "crop=50,0,20,10", "") {
        Err(MakeError::Param(error)) => assert_eq!(error.name, "crop"),
        other => panic!("{other:?}"),
    }
    // Seen at nearly its own size, a huge image would not fit the memory beside its answer.
    match made(&png_header(6400, 4500, 2), "w=3400", "") {
        Err(MakeError::Param(error)) => assert_eq!(error.name, "w"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sources_at_fault_are_told_apart() {
    let bomb = made(&png_header(100_000, 100_000, 6), "w=10", "").unwrap_err();
    assert!(
        matches!(bomb, MakeError::Source(SourceError::TooLarge(_))),
        "{bomb}"
    );
    let whole = png(&photo(60, 40));
    let cut = made(&whole[..whole.len() / 2], "w=10", "").unwrap_err();
    assert!(
        matches!(cut, MakeError::Source(SourceError::Damaged(_))),
        "{cut}"
    );
    let text = made(b"hello", "w=10", "").unwrap_err();
    assert!(
        matches!(text, MakeError::Source(SourceError::Unknown)),
        "{text}"
    );
}
