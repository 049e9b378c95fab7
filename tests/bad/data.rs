//! Data sets: folders, IDX files, parquet files and the layouts that are published.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::{Cases, Place, SMALL, fixture};

/// Arguments of a run whose second task learns this.
fn learning(source: &str) -> Vec<String> {
    let set = format!("task.1.data={source}");
    [
        "run", "my.toml", "--device", "cpu", "--out", "R", "--set", &set,
    ]
    .map(str::to_owned)
    .into()
}

fn place() -> Place {
    let place = Place::new();
    place.write("my.toml", SMALL);
    place
}

fn picture() -> Vec<u8> {
    std::fs::read(fixture("images/rgb.png")).unwrap()
}

/// A folder `d/` of these files, all the same sound picture.
fn folder(files: &[&str]) -> Place {
    let place = place();
    std::fs::create_dir(place.path().join("d")).unwrap();
    for file in files {
        place.write(format!("d/{file}"), picture());
    }
    place
}

#[test]
fn folders_that_are_no_data_set_are_refused() {
    let mut cases = Cases::of("folders");
    let arguments = learning("folder:d");
    for (what, files) in [
        ("an empty folder", &[][..]),
        ("no test folder", &["train/a/1.png"]),
        ("no training folder", &["test/a/1.png"]),
        ("pictures without classes", &["train/1.png", "test/1.png"]),
        (
            "a class without a training picture",
            &[
                "train/a/1.png",
                "train/b/1.txt",
                "test/a/1.png",
                "test/b/1.png",
            ],
        ),
        (
            "a class without a test picture",
            &["train/a/1.png", "train/b/1.png", "test/a/1.png"],
        ),
        (
            "a class that is tested alone",
            &["train/a/1.png", "test/a/1.png", "test/b/1.png"],
        ),
        (
            "a class with a terminal's bytes that is tested alone",
            &[
                "train/a/1.png",
                "test/a/1.png",
                "test/\u{1b}[31m\u{202e}/1.png",
            ],
        ),
    ] {
        cases.refused(what, &folder(files), &arguments);
    }
    let odd = folder(&["train/a/1.png", "test/a/1.png"]);
    std::os::unix::fs::symlink(".", odd.path().join("d/train/a/again")).unwrap();
    cases.refused("a link that leads back", &odd, &arguments);
    let odd = folder(&["train/a/1.png", "test/a/1.png"]);
    std::os::unix::fs::symlink("gone", odd.path().join("d/train/a/2.png")).unwrap();
    cases.refused("a link that leads nowhere", &odd, &arguments);
    let odd = folder(&["train/a/1.png", "test/a/1.png"]);
    let pipe = std::process::Command::new("mkfifo")
        .arg(odd.path().join("d/train/a/2.png"))
        .status();
    assert!(pipe.unwrap().success());
    cases.refused("a pipe for a picture", &odd, &arguments);
    let odd = folder(&["train/a/1.png", "test/a/1.png"]);
    std::fs::create_dir(odd.path().join("d/train").join(super::not_utf8())).unwrap();
    cases.refused("a class that is no UTF-8", &odd, &arguments);
    let odd = place();
    odd.write("d", "x");
    cases.refused("a file for a folder", &odd, &arguments);
    cases.refused(
        "a folder with a terminal's bytes that is not there",
        &place(),
        &learning("folder:\u{1b}[31m\u{9b}"),
    );
    let odd = folder(&["train/a/1.png", "test/a/1.png"]);
    odd.write("d/train/a/2.png", "x");
    cases.refused("a damaged picture among sound ones", &odd, &arguments);
    cases.end(15);
}

fn idx(kind: u8, sizes: &[u32], samples: &[u8]) -> Vec<u8> {
    let sizes_: Vec<u8> = sizes.iter().flat_map(|s| s.to_be_bytes()).collect();
    [&[0, 0, kind, sizes.len() as u8], &sizes_[..], samples].concat()
}

fn gzip(bytes: impl std::io::Read) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut { bytes }, &mut packer).unwrap();
    packer.finish().unwrap()
}

