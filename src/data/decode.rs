//! From the bytes of a picture to its pixels, as Pillow's `Image.open(…).convert("RGB")` has them.
//!
//! Neither EXIF's orientation nor colour profiles are applied, alpha is dropped, of an animation the first
//! frame is taken. What is grey stays one channel. As in Pillow, a grey picture of 16 bits is clipped at 255,
//! not scaled, and of the other samples of 16 bits the upper byte is taken.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::raster::Raster;
use crate::crash;

/// Pixels that Pillow refuses to decode more of: twice its `MAX_IMAGE_PIXELS`.
const MOST_PIXELS: u64 = 178_956_970;
/// Memory that a decoder may take: 16-bit RGBA of that many pixels.
const MOST_MEMORY: u64 = 8 * MOST_PIXELS;

/// Decodes a picture; the error says why it cannot be.
pub(super) fn decode(bytes: &[u8]) -> Result<Raster, String> {
    if bytes.is_empty() {
        return Err("it is empty".into());
    }
    let format =
        image::guess_format(bytes).map_err(|_| "its first bytes are no picture's".to_string())?;
    // A damaged file must not end the program, whatever it does to a decoder.
    let decoded = crash::contained(|| match format {
        ImageFormat::Jpeg => jpeg(bytes),
        other => any(bytes, other),
    });
    decoded.unwrap_or_else(|| Err("its decoder failed".into()))
}

fn check_size(width: u64, height: u64) -> Result<(), String> {
    if width == 0 || height == 0 {
        return Err(format!("it is {width}×{height} pixels"));
    }
    if width.saturating_mul(height) > MOST_PIXELS {
        return Err(format!(
            "it claims to be {width}×{height} pixels, more than any photograph has"
        ));
    }
    Ok(())
}

/// Like libjpeg, takes a file with odd bytes in it that has its end, and refuses one that is cut off.
fn jpeg(bytes: &[u8]) -> Result<Raster, String> {
    jpeg_strictly(bytes, true).or_else(|why| {
        let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
        let (scan, end) = (last([0xff, 0xda]), last([0xff, 0xd9]));
        if scan.is_some() && end > scan {
            jpeg_strictly(bytes, false)
        } else {
            Err(why)
        }
    })
}

fn jpeg_strictly(bytes: &[u8], strict: bool) -> Result<Raster, String> {
    let failed = |e: &dyn std::fmt::Display| format!("this JPEG is damaged: {e}");
    let options = DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| failed(&e))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| failed(&"no size"))?;
    check_size(width as u64, height as u64)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (channels, wanted) = if grey {
        (1, ColorSpace::Luma)
    } else {
        (3, ColorSpace::RGB)
    };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let pixels = decoder.decode().map_err(|e| failed(&e))?;
    raster(channels, width, height, pixels)
}

fn any(bytes: &[u8], format: ImageFormat) -> Result<Raster, String> {
    let failed = |e: image::ImageError| format!("it cannot be decoded: {e}");
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    let (width, height) = (width as usize, height as usize);
    let upper = |samples: Vec<u16>, kept: usize, of: usize| -> Vec<u8> {
        let pixels = samples.chunks_exact(of);
        pixels
            .flat_map(|p| p[..kept].iter().map(|s| (s >> 8) as u8))
            .collect()
    };
    let (channels, pixels) = match DynamicImage::from_decoder(decoder).map_err(failed)? {
        DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
        DynamicImage::ImageRgb8(image) => (3, image.into_raw()),
        DynamicImage::ImageLumaA8(image) => (1, first(image.as_raw(), 1, 2)),
        DynamicImage::ImageRgba8(image) => (3, first(image.as_raw(), 3, 4)),
        DynamicImage::ImageLuma16(image) => {
            let clipped = image.as_raw().iter().map(|&s| s.min(255) as u8);
            (1, clipped.collect())
        }
        DynamicImage::ImageLumaA16(image) => (1, upper(image.into_raw(), 1, 2)),
        DynamicImage::ImageRgb16(image) => (3, upper(image.into_raw(), 3, 3)),
        DynamicImage::ImageRgba16(image) => (3, upper(image.into_raw(), 3, 4)),
        other => (3, other.into_rgb8().into_raw()),
    };
    raster(channels, width, height, pixels)
}

