//! Describes the differences between two trees.

use std::collections::BTreeMap;
use std::fmt;

use super::{TreeEntry, TreeEntryKind, readable};

/// A path at which two trees differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeDifference {
    /// Only the first tree has the path.
    Missing {
        /// The path.
        path: Vec<u8>,
        /// The entry in the first tree.
        entry: Box<TreeEntry>,
    },
    /// Only the second tree has the path.
    Extra {
        /// The path.
        path: Vec<u8>,
        /// The entry in the second tree.
        entry: Box<TreeEntry>,
    },
    /// The entries differ.
    Changed {
        /// The path.
        path: Vec<u8>,
        /// The differences, such as `mode: 0644 → 0600`.
        properties: Vec<String>,
    },
}

impl TreeDifference {
    /// Returns the path.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Missing { path, .. } | Self::Extra { path, .. } | Self::Changed { path, .. } => {
                path
            }
        }
    }
}

impl fmt::Display for TreeDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path, entry } => write!(f, "- {}  {entry}", readable(path)),
            Self::Extra { path, entry } => write!(f, "+ {}  {entry}", readable(path)),
            Self::Changed { path, properties } => {
                write!(f, "~ {}  {}", readable(path), properties.join(", "))
            }
        }
    }
}

pub(super) fn differences(
    left: &BTreeMap<Vec<u8>, TreeEntry>,
    right: &BTreeMap<Vec<u8>, TreeEntry>,
) -> Vec<TreeDifference> {
    let mut paths: Vec<_> = left.keys().chain(right.keys()).collect();
    paths.sort();
    paths.dedup();
    let difference = |path: &Vec<u8>| match (left.get(path), right.get(path)) {
        (Some(left), Some(right)) if left == right => None,
        (Some(left), Some(right)) => Some(TreeDifference::Changed {
            path: path.clone(),
            properties: changed(left, right),
        }),
        (Some(entry), None) => Some(TreeDifference::Missing {
            path: path.clone(),
            entry: Box::new(entry.clone()),
        }),
        (None, Some(entry)) => Some(TreeDifference::Extra {
            path: path.clone(),
            entry: Box::new(entry.clone()),
        }),
        (None, None) => None,
    };
    paths.into_iter().filter_map(difference).collect()
}

fn changed(left: &TreeEntry, right: &TreeEntry) -> Vec<String> {
    let (left, right) = (left.properties(), right.properties());
    let of = |properties: &[(String, String)], name: &str| {
        let fact = properties.iter().find(|(key, _)| key == name);
        fact.map_or_else(|| "nothing".to_owned(), |(_, text)| text.clone())
    };
    let mut names: Vec<_> = left.iter().chain(&right).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let names = names.into_iter();
    names
        .map(|name| (name, of(&left, name), of(&right, name)))
        .filter(|(_, left, right)| left != right)
        .map(|(name, left, right)| format!("{name}: {left} → {right}"))
        .collect()
}

impl TreeEntry {
    /// Returns all properties of the entry with their names.
    pub(super) fn properties(&self) -> Vec<(String, String)> {
        let fact = |name: &str, text: String| (name.to_owned(), text);
        let (kind, content) = self.kind.describe();
        let mut properties = vec![
            fact("type", kind.to_owned()),
            fact("mode", format!("{:04o}", self.mode)),
            fact("owner", format!("{}:{}", self.uid, self.gid)),
            fact("mtime", format!("{}.{:09}", self.mtime.0, self.mtime.1)),
        ];
        properties.extend(content.map(|content| fact("content", content)));
        if let Some(first) = &self.linked {
            properties.push(fact("link of", format!("={}", readable(first))));
        }
        for (name, value) in &self.xattrs {
            let name = readable(name);
            let text = format!("{name}={}", readable(value));
            properties.push((format!("xattr {name}"), text));
        }
        if let Some((seconds, nanoseconds, inode)) = self.change {
            let text = format!("inode {inode} changed {seconds}.{nanoseconds:09}");
            properties.push(fact("change", text));
        }
        properties
    }
}

impl TreeEntryKind {
    fn describe(&self) -> (&'static str, Option<String>) {
        match self {
            Self::File {
                size,
                digest: Some(digest),
            } => ("file", Some(format!("{size} bytes {}", digest.short()))),
            Self::File { size, digest: None } => {
                ("file", Some(format!("{size} bytes, unreadable")))
            }
            Self::Directory => ("dir", None),
            Self::Symlink(target) => ("symlink", Some(format!("-> {}", readable(target)))),
            Self::Fifo => ("fifo", None),
            Self::Socket => ("socket", None),
            Self::CharDevice(major, minor) => ("char", Some(format!("{major},{minor}"))),
            Self::BlockDevice(major, minor) => ("block", Some(format!("{major},{minor}"))),
        }
    }
}