#[test]
fn idx_files_that_are_none_are_refused() {
    let mut cases = Cases::of("idx");
    let pictures = idx(8, &[2, 2, 2], &[7; 8]);
    let labels = idx(8, &[2], &[0, 1]);
    let zeros = |n: u64| std::io::Read::take(std::io::repeat(0), n);
    let bomb = gzip(std::io::Read::chain(
        &idx(8, &[2, 2, 2], &[])[..],
        zeros(1 << 30),
    ));
    let honest = gzip(std::io::Read::chain(
        &idx(8, &[u32::MAX, 2, 1], &[])[..],
        zeros(1 << 20),
    ));
    for (what, file, bytes) in [
        ("an empty file", "train-images-idx3-ubyte", Vec::new()),
        ("two bytes", "train-images-idx3-ubyte", vec![0, 0]),
        (
            "an archive",
            "train-images-idx3-ubyte",
            b"PK\x03\x04\0\0\0\0".to_vec(),
        ),
        (
            "a header cut off",
            "train-images-idx3-ubyte",
            pictures[..10].to_vec(),
        ),
        (
            "pictures cut off",
            "train-images-idx3-ubyte",
            pictures[..pictures.len() - 1].to_vec(),
        ),
        (
            "more pictures than are said",
            "train-images-idx3-ubyte",
            [&pictures[..], &[0]].concat(),
        ),
        (
            "pictures of text",
            "train-images-idx3-ubyte",
            idx(9, &[2, 2, 2], &[7; 8]),
        ),
        (
            "pictures of one dimension",
            "train-images-idx3-ubyte",
            idx(8, &[8], &[7; 8]),
        ),
        (
            "pictures of no size",
            "train-images-idx3-ubyte",
            idx(8, &[2, 0, 2], &[]),
        ),
        (
            "no pictures",
            "train-images-idx3-ubyte",
            idx(8, &[0, 2, 2], &[]),
        ),
        (
            "sizes that no number holds",
            "train-images-idx3-ubyte",
            idx(8, &[u32::MAX; 3], &[7; 8]),
        ),
        (
            "dimensions without sizes",
            "train-images-idx3-ubyte",
            vec![0, 0, 8, 255],
        ),
        (
            "a gigabyte of zeros in a packed file",
            "train-images-idx3-ubyte.gz",
            bomb,
        ),
        (
            "a packed file that says it has eight gigabytes",
            "train-images-idx3-ubyte.gz",
            honest,
        ),
        (
            "a packed file cut off",
            "train-images-idx3-ubyte.gz",
            gzip(&pictures[..])[..15].to_vec(),
        ),
        (
            "a packed file of nothing",
            "train-images-idx3-ubyte.gz",
            gzip(&[][..]),
        ),
        (
            "more labels than pictures",
            "train-labels-idx1-ubyte",
            idx(8, &[3], &[0, 1, 0]),
        ),
        (
            "labels of three dimensions",
            "train-labels-idx1-ubyte",
            idx(8, &[2, 1, 1], &[0, 1]),
        ),
        (
            "labels that leave a class out",
            "train-labels-idx1-ubyte",
            idx(8, &[2], &[0, 5]),
        ),
    ] {
        let place = place();
        for (name, bytes) in [
            ("train-images-idx3-ubyte", &pictures),
            ("train-labels-idx1-ubyte", &labels),
            ("t10k-images-idx3-ubyte", &pictures),
            ("t10k-labels-idx1-ubyte", &labels),
        ] {
            if file.strip_suffix(".gz").unwrap_or(file) != name {
                place.write(format!("d/{name}"), bytes);
            }
        }
        place.write(format!("d/{file}"), bytes);
        cases.refused(what, &place, &learning("idx:d"));
    }
    let pipe = place();
    for (name, bytes) in [
        ("train-labels-idx1-ubyte", &labels),
        ("t10k-images-idx3-ubyte", &pictures),
        ("t10k-labels-idx1-ubyte", &labels),
    ] {
        pipe.write(format!("d/{name}"), bytes);
    }
    let made = std::process::Command::new("mkfifo")
        .arg(pipe.path().join("d/train-images-idx3-ubyte"))
        .status();
    assert!(made.unwrap().success());
    cases.refused("a pipe for a file", &pipe, &learning("idx:d"));
    cases.refused(
        "no files",
        &{
            let p = place();
            p.write("d/readme", "");
            p
        },
        &learning("idx:d"),
    );
    cases.end(21);
}

/// What a row group has: a picture, where there is one, and a label, where there is one.
type Row = (Option<Vec<u8>>, Option<i64>);

