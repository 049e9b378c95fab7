//! Small data sets on disk, for tests.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{ImageBuffer, ImageFormat, Rgb};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Dataset, Opened, open};
use crate::recipe::Recipe;
use crate::{Error, Result};

/// A plain picture of this colour, 8 wide and 6 high.
pub fn png(colour: u8) -> Vec<u8> {
    let picture = ImageBuffer::from_pixel(8, 6, Rgb([colour, 100, 200]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

pub fn write(path: PathBuf, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn numbers(group: &mut SerializedRowGroupWriter<'_, File>, values: impl Iterator<Item = i64>) {
    let values: Vec<i64> = values.collect();
    let mut column = group.next_column().unwrap().unwrap();
    let typed = column.typed::<Int64Type>();
    typed
        .write_batch(&values, Some(&vec![1; values.len()]), None)
        .unwrap();
    column.close().unwrap();
}

/// Rows of a picture, a label, a word for it and half of it, in row groups of three; `metadata` is what `datasets` says of the columns.
pub fn parquet(path: PathBuf, rows: &[(Option<Vec<u8>>, i64)], metadata: Option<&str>) {
    let schema = "message rows { optional group image { optional binary bytes; optional binary path (UTF8); } \
                  optional int64 label; optional binary word (UTF8); optional int64 coarse; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let pairs = metadata.map(|text| vec![KeyValue::new("huggingface".into(), text.to_owned())]);
    let properties = WriterProperties::builder()
        .set_key_value_metadata(pairs)
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    for rows in rows.chunks(3) {
        let mut group = writer.next_row_group().unwrap();
        let mut texts = |values: Vec<Option<Vec<u8>>>, depth: i16| {
            let mut column = group.next_column().unwrap().unwrap();
            let levels: Vec<i16> = values
                .iter()
                .map(|v| depth - i16::from(v.is_none()))
                .collect();
            let values: Vec<ByteArray> =
                values.into_iter().flatten().map(ByteArray::from).collect();
            let typed = column.typed::<ByteArrayType>();
            typed.write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        };
        texts(rows.iter().map(|(picture, _)| picture.clone()).collect(), 2);
        texts(rows.iter().map(|_| Some(b"x.png".to_vec())).collect(), 2);
        numbers(&mut group, rows.iter().map(|(_, label)| *label));
        let words = rows
            .iter()
            .map(|(_, label)| Some(format!("w{}", 9 - label).into_bytes()));
        let mut column = group.next_column().unwrap().unwrap();
        let words: Vec<ByteArray> = words.flatten().map(ByteArray::from).collect();
        let typed = column.typed::<ByteArrayType>();
        typed
            .write_batch(&words, Some(&vec![1; rows.len()]), None)
            .unwrap();
        column.close().unwrap();
        numbers(&mut group, rows.iter().map(|(_, label)| label / 2));
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// What `datasets` writes into a file for classes of these names.
pub fn features(classes: &[&str]) -> String {
    let features = serde_json::json!({
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": classes},
        "word": {"_type": "Value", "dtype": "string"},
        "coarse": {"_type": "ClassLabel", "names": ["low", "high"]},
    });
    serde_json::json!({"info": {"features": features}}).to_string()
}

/// The demo's recipe, its last task at this source with these overrides of its table.
pub fn recipe(scheme: &str, folder: &Path, overrides: &[&str]) -> Recipe {
    let source = format!("task.4.data={scheme}:{}", folder.display());
    let own = overrides.iter().map(|o| match o.split_once('.') {
        Some(("data", _)) => (*o).to_owned(),
        _ => format!("task.4.{o}"),
    });
    let all: Vec<String> = std::iter::once(source).chain(own).collect();
    Recipe::load("demo", &all).unwrap()
}

/// Opens that recipe.
pub fn opened(scheme: &str, folder: &Path, overrides: &[&str]) -> Result<Opened> {
    open(
        &recipe(scheme, folder, overrides),
        None,
        &mut crate::progress::Nobody,
    )
}

/// The data of its last task.
pub fn dataset(scheme: &str, folder: &Path, overrides: &[&str]) -> Arc<Dataset> {
    opened(scheme, folder, overrides).unwrap().tasks[4].clone()
}

/// The sentence that it is refused with.
pub fn refusal(scheme: &str, folder: &Path, overrides: &[&str]) -> String {
    let error = opened(scheme, folder, overrides).unwrap_err();
    assert!(matches!(error, Error::Input(_)), "{error:?}");
    error.to_string()
}

pub fn class_names(dataset: &Dataset) -> Vec<&str> {
    dataset.classes.iter().map(|c| c.name.as_str()).collect()
}

/// The first sample of each picture.
pub fn colours(images: &super::Images) -> Vec<u8> {
    (0..images.len()).map(|i| images.image(i)[0]).collect()
}
