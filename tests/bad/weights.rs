//! Backbones from elsewhere: configs, safetensors, and pickles, which are read as data and run nothing.

use serde_json::{Value, json};

use super::{Cases, EVAL, Place, fixture};

fn config() -> Value {
    serde_json::from_slice(&std::fs::read(fixture("models/resnet14t/config.json")).unwrap())
        .unwrap()
}

fn weights() -> Vec<u8> {
    std::fs::read(fixture("models/resnet14t/model.safetensors")).unwrap()
}

/// A backbone's folder in `m/`.
fn backbone(config: impl AsRef<[u8]>, weights: impl AsRef<[u8]>) -> Place {
    let place = Place::new();
    place.write("m/config.json", config);
    place.write("m/model.safetensors", weights);
    place.write(
        "photos/test/a/1.png",
        std::fs::read(fixture("images/rgb.png")).unwrap(),
    );
    place
}

/// A safetensors file with this header and these bytes behind it.
fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        data,
    ]
    .concat()
}

/// The weights with their header changed.
fn with_header(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let bytes = weights();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..end]).unwrap();
    change(&mut header);
    safetensors(&header.to_string(), &bytes[end..])
}

/// The weights with the first value of a tensor changed.
fn with_value(name: &str, value: f32) -> Vec<u8> {
    let mut bytes = weights();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..end]).unwrap();
    let at = end + header[name]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn a_config_that_is_not_timms_is_refused() {
    let mut cases = Cases::of("configs");
    let place = Place::new();
    cases.refused("a folder that is not there", &place, &EVAL);
    place.write("m/notes.txt", "");
    cases.refused("a folder without a backbone", &place, &EVAL);
    for (what, bytes) in [
        ("an empty config", ""),
        ("a config that is no JSON", "architecture: resnet14t"),
        ("a config of a list", "[]"),
        ("a page instead of a config", "<!doctype html><html>"),
        ("lists in lists", &"[".repeat(100_000)),
        ("no architecture", "{}"),
    ] {
        cases.refused(what, &backbone(bytes, weights()), &EVAL);
    }
    for (what, path, value) in [
        (
            "an architecture of another library",
            "/architecture",
            json!("swin_tiny_patch4_window7_224"),
        ),
        (
            "an architecture with a terminal's bytes",
            "/architecture",
            json!("\u{1b}[31mresnet18\u{9b}"),
        ),
        ("an architecture of a number", "/architecture", json!(18)),
        ("another number of classes", "/num_classes", json!(11)),
        ("classes below zero", "/num_classes", json!(-1)),
        (
            "no picture's size",
            "/pretrained_cfg/input_size",
            json!([3, 0, 0]),
        ),
        (
            "a size of two numbers",
            "/pretrained_cfg/input_size",
            json!([40, 40]),
        ),
        (
            "a size that no memory holds",
            "/pretrained_cfg/input_size",
            json!([3, 4_000_000_000_u64, 4_000_000_000_u64]),
        ),
        (
            "a mean of two channels",
            "/pretrained_cfg/mean",
            json!([0.5, 0.5]),
        ),
        (
            "a deviation of zero",
            "/pretrained_cfg/std",
            json!([0.0, 0.0, 0.0]),
        ),
        (
            "a filter that is none",
            "/pretrained_cfg/interpolation",
            json!("sinc"),
        ),
        ("a crop of nothing", "/pretrained_cfg/crop_pct", json!(0.0)),
        (
            "a layer that no memory holds",
            "/model_args/channels",
            json!([6, 8, 12, 4_000_000_000_u64]),
        ),
        (
            "an argument that is none",
            "/model_args/flavour",
            json!("vanilla"),
        ),
        ("a stem of text", "/model_args/stem_width", json!("wide")),
    ] {
        let mut config = config();
        let (table, key) = path.rsplit_once('/').unwrap();
        let table = config.pointer_mut(table).unwrap();
        table[key] = value;
        cases.refused(what, &backbone(config.to_string(), weights()), &EVAL);
    }
    let vit = |change: fn(&mut Value)| {
        let bytes = std::fs::read(fixture("models/vit/config.json")).unwrap();
        let mut config: Value = serde_json::from_slice(&bytes).unwrap();
        change(&mut config["model_args"]);
        let weights = std::fs::read(fixture("models/vit/model.safetensors")).unwrap();
        backbone(config.to_string(), weights)
    };
    cases.refused(
        "patches of no size",
        &vit(|args| args["patch_size"] = json!(0)),
        &EVAL,
    );
    cases.refused("no heads", &vit(|args| args["num_heads"] = json!(0)), &EVAL);
    cases.refused(
        "heads that do not divide the width",
        &vit(|args| args["num_heads"] = json!(7)),
        &EVAL,
    );
    cases.refused(
        "a width that no memory holds",
        &vit(|args| args["embed_dim"] = json!(3_000_000_000_000_u64)),
        &EVAL,
    );
    cases.refused(
        "blocks without an end",
        &vit(|args| args["depth"] = json!(4_000_000_000_000_u64)),
        &EVAL,
    );
    cases.end(25);
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let mut cases = Cases::of("safetensors");
    let whole = weights();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 81472\n";
    let one = |dtype: &str, shape: &str, end: u64| {
        format!("{{\"x\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}")
    };
    for (what, bytes) in [
        ("an empty file", Vec::new()),
        ("four bytes", whole[..4].to_vec()),
        ("a file cut off in its header", whole[..200].to_vec()),
        (
            "a file cut off in its data",
            whole[..whole.len() - 1].to_vec(),
        ),
        (
            "a file cut off after its header",
            whole[..whole.len() / 2].to_vec(),
        ),
        (
            "more bytes than there are tensors",
            [&whole[..], &[0; 64]].concat(),
        ),
        (
            "a page instead of weights",
            b"<!doctype html><html><body>Not found</body></html>".to_vec(),
        ),
        ("a pointer of Git's large files", pointer.into()),
        ("a header that is no JSON", safetensors("{\"x\":", &[])),
        ("a header of a list", safetensors("[]", &[])),
        (
            "a header larger than the file",
            [&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
        ),
        (
            "a header of 90 MB in a file of none",
            [&90_000_000_u64.to_le_bytes()[..], b"{}"].concat(),
        ),
        (
            "a tensor larger than the file",
            safetensors(&one("F32", "[1000000000000]", 4_000_000_000_000), &[0; 8]),
        ),
        (
            "a tensor larger than any number",
            safetensors(
                &one("F32", "[4294967296,4294967296,4294967296]", 8),
                &[0; 8],
            ),
        ),
        (
            "a tensor of another length than its shape",
            safetensors(&one("F32", "[3]", 8), &[0; 8]),
        ),
        (
            "a type that is none",
            safetensors(&one("F7", "[2]", 8), &[0; 8]),
        ),
        ("whole numbers", safetensors(&one("I64", "[1]", 8), &[0; 8])),
        ("no tensors", safetensors("{}", &[])),
        ("lists in lists", safetensors(&"[".repeat(100_000), &[])),
        (
            "a tensor with a terminal's bytes in its name",
            safetensors(
                &one("I64", "[1]", 8).replace('x', "\\u001b[31mx\\u009b"),
                &[0; 8],
            ),
        ),
        (
            "a weight that is no number",
            with_value("fc.weight", f32::NAN),
        ),
        (
            "an infinite weight",
            with_value("conv1.0.weight", f32::NEG_INFINITY),
        ),
        (
            "a weight that is missing",
            with_header(|h| {
                let entry = h.as_object_mut().unwrap().remove("fc.bias").unwrap();
                h["unknown"] = entry;
            }),
        ),
        (
            "a weight of another shape",
            with_header(|h| {
                let shape = h["fc.weight"]["shape"].clone();
                h["fc.weight"]["shape"] = json!([shape[1], shape[0]]);
            }),
        ),
        (
            "a weight of no shape",
            with_header(|h| {
                let count = h["fc.weight"]["shape"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|n| n.as_u64().unwrap())
                    .product::<u64>();
                h["fc.weight"]["shape"] = json!([count]);
            }),
        ),
        (
            "two weights in one place",
            with_header(|h| {
                let offsets = h["fc.weight"]["data_offsets"].clone();
                h["fc.weight"]["data_offsets"] = json!([0, offsets[1]]);
            }),
        ),
    ] {
        cases.refused(what, &backbone(config().to_string(), bytes), &EVAL);
    }
    // Several at once are several names in one sentence.
    let other = std::fs::read(fixture("models/resnet18/model.safetensors")).unwrap();
    cases.refused(
        "weights of another architecture",
        &backbone(config().to_string(), other),
        &EVAL,
    );
    cases.end(26);
}

/// An archive as `torch.save` writes one, its files stored as they are.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let (size, at) = (
            (data.len() as u32).to_le_bytes(),
            (bytes.len() as u32).to_le_bytes(),
        );
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        bytes.extend([b"PK\x03\x04", &common[..], name.as_bytes(), data].concat());
        directory.extend(
            [
                b"PK\x01\x02\x14\0",
                &common[..],
                &[0; 10],
                &at,
                name.as_bytes(),
            ]
            .concat(),
        );
    }
    let count = (files.len() as u16).to_le_bytes();
    let (length, at) = (
        (directory.len() as u32).to_le_bytes(),
        (bytes.len() as u32).to_le_bytes(),
    );
    bytes.extend(directory);
    bytes.extend(
        [
            b"PK\x05\x06\0\0\0\0",
            &count[..],
            &count,
            &length,
            &at,
            &[0, 0],
        ]
        .concat(),
    );
    bytes
}

