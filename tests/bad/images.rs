//! Pictures: what is damaged is named, what is a bomb is not decoded, and what is merely odd is read as Pillow reads it.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};

use super::{Cases, EVAL, Place, assert_plain, fixture};

/// A backbone in `m/`, and `photos/test/a/` with this picture and a sound one.
fn world(name: &str, bytes: &[u8]) -> Place {
    let place = Place::new();
    for file in ["config.json", "model.safetensors"] {
        place.write(
            format!("m/{file}"),
            std::fs::read(fixture("models/resnet14t").join(file)).unwrap(),
        );
    }
    place.write("photos/test/a/0.png", picture("rgb.png"));
    place.write(format!("photos/test/a/{name}"), bytes);
    place
}

fn picture(name: &str) -> Vec<u8> {
    std::fs::read(fixture("images").join(name)).unwrap()
}

/// A PNG of these chunks.
fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in chunks {
        let mut crc = flate2::Crc::new();
        crc.update(*name);
        crc.update(data);
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend([&name[..], data, &crc.sum().to_be_bytes()].concat());
    }
    bytes
}

fn header(width: u32, height: u32, bits: u8, colour: u8) -> Vec<u8> {
    [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[bits, colour, 0, 0, 0],
    ]
    .concat()
}

/// `n` zeros, packed.
fn packed(n: u64) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), n), &mut packer).unwrap();
    packer.finish().unwrap()
}

/// Bytes of a picture with those at `at` replaced.
fn changed(name: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut picture = picture(name);
    picture[at..at + bytes.len()].copy_from_slice(bytes);
    picture
}

/// A JPEG whose frame says that it is of this size.
fn jpeg_of(height: u16, width: u16) -> Vec<u8> {
    let bytes = picture("420.jpg");
    let frame = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
    changed("420.jpg", frame + 5, &size)
}

#[test]
fn what_is_no_picture_is_named_with_its_reason() {
    let mut cases = Cases::of("images");
    let bomb = packed(100_000_000);
    let end: (&[u8; 4], &[u8]) = (b"IEND", &[]);
    let jpeg = picture("420.jpg");
    for (what, name, bytes) in [
        ("an empty file", "1.png", Vec::new()),
        (
            "a page",
            "1.jpg",
            b"<!doctype html><html>404</html>".to_vec(),
        ),
        ("a JPEG cut off in its head", "1.jpg", jpeg[..40].to_vec()),
        (
            "a JPEG cut off in its pixels",
            "1.jpg",
            jpeg[..jpeg.len() / 2].to_vec(),
        ),
        (
            "a progressive JPEG cut off",
            "1.jpg",
            picture("progressive.jpg")[..900].to_vec(),
        ),
        (
            "a PNG cut off",
            "1.png",
            picture("rgb.png")[..1000].to_vec(),
        ),
        (
            "a PNG with a damaged chunk",
            "1.png",
            changed("rgb.png", 60, &[0xff; 8]),
        ),
        (
            "a WebP cut off",
            "1.webp",
            picture("lossy.webp")[..300].to_vec(),
        ),
        (
            "a lossless WebP cut off",
            "1.webp",
            picture("lossless.webp")[..300].to_vec(),
        ),
        (
            "a GIF cut off",
            "1.gif",
            picture("photo.gif")[..700].to_vec(),
        ),
        (
            "a TIFF cut off",
            "1.tif",
            picture("photo.tif")[..100].to_vec(),
        ),
        (
            "a BMP cut off",
            "1.bmp",
            picture("photo.bmp")[..100].to_vec(),
        ),
        (
            "a PPM cut off",
            "1.ppm",
            picture("photo.ppm")[..100].to_vec(),
        ),
        (
            "a PNG of no width",
            "1.png",
            png(&[(b"IHDR", &header(0, 8, 8, 2)), (b"IDAT", &packed(8)), end]),
        ),
        ("a JPEG of no height", "1.jpg", jpeg_of(0, 48)),
        (
            "a GIF of no size",
            "1.gif",
            changed("photo.gif", 6, &[0; 4]),
        ),
        (
            "a PNG of four billion rows",
            "1.png",
            png(&[
                (b"IHDR", &header(8, 0x7fff_ffff, 8, 2)),
                (b"IDAT", &bomb),
                end,
            ]),
        ),
        (
            "a PNG of 2.5 billion pixels",
            "1.png",
            png(&[
                (b"IHDR", &header(50_000, 50_000, 1, 0)),
                (b"IDAT", &bomb),
                end,
            ]),
        ),
        (
            "a PNG of 2.9 GB that is 100 KB",
            "1.png",
            png(&[
                (b"IHDR", &header(19_000, 19_000, 16, 6)),
                (b"IDAT", &bomb),
                end,
            ]),
        ),
        (
            "a JPEG of four billion pixels",
            "1.jpg",
            jpeg_of(65_500, 65_500),
        ),
        (
            "a GIF of four billion pixels",
            "1.gif",
            changed("photo.gif", 6, &[0xff; 4]),
        ),
        (
            "a BMP of two billion rows",
            "1.bmp",
            changed("photo.bmp", 22, &[0xff, 0xff, 0xff, 0x7f]),
        ),
        (
            "a PPM of a trillion pixels",
            "1.ppm",
            b"P6 1000000 1000000 255 x".to_vec(),
        ),
        (
            "a PPM of no numbers",
            "1.ppm",
            b"P6 many rows 255 x".to_vec(),
        ),
        ("a WebP of a billion pixels", "1.webp", {
            // VP8L: fourteen bits each for width and height, less one.
            let bytes = picture("lossless.webp");
            let at = bytes.windows(4).position(|four| four == b"VP8L").unwrap() + 9;
            changed(
                "lossless.webp",
                at,
                &[0xff, 0xff, 0xff, bytes[at + 3] | 0x0f],
            )
        }),
        (
            "a name with a terminal's bytes",
            "\u{1b}[31m\u{9b}.png",
            b"x".to_vec(),
        ),
        (
            "a name that turns the line",
            "\u{202e}gnp.png",
            b"x".to_vec(),
        ),
    ] {
        cases.refused(what, &world(name, &bytes), &EVAL);
    }
    cases.end(27);
}

