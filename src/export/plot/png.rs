//! Pictures of pixels from the same SVG.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::{Picture, font};
use crate::{Error, Result};

/// Pixels an inch; journals ask for 600 where lines and letters are in a picture.
pub const DPI: f64 = 600.0;
/// What an SVG's inch is for its reader.
const SVG_DPI: f64 = 96.0;

/// The file: RGB on white, [`DPI`] written into it. The same bytes on every machine of an architecture.
///
/// # Errors
/// [`Error::Internal`] if our own SVG cannot be read or drawn.
pub fn png(picture: &Picture) -> Result<Vec<u8>> {
    let fault =
        |what: String| Error::internal(format!("{}.png could not be drawn: {what}", picture.stem));
    let options = Options {
        fontdb: font::database(),
        font_family: "Arimo".into(),
        ..Options::default()
    };
    let tree = Tree::from_str(&picture.svg, &options).map_err(|e| fault(e.to_string()))?;
    let (width, height) = pixels(picture);
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| fault("it has no size".into()))?;
    pixels.fill(Color::WHITE);
    let scale = (DPI / SVG_DPI) as f32;
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut pixels.as_mut(),
    );
    // White behind everything leaves nothing transparent.
    let rgb: Vec<u8> = pixels
        .data()
        .chunks_exact(4)
        .flat_map(|p| [p[0], p[1], p[2]])
        .collect();
    encode(picture, &rgb, width, height).map_err(|e| fault(e.to_string()))
}

/// Width and height in pixels.
pub fn pixels(picture: &Picture) -> (u32, u32) {
    let pixels = |mm: f64| (mm / 25.4 * DPI).round().max(1.0) as u32;
    (pixels(picture.width_mm), pixels(picture.height_mm))
}

fn encode(
    picture: &Picture,
    rgb: &[u8],
    width: u32,
    height: u32,
) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let metre = (DPI / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: metre,
        yppu: metre,
        unit: png::Unit::Meter,
    }));
    encoder.add_itxt_chunk("Title".into(), picture.title.clone())?;
    encoder.add_itxt_chunk("Description".into(), picture.description.clone())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    writer.finish()?;
    Ok(bytes)
}
