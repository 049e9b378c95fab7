//! Frames as a recording that asciinema plays: version 2 of its format, a JSON value a line.

use anyhow::Result;
use serde_json::json;

use super::recorder::{Frame, SIZE};

/// Every frame by what differs from the one before, every line that is said as a marker.
pub fn cast(title: &str, frames: &[Frame]) -> Result<String> {
    let (width, height) = SIZE;
    let header = json!({"version": 2, "width": width, "height": height, "title": title});
    let mut lines = vec![serde_json::to_string(&header)?];
    let (mut time, mut before) = (0.0, None::<&Frame>);
    for frame in frames {
        let written = match before {
            None => frame.screen.contents_formatted(),
            Some(before) => frame.screen.contents_diff(&before.screen),
        };
        // To the millisecond.
        let at = f64::round(1000.0 * time) / 1000.0;
        if before.is_none_or(|before| before.caption != frame.caption) {
            lines.push(serde_json::to_string(&json!([at, "m", frame.caption]))?);
        }
        lines.push(serde_json::to_string(&json!([at, "o", written]))?);
        time += frame.seconds;
        before = Some(frame);
    }
    Ok(lines.join("\n") + "\n")
}