/// Two pictures must give the same logits to the last bit.
fn same_logits(one: &[u8], other: &[u8]) {
    let logits = |bytes: &[u8]| {
        let place = world("1.png", bytes);
        let output = place.run(&[&EVAL[..], &["--logits", "l.safetensors"]].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_plain("the table", &output.stdout);
        std::fs::read(place.path().join("l.safetensors")).unwrap()
    };
    assert!(logits(one) == logits(other));
}

fn as_png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// As `PIL.Image.open(…).convert("RGB")` has them: tests/fixtures/images.py wrote what it gives, to which the decoder is
/// compared; here odd pictures and plain ones of the same pixels go the whole way to the logits.
#[test]
fn odd_pictures_are_read_as_plain_ones_of_the_same_pixels() {
    let plain = image::load_from_memory(&picture("rgb.png"))
        .unwrap()
        .to_rgb8();
    let grey = image::imageops::grayscale(&plain);
    let spread = image::RgbImage::from_fn(plain.width(), plain.height(), |x, y| {
        image::Rgb([grey.get_pixel(x, y).0[0]; 3])
    });
    same_logits(&as_png(&grey.clone().into()), &as_png(&spread.into()));
    // Alpha is dropped and not blended.
    let veiled = image::RgbaImage::from_fn(plain.width(), plain.height(), |x, y| {
        let [r, g, b] = plain.get_pixel(x, y).0;
        image::Rgba([r, g, b, (x % 256) as u8])
    });
    same_logits(&as_png(&veiled.into()), &as_png(&plain.clone().into()));
    // Of sixteen bits the upper eight count where there is colour; Pillow clips what is grey.
    let fine = image::ImageBuffer::from_fn(plain.width(), plain.height(), |x, y| {
        image::Rgb(plain.get_pixel(x, y).0.map(|v| u16::from(v) << 8 | 0x7f))
    });
    same_logits(
        &as_png(&DynamicImage::ImageRgb16(fine)),
        &as_png(&plain.into()),
    );
    let wide = image::ImageBuffer::from_fn(40, 40, |x, y| image::Luma([(x * y) as u16]));
    let clipped = image::GrayImage::from_fn(40, 40, |x, y| image::Luma([(x * y).min(255) as u8]));
    same_logits(
        &as_png(&DynamicImage::ImageLuma16(wide)),
        &as_png(&clipped.into()),
    );
}

/// Pillow turns a picture only where it is asked to (`ImageOps.exif_transpose`), and timm does not ask.
#[test]
fn a_rotation_in_exif_is_not_applied() {
    let turned = picture("exif.jpg");
    let exif = turned.windows(4).position(|four| four == b"Exif").unwrap();
    // The segment that says it, taken out: the marker and the length are before the name.
    let length = u16::from_be_bytes([turned[exif - 2], turned[exif - 1]]) as usize;
    let plain = [&turned[..exif - 4], &turned[exif - 2 + length..]].concat();
    same_logits(&turned, &plain);
}

#[test]
fn colours_of_print_and_of_one_channel_go_through() {
    for name in [
        "cmyk.jpg",
        "grey.jpg",
        "grey16.png",
        "grey_alpha.png",
        "one_bit.png",
        "palette_transparent.png",
    ] {
        let place = world("1.jpg", &picture(name));
        let output = place.run(&EVAL);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("of 2 images"),
            "{name}"
        );
    }
}