/// A pickle of a dictionary with one tensor of this shape, as `torch.save` writes it.
fn tensor(shape: &[i32]) -> Vec<u8> {
    let text = |text: &str| {
        [
            b"X",
            &(text.len() as u32).to_le_bytes()[..],
            text.as_bytes(),
        ]
        .concat()
    };
    let number = |n: i32| [b"J", &n.to_le_bytes()[..]].concat();
    let tuple = |items: &[i32]| {
        [
            b"(".to_vec(),
            items.iter().flat_map(|&n| number(n)).collect(),
            b"t".to_vec(),
        ]
        .concat()
    };
    [
        b"\x80\x02}(".to_vec(),
        text("fc.weight"),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text("0"),
        text("cpu"),
        number(4),
        b"tQ".to_vec(),
        number(0),
        tuple(shape),
        tuple(&vec![1; shape.len()]),
        b"\x89ccollections\nOrderedDict\n)RtRu.".to_vec(),
    ]
    .concat()
}

#[test]
fn a_pickle_is_data_and_runs_nothing() {
    let mut cases = Cases::of("pickles");
    let arguments = |file: &str| {
        [
            "run",
            "demo",
            "--device",
            "cpu",
            "--out",
            "R",
            "--set",
            &format!("backbone.source=file:{file}"),
            "--set",
            "backbone.architecture=resnet14t",
        ]
        .map(str::to_owned)
    };
    let pickled = |data: &[u8]| {
        archive(&[
            ("m/data.pkl", data),
            ("m/data/0", &[0; 16]),
            ("m/version", b"3\n"),
        ])
    };
    let whole = std::fs::read(fixture("models/resnet14t/checkpoint.pth")).unwrap();
    let deep = [b"\x80\x02)".to_vec(), vec![0x85; 200_000], b".".to_vec()].concat();
    for (what, bytes) in [
        (
            "a pickle that runs a command",
            pickled(b"\x80\x02cos\nsystem\nX\x0d\0\0\0touch pwned-1\x85R."),
        ),
        (
            "an old pickle that runs a command",
            pickled(b"cos\nsystem\n(S'touch pwned-2'\ntR."),
        ),
        (
            "a pickle that runs a command to build",
            pickled(b"\x80\x02}(X\x01\0\0\0xcbuiltins\nexec\nX\x10\0\0\0open('pwned','w')\x85Ru."),
        ),
        (
            "a pickle without an archive",
            b"\x80\x02cos\nsystem\nX\x0d\0\0\0touch pwned-3\x85R.".to_vec(),
        ),
        ("a file cut off", whole[..whole.len() / 2].to_vec()),
        ("an empty file", Vec::new()),
        (
            "an archive without a pickle",
            archive(&[("readme", b"hello")]),
        ),
        ("a pickle of nothing", pickled(b"\x80\x02}.")),
        ("a pickle cut off", pickled(b"\x80\x02}(X\x05\0\0\0ab")),
        (
            "a text of four gigabytes in a pickle of none",
            pickled(b"\x80\x02X\xff\xff\xff\xffab."),
        ),
        ("a pickle of stacked tuples", pickled(&deep)),
        (
            "a tensor of four values that says it has more",
            pickled(&tensor(&[8])),
        ),
        (
            "a tensor that no memory holds",
            pickled(&tensor(&[i32::MAX, 1, 1])),
        ),
        (
            "a tensor that no number counts",
            pickled(&tensor(&[i32::MAX, i32::MAX, i32::MAX])),
        ),
        ("a tensor of a negative size", pickled(&tensor(&[-4]))),
    ] {
        let place = Place::new();
        place.write("w.pth", bytes);
        cases.refused(what, &place, &arguments("w.pth"));
        let left: Vec<_> = std::fs::read_dir(place.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["w.pth"], "{what}");
    }
    let place = Place::new();
    place.write("w.npz", "");
    cases.refused("a file of another kind", &place, &arguments("w.npz"));
    cases.refused("a file that is not there", &place, &arguments("none.pth"));
    cases.refused("a folder for a file", &place, &arguments("."));
    cases.end(17);
}