/// The first `kept` of every `of` samples.
fn first(samples: &[u8], kept: usize, of: usize) -> Vec<u8> {
    let pixels = samples.chunks_exact(of);
    pixels.flat_map(|p| &p[..kept]).copied().collect()
}

fn raster(channels: usize, width: usize, height: usize, pixels: Vec<u8>) -> Result<Raster, String> {
    if pixels.len() != channels * width * height {
        return Err(format!(
            "its decoder gave {} samples for {width}×{height} pixels",
            pixels.len()
        ));
    }
    Ok(Raster {
        channels,
        height,
        width,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{bytes, difference, image, names};

    /// As three channels.
    fn rgb(name: &str) -> Raster {
        let raster = decode(&bytes(name)).unwrap();
        if raster.channels == 3 {
            return raster;
        }
        Raster {
            channels: 3,
            pixels: raster.pixels.iter().flat_map(|&v| [v; 3]).collect(),
            ..raster
        }
    }

    #[test]
    fn every_format_is_decoded_as_pillow_does() {
        for name in names() {
            let (got, want) = (rgb(&name), image(&format!("{name}.decoded")));
            assert_eq!((got.height, got.width), (want.height, want.width), "{name}");
            let (mean, most) = difference(&got.pixels, &want.pixels);
            println!("{name}: mean {mean:.4}, most {most}");
            // libjpeg-turbo rounds a JPEG's inverse transform and chroma in other ways.
            let lossy = name.ends_with(".jpg");
            let (mean_limit, most_limit) = if lossy { (0.6, 16) } else { (0.0, 0) };
            assert!(
                mean <= mean_limit && most <= most_limit,
                "{name}: {mean} {most}"
            );
        }
    }

    #[test]
    fn what_is_damaged_is_refused_with_a_reason() {
        let jpeg = bytes("420.jpg");
        let mut bomb = bytes("rgb.png");
        // The header's width and height; its checksum is found wrong afterwards, or not at all.
        bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let mut huge = bytes("photo.bmp");
        huge[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
        for (bytes, want) in [
            (&[][..], "it is empty"),
            (b"<html>not found</html>", "no picture's"),
            (&jpeg[..jpeg.len() / 2], "damaged"),
            (&jpeg[..40], "damaged"),
            (&bytes("rgb.png")[..3000], "cannot be decoded"),
            (&bomb, "it"),
            (&huge, "more than any photograph"),
            (&bytes("lossy.webp")[..500], "cannot be decoded"),
        ] {
            let why = decode(bytes).unwrap_err();
            assert!(why.contains(want), "{why}");
        }
    }

    #[test]
    fn a_jpeg_with_odd_bytes_before_a_marker_is_decoded_as_it_is_without() {
        let whole = bytes("420.jpg");
        // Before the quantisation table, where libjpeg skips what it does not know.
        let table = whole.windows(2).position(|p| p == [0xff, 0xdb]).unwrap();
        let mut odd = whole.clone();
        odd.splice(table..table, [0; 9]);
        assert_eq!(decode(&odd).unwrap(), decode(&whole).unwrap());
        assert!(jpeg_strictly(&odd, true).is_err());
        let after = [whole.clone(), vec![0; 100]].concat();
        assert_eq!(decode(&after).unwrap(), decode(&whole).unwrap());
    }

    #[test]
    fn no_byte_changed_or_missing_ends_the_program() {
        for name in names() {
            let whole = bytes(&name);
            for i in (0..whole.len()).step_by(whole.len() / 40 + 1) {
                let _ = decode(&whole[..i]);
                let mut changed = whole.clone();
                changed[i] ^= 0x5a;
                let _ = decode(&changed);
            }
        }
    }
}
