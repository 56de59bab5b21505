//! An arbitrary tree is unchanged after it is written as a tar and unpacked.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;
use windlass_archive::UnpackMode;

use crate::builder::{Entry, Tar};
use crate::sandbox::{all_options, confined, is_root};
use crate::shape::full;

/// A file of the model.
#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
    Fifo,
    /// A hard link to the file at this path.
    Link(String),
}

#[derive(Clone, Debug)]
struct ModelFile {
    node: Node,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, u32),
    attribute: Option<Vec<u8>>,
}

fn name() -> impl Strategy<Value = String> {
    "[a-c]{1,2}"
}

fn model_file() -> impl Strategy<Value = ModelFile> {
    let node = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..2000).prop_map(Node::File),
        4 => Just(Node::Directory),
        1 => "[a-c./]{1,8}".prop_map(|text| Node::Symlink(text.into_bytes())),
        1 => Just(Node::Fifo),
        1 => Just(Node::Link(String::new())),
    ];
    let mtime = (-(1i64 << 31)..1 << 33, 0..1_000_000_000u32);
    let attribute = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    (
        node,
        0..0o10000u32,
        (0..70_000u32, 0..70_000u32),
        mtime,
        attribute,
    )
        .prop_map(|(node, mode, owner, mtime, attribute)| ModelFile {
            node,
            mode,
            owner,
            mtime,
            attribute,
        })
}

/// Builds a valid tree from arbitrary files: the parent of each file is a directory.
fn build_tree(files: Vec<(Vec<String>, ModelFile)>) -> BTreeMap<String, ModelFile> {
    let mut tree: BTreeMap<String, ModelFile> = BTreeMap::new();
    for (mut components, mut described) in files {
        // Removes leading components until the parent is a directory.
        while components.len() > 1 {
            let above = components[..components.len() - 1].join("/");
            if tree
                .get(&above)
                .is_some_and(|above| matches!(above.node, Node::Directory))
            {
                break;
            }
            components.remove(0);
        }
        let path = components.join("/");
        if tree.contains_key(&path) {
            continue;
        }
        if let Node::Link(target) = &mut described.node {
            let is_file =
                |(_, described): &(&String, &ModelFile)| matches!(described.node, Node::File(_));
            // The target must precede the link in the tar, which is sorted.
            match tree.range(..path.clone()).find(is_file) {
                Some((file, _)) => target.clone_from(file),
                None => continue,
            }
        }
        tree.insert(path, described);
    }
    tree
}

fn tar(tree: &BTreeMap<String, ModelFile>) -> Vec<u8> {
    let mut tar = Tar::new().dir("./");
    for (path, described) in tree {
        let entry = match &described.node {
            Node::File(content) => Entry::file(path, content),
            Node::Directory => Entry::dir(format!("{path}/")),
            Node::Symlink(target) => Entry::symlink(path, target),
            Node::Fifo => Entry::fifo(path),
            Node::Link(target) => Entry::link(path, target),
        };
        let (seconds, nanoseconds) = described.mtime;
        let mtime = match seconds {
            // In decimal notation, the fraction counts away from zero.
            ..0 if nanoseconds > 0 => {
                format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds)
            }
            _ => format!("{seconds}.{nanoseconds:09}"),
        };
        let mut entry = entry
            .mode(described.mode.into())
            .owner(described.owner.0.into(), described.owner.1.into())
            .pax("mtime", mtime);
        if let Some(value) = &described.attribute {
            entry = entry.xattr("trusted.x", value);
        }
        tar = tar.entry(entry);
    }
    tar.end()
}

/// Returns the expected result of [`full`].
fn expected(tree: &BTreeMap<String, ModelFile>) -> String {
    let mut lines: BTreeMap<Vec<&str>, String> = BTreeMap::new();
    let mut shown: BTreeMap<&str, &str> = BTreeMap::new();
    let mut by_components: Vec<_> = tree
        .keys()
        .map(|path| path.split('/').collect::<Vec<_>>())
        .collect();
    by_components.sort();
    for components in by_components {
        let path = components.join("/");
        let (path, own) = tree.get_key_value(&path).unwrap();
        let (file, described) = match &own.node {
            Node::Link(target) => tree.get_key_value(target).unwrap(),
            _ => (path, own),
        };
        let mut line = path.clone();
        if let Some(first) = shown.get(file.as_str()) {
            lines.insert(components, format!("{line} = {first}\n"));
            continue;
        }
        shown.insert(file, path);
        let mut mode = described.mode;
        match &described.node {
            Node::File(content) if content.len() > 64 => {
                let digest = windlass_oci::Digest::sha256(content);
                write!(line, " {} {digest}", content.len()).unwrap();
            }
            Node::File(content) => write!(line, " \"{}\"", content.escape_ascii()).unwrap(),
            Node::Directory => line.push('/'),
            Node::Symlink(target) => {
                write!(line, " -> {}", target.escape_ascii()).unwrap();
                mode = 0o777;
            }
            Node::Fifo => line.push_str(" fifo"),
            Node::Link(_) => unreachable!("links are to files"),
        }
        let (uid, gid) = described.owner;
        let (seconds, nanoseconds) = described.mtime;
        write!(line, " {mode:o} {uid}:{gid} {seconds}.{nanoseconds:09}").unwrap();
        if let Some(value) = &described.attribute {
            write!(line, " trusted.x={}", value.escape_ascii()).unwrap();
        }
        line.push('\n');
        lines.insert(components, line);
    }
    format!(
        "./ 755 0:0 1000000000.000000000\n{}",
        lines.into_values().collect::<String>()
    )
}

#[test]
fn arbitrary_trees_are_unchanged() {
    if !is_root("trees of any owner") {
        return;
    }
    confined(|sandbox| {
        let path = prop::collection::vec(name(), 1..4);
        let wanted = prop::collection::vec((path, model_file()), 0..30);
        let config = ProptestConfig {
            cases: 40,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(wanted in wanted)| {
            let tree = build_tree(wanted);
            let tar = tar(&tree);
            for options in all_options() {
                let unpacked = sandbox.unpack_ok(&tar, &options);
                prop_assert_eq!(full(&sandbox.root()), expected(&tree));
                prop_assert_eq!(unpacked.implied_directories, Vec::<Vec<u8>>::new());
                if options.mode == UnpackMode::Flatten {
                    // Unpacking the same tar again changes nothing.
                    sandbox.unpack_ok(&tar, &options);
                    prop_assert_eq!(full(&sandbox.root()), expected(&tree));
                }
                sandbox.reset();
            }
        });
    });
}