fn parquet(
    schema: &str,
    rows: &[Row],
    names: Option<&[&str]>,
    compression: Compression,
) -> Vec<u8> {
    let features = serde_json::json!({
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": names.unwrap_or_default()},
    });
    let metadata = serde_json::json!({"info": {"features": features}}).to_string();
    let pairs = names.map(|_| vec![KeyValue::new("huggingface".into(), metadata)]);
    let properties = WriterProperties::builder()
        .set_key_value_metadata(pairs)
        .set_compression(compression)
        .set_dictionary_enabled(false)
        .build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let columns = schema.get_fields().len();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let levels: Vec<i16> = rows
        .iter()
        .map(|(picture, _)| i16::from(picture.is_some()))
        .collect();
    let pictures: Vec<ByteArray> = rows
        .iter()
        .filter_map(|(p, _)| Some(p.clone()?.into()))
        .collect();
    column
        .typed::<ByteArrayType>()
        .write_batch(&pictures, Some(&levels), None)
        .unwrap();
    column.close().unwrap();
    if columns > 1 {
        let mut column = group.next_column().unwrap().unwrap();
        let levels: Vec<i16> = rows
            .iter()
            .map(|(_, label)| i16::from(label.is_some()))
            .collect();
        let labels: Vec<i64> = rows.iter().filter_map(|(_, label)| *label).collect();
        column
            .typed::<Int64Type>()
            .write_batch(&labels, Some(&levels), None)
            .unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

const COLUMNS: &str = "message rows { optional binary image; optional int64 label; }";

#[test]
fn parquet_files_that_do_not_fit_are_refused() {
    let mut cases = Cases::of("parquet");
    let plain = Compression::UNCOMPRESSED;
    let row = |label| (Some(picture()), Some(label));
    let of = |rows: &[Row], names| parquet(COLUMNS, rows, names, plain);
    let both = Some(&["no", "yes"][..]);
    let sound = of(&[row(0), row(1)], both);
    let mut footer = sound.clone();
    let end = footer.len() - 8;
    footer[end..end + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    for (what, bytes) in [
        ("an empty file", Vec::new()),
        ("a page", b"<!doctype html>".to_vec()),
        ("a file cut off", sound[..sound.len() / 2].to_vec()),
        ("a footer of four gigabytes", footer),
        ("a footer that is damaged", {
            let mut b = sound.clone();
            let n = b.len();
            b[n - 60..n - 20].fill(0xff);
            b
        }),
        ("pages that are damaged", {
            let mut b = sound.clone();
            b[4..40].fill(0xff);
            b
        }),
        (
            "no labels",
            parquet(
                "message rows { optional binary image; }",
                &[row(0)],
                None,
                plain,
            ),
        ),
        (
            "a row without a label",
            of(&[row(0), (Some(picture()), None)], both),
        ),
        (
            "rows without a picture",
            of(&[(None, Some(0)), (None, Some(1))], both),
        ),
        (
            "a row without a picture",
            of(&[row(0), row(1), (None, Some(1))], both),
        ),
        ("a label that is no class", of(&[row(0), row(2)], both)),
        ("a label below zero", of(&[row(0), row(-1)], both)),
        (
            "a label that no number of classes has",
            of(&[row(0), row(i64::MAX)], None),
        ),
        ("no rows", of(&[], both)),
        (
            "labels that are lists",
            parquet(
                "message rows { optional binary image; optional int64 labels; }",
                &[row(0)],
                both,
                plain,
            ),
        ),
        (
            "pictures of numbers",
            parquet(
                "message rows { optional binary picture; optional int64 image; }",
                &[row(0)],
                None,
                plain,
            ),
        ),
        (
            "class names with a terminal's bytes, and a label that is none",
            of(&[row(0), row(2)], Some(&["\u{1b}[31m", "\u{9b}\u{202e}"])),
        ),
        (
            "a picture that is none",
            of(&[row(0), row(1), (Some(b"no".to_vec()), Some(1))], both),
        ),
    ] {
        let place = place();
        place.write("d/data/test-00000-of-00001.parquet", &sound);
        place.write("d/data/train-00000-of-00001.parquet", bytes);
        cases.refused(what, &place, &learning("parquet:d"));
    }
    let few = place();
    few.write("d/data/train-00000-of-00002.parquet", &sound);
    few.write("d/data/test-00000-of-00001.parquet", &sound);
    cases.refused("a file of two", &few, &learning("parquet:d"));
    let none = place();
    none.write("d/data/train.csv", "x");
    cases.refused("no parquet file", &none, &learning("parquet:d"));
    let link = place();
    link.write("d/data/test-00000-of-00001.parquet", &sound);
    std::os::unix::fs::symlink(
        "../../gone",
        link.path().join("d/data/train-00000-of-00001.parquet"),
    )
    .unwrap();
    cases.refused("a link that leads nowhere", &link, &learning("parquet:d"));
    cases.refused(
        "a data set of the hub that is not in the cache",
        &place(),
        &learning("hub:me/shades"),
    );
    cases.refused(
        "a data set outside of the cache",
        &place(),
        &learning("hub:../../etc"),
    );
    cases.end(23);
}

/// A MATLAB file of one packed variable of so many zeros.
fn mat(zeros: u64) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer
        .write_all(&[14_u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat())
        .unwrap();
    std::io::copy(
        &mut std::io::Read::take(std::io::repeat(0), zeros),
        &mut packer,
    )
    .unwrap();
    let packed = packer.finish().unwrap();
    let mut bytes = vec![b' '; 124];
    bytes.extend([0, 1, b'I', b'M', 15, 0, 0, 0]);
    bytes.extend((packed.len() as u32).to_le_bytes());
    bytes.extend(packed);
    bytes
}

#[test]
fn published_layouts_that_are_damaged_are_refused() {
    let mut cases = Cases::of("layouts");
    for layout in ["imagenet", "cars", "flowers", "aircraft", "cub"] {
        let empty = place();
        std::fs::create_dir(empty.path().join("d")).unwrap();
        cases.refused(
            &format!("an empty folder for {layout}"),
            &empty,
            &learning(&format!("{layout}:d")),
        );
    }
    let cars = |meta: &[u8]| {
        let place = place();
        for file in [
            "devkit/cars_train_annos.mat",
            "cars_test_annos_withlabels.mat",
        ] {
            place.write(
                format!("d/stanford_cars/{file}"),
                std::fs::read(fixture(&format!("layouts/stanford_cars/{file}"))).unwrap(),
            );
        }
        place.write("d/stanford_cars/devkit/cars_meta.mat", meta);
        place
    };
    let whole = std::fs::read(fixture("layouts/stanford_cars/devkit/cars_meta.mat")).unwrap();
    cases.refused(
        "annotations that are text",
        &cars(b"hello"),
        &learning("cars:d"),
    );
    cases.refused(
        "annotations cut off",
        &cars(&whole[..whole.len() - 9]),
        &learning("cars:d"),
    );
    cases.refused(
        "annotations that unpack to half a gigabyte",
        &cars(&mat(1 << 29)),
        &learning("cars:d"),
    );
    let cub = |images: &str| {
        let place = place();
        place.write("d/CUB_200_2011/classes.txt", "1 001.A\n2 002.B\n");
        place.write("d/CUB_200_2011/images.txt", images);
        place.write(
            "d/CUB_200_2011/image_class_labels.txt",
            "1 1\n2 2\n3 1\n4 2\n",
        );
        place.write(
            "d/CUB_200_2011/train_test_split.txt",
            "1 1\n2 1\n3 0\n4 0\n",
        );
        place
    };
    cases.refused(
        "a list that is not numbered",
        &cub("a.jpg\nb.jpg\n"),
        &learning("cub:d"),
    );
    cases.refused(
        "a list of another length",
        &cub("1 a.jpg\n"),
        &learning("cub:d"),
    );
    cases.refused(
        "pictures that are not there",
        &cub("1 a.jpg\n2 b.jpg\n3 c.jpg\n4 d.jpg\n"),
        &learning("cub:d"),
    );
    cases.refused(
        "a picture outside of the folder",
        &cub("1 ../../../etc/passwd\n2 b.jpg\n3 c.jpg\n4 d.jpg\n"),
        &learning("cub:d"),
    );
    cases.refused(
        "a picture with a whole path",
        &cub("1 /etc/passwd\n2 b.jpg\n3 c.jpg\n4 d.jpg\n"),
        &learning("cub:d"),
    );
    cases.refused(
        "a list that is no text",
        &{
            let p = cub("");
            p.write("d/CUB_200_2011/images.txt", b"1 \xff");
            p
        },
        &learning("cub:d"),
    );
    cases.end(14);
}
